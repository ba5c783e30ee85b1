// What is trained, as the training loop sees it: parameters, a loss for a share of a batch, and nothing of ranks,
// steps, optimisers or checkpoints. One file per kind of task makes one (tasks.cpp lists them); the loop owns it.
//
// Samples are numbered by their position in the job's endless stream: step s of global batch B trains on positions
// s*B to s*B+B-1, whatever the number of ranks. A task maps a position to a sample of its data (epoch = position /
// size, a permutation seeded by (seed, epoch)) and draws whatever is random about a sample from (seed, position). So
// data order and augmentation do not depend on the world size, and the cursor is the position alone.
//
// Losses are shares: the SUM of the share's per-sample losses divided by `global_batch`. Shares of micro batches and
// ranks add up to the mean over the global batch, and so do their gradients, however unevenly the batch was split.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/protocol/protocol.hpp"
#include "backend/trainer/communicator.hpp"
#include "sim/core/error.hpp"

namespace orrery::trainer {

// Part of a step's global batch: positions first to first + count - 1. All shares of a step, over ranks and micro
// batches, cover it once. Ranks run the same number of micro batches; a share may be empty (count 0).
struct Share {
  std::int64_t step = 0;  // 0-based, of the job
  std::int64_t first = 0, count = 0;
  std::int64_t global_batch = 0;
  std::int64_t micro = 0, micros = 1;  // which micro batch of this step
};

// The positions of rank `rank` in micro batch `micro` of a step: contiguous, sizes differ by at most one.
[[nodiscard]] Share share_of(std::int64_t step, std::int64_t global_batch, std::int64_t micro, std::int64_t micros,
                             int rank, int world);

// A named tensor of the model. Parameters are leaves; those with requires_grad() are trained, the others are frozen:
// they cost no optimiser state and no gradient traffic, and are saved all the same.
struct Named {
  std::string name;  // unique, stable: it is the tensor's name in checkpoints ("text.block0.attn.qkv.weight")
  at::Tensor tensor;
  bool decay = true;  // weight decay applies (not to biases, norms, embeddings)
};

// Numbers about a share that add up over ranks and micro batches as the loss does (0-dim, detached). Every share of a
// task has the same names in the same order, an empty share zeros: the loop adds them up by place.
using Metrics = std::vector<std::pair<std::string, at::Tensor>>;

struct StepLoss {
  at::Tensor loss;  // 0-dim, fp32, differentiable unless the share is empty (then it may be a constant 0)
  Metrics metrics{};
};

// What a task is made with. `comm` outlives the task and is for the task's own collectives (global negatives); the
// loop uses another one for gradients, so that the two never wait for each other's order.
struct TaskContext {
  at::Device device = at::kCPU;
  Communicator* comm = nullptr;  // never null; one rank alone has one, too
  std::uint64_t seed = 1;        // of initial weights, data order, masks, dropout
  std::string from;              // folder of checkpoints to start from (transfer); empty = random weights
  std::string work_folder;       // of this job; exists
  live::FeatureFolder features;  // the store that probes share; without a path there is none
};

class SharedForward;

class Task {
 public:
  virtual ~Task() = default;

  // In the same order on all ranks and in every process; initial values depend on the seed alone (and on `from`).
  // The same tensors every time: the loop keeps them, writes into them and reads their gradients.
  [[nodiscard]] virtual std::vector<Named> parameters() = 0;
  // Further state that has to be saved (running statistics); same rules.
  [[nodiscard]] virtual std::vector<Named> buffers() { return {}; }

  // The loss of a share. Every rank calls it for every micro batch, in the same order.
  [[nodiscard]] virtual StepLoss forward(const Share& share) = 0;
  // Hint: forward(share) is what comes next; a loader may begin to read.
  virtual void prefetch(const Share& share) { (void)share; }

  // Looks into the store of features, once its parameters are those that it goes on with; else it does so when it
  // first needs some.
  virtual void look_up() {}
  // What became of features there, since this was asked last.
  [[nodiscard]] virtual std::vector<live::FeaturesUsed> features_used() { return {}; }

  // Where its model has a frozen part that other tasks can share: forward() in two halves; null: it has none.
  [[nodiscard]] virtual SharedForward* shared() { return nullptr; }

  // Of its data: one pass over them is an epoch. 0 = it has no such thing.
  [[nodiscard]] virtual std::uint64_t samples() const { return 0; }
  // How many held-out samples evaluate() is of; 0 = none.
  [[nodiscard]] virtual std::uint64_t held_out() const { return 0; }
  // Numbers of held-out data ("accuracy"), the same on every rank; called on all ranks at the same step.
  [[nodiscard]] virtual std::vector<std::pair<std::string, double>> evaluate() { return {}; }

  // Whatever else has to survive a restart, as text (which samples were corrupt), the same on every rank. The
  // position is the loop's. Collective: a task may join over ranks what each of them knows.
  [[nodiscard]] virtual std::string state() { return {}; }
  virtual void load_state(std::string_view text) { (void)text; }

  // What preparing data has cost this process so far.
  struct DataCost {
    std::uint64_t samples = 0;  // prepared; 0 = there was nothing to prepare
    std::int64_t cpu_ns = 0;    // CPU time of one core for all of them
    // Different samples of the job that could not be read: on this rank so far, and on all of them and in all
    // launches up to the last state() or join().
    std::uint64_t corrupt = 0;
  };
  [[nodiscard]] virtual DataCost data_cost() const { return {}; }
  // Joins over the ranks what data_cost() counts of the job; collective, called at every report.
  virtual void join() {}

  // Floating-point operations of forward and backward of one sample, and bytes of memory beyond the parameters'
  // states at `local_batch` samples; 0 = unknown.
  [[nodiscard]] virtual double flops_per_sample() const { return 0; }
  [[nodiscard]] virtual double bytes_at(std::int64_t local_batch) const { return (void)local_batch, 0; }
};

// The task that `config` (a job's whole JSON: see docs/training.md) describes: its key `task` names the kind. Fails
// with what is wrong with the config, its data or the checkpoint to start from.
[[nodiscard]] Expected<std::unique_ptr<Task>> make_task(const nlohmann::json& config, const TaskContext& context);

}  // namespace orrery::trainer

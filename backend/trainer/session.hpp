// One rank's part of a training run, without protocol, processes or disk: task, optimiser, gradient buckets, random
// state, and all of it as checkpoint files. The worker drives it; tests drive it directly, several in one process.
// Collective: every rank calls the same functions in the same order.
#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"
#include "backend/trainer/adamw.hpp"
#include "backend/trainer/buckets.hpp"
#include "backend/trainer/flat.hpp"
#include "backend/trainer/job_config.hpp"
#include "backend/trainer/task.hpp"

namespace orrery::trainer {

struct StepReport {
  std::int64_t step = 0;  // steps done
  double loss = 0, gradient_norm = 0, rate = 0;
  std::vector<std::pair<std::string, double>> metrics{};  // sums over ranks and micro batches
};

class Session {
 public:
  // `gradients` and `context.comm` are different groups of the same ranks; both outlive the session.
  [[nodiscard]] static Expected<std::unique_ptr<Session>> make(const nlohmann::json& config,
                                                               const TaskContext& context, Communicator& gradients);

  // One optimiser step. The report's numbers are filled when `report` (costs a small all-reduce).
  StepReport step(bool report);
  // The same in pieces, for steps of several sessions at once (merged_gang.hpp): begin(); then, for each of micros()
  // micro batches, the loss of share() with its gradient made by the caller, and note(); finish().
  void begin();
  [[nodiscard]] std::int64_t micros() const { return micros_; }
  // Of this rank; that of micros() is the next step's first.
  [[nodiscard]] Share share(std::int64_t micro) const;
  void note(const StepLoss& part);
  StepReport finish(bool report);
  // From now on its random state is its own and not the process's: others train in it, too. Of tasks that draw no
  // random numbers in a step.
  void keep_own_random();

  [[nodiscard]] std::int64_t steps_done() const { return step_; }
  [[nodiscard]] const JobConfig& config() const { return config_; }
  [[nodiscard]] Task& task() { return *task_; }
  [[nodiscard]] const Task& task() const { return *task_; }
  // In the stream of samples: so many have been trained on.
  [[nodiscard]] std::int64_t position() const { return position_; }
  [[nodiscard]] const Buckets& buckets() const { return buckets_; }

  // From the next step on: so many samples a step over all ranks, in accumulation + 1 micro batches; 0 = as the job's
  // JSON says. Fails, and changes nothing, where a rank would get more at once than the JSON allows, or less than
  // one. The stream of samples goes on where it is; the schedule goes by samples. The same call on all ranks.
  [[nodiscard]] Expected<live::Ok> reconfigure(std::int64_t batch, std::int64_t accumulation);
  [[nodiscard]] std::int64_t batch() const { return batch_; }

  // Everything that has to be kept, as files; whole on rank 0, empty on the others. Files: model.safetensors
  // ("model.NAME"), optim.safetensors ("optim.NAME.exp_avg", ".exp_avg_sq", of trained ones only), rng.safetensors
  // ("rng.R"), state.json, index.json (logical index: where each tensor lies, whole, whatever the world size).
  [[nodiscard]] std::vector<live::CheckpointFile> save();
  // The model alone, for children to start from; not collective.
  [[nodiscard]] live::CheckpointFile model_file();
  // Goes on from them; any world size loads. At an equal one (on the CPU) every later bit is as without the stop; at
  // another one the data order is the same and the ranks draw new random states. Fails on files of another model,
  // global batch or seed.
  [[nodiscard]] Expected<live::Ok> load(const std::vector<live::CheckpointFile>& files);

  // CRC32C over parameters and moments, and whether all ranks have the same.
  [[nodiscard]] std::uint32_t checksum() const;
  [[nodiscard]] bool ranks_agree();

 private:
  Session(JobConfig config, TaskContext context, Communicator& gradients, std::unique_ptr<Task> task);
  void seed_ranks();

  JobConfig config_;
  TaskContext context_;
  Communicator* comm_;
  std::unique_ptr<Task> task_;
  FlatParameters flat_;
  AdamW optimizer_;
  Buckets buckets_;
  std::int64_t step_ = 0;
  std::int64_t position_ = 0;  // samples trained on, which is where the stream goes on
  std::int64_t batch_, micros_;
  at::Generator random_;
  at::Tensor loss_{};  // of the step under way
  Metrics metrics_{};
};

}  // namespace orrery::trainer

// One data-parallel training step of a multimodal model as a graph: a tower per modality, fusion, losses,
// micro-batches whose gradients add up, and gradient buckets that are all-reduced while the backward pass still runs.
// What each part takes is the caller's (FLOPs over a device's speed, or measured); here is only what waits for what,
// as the trainer does it: buckets in one fixed order, only those of the last micro-batch, the optimiser after the
// last of them. All ranks are alike, so one is built; its links carry what a ring puts on them.
#pragma once

#include <string>
#include <vector>

#include "sim/models/training/step_graph.hpp"

namespace orrery {

// A tower, or the fusion. A frozen one has no backward pass and no buckets.
struct PartCost {
  std::string name;
  Duration forward{};                        // of one micro-batch
  Duration backward{};                       // of one micro-batch
  std::vector<std::int64_t> bucket_bytes{};  // gradients in the order in which backward() makes them, evenly over it
  std::uint32_t device = 0;                  // towers on different devices run at the same time
};

struct TrainingStepSpec {
  std::vector<PartCost> towers;
  PartCost fusion;          // after all towers; also the heads
  Duration loss_forward{};  // after the fusion, on its device
  Duration loss_backward{};
  std::int64_t exchange_bytes = 0;  // embeddings of other ranks that a contrastive loss waits for, per micro-batch
  int micro_batches = 1;
  Duration optimiser{};  // on every device that has gradients

  int ranks = 1;                               // of the ring
  Duration hop_latency{};                      // of one of its 2 (n - 1) steps
  std::int64_t link_bytes_per_s = kUnlimited;  // of each rank, each direction
  bool overlap = true;                         // false: buckets are sent after the whole backward pass
};

[[nodiscard]] StepGraph training_step(const TrainingStepSpec& spec);

// A ring all-reduce of `bytes` over `ranks` links, chunk by chunk: every rank sends 2 (n - 1) chunks of bytes / n to
// the next (`bytes` is a multiple of n), each after the one it received. Takes 2 (n - 1)(latency + bytes / (n B)).
[[nodiscard]] StepGraph ring_all_reduce_graph(int ranks, std::int64_t bytes, Duration latency,
                                              std::int64_t link_bytes_per_s);

// What a ring all-reduce of `bytes` puts on each rank's link, rounded up: 2 (n - 1) / n * bytes; 0 for one rank.
[[nodiscard]] std::int64_t ring_bytes(int ranks, std::int64_t bytes);

}  // namespace orrery

// Pipeline parallelism: the closed forms of its time and bubbles, and the same step as a graph that the step
// simulator runs, for stages of unequal speed, sends between them, and gradients reduced at the end. Sources: Huang
// et al., GPipe, NeurIPS 2019; Narayanan et al., PipeDream, SOSP 2019 (1F1B) and Megatron-LM, SC 2021 (interleaved);
// Qi et al., Zero Bubble Pipeline Parallelism, ICLR 2024 (ZB-H1).
#pragma once

#include <vector>

#include "sim/models/training/step_graph.hpp"

namespace orrery {

enum class PipelineSchedule : std::uint8_t {
  gpipe,           // all forward, then all backward
  one_f_one_b,     // a backward as soon as there is one: fewer activations, the same bubble
  interleaved,     // 1F1B with several chunks of layers on each device
  zero_bubble_h1,  // weight gradients fill the bubbles; the memory of 1F1B
};

// What one micro-batch costs on one device (on one chunk of it, where there are several).
struct StageCost {
  Duration forward{};
  Duration backward{};         // the whole of it; with `weight_gradient`: the part the previous stage waits for
  Duration weight_gradient{};  // zero_bubble_h1 only: the part nobody waits for
};

struct PipelineSpec {
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  std::vector<StageCost> devices;
  int micro_batches = 1;
  int chunks = 1;                   // interleaved: per device; micro_batches is then a multiple of the devices
  Duration send_latency{};          // of activations and gradients between neighbouring stages
  std::int64_t boundary_bytes = 0;  // sent each way per micro-batch
  std::int64_t link_bytes_per_s = kUnlimited;  // of the link between two neighbours, each direction
  std::int64_t gradient_bytes = 0;  // sent by each device after its last backward (2 (n-1)/n of its parameters)
  std::int64_t gradient_bytes_per_s = kUnlimited;
};

// Precondition: at least one device and one micro-batch.
[[nodiscard]] StepGraph pipeline_step(const PipelineSpec& spec);

// Share of the time that a device of p idles, m micro-batches, v chunks: (p - 1) / (v m + p - 1). Equal stages,
// sends for nothing. GPipe and 1F1B: v = 1.
[[nodiscard]] double bubble_fraction(int devices, int micro_batches, int chunks = 1);

// (v m + p - 1)(f + b): equal stages, sends for nothing; f and b of one chunk.
[[nodiscard]] Duration pipeline_time(int devices, int micro_batches, Duration forward, Duration backward,
                                     int chunks = 1);

// GPipe with unequal stages: each phase takes sum_i t_i + (m - 1) max_i t_i. Exact for GPipe, a lower bound for 1F1B.
[[nodiscard]] Duration gpipe_time(const std::vector<StageCost>& devices, int micro_batches);

// Idle time of a device per step under 1F1B, (p - 1)(F + B + W), and under ZB-H1, (p - 1)(F + B - W). Equal stages.
[[nodiscard]] Duration one_f_one_b_bubble(int devices, const StageCost& cost);
[[nodiscard]] Duration zero_bubble_h1_bubble(int devices, const StageCost& cost);

// Micro-batches whose activations a stage keeps at once under 1F1B: min(m, p - stage).
[[nodiscard]] int activations_in_flight(int devices, int stage, int micro_batches);

}  // namespace orrery

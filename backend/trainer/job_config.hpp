// What the loop reads of a job's JSON; the rest of it is the task's.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/trainer/adamw.hpp"
#include "sim/core/error.hpp"

namespace orrery::trainer {

struct JobConfig {
  std::int64_t steps = 100;        // of the job; the schedule's length
  std::int64_t global_batch = 16;  // samples of a step over all ranks
  std::int64_t micro_batch = 0;    // most samples of a rank in one forward; more are accumulated; 0 = all at once
  std::uint64_t seed = 1;
  bool bf16 = false;  // autocast; parameters and optimiser stay fp32
  std::int64_t threads = 1;
  std::int64_t save_every = 0, report_every = 10, evaluate_every = 0;  // steps; 0 = never by itself
  std::int64_t bucket_bytes = 0;  // of gradients; 0 = 2 MiB on CPUs, 25 MiB on GPUs
  std::string from{};             // folder of checkpoints that training starts from
  bool assess = false;            // after its epochs it is compared: see epoch_watch.hpp
  OptimizerConfig optimizer{};
};

// Micro batches of a step on `world` ranks.
[[nodiscard]] std::int64_t micros_of(const JobConfig& config, int world);

// Reads the keys of the loop: steps, global_batch, micro_batch, seed, precision (fp32 | bf16), threads, save_every,
// report_every, evaluate_every, bucket_bytes, assess, from, optimizer {lr, betas, eps, weight_decay, warmup, schedule
// (constant | cosine), min_lr_ratio, clip}. All are optional. Fails on everything that job_faults()
// (sim/models/training/job_schema.hpp) finds, in the keys of the task as well.
[[nodiscard]] Expected<JobConfig> job_config(const nlohmann::json& json);

}  // namespace orrery::trainer

// A published simulator whose results a run reproduces to the digit (`emulate:`): what it does in ways of its own, as
// plain data and functions, one row a simulator. The rows and all their code are in policies/reference. Whoever has a
// part to play (who makes policies, the simulated world, the checker, what counts times) holds a pointer to the row
// or to that part of it, null unless a scenario emulates, and asks it where it would else do as we do.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sim/api/policy_info.hpp"
#include "sim/core/job.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// Its version of one of our policies.
struct EmulatedPolicy {
  std::string_view name{};
  PolicyFactory make = nullptr;
  std::vector<OptionSpec> options{};  // besides those of ours
};

// How its world goes on. Null: as ours.
struct ProgressRule {
  // What everything that happens takes from a job that goes on running: it has progressed by so much less, at least
  // 0.
  Duration (*toll)(const JobSpec& job) = nullptr;
  // When a stretch of even speed ends that would end at `end`; never before `now`. At most `coarseness` away.
  Time (*stretch_end)(Time end, Time now) = nullptr;
  Duration coarseness{};
  // Whether two ends of jobs are one event, at the earlier instant.
  bool (*same_end)(Time earlier, Time later) = nullptr;
};

// What its policies believe of profiled jobs, besides what our model expects. Null: the same.
struct Belief {
  struct Split {
    std::int64_t per_gpu = 0;       // samples of a pass
    std::int64_t accumulation = 0;  // passes before the last one of a step
  };
  Split (*split)(Split ours, std::int64_t batch, std::int32_t gpus) = nullptr;
  bool whole_epochs = false;  // of those left, without the last one
  Duration (*rounded)(double seconds) = nullptr;
};

// What a job that ran from one instant to another has run, as it counts.
using CountedTime = Duration (*)(Time from, Time to);

struct Emulation {
  std::string_view name{};
  std::span<const EmulatedPolicy> policies{};  // where it runs another than ours
  // The placement that it runs a policy with, whatever the scenario says; the same in words.
  std::string_view (*placement)(std::string_view policy) = nullptr;
  std::string_view placement_text{};
  // The work of a job, of its iterations and of what one takes in the trace. Null: the trace's run time.
  Work (*work)(std::int64_t iterations, Duration iteration_time) = nullptr;
  Duration launch{};  // what every launch takes; nothing else takes time
  const Belief* belief = nullptr;
  // Under a policy; null: as ours.
  const ProgressRule* (*progress)(std::string_view policy) = nullptr;
  CountedTime (*counted)(std::string_view policy) = nullptr;
  std::string_view counted_text{};  // what that means for the tables
  bool ignores_sizes = false;       // its policies give jobs numbers of GPUs that these cannot use
};

}  // namespace orrery

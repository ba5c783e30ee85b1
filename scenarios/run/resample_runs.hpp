// The interval of a recorded trace, by experiment: the trace is drawn again in blocks (traces/edit/resample.hpp), and
// every policy is simulated on each of the draws, all on the same ones. What is drawn depends on the number of the
// draw alone, so that results are the same on any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/report/intervals.hpp"
#include "scenarios/run/simulate.hpp"

namespace orrery::app {

// Does anything in this run hang on its seed: what is generated, failures by chance, a placement? `effective` is a
// scenario after prepare().
[[nodiscard]] bool draws_from_seed(const Scenario& effective, const PolicyConfig& policy);

// Why no interval can come from draws of this trace under this scenario; "" = one can.
[[nodiscard]] std::string no_resamples(const Scenario& scenario, const Trace& trace,
                                       const std::vector<PolicyConfig>& policies);

// What so many resamples cost, in seconds of one core of an ordinary machine: reckoned from what the runs of the
// trace itself did, so that the answer is the same on every machine. One of `events` per policy.
[[nodiscard]] double resample_cost_s(const Scenario& scenario, const std::vector<PolicyConfig>& policies,
                                     const std::vector<std::uint64_t>& events, int resamples);
inline constexpr int kDefaultResamples = 100;
inline constexpr double kCheapResamples_s = 20;

struct ResampleRequest {
  const Scenario* scenario = nullptr;  // as read, not as prepare() left it
  const Prepared* like = nullptr;      // what prepare() made of it
  const Trace* trace = nullptr;        // and of which trace
  std::vector<PolicyConfig> policies;
  int resamples = kDefaultResamples;
  unsigned threads = 1;
  std::function<void()> advance{};  // after each resample, on any thread
};

// The mean JCTs by policy and resample; `refused` where one of them has none.
[[nodiscard]] report::Resamples run_resamples(const ResampleRequest& request);

}  // namespace orrery::app

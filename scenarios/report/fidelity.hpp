// How far simulations were from a live run of the same jobs: pure arithmetic on what the runs report, and its tables.
#pragma once

#include <string>
#include <vector>

#include "sim/observe/metrics/metrics.hpp"

namespace orrery::report {

// A simulated run held against the live one.
struct FidelityGap {
  Summary summary;                // of the simulated run
  double mean_jct_error_pct = 0;  // (simulated - live) / live, signed
  double makespan_error_pct = 0;  // likewise
  double p50_job_error_pct = 0;   // median over jobs of |simulated JCT - live JCT| / live JCT
  double p90_job_error_pct = 0;
  double order_tau = 1;  // Kendall's tau-b of the jobs' finish order
  // 2.5 and 97.5 % of mean_jct_error_pct over 2,000 draws of the jobs finished in both, one by one: how much hangs on
  // single jobs. No confidence interval, since the jobs of a queue depend on each other.
  double mean_jct_low_pct = 0, mean_jct_high_pct = 0;
};

struct Fidelity {
  std::string policy;
  Summary live;
  FidelityGap replayed;  // simulated with the live run's measured times: what the simulator does not know of
  FidelityGap profiled;  // simulated from profiles, as one would before: that, and what the profiles get wrong
  std::uint64_t decisions = 0, decisions_replayed = 0;
};

// `live_jct_s` and `simulated_jct_s` by job, NaN where one did not finish; `submit_s` by job.
[[nodiscard]] FidelityGap gap(const Summary& live, const std::vector<double>& live_jct_s, const Summary& simulated,
                              const std::vector<double>& simulated_jct_s, const std::vector<double>& submit_s);

// Kendall's tau-b of two rankings given as values, in [-1, 1]; pairs tied in either do not count; 1 for fewer than
// two items.  tau = (C - D) / sqrt((C + D + Tx) (C + D + Ty)); Kendall, Biometrika 33 (1945). O(n^2).
[[nodiscard]] double kendall_tau(const std::vector<double>& x, const std::vector<double>& y);

// Which row has to be near the live one: paced jobs take what their profiles say, jobs that compute take what they
// take.
enum class Gated { profiled, replayed };

// Whether that row meets the gate: |error| of mean JCT and of makespan at most `percent`.
[[nodiscard]] bool within(const Fidelity& f, double percent, Gated gated = Gated::profiled);

// What a run says of the simulator. Jobs that compute take longer beside other programs, for a reason that no profile
// holds: where those used more than kDisturbedPct of the cores' time, a missed gate is inconclusive.
enum class Verdict { passed, missed, inconclusive };
inline constexpr double kDisturbedPct = 10;
struct Judgement {
  Verdict verdict = Verdict::passed;
  std::string note;  // one line that says what was disturbed and by how much; empty where nothing was
};
[[nodiscard]] Judgement judge(const Fidelity& f, double gate_pct, Gated gated, double others_cpu_pct);

// Three rows per policy, then the ranking of the policies by mean JCT in both worlds.
[[nodiscard]] std::string render_fidelity(const std::vector<Fidelity>& all, double gate_pct,
                                          Gated gated = Gated::profiled);

}  // namespace orrery::report

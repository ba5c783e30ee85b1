// Comparing policies: policies x seeds on threads. Every policy faces the same workload (common random numbers); the
// result does not depend on the number of threads, because each run is alone and results are put in their place by
// index. A recorded trace is then drawn again for its intervals, where that is asked for or cheap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/report/intervals.hpp"
#include "scenarios/run/simulate.hpp"

namespace orrery::app {

struct ComparePoint {
  std::size_t policy = 0;
  std::size_t seed = 0;  // index; the seed itself is ComparePlan::seed_of()
  std::optional<RunReport> report{};
  std::string failure{};
};

struct ComparePlan {
  Scenario scenario;  // as read
  std::vector<PolicyConfig> policies;
  std::string folder{};  // empty = keep nothing
  bool replace = false;  // what another comparison has left there
  std::string command{};
  unsigned threads = 1;
  std::uint64_t first_seed = 1;
  // Made of these by prepare_comparison().
  std::vector<Prepared> prepared{};  // one, or one per seed when the workload is generated
  Trace trace{};                     // recorded, as read and sliced; empty = no intervals are wanted
  std::vector<ComparePoint> points{};
  std::vector<std::string> notes{};
  std::string seeds_note{};  // the one of them that machine-readable forms are too short of rows without

  [[nodiscard]] std::uint64_t seed_of(const ComparePoint& point) const { return first_seed + point.seed; }
  [[nodiscard]] bool generated() const { return scenario.workload.generate.has_value(); }
  [[nodiscard]] const Prepared& prepared_for(const ComparePoint& p) const {
    return prepared[prepared.size() == 1 ? 0 : p.seed];
  }
};

// Reads the trace, or makes one for every seed, plans the points and takes the folder.
[[nodiscard]] Expected<void> prepare_comparison(ComparePlan& plan);
// Runs all points, `plan.threads` at a time; what went wrong is in the points.
void run_points(ComparePlan& plan);
// A row for each policy that has a result.
[[nodiscard]] std::vector<report::CompareRow> rows_of(const ComparePlan& plan);
// Draws of the recorded trace under all policies that have a result, or the reason why there are none.
[[nodiscard]] report::Resamples resamples_of(const ComparePlan& plan);

}  // namespace orrery::app

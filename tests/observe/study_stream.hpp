// Hand-made event streams folded into the metrics of a study.
#pragma once

#include <utility>
#include <vector>

#include "sim/observe/metrics/study.hpp"
#include "tests/observe/stream.hpp"

namespace orrery::test {

// Folds whatever `play` sends, with the run times given (seconds; < 0 = unknown).
template <class Change, class Play>
Summary fold(Stream& s, const std::vector<std::int64_t>& exclusive_s, Change change, Play play) {
  const std::vector<JobSpec> specs(s.specs.begin(), s.specs.end());
  StudyInputs in = make_study_inputs(specs, s.topology);
  for (std::size_t i = 0; i < exclusive_s.size(); ++i)
    if (exclusive_s[i] >= 0) in.jobs[i].exclusive = seconds(exclusive_s[i]);
  change(in);
  MetricsFold base(s.table(), s.node_gpus());
  StudyFold study(s.table(), std::move(in));
  s.watch(base);
  s.watch(study);
  play(s);
  Summary sum = base.summary();
  sum.study = study.summary(base);
  return sum;
}

inline const auto kAsIs = [](StudyInputs&) {};

}  // namespace orrery::test

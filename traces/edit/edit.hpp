// Traces made of traces: arrivals stretched, jobs made larger or smaller, a window of time, several traces as one.
// slice_trace() and scale_to_load() stand in canonical.hpp, where runs use them, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/format/canonical.hpp"

namespace orrery {

// A factor as a whole number of 10^-9, so that products are exact before their one rounding.
inline constexpr std::int64_t kFactorOne = 1'000'000'000;

// Multiplies submit times by factor_1e9 / 10^9, rounded to ns; deadlines stay as far from their submit as they were.
// False, with nothing changed, when a time would pass 73 years.
[[nodiscard]] bool scale_submits(Trace& trace, std::int64_t factor_1e9);

// Multiplies each job's GPUs, and its least and most, rounded half up and at least 1. Jobs on a fraction of a GPU or
// without one stay as they are. False, with nothing changed, when a job would pass 1,000,000 GPUs.
[[nodiscard]] bool scale_gpus(Trace& trace, std::int64_t factor_1e9);

// The jobs with submit in [from, to), their times counted from `from`.
void slice_by_submit(Trace& trace, Time from, Time to);

struct MergeInput {
  std::string stem;  // of the file's name; becomes the prefix where ids clash
  Trace trace;
};
struct MergedTrace {
  Trace trace;
  std::vector<std::string> prefixes;  // that were put before all ids of an input; empty = that input kept its ids
};

// All jobs of all inputs by (submit, input, row), times as they are. Where an id is in more than one input, all ids
// of these inputs get a prefix `stem/`, also in `after` and `gain`; so do those of an input that names, as a parent
// it has not itself, a job of another one. Of equal stems the second becomes `stem-2/`. An error when
// ids clash even so.
[[nodiscard]] Expected<MergedTrace> merge_traces(std::vector<MergeInput> inputs);

}  // namespace orrery

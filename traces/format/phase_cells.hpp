// The column `phases` of a trace: the parts of a job's work whose steps are alike, in order, `;` between them. Each
// is KIND@FROM:STEP:CPUS:SERIAL, of which the last two may be left out:
//   KIND     full, projector or frozen (the encoder): what is trained
//   FROM     share of the job's work at which it begins, to three decimals; of the first 0
//   STEP     how long a step takes, relative to those of the other phases; 0.001 to 1000
//   CPUS     per GPU, that decoding keeps busy while nothing else holds the job up
//   SERIAL   share of a step on the requested GPUs that more GPUs do not shorten
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/job.hpp"

namespace orrery {

inline constexpr std::string_view kPhasesForm =
    "write `KIND@FROM:STEP`, such as `projector@0:0.7;full@0.3:1`, with `:CPUS` per GPU and `:SERIAL` behind it";

// The phases of a cell, their speeds such that the job's work still takes its run time; none for an empty cell.
// Nothing where it is malformed.
[[nodiscard]] std::optional<std::vector<JobPhase>> parse_phases(std::string_view cell);
// What is wrong with it, as the end of a sentence: "has `x`, which is no phase"; empty when nothing is.
[[nodiscard]] std::string why_no_phases(std::string_view cell);

}  // namespace orrery

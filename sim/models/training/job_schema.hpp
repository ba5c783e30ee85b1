// The keys of a training job (scenarios/jobs/*.yaml; docs/training.md has the table with their meanings) and what
// their values may be, for both who read one: `orrery`, which knows the line of a key, and the trainer, which gets
// JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery {

// Everything that is wrong with a job's keys: unknown ones (with the nearest known one as hint) and values of a wrong
// type or range. A message names one key by its path, in its first backticks ("unknown key `data.augmnt`"). Whether
// the tasks' data is there, and what `data.make` makes, is for the trainer. Keys that belong to a task are checked of
// tasks known here (multimodal, toy); an unknown task is make_task()'s to refuse.
[[nodiscard]] std::vector<Diagnostic> job_faults(const nlohmann::json& job);

// The path that a message of job_faults() or read_model_config() names first: "data.augmnt"; "" without one.
[[nodiscard]] std::string named_path(const Diagnostic& d);

}  // namespace orrery

// The script of the policy `scripted`: what is to be done with which job when. One line per step:
//
//   WHEN JOB run [ALLOCATION] [group N]     90s     a run n0:0-1
//   WHEN JOB preempt|suspend|cancel         @12     a suspend
//   WHEN JOB checkpoint|publish             # a comment
//
// WHEN is a time since the start of the run, or @N: the N-th decision or any later one. An allocation is written as
// in the event log ("n0:0-1,n1:3", "n0:0@250" for a quarter of a GPU); without one the placement chooses. Jobs of one
// group may hold the same GPUs, one running and the others suspended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/error.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"

namespace orrery {

struct ScriptLine {
  enum class Do : std::uint8_t { run, preempt, suspend, cancel, checkpoint, publish };
  int number = 0;  // in the file, from 1
  Time at{};
  std::uint64_t epoch = 0;  // not before this decision; 0 = any
  std::string job;          // its name
  Do what = Do::run;
  std::optional<Allocation> gpus{};  // run: none = the placement chooses
  GroupId group = kNoGroup;
};

// The lines in order, or every malformed one with its position in `file`.
[[nodiscard]] Expected<std::vector<ScriptLine>> parse_script(const std::string& file, std::string_view text);

}  // namespace orrery

// The script of the policy `scripted`: what is to be done with which job when. One line per step:
//
//   WHEN JOB run [ALLOCATION [group N [merged]]]   90s     a run n0:0-1
//   WHEN JOB run ALLOCATION ... [anew] [from SOURCE]  2h   a run n0:0 anew from base
//   WHEN JOB preempt|suspend|cancel                @12     a suspend
//   WHEN JOB checkpoint|publish                    # a comment
//   WHEN JOB reconfigure BATCH [ACCUMULATION]      2m      a reconfigure 256 3
//
// WHEN is a time since the start of the run, or @N: the N-th decision or any later one. An allocation is written as
// in the event log ("n0:0-1,n1:3", "n0:0@250" for a quarter of a GPU); without one the placement chooses. Jobs of one
// group may hold the same GPUs: they take turns, or some are suspended; merged ones are members of one gang, and all
// of the group hold the same GPUs. A job that runs goes on with another global batch, and gradients accumulated so
// many times; 0 = its own. `anew` drops what the job has done. A job that has done nothing starts from SOURCE:
// `base`, a parent of its (`p17`), or a version of one (`p17:2`).
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
  enum class Do : std::uint8_t { run, preempt, suspend, cancel, checkpoint, publish, reconfigure };
  int number = 0;  // in the file, from 1
  Time at{};
  std::uint64_t epoch = 0;  // not before this decision; 0 = any
  std::string job;          // its name
  Do what = Do::run;
  std::optional<Allocation> gpus{};  // run: none = the placement chooses
  GroupId group = kNoGroup;
  bool merged = false;            // with the others of its group
  bool anew = false;              // run: drops what it has done
  std::string source{};           // run: what it starts from: "base" or a parent's name; empty = as usual
  std::uint32_t version = 0;      // of that parent; 0 = the newest
  std::int64_t batch = 0;         // reconfigure
  std::int32_t accumulation = 0;  // likewise
};

// The lines in order, or every malformed one with its position in `file`.
[[nodiscard]] Expected<std::vector<ScriptLine>> parse_script(const std::string& file, std::string_view text);

}  // namespace orrery

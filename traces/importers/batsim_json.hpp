// The JSON of a Batsim workload taken apart: its jobs and profiles with the values as they are written, so that
// decimals stay exact, and with the place of each for messages. What they mean is decided in batsim.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/core/error.hpp"
#include "traces/importers/json_jobs.hpp"

namespace orrery::batsim {

enum class ValueKind : std::uint8_t { absent, text, number, other };

struct Value {
  ValueKind kind = ValueKind::absent;
  std::string text;  // of a text or a number
};

using Place = JsonPlace;

struct RawJob {
  Place at;
  Value id, submit, resources, walltime, profile;
};

struct RawProfile {
  Place at;
  Value type, delay;
};

struct RawWorkload {
  std::vector<RawJob> jobs;
  std::unordered_map<std::string, RawProfile> profiles;
  Value resources;  // nb_res
};

// Errors: no JSON (with line and column), no `jobs` array, no `profiles` object.
[[nodiscard]] Expected<RawWorkload> parse(const std::string& file, std::string_view text);

}  // namespace orrery::batsim

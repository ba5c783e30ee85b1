// The JSON of a Batsim workload taken apart: its jobs and profiles with the values as they are written, so that
// decimals stay exact, and with the place of each for messages. What they mean is decided in batsim.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::batsim {

enum class ValueKind : std::uint8_t { absent, text, number, other };

struct Value {
  ValueKind kind = ValueKind::absent;
  std::string text;  // of a text or a number
};

// Where an object's `{` stands; both 1-based.
struct Place {
  int line = 1;
  int column = 1;
};

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

// A line of a text for a message; empty where it is too long to help.
[[nodiscard]] std::string line_of(std::string_view text, int line);

}  // namespace orrery::batsim

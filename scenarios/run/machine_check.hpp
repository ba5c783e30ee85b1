// What works on this machine, and the one command that gets what does not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::app {

// ok: works. warn: works, worse than it could. none: not here, and not needed by everything. fail: should work.
enum class Health : std::uint8_t { ok, warn, none, fail };

struct Finding {
  Health health;
  std::string what, text;
};

[[nodiscard]] std::string_view to_string(Health h);

// Looks at the simulator, folders, disk, engines, workers and GPUs; writes (and removes) a file in the current
// folder.
[[nodiscard]] std::vector<Finding> check_machine();

}  // namespace orrery::app

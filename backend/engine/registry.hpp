// All engines, by name. A new one is a folder beside local/ with its row (`const EngineInfo NAME_engine`) and one
// line in registry.inc.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backend/engine/engine.hpp"

namespace orrery::live {

struct EngineInfo {
  std::string_view name;
  std::string_view summary;  // for people: what it runs gangs on
  std::unique_ptr<Engine> (*make)(const EngineOptions& options);
  // Whether the process runs that the handle was made for. All handles are this engine's.
  bool (*runs)(const ProcessHandle& process);
  // See wait_or_kill().
  Expected<int> (*wait_or_kill)(std::span<const ProcessHandle> processes, Duration grace);
};

#define E(name) extern const EngineInfo name##_engine;
#include "backend/engine/registry.inc"
#undef E

[[nodiscard]] const std::vector<EngineInfo>& engine_table();
[[nodiscard]] const EngineInfo* find_engine(std::string_view name);  // null: there is none
// By a name of the table.
[[nodiscard]] std::unique_ptr<Engine> make_engine(std::string_view name, const EngineOptions& options);

// The same of handles of any engine; a handle of none is of no process.
[[nodiscard]] bool runs(const ProcessHandle& process);
// What an earlier controller left running: waits up to `grace` for each to end by itself (nobody speaks to it any
// more, so it saves and leaves), then ends it and whatever it started. How many had to be ended. A process that is
// not the one of the handle is somebody else's and is left alone.
[[nodiscard]] Expected<int> wait_or_kill(std::span<const ProcessHandle> processes, Duration grace);

}  // namespace orrery::live

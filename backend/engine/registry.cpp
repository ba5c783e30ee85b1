#include "backend/engine/registry.hpp"

#include <fmt/format.h>

#include "sim/core/assert.hpp"

namespace orrery::live {
namespace {

std::string_view engine_of(const ProcessHandle& process) {
  return std::string_view(process.text).substr(0, process.text.find(' '));
}

}  // namespace

const std::vector<EngineInfo>& engine_table() {
  static const std::vector<EngineInfo> table = {
#define E(name) name##_engine,
#include "backend/engine/registry.inc"
#undef E
  };
  return table;
}

const EngineInfo* find_engine(std::string_view name) {
  for (const EngineInfo& e : engine_table())
    if (e.name == name) return &e;
  return nullptr;
}

std::unique_ptr<Engine> make_engine(std::string_view name, const EngineOptions& options) {
  const EngineInfo* engine = find_engine(name);
  ORRERY_ASSERT(engine != nullptr, "no engine `{}`", name);
  return engine->make(options);
}

bool runs(const ProcessHandle& process) {
  const EngineInfo* engine = find_engine(engine_of(process));
  return engine != nullptr && engine->runs(process);
}

Expected<int> wait_or_kill(std::span<const ProcessHandle> processes, Duration grace) {
  std::size_t known = 0;
  int killed = 0;
  for (const EngineInfo& e : engine_table()) {
    std::vector<ProcessHandle> own;
    for (const ProcessHandle& p : processes)
      if (engine_of(p) == e.name) own.push_back(p);
    known += own.size();
    auto ended = e.wait_or_kill(own, grace);
    if (!ended) return ended;
    killed += *ended;
  }
  if (known == processes.size()) return killed;
  return fail("there are processes of an engine that this build does not have");
}

}  // namespace orrery::live

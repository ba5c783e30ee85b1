// A scenario that a test writes as text, read and prepared.
#pragma once

#include <string>

#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"

namespace orrery::test {

inline Expected<app::Prepared> prepared(const std::string& text) {
  auto scenario = app::read_scenario_text("s.yaml", text);
  if (!scenario) return tl::make_unexpected(std::move(scenario.error()));
  return app::prepare(std::move(*scenario));
}

}  // namespace orrery::test

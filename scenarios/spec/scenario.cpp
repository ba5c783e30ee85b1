#include "scenarios/spec/scenario.hpp"

namespace orrery::app {

PolicyConfig::PolicyConfig() = default;
PolicyConfig::PolicyConfig(const PolicyConfig&) = default;
PolicyConfig::PolicyConfig(PolicyConfig&&) noexcept = default;
PolicyConfig& PolicyConfig::operator=(const PolicyConfig&) = default;
PolicyConfig& PolicyConfig::operator=(PolicyConfig&&) noexcept = default;
PolicyConfig::~PolicyConfig() = default;

Scenario::Scenario() = default;
Scenario::Scenario(const Scenario&) = default;
Scenario::Scenario(Scenario&&) noexcept = default;
Scenario& Scenario::operator=(const Scenario&) = default;
Scenario& Scenario::operator=(Scenario&&) noexcept = default;
Scenario::~Scenario() = default;

}  // namespace orrery::app

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

Error placed(const Scenario& s, std::string_view path, Error error) {
  auto at = s.places.find(std::string(path));
  while (at == s.places.end() && path.find('.') != std::string_view::npos) {
    path = path.substr(0, path.rfind('.'));
    at = s.places.find(std::string(path));
  }
  if (at == s.places.end()) return error;
  for (Diagnostic& d : error.items) {
    if (!d.where.file.empty()) continue;
    d.where = at->second.where;
    d.line_text = at->second.line_text;
    d.width = at->second.width;
  }
  return error;
}

}  // namespace orrery::app

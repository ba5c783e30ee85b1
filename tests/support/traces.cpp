#include "tests/support/traces.hpp"
#include "orrery_paths.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

namespace orrery::test {

Tally& tally() {
  static Tally t;
  return t;
}

std::optional<std::string> recorded(const std::string& name) {
  const char* set = std::getenv("ORRERY_TRACES");
  const std::filesystem::path dir = set != nullptr && *set != '\0'
                                        ? std::filesystem::path(set)
                                        : std::filesystem::path(ORRERY_SOURCE_DIR) / "../shared/traces";
  std::error_code ignored;
  if (const auto path = dir / name; std::filesystem::exists(path, ignored)) return path.string();
  const char* required = std::getenv("ORRERY_REQUIRE_TRACES");
  if (required != nullptr && std::string(required) == "1") FAIL("trace " << name << " is not in " << dir.string());
  Tally& t = tally();
  if (t.skipped.empty() || t.skipped.back().first != t.test)
    t.skipped.emplace_back(t.test, "no trace " + name + " (set ORRERY_TRACES)");
  return std::nullopt;
}

}  // namespace orrery::test

// Every scenario that the project ships runs: its first jobs, under every policy that it compares. Its metrics are
// what they say they are. Where less is done, each runs under some of its policies, and those that no other has run.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "orrery_paths.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/summary_properties.hpp"
#include "tests/support/traces.hpp"

using namespace orrery;
using namespace orrery::app;

TEST_CASE("every scenario runs under every policy that it compares", "[app]") {
  std::vector<std::filesystem::path> files;
  for (const char* room : {"", "/policies", "/quick", "/recorded", "/studies"})
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(ORRERY_SOURCE_DIR) + "/scenarios" + room))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 25);
  const auto jobs = test::share_of<std::int64_t>(60, 40);
  std::set<std::string> seen;
  std::size_t turn = 0;
  for (const auto& file : files) {
    INFO(file.filename().string());
    auto scenario = read_scenario(file.string());
    if (!scenario) FAIL(render(scenario.error()));
    const Scenario& s = *scenario;
    const bool recorded_data =
        s.workload.trace.find("ORRERY_TRACES") != std::string::npos || s.performance || !s.failures.capacity.empty();
    if (recorded_data && !test::recorded(".")) continue;
    if (scenario->workload.generate) {
      scenario->workload.generate->jobs = std::min(scenario->workload.generate->jobs, jobs);
    } else {
      scenario->workload.jobs = jobs;
    }
    scenario->log_events = false;
    const auto prepared = prepare(std::move(*scenario));
    if (!prepared) FAIL(render(prepared.error()));
    const std::vector<PolicyConfig>& policies = prepared->scenario.compare_policies;
    REQUIRE_FALSE(policies.empty());
    const std::vector<std::size_t> now = test::some_of(policies.size(), turn++);
    for (std::size_t i = 0; i < policies.size(); ++i) {
      const PolicyConfig& policy = policies[i];
      const bool is_new = seen.insert(policy.name).second;
      if (!is_new && !std::binary_search(now.begin(), now.end(), i)) continue;
      INFO(policy.name);
      RunRequest request;
      request.policy = policy;
      const auto report = simulate(*prepared, request);
      if (!report) FAIL(render(report.error()));
      CHECK(report->failure.empty());
      CHECK(report->violations == 0);
      test::check_summary(report->result.summary);
    }
  }
}

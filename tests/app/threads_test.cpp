// Runs at the same time on one prepared scenario give what they give one after another: nothing that is shared is
// changed. (Also run under ThreadSanitizer.)
#include <catch2/catch.hpp>

#include <thread>

#include "policies/registry.hpp"
#include "scenarios/app/scenario_reader.hpp"
#include "scenarios/app/simulate.hpp"

using namespace orrery;
using namespace orrery::app;

TEST_CASE("parallel runs equal sequential ones", "[threads]") {
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/quickstart.yaml");
  REQUIRE(scenario);
  const auto prepared = prepare(std::move(*scenario));
  REQUIRE(prepared);
  const auto run = [&prepared](const PolicyInfo& info) {
    RunRequest request;
    request.policy = policy_named(prepared->scenario, std::string(info.name));
    const auto report = simulate(*prepared, request);
    return report && report->failure.empty() ? report->result.jct_by_job_s : std::vector<double>{};
  };
  const auto& table = policy_table();
  std::vector<std::vector<double>> together(table.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < table.size(); ++i) threads.emplace_back([&, i] { together[i] = run(table[i]); });
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < table.size(); ++i) {
    INFO(table[i].name);
    REQUIRE_FALSE(together[i].empty());
    CHECK(together[i] == run(table[i]));
  }
}

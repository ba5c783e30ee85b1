// Avoidable delay of whole scenarios: none with GPUs for all, and what a policy removes of another's.
#include <catch2/catch.hpp>

#include "orrery_paths.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

Prepared lineages_on(int nodes, const std::vector<Override>& more = {}) {
  std::vector<Override> overrides{{"workload.generate.jobs", "150"}};
  overrides.insert(overrides.end(), more.begin(), more.end());
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/studies/lineage.yaml", overrides);
  if (!scenario) FAIL(render(scenario.error()));
  scenario->failures = {};
  scenario->log_events = false;
  scenario->cluster.groups[0].count = nodes;
  auto p = prepare(*std::move(scenario));
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

report::SeedResult result_under(const Prepared& p, const std::string& policy) {
  RunRequest request;
  request.policy.name = policy;
  const auto report = simulate(p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure == "");
  return report->result;
}

}  // namespace

TEST_CASE("avoidable delay: none where there are GPUs for all", "[app][unlimited][lineage]") {
  // At the load of 64 nodes, on 1,000.
  for (const char* parents : {"natural", "burst"}) {
    const Prepared p = lineages_on(1000, {{"workload.generate.parents", parents}, {"workload.load", "0.05"}});
    const Summary s = result_under(p, "fifo").summary;
    CHECK(s.mean_wait_s > 0);  // for parents
    CHECK(s.study.avoidable_delay_s == std::optional(0.0));
  }
}

TEST_CASE("avoidable delay: of mean JCT, all but what GPUs for all would leave", "[app][unlimited][lineage]") {
  const Prepared p = lineages_on(16);
  double unlimited = 0;
  for (const auto& jct : p.unlimited) unlimited += to_seconds(*jct) / static_cast<double>(p.unlimited.size());
  std::vector<report::CompareRow> rows;
  for (const char* policy : {"fifo", "srsf"}) {
    rows.push_back({policy, {result_under(p, policy)}});
    const Summary& s = rows.back().runs[0].summary;
    REQUIRE(s.finished == s.jobs);
    CHECK(*s.study.avoidable_delay_s == Approx(s.mean_jct_s - unlimited));
    CHECK(*s.study.avoidable_delay_s > 0);
  }
  const auto compared = report::compare_rows(rows, report::WorkloadKind::generated, {});
  const double removed =
      1 - *rows[1].runs[0].summary.study.avoidable_delay_s / *rows[0].runs[0].summary.study.avoidable_delay_s;
  CHECK(compared.policies[0].removed == std::optional(0.0));
  CHECK(*compared.policies[1].removed == Approx(removed));
  CHECK_FALSE(compared.policies[1].removed_interval.has_value());  // one seed
  const auto json = nlohmann::ordered_json::parse(report::render_json(rows, compared));
  CHECK(json[1]["avoidable_removed"] == Approx(removed));
  CHECK(json[1]["avoidable_removed_low"].is_null());
}

TEST_CASE("avoidable delay: a live run or an emulation has no value", "[app][unlimited]") {
  Prepared p = lineages_on(16);
  RunRequest request;
  request.policy.name = "fifo";
  request.live = true;
  CHECK_FALSE(simulate(p, request)->result.summary.study.avoidable_delay_s.has_value());
}

// Intervals of a recorded trace and what draws from the seed.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "orrery_paths.hpp"
#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/run/resample_runs.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

using namespace orrery;
using namespace orrery::app;
using orrery::test::text_of;

namespace {

struct Said {
  int code = 0;
  std::string out, err;
};

// The command as a process of this build, in the folder of the sources.
Said run_cli(const std::string& arguments) {
  const test::TempFolder folder;
  const std::string command = fmt::format("cd '{}' && '{}' {} >'{}' 2>'{}'", ORRERY_SOURCE_DIR, ORRERY_BINARY,
                                          arguments, folder.file("out"), folder.file("err"));
  Said said;
  said.code = std::system(command.c_str());
  said.out = text_of(folder.file("out"));
  said.err = text_of(folder.file("err"));
  INFO(command << "\n" << said.err);
  return said;
}

const std::string kSmall = "compare scenarios/quickstart.yaml --set workload.slice.jobs=80 --policies fifo,srtf ";

Scenario quickstart(const std::vector<Override>& overrides) {
  auto s = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/quickstart.yaml", overrides);
  if (!s) FAIL(render(s.error()));
  return *std::move(s);
}

}  // namespace

// What nothing draws from gives equal results with any seed; what draws_from_seed() says must hold for all policies.
TEST_CASE("a run that draws nothing from its seed is the same with any", "[app][seeds]") {
  Scenario s = quickstart({{"workload.slice.jobs", "60"}, {"check", "false"}});
  const auto prepared = prepare(s);
  REQUIRE(prepared);
  const auto mean = [&](const Prepared& p, const PolicyConfig& policy, std::uint64_t seed) {
    RunRequest request;
    request.policy = policy;
    request.seed = seed;
    const auto report = simulate(p, request);
    REQUIRE(report);
    return report->result.jct_by_job_s;
  };
  for (const PolicyInfo& info : policy_table()) {
    const PolicyConfig policy = policy_named(s, std::string(info.name));
    INFO(info.name);
    CHECK_FALSE(draws_from_seed(prepared->scenario, policy));
    CHECK(mean(*prepared, policy, 1) == mean(*prepared, policy, 2));
  }
  for (const PlacementInfo& info : placement_table()) {
    PolicyConfig policy = policy_named(s, "fifo");
    policy.placement = info.name;
    INFO(info.name);
    CHECK(draws_from_seed(prepared->scenario, policy) == (info.name == "random"));
    if (info.name != "random") CHECK(mean(*prepared, policy, 1) == mean(*prepared, policy, 2));
  }
  for (const Override& by_chance : {Override{"failures.node_mtbf", "6h"}, {"failures.stragglers.node_mtbs", "6h"}}) {
    Scenario faulty = quickstart({{"workload.slice.jobs", "60"}, by_chance});
    const auto failing = prepare(faulty);
    REQUIRE(failing);
    INFO(by_chance.first);
    CHECK(draws_from_seed(failing->scenario, policy_named(faulty, "fifo")));
    CHECK(mean(*failing, policy_named(faulty, "fifo"), 1) != mean(*failing, policy_named(faulty, "fifo"), 2));
  }
}

TEST_CASE("compare: seeds that change nothing are run once, and that is said", "[app][seeds]") {
  const Said none = run_cli(kSmall + "--seeds 5 --intervals none --csv");
  REQUIRE(none.code == 0);
  CHECK(std::count(none.out.begin(), none.out.end(), '\n') == 3);  // header, fifo, srtf
  CHECK(none.err.starts_with("seeds: 5 would give equal results, nothing draws from the seed"));
  const Said table = run_cli(kSmall + "--seeds 5 --intervals none");
  CHECK(table.out.find("  seeds: 5 would give equal results, nothing draws from the seed") != std::string::npos);
  CHECK(table.out.find("seeds 1 to 5") == std::string::npos);
  const Said some = run_cli(
      "compare scenarios/quickstart.yaml --set workload.slice.jobs=60 --seeds 3 --intervals none "
      "--set 'compare.policies=[fifo, {name: fifo, label: thrown, placement: random}]'");
  REQUIRE(some.code == 0);
  CHECK(some.out.find("seeds: 3 would give equal results under fifo, nothing draws") != std::string::npos);
  CHECK(some.out.find(", seeds 1 to 3") != std::string::npos);
}

TEST_CASE("compare: intervals of a recorded trace in every form, the same on any number of threads",
          "[app][intervals][threads]") {
  const Said one = run_cli(kSmall + "--intervals 20 -j 1 --json");
  const Said four = run_cli(kSmall + "--intervals 20 -j 4 --json");
  REQUIRE(one.code == 0);
  CHECK(one.out == four.out);
  const auto rows = nlohmann::json::parse(one.out);
  REQUIRE(rows.size() == 2);
  for (const auto& r : rows) {
    CHECK(r["interval_method"] == "resampled");
    CHECK(r["mean_jct_low_s"] <= r["mean_jct_s"]);
    CHECK(r["mean_jct_s"] <= r["mean_jct_high_s"]);
    CHECK(r["mean_jct_low_s"] < r["mean_jct_high_s"]);
  }
  CHECK(rows[0]["ratio"] == 1);
  CHECK(rows[0]["ratio_low"].is_null());
  CHECK(rows[1]["ratio"] == rows[1]["mean_jct_s"].get<double>() / rows[0]["mean_jct_s"].get<double>());
  CHECK(rows[1]["ratio_low"] <= rows[1]["ratio"]);
  CHECK(rows[1]["ratio"] <= rows[1]["ratio_high"]);
  const Said csv = run_cli(kSmall + "--set intervals=20 --csv");
  CHECK(csv.out.find(",mean_jct_low_s,mean_jct_high_s,ratio,ratio_low,ratio_high,avoidable_removed,") !=
        std::string::npos);
  CHECK(csv.out.find(fmt::format(",{},", rows[1]["ratio_high"].get<double>())) != std::string::npos);
  for (const char* form : {"", "--markdown"}) {
    const Said table = run_cli(kSmall + "--intervals 20 " + form);
    CHECK(table.out.find("simulated on each of 20 draws") != std::string::npos);
    CHECK(table.out.find(" [") != std::string::npos);
  }
  const Said never = run_cli(kSmall + "--intervals none");
  CHECK(never.out.find("no interval: none was asked for (`intervals: none`)") != std::string::npos);
  CHECK(run_cli(kSmall + "--intervals 7").err.find("--intervals is `7`; it must be none, auto, or a number") !=
        std::string::npos);
}

TEST_CASE("intervals of a recorded trace: by default where they are cheap, by the same reckoning everywhere",
          "[app][intervals]") {
  const Scenario s = quickstart({});
  const std::vector<PolicyConfig> policies(5, policy_named(s, "fifo"));
  CHECK(resample_cost_s(s, policies, std::vector<std::uint64_t>(5, 1'000), 100) < kCheapResamples_s);
  CHECK(resample_cost_s(s, policies, std::vector<std::uint64_t>(5, 1'000'000), 100) > kCheapResamples_s);
  CHECK(resample_cost_s(s, policies, {1, 2, 3, 4, 5}, 200) ==
        Approx(2 * resample_cost_s(s, policies, {1, 2, 3, 4, 5}, 100)));
  const test::TempFolder folder;
  std::string rows = "job_id,submit_s,gpus,duration_s\n";
  for (int i = 0; i < 4'000; ++i) rows += fmt::format("j{},{},1,60\n", i, 10 * i);
  std::ofstream(folder.file("long.csv")) << rows;
  const Said table =
      run_cli(fmt::format("compare scenarios/quickstart.yaml --policies conservative --set 'workload.trace={}'",
                          folder.file("long.csv")));
  REQUIRE(table.code == 0);
  CHECK(table.out.find("more than 20 s; `--intervals 100` makes them") != std::string::npos);
}

TEST_CASE("no intervals where capacity is recorded, a lineage would be cut or jobs are named", "[app][intervals]") {
  Scenario s = quickstart({});
  Trace trace;
  REQUIRE(prepare(s, 1, &trace));
  const std::vector<PolicyConfig> fifo = {policy_named(s, "fifo")};
  CHECK(no_resamples(s, trace, fifo).empty());
  PolicyConfig scripted = policy_named(s, "scripted");
  CHECK(no_resamples(s, trace, {scripted}).empty());  // without a script it names nobody: `compare` of all policies
  scripted.options["file"] = "steps.txt";
  CHECK(no_resamples(s, trace, {scripted}).find("names jobs") != std::string::npos);
  trace.jobs[150].after = trace.jobs[3].job_id;
  CHECK(no_resamples(s, trace, fifo).find("would cut its lineages") != std::string::npos);
  s.failures.capacity = "recorded.csv";
  CHECK(no_resamples(s, trace, fifo).find("`failures.capacity` was recorded") != std::string::npos);
}

TEST_CASE("a trace submitted at one instant has no load", "[app]") {
  const test::TempFolder folder;
  std::ofstream(folder.file("once.csv")) << "job_id,submit_s,gpus,duration_s\na,3,1,60\nb,3,2,60\n";
  Scenario s = quickstart({{"workload.trace", folder.file("once.csv")}});
  const auto prepared = prepare(s);
  REQUIRE(prepared);
  CHECK_FALSE(prepared->load);
  CHECK(headline(*prepared).find("GPUs), all submitted at one instant, trace ") != std::string::npos);
  CHECK(headline(*prepared).find("load") == std::string::npos);
  const Said stats = run_cli(fmt::format("trace stats '{}' --gpus 4x8", folder.file("once.csv")));
  CHECK(stats.out.find("load           none: all jobs are submitted at one instant") != std::string::npos);
}

TEST_CASE("intervals is a key that is written back and checked", "[app]") {
  for (const auto& [text, value] : {std::pair{"none", 0}, {"auto", kIntervalsByCost}, {"250", 250}}) {
    const Scenario s = quickstart({{"intervals", text}});
    CHECK(s.intervals == value);
    CHECK(effective_yaml(s).find(fmt::format("\nintervals: {}\n", text)) != std::string::npos);
    CHECK(config_digest_text(s).find("intervals") == std::string::npos);  // bears on no run
  }
  CHECK(quickstart({}).intervals == kIntervalsByCost);
  const auto wrong =
      read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/quickstart.yaml", {{"intervals", "5"}});
  REQUIRE_FALSE(wrong);
  CHECK(render(wrong.error()).find("`intervals` is `5`; it must be none, auto, or a number of resamples from 20") !=
        std::string::npos);
}

// Recorded profiles and failures through whole scenarios, and what `orrery trace stats` says of workloads whose run
// times follow from profiles.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "scenarios/app/trace_args.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/traces.hpp"
#include "traces/format/capacity.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
using orrery::test::prepared;

RunReport run(const Prepared& p, const std::string& policy) {
  RunRequest request;
  request.policy = policy_named(p.scenario, policy);
  auto report = simulate(p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure.empty());
  return std::move(*report);
}

std::string gavel_scenario(const std::string& table, int jobs, const std::string& hardware = "v100") {
  return fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: v, count: 12, gpus_per_node: 4, gpu: v100 }},\n"
      "  {{ name: p, count: 12, gpus_per_node: 4, gpu: p100 }} ] }}\n"
      "workload: {{ generate: {{ model: gavel, jobs: {} }}, load: 0.5 }}\n"
      "performance: {{ profiles: '{}', family: gavel, hardware: {} }}\n"
      "policy: {{ name: fifo, placement: consolidated }}\n",
      jobs, table, hardware);
}

}  // namespace

// Every configuration that is drawn is in the table: no `missing: clamp`.
TEST_CASE("generated Gavel jobs run on Gavel's throughput tables", "[app][generators]") {
  for (const char* name : {"simulation_throughputs.json.gz", "physical_cluster_throughputs.json.gz"}) {
    const auto table = test::recorded(fmt::format("gavel/{}", name));
    if (!table) return;
    INFO(name);
    const auto p = prepared(gavel_scenario(*table, 400));
    if (!p) FAIL(render(p.error()));
    CHECK(p->workload.specs.size() == 400);
    const RunReport r = run(*p, "srtf");
    CHECK(r.result.summary.finished == 400);
  }
}

TEST_CASE("a generated Gavel job counts the steps that a V100 makes in its run time", "[app][generators]") {
  const auto table = test::recorded("gavel/simulation_throughputs.json.gz");
  if (!table) return;
  GenerateSpec spec;
  spec.model = "gavel";
  spec.jobs = 300;
  spec.rate_per_1e9_h = 30'000'000'000;
  const Trace bare = generate(spec).value();
  const auto on_v100 = prepared(gavel_scenario(*table, 300));
  const auto on_p100 = prepared(gavel_scenario(*table, 300, "p100"));
  REQUIRE(on_v100);
  REQUIRE(on_p100);
  spec.throughputs = on_v100->throughputs;
  const Trace counted = generate(spec).value();
  double v100 = 0, p100 = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    CHECK(bare.jobs[i].iterations == 0);
    CHECK(counted.jobs[i].iterations > 0);
    CHECK(counted.jobs[i].duration == bare.jobs[i].duration);
    // To the rounding of a step; the slowest of all makes 1.6 in a second.
    CHECK(to_seconds(Duration{on_v100->workload.truths[i].work.ns}) ==
          Approx(to_seconds(bare.jobs[i].duration)).margin(0.4));
    v100 += static_cast<double>(on_v100->workload.truths[i].work.ns);
    p100 += static_cast<double>(on_p100->workload.truths[i].work.ns);
  }
  CHECK(p100 > 1.2 * v100);  // the same steps, on slower GPUs
  ThroughputSet empty;
  empty.name = "empty.json";
  spec.throughputs = std::make_shared<const ThroughputSet>(empty);
  const auto none = generate(spec);
  REQUIRE_FALSE(none);
  CHECK(none.error().items.front().message.rfind("empty.json has no steps per second of `", 0) == 0);
}

TEST_CASE("failures.capacity takes the lives of Titan's GPUs", "[app][traces]") {
  const auto path = test::recorded("gpu-failures-titan/gc_full.csv.gz");
  if (!path) return;
  const auto text = [&path](const std::string& repair) {
    return fmt::format(
        "version: 1\ncluster: {{ groups: [ {{ name: h, count: 64, gpus_per_node: 8, gpu: h200 }} ] }}\n"
        "workload: {{ load: 0.7, generate: {{ jobs: 200, gpus: {{ 8: 1, 128: 1 }}, mean: 2d }} }}\n"
        "failures: {{ capacity: '{}', repair: {} }}\n",
        *path, repair);
  };
  const auto hour = prepared(text("1h"));
  if (!hour) FAIL(render(hour.error()));
  const auto day = prepared(text("1d"));
  REQUIRE(day);
  CHECK(hour->outages.size() == 5556);
  CHECK(day->outages.size() == 5131);  // more errors meet a node that is out
  for (const Outage& o : day->outages) {
    CHECK(o.to - o.from == seconds(86400));
    CHECK(o.node.index() < 64);
  }
  CHECK(std::find(hour->notes.begin(), hour->notes.end(),
                  "capacity: 6367 errors in 37343 lives of GPUs, 5556 outages of nodes of 1h each") !=
        hour->notes.end());
  CHECK(run(*day, "easy").result.summary.finished == 200);
}

TEST_CASE("trace stats: run times that follow from profiles are not said to be 0", "[app][traces]") {
  const auto stats = [](const std::string& rows, std::int64_t gpus) {
    auto trace = read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s,model\n" + rows);
    REQUIRE(trace);
    return stats_text(*trace, gpus);
  };
  const std::string none = stats("a,0,2,,m\nb,60,1,,m\n", 8);
  CHECK(none.find("unknown: follows from profiles") != std::string::npos);
  for (const char* word : {"mean 0.0", "GPU-hours  ", "load   "}) CHECK(none.find(word) == std::string::npos);
  const std::string some = stats("a,0,2,3600,\nb,60,1,,m\n", 8);
  CHECK(some.find("mean 3600.0 s, median 3600 s") != std::string::npos);
  CHECK(some.find("GPU-hours      2.0 ") != std::string::npos);
  CHECK(some.find("both of 1 jobs; those of the other 1 follow from profiles") != std::string::npos);
  CHECK(some.find("load   ") == std::string::npos);
  CHECK(stats("a,0,2,3600,\nb,3600,1,60,\n", 8).find("load           0.252 on 8 GPUs") != std::string::npos);
}

TEST_CASE("trace stats: submits by hour, of traces shorter than a day, too", "[app][traces]") {
  auto trace =
      read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s\na,0,1,9\nb,60,1,9\nc,7300,1,9\nd,90000,1,9\n");
  REQUIRE(trace);
  CHECK(stats_text(*trace, 0).find("since the trace's zero, all days together\n"
                                   "  00        2   50.0 % ########################################\n"
                                   "  01        1   25.0 % ####################\n"
                                   "  02        1   25.0 % ####################\n") != std::string::npos);
  trace->jobs.pop_back();
  CHECK(stats_text(*trace, 0).find("since the trace's zero\n"
                                   "  00        2   66.7 % ########################################\n"
                                   "  02        1   33.3 % ####################\n") != std::string::npos);
}

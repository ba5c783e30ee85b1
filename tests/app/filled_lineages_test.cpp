// Generated lineages whose children are held while others fill bubbles.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "orrery_paths.hpp"
#include "scenarios/run/live_times.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

Prepared filled_lineages(std::uint64_t seed) {
  const std::string text = fmt::format(R"(version: 1
name: filled
cluster:
  groups: [ {{ name: h, count: 8, gpus_per_node: 8, gpu: h200, gpu_memory: 141GB, peak_tflops: 989 }} ]
workload:
  catalogue: {}/scenarios/jobs/catalogue.yaml
  generate: {{ model: lineage, jobs: 100, epochs: 10, children: 0.4, grids: 0.5 }}
  load: 1.2
  estimates: oracle
bubbles: {{ step: 4s, stages: 4, micro_batches: 8, unit: 100ms, switch: 10ms, interference: 0.05 }}
policy: fifo
overheads: {{ launch: 10s, restart: 30s, stop: 20s }}
publish: {{ every: 0.1, cost: 60s }}
features: {{ limit: 100GB, bandwidth: 1GB/s }}
)",
                                       ORRERY_SOURCE_DIR);
  auto scenario = read_scenario_text("filled.yaml", text, {});
  if (!scenario) FAIL(render(scenario.error()));
  auto p = prepare(*std::move(scenario), seed);
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

PolicyConfig lineage_with(std::map<std::string, std::string> options) {
  PolicyConfig c;
  c.name = "lineage";
  c.placement = "consolidated";
  c.options = std::move(options);
  return c;
}

}  // namespace

// Found by a review: a child that was held in a decision filled bubbles in it, and was forgotten when it left them.
TEST_CASE("lineage forgets nobody who was held and could fill bubbles", "[app][lineage][bubbles]") {
  for (std::uint64_t seed = 5; seed <= 8; ++seed) {
    const Prepared p = filled_lineages(seed);
    for (const char* rules : {"[index, hold, bubbles]", "[index, hold, publish, learn, abort, groups, bubbles]"}) {
      INFO(rules << ", seed " << seed);
      RunRequest request;
      request.policy = lineage_with({{"rules", rules}, {"epsilon", "0"}});
      request.seed = seed;
      const auto report = simulate(p, request);
      REQUIRE(report);
      CHECK(report->failure == "");
    }
  }
}

// Found by a review: a child in bubbles was told to begin anew in them while their host was preempted for another
// job.
TEST_CASE("lineage begins nobody anew in bubbles of a host that leaves", "[app][lineage][bubbles]") {
  const test::TempFolder dir;
  for (int z = 1160; z <= 1170; z += 5) {
    INFO(z);
    std::ofstream(dir.file("t.csv"))
        << "job_id,submit_s,duration_s,gpus,kind,model,dataset,after,gain,epochs,weight\n"
           "q0,0,10,1,pretrain,b,,,,,1\n"
           "h0,20,10000,1,pretrain,b,,,,,1\n"
           "c1,1000,800,1,transfer,x,d,q0@hard:1,q0:-3,10,1\n"
           "z,"
        << z << ",100,1,eval,y,,,,,50\n";
    const std::string text = fmt::format(R"(version: 1
cluster: {{ groups: [ {{ name: h, count: 1, gpus_per_node: 1, gpu: h200 }} ] }}
workload: {{ trace: {}, estimates: oracle }}
bubbles: {{ step: 4s, share: 0.5, unit: 100ms, switch: 2ms }}
policy: fifo
overheads: {{ launch: 5s, restart: 30s }}
)",
                                         dir.file("t.csv"));
    auto scenario = read_scenario_text("t.yaml", text, {});
    if (!scenario) FAIL(render(scenario.error()));
    const auto p = prepare(*std::move(scenario));
    if (!p) FAIL(render(p.error()));
    RunRequest request;
    request.policy = lineage_with({{"rules", "[learn, abort, bubbles]"},
                                   {"alpha", "0"},
                                   {"rho_max", "0"},
                                   {"min_run", fmt::format("{}s", z - 25)}});
    const auto report = simulate(*p, request);
    REQUIRE(report);
    CHECK(report->failure == "");
  }
}

// Found by a review: what a job did in bubbles counted as its speed alone, and bubbles slowed it down once more.
TEST_CASE("measured times of a live run are of jobs on GPUs of their own", "[app][bubbles]") {
  const Prepared p = filled_lineages(1);
  live::LiveExecutor::Launch filled, alone;
  for (auto* l : {&filled, &alone}) {
    l->job = JobId(3);
    l->done = Work{seconds(30).ns};
  }
  filled.incarnation = 1;
  filled.host = JobId(0);
  filled.ran = seconds(120);
  alone.incarnation = 2;
  alone.ran = seconds(33);
  CHECK(measured_times(p, {filled, alone}).rates[3].per_billion == 909'090'909);
  CHECK(measured_times(p, {filled}).rates[3] == kUnitRate);
}

// `performance:` of a scenario, from its text to a run: which tables the GPU types of a cluster take, and what
// happens where something was not measured.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "orrery_paths.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"
#include "tests/support/traces.hpp"

namespace {

using namespace orrery;
using orrery::test::has;
using namespace orrery::app;
using orrery::test::prepared;

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

// Two jobs of four GPUs; `net` takes 1 s a step on type k and 0.25 s on type q, of which no file of `lone` is there.
struct PerformanceFolder : test::TempFolder {
  std::filesystem::path at{path()};
  PerformanceFolder() {
    const std::string table = "placement,local_bsz,step_time,sync_time\n";
    for (const char* app : {"net", "lone"}) {
      write(at / "prof" / app / "validation-128.csv", "progress,iteration,grad_sqr,grad_var\n100,100,1,1\n");
      write(at / "prof" / app / "placements-k.csv", table + "2,64,1.5,0\n4,32,1,0\n");
    }
    write(at / "prof/net/placements-q.csv", table + "2,64,0.375,0\n4,32,0.25,0\n");
    jobs("net");
  }
  void jobs(const std::string& application) const {
    write(at / "jobs.csv",
          fmt::format("name,time,application,num_replicas,batch_size\nx,0,{0},4,128\ny,0,{0},4,128\n", application));
  }
  // Two nodes of four GPUs, of types `first` and `second`.
  [[nodiscard]] std::string scenario(const std::string& first, const std::string& second, const std::string& more,
                                     const std::string& policy = "{ name: fifo, placement: consolidated }") const {
    return fmt::format(
        "version: 1\ncluster: {{ groups: [ {{ name: a, count: 1, gpus_per_node: 4, gpu: {} }}, {{ name: b, count: 1, "
        "gpus_per_node: 4, gpu: {} }} ] }}\nworkload: {{ trace: '{}/jobs.csv' }}\n"
        "performance: {{ profiles: '{}/prof'{} }}\npolicy: {}\n",
        first, second, path(), path(), more, policy);
  }
};

RunReport run(const Prepared& p) {
  RunRequest request;
  request.policy = p.scenario.policy;
  return simulate(p, request).value();
}

std::vector<double> jcts(const std::string& text) {
  const auto p = prepared(text);
  if (!p) FAIL(render(p.error()));
  return run(*p).result.jct_by_job_s;
}

std::string error_of(const std::string& text) {
  const auto p = prepared(text);
  return p ? std::string() : render(p.error());
}

}  // namespace

TEST_CASE("a job runs as fast as was measured on the type of GPU that it is given", "[app][models]") {
  const PerformanceFolder f;
  CHECK(jcts(f.scenario("k", "q", "")) == std::vector<double>{100, 25});
  CHECK(jcts(f.scenario("q", "k", "")) == std::vector<double>{25, 100});
  CHECK(jcts(f.scenario("k", "x", ", hardware: q")) == std::vector<double>{100, 25});  // those without tables
  CHECK(jcts(f.scenario("any", "any", ", hardware: q")) == std::vector<double>{25, 25});
  CHECK(jcts(f.scenario("k", "x", ", hardware: { x: q }")) == std::vector<double>{100, 25});
  CHECK(jcts(f.scenario("k", "q", ", hardware: { q: k }")) == std::vector<double>{100, 100});

  const auto scenario = read_scenario_text("/d/s.yaml", f.scenario("k", "x", ", hardware: { x: q }"));
  REQUIRE(scenario);
  const auto again = read_scenario_text("/e/t.yaml", effective_yaml(*scenario));
  REQUIRE(again);
  CHECK(again->performance->tables == scenario->performance->tables);
  CHECK(config_digest_text(*again) == config_digest_text(*scenario));
}

TEST_CASE("a GPU type without tables is an error that says whose would do", "[app][models]") {
  const PerformanceFolder f;
  const std::string lacks = error_of(f.scenario("k", "x", ""));
  CHECK(has(lacks, "/prof has no tables for GPUs of type `x`"));
  CHECK(has(lacks, "hardware: { x: k }"));
  CHECK(has(lacks, "tables: k, q"));
  const std::string wrong = error_of(f.scenario("k", "x", ", hardware: { x: r }"));
  CHECK(has(wrong, "has no tables called `r`, for GPUs of type `x`"));
  CHECK(has(error_of(f.scenario("k", "xx", ", hardware: { xy: q }")), "the cluster has no GPUs of type `xy`"));
  CHECK(has(error_of(f.scenario("k", "q", ", family: gavel")), "`performance.hardware` is missing"));
  // Measured, but not on every type that its jobs may use: the file that is not there is named.
  f.jobs("lone");
  const std::string lone = error_of(f.scenario("k", "q", ""));
  CHECK(has(lone, "job `x`: `lone` was not measured on GPUs of type `q`"));
  CHECK(has(lone, "/prof/lone/placements-q.csv"));
  CHECK(has(lone, "jobs.csv:2"));
}

TEST_CASE("a shape that a policy asks for and nobody measured fails the run by name", "[app][models]") {
  const PerformanceFolder f;
  const std::string spread = "{ name: fifo, placement: spread }";
  const auto p = prepared(f.scenario("k", "k", "", spread));
  REQUIRE(p);
  const std::string failure = run(*p).failure;
  CHECK(has(failure, "job `x` of `net` was put on GPUs of type `k` where its speed is not known"));
  CHECK(has(failure, "no step time for 4 GPUs on 2 nodes at 32 samples per GPU"));
  CHECK(has(failure, "performance.missing: clamp"));
  CHECK(jcts(f.scenario("k", "k", ", missing: clamp", spread)) == std::vector<double>{100, 100});
}

TEST_CASE("missing: clamp makes up no speed on a type where a model was never measured", "[app][throughputs]") {
  const PerformanceFolder f;
  write(f.at / "rates.json", R"json({"k": {"('A', 1)": {"null": 10}}, "q": {"('B', 1)": {"null": 1}}})json");
  write(f.at / "two.trace", "A\tx\td\t--steps\t1\t1000\t1\t1\t-1.000000\t0\n");
  std::string text = f.scenario("k", "q", ", family: gavel, hardware: k, missing: clamp");
  text.replace(text.find("/prof"), 5, "/rates.json");
  text.replace(text.find("jobs.csv'"), 9, "two.trace', format: gavel");
  const std::string error = error_of(text);
  CHECK(has(error, "rates.json has no steps per second of `A` on 1 GPU of type `q`"));
  CHECK(has(error, "gpu_type"));
}

TEST_CASE("Sia's workload on its three types of GPU: A100 are the fastest, for every application", "[app][models]") {
  if (!test::recorded("sia/profiles")) return;
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/recorded/sia.yaml");
  REQUIRE(scenario);
  scenario->log_events = false;
  const std::int64_t jobs = scenario->workload.jobs = test::share_of(160, 40);
  const auto p = prepare(std::move(*scenario));
  if (!p) FAIL(render(p.error()));
  const auto rate = [&](const JobSpec& spec, std::uint32_t node) {
    Allocation gpus;
    gpus.add({NodeId(node), kMilliPerGpu, 0xf, 0, 0});
    return p->profiled->speed(spec, gpus, {}, {}).rate.per_billion;
  };
  for (const JobSpec& spec : p->workload.specs) {
    INFO(spec.model);
    CHECK(rate(spec, 0) < rate(spec, 9));  // T4, A100
    CHECK(rate(spec, 6) < rate(spec, 9));  // RTX, A100
  }
  const RunReport report = run(*p);
  CHECK(report.failure.empty());
  CHECK(report.result.summary.finished == jobs);
}

TEST_CASE("a run is of what its tables hold, not of what they are called", "[app]") {
  const PerformanceFolder f;
  const std::string text = f.scenario("k", "q", "");
  const PolicyConfig fifo;
  const auto digests = [&](const std::string& of) {
    const auto p = prepared(of);
    if (!p) FAIL(render(p.error()));
    RunRequest request;
    request.folder = f.file("run");
    REQUIRE(simulate(*p, request));
    const auto manifest = nlohmann::json::parse(std::ifstream(f.file("run") + "/run.json"));
    return std::vector<std::string>{manifest["config_sha256"].get<std::string>(), compare_digest({fifo}, 1, {&*p}),
                                    run_identity(p->scenario, *p, 1, "worker")};
  };
  const auto differ = [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] != b[i]);
  };
  const auto first = digests(text);
  CHECK(digests(text) == first);
  const std::string table = "placement,local_bsz,step_time,sync_time\n2,64,0.375,0\n4,32,";
  write(f.at / "prof/net/placements-q.csv", table + "0.26,0\n");
  const auto changed = digests(text);
  differ(changed, first);
  write(f.at / "prof/net/placements-q.csv", table + "0.25,0\n");
  CHECK(digests(text) == first);
  // The journal of a live run that began with the other table is not gone on with, and says why.
  const LiveFolder begun(f.file("live"));
  REQUIRE(begun.create("version: 1\n", changed[2], false));
  const auto resumed = begun.reopen(first[2]);
  REQUIRE_FALSE(resumed);
  CHECK(has(render(resumed.error()), "files that the scenario names (profiles, "));

  // Likewise a recording of capacity, and the script of a policy.
  write(f.at / "capacity.json", R"({"metadata": {"gap_seconds": 300}, "data": [2, 1, 2]})");
  write(f.at / "script", "0s x run\n");
  const std::string more = text + fmt::format("failures: {{ capacity: '{0}/capacity.json' }}\n", f.path());
  const auto recorded = digests(more);
  write(f.at / "capacity.json", R"({"metadata": {"gap_seconds": 300}, "data": [2, 1, 1, 2]})");
  differ(digests(more), recorded);
  Scenario scripted = prepared(text)->scenario;
  scripted.policy.options["file"] = f.file("script");
  const std::string before = config_sha256(scripted, {});
  write(f.at / "script", "1s x run\n");
  CHECK(config_sha256(scripted, {}) != before);
}

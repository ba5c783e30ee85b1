// The metrics of whole runs, where a fold of made-up events would not show what is wrong.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>

#include "orrery_paths.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/random.hpp"
#include "tests/support/summary_properties.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/traces.hpp"

using namespace orrery;
using namespace orrery::app;

namespace {

Summary summary_of(Expected<Scenario> scenario, const std::string& policy) {
  if (!scenario) FAIL(render(scenario.error()));
  const PolicyConfig config = policy_named(*scenario, policy);
  const auto prepared = prepare(std::move(*scenario));
  if (!prepared) FAIL(render(prepared.error()));
  RunRequest request;
  request.policy = config;
  const auto report = simulate(*prepared, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure.empty());
  CHECK(report->decision_p50_s.has_value());
  CHECK(*report->decision_p50_s <= *report->decision_p99_s);
  return report->result.summary;
}

// The summary of a trace of these rows under a scenario of this text, the trace being t.csv.
Summary summary_of(const std::string& rows, const std::string& text, const std::string& policy) {
  const test::TempFolder folder;
  std::ofstream(folder.file("t.csv")) << rows;
  return summary_of(read_scenario_text(folder.file("s.yaml"), "version: 1\n" + text), policy);
}

}  // namespace

TEST_CASE("MFU of a parent and two heirs is what their GPUs really computed", "[app]") {
  // 500 PFLOP in 1000 s at a peak of 1 PFLOP/s, and twice a tenth of it: half the peak all the time.
  const Summary s = summary_of(
      "job_id,submit_s,gpus,duration_s,kind,model,after,gain,tflop\n"
      "p,0,1,1000,pretrain,m,,,500000\n"
      "c,0,1,1000,transfer,m,p@hard,p:0.9,500000\n"
      "d,0,1,1000,transfer,m,p@hard,p:0.9,500000\n",
      "cluster: { groups: [ { name: a, count: 1, gpus_per_node: 1, gpu: k, peak_tflops: 1000 } ] }\n"
      "workload: { trace: t.csv }\n",
      "fifo");
  CHECK(*s.study.mfu_ratio == Approx(0.5));
  CHECK(*s.study.child_saved_ratio == Approx(0.9));
  REQUIRE(s.study.by_kind.size() == 2);
  CHECK(*s.study.by_kind[0].mfu_ratio == Approx(0.5));
  CHECK(*s.study.by_kind[1].mfu_ratio == Approx(0.5));
  CHECK(*s.study.by_kind[1].transfer_saved_gpu_s == Approx(1800));
  CHECK_FALSE(s.study.by_kind[0].transfer_saved_gpu_s.has_value());
  test::check_summary(s);
}

TEST_CASE("GPUs that idle for want of CPUs are fragments of a run", "[app]") {
  const Summary s = summary_of("job_id,submit_s,gpus,duration_s,cpus\na,0,1,1000,8\nb,0,1,1000,8\n",
                               "cluster: { groups: [ { name: v, count: 1, gpus_per_node: 4, gpu: x, cpus: 8 } ] }\n"
                               "workload: { trace: t.csv }\n",
                               "fifo");
  CHECK(*s.study.fragmentation_ratio == Approx(1));
  CHECK(*s.study.unallocatable_gpus == Approx(3));
  CHECK(s.mean_initial_wait_s == Approx(500));
}

TEST_CASE("elastic policies: shares of GPU-time are shares", "[app]") {
  if (!test::recorded("pollux/workloads/workload-4.csv") || !test::recorded("sia/profiles")) return;
  const std::string file = std::string(ORRERY_SOURCE_DIR) + "/scenarios/recorded/pollux.yaml";
  for (const std::string policy : {"optimus", "titan", "tiresias"}) {
    INFO(policy);
    const Summary s =
        summary_of(read_scenario(file, {{"workload.trace", "${ORRERY_TRACES}/pollux/workloads/workload-4.csv"},
                                        {"overheads.launch", "0s"}}),
                   policy);
    test::check_summary(s);
    CHECK(*s.study.ettr_ratio == Approx(1));  // starting costs nothing and nothing fails
    CHECK(*s.study.lost_gpu_s == 0);
    CHECK(s.study.throughput_efficiency.has_value());
  }
}

TEST_CASE("emulate titan: the mean JCT is over the jobs that finished", "[app]") {
  const auto profiles = test::recorded("titan-fm/profiles");
  if (!profiles) return;
  const std::string header = "name,submission_time,application,num_gpus,target_batch_size\n";
  const std::string good = "a,5,roberta-base@mnli,2,192\n", too_wide = "b,6,roberta-base@mnli,64,1536\n";
  const std::string text = fmt::format(
      "emulate: titan\ncluster: {{ groups: [ {{ name: a, count: 1, gpus_per_node: 4, gpu: V100 }} ] }}\n"
      "workload: {{ trace: t.csv, format: titan }}\n"
      "performance: {{ profiles: '{}', family: titan, hardware: V100, missing: clamp }}\n",
      *profiles);
  const Summary alone = summary_of(header + good, text, "srtf");
  const Summary both = summary_of(header + good + too_wide, text, "srtf");
  CHECK(both.finished == 1);
  CHECK(both.jobs == 2);
  CHECK(both.mean_jct_s > 0);
  CHECK(both.mean_jct_s == alone.mean_jct_s);
}

TEST_CASE("emulate titan: mean, median and percentiles are of the times that its clock gives the jobs", "[app]") {
  const test::TempFolder folder;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    RandomStream rng = stream(seed, "titan");
    std::string rows = "job_id,submit_s,gpus,duration_s\n";
    std::int64_t submit_ms = 0;
    for (int i = 0; i < 25; ++i) {
      submit_ms += static_cast<std::int64_t>(uniform_below(rng, 90'000));
      const auto duration_ms = static_cast<std::int64_t>(uniform_below(rng, 900'000)) + 200;
      rows += fmt::format("j{},{}.{:03},{},{}.{:03}\n", i, submit_ms / 1000, submit_ms % 1000,
                          uniform_below(rng, 4) + 1, duration_ms / 1000, duration_ms % 1000);
    }
    std::ofstream(folder.file("t.csv")) << rows;
    for (const char* policy : {"srtf", "tiresias", "themis"}) {
      INFO("seed " << seed << ", " << policy);
      auto scenario =
          read_scenario_text(folder.file("s.yaml"),
                             "version: 1\nemulate: titan\nworkload: { trace: t.csv }\n"
                             "cluster: { groups: [ { name: a, count: 2, gpus_per_node: 4, gpu: k } ] }\n");
      REQUIRE(scenario);
      RunRequest request;
      request.policy = policy_named(*scenario, policy);
      const auto prepared = prepare(std::move(*scenario));
      REQUIRE(prepared);
      const auto report = simulate(*prepared, request);
      REQUIRE(report);
      REQUIRE(report->failure.empty());
      std::vector<double> jct = report->result.jct_by_job_s;
      REQUIRE(jct.size() == 25);
      double sum = 0;
      for (const double one : jct) sum += one;
      std::sort(jct.begin(), jct.end());
      const Summary& s = report->result.summary;
      CHECK(s.mean_jct_s == Approx(sum / 25).epsilon(1e-12));
      CHECK(s.p50_jct_s == quantile(jct, 0.5));
      CHECK(s.p90_jct_s == quantile(jct, 0.9));
      CHECK(s.p99_jct_s == quantile(jct, 0.99));
      CHECK(s.makespan_s >= jct.back());
    }
  }
}

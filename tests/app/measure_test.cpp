// `measure`: metrics are of the jobs that are submitted in the window, and nothing else changes.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "scenarios/run/measured_jobs.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/observe/study_stream.hpp"
#include "tests/support/summary_properties.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

const std::string kMeasuredScenario =
    "version: 1\n"
    "cluster: { groups: [ { name: a, count: 2, gpus_per_node: 4, price: 2, idle_watt: 50, busy_watt: 300 } ] }\n"
    "workload: { generate: { jobs: 80, gpus: { 1: 0.6, 4: 0.4 }, tenants: 3 }, load: 1.1 }\n"
    "policy: srtf\n"
    "overheads: { launch: 5s, restart: 20s }\n"
    "checkpoints: { every: 10m, cost: 9s }\n";

Expected<Prepared> prepared_with(const std::string& window) {
  auto s = read_scenario_text("/d/s.yaml", kMeasuredScenario + window);
  if (!s) return tl::make_unexpected(s.error());
  return prepare(*std::move(s));
}

report::SeedResult run_of(const Prepared& p) {
  RunRequest request;
  request.policy = p.scenario.policy;
  const auto report = simulate(p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure == "");
  test::check_summary(report->result.summary);
  return report->result;
}

std::string window_error(const std::string& window) {
  const auto p = prepared_with(window);
  REQUIRE_FALSE(p.has_value());
  return p.error().items.front().message;
}

}  // namespace

TEST_CASE("measure: means are over the window's jobs, of a run that is the same", "[app][measure]") {
  const auto all = prepared_with(""), some = prepared_with("measure: { from: 25%, to: 75% }\n");
  REQUIRE(all.has_value());
  REQUIRE(some.has_value());
  REQUIRE(some->measured.size() == 80);
  const report::SeedResult whole = run_of(*all), window = run_of(*some);
  double sum = 0;
  std::int64_t n = 0;
  Time first = kNever, last{};
  for (std::size_t i = 0; i < 80; ++i) {
    const Time submit = all->workload.specs[i].submit;
    if (!some->measured[i]) {
      CHECK(std::isnan(window.jct_by_job_s[i]));
      continue;
    }
    CHECK(window.jct_by_job_s[i] == whole.jct_by_job_s[i]);
    sum += whole.jct_by_job_s[i];
    ++n;
    first = std::min(first, submit);
    last = std::max(last, submit + Duration{std::llround(whole.jct_by_job_s[i] * 1e9)});
  }
  const Summary& w = window.summary;
  CHECK(n > 20);
  CHECK(n < 60);
  CHECK(w.jobs == n);
  CHECK(w.finished == n);
  CHECK(w.unmeasured == 80 - n);
  CHECK(w.mean_jct_s == Approx(sum / static_cast<double>(n)));
  CHECK(w.makespan_s == Approx(to_seconds(last - first)));
  CHECK(w.decisions == whole.summary.decisions);
  CHECK(w.gpu_util_ratio > 0.5);
  CHECK(*w.study.held_gpu_s < *whole.summary.study.held_gpu_s);
  CHECK(*w.study.cost == Approx(*w.study.held_gpu_s / 3600 * 2));
  CHECK_FALSE(w.study.energy_kwh.has_value());  // of the machine, not of jobs
  std::int64_t of_tenants = 0;
  for (const StudyGroup& g : w.study.by_tenant) of_tenants += g.jobs;
  CHECK(of_tenants == n);
  CHECK(some->notes.end() != std::find_if(some->notes.begin(), some->notes.end(), [](const std::string& note) {
          return note.starts_with("measured: ") && note.ends_with("; all are simulated");
        }));
}

TEST_CASE("measure: a window that holds everything changes nothing", "[app][measure]") {
  const auto all = prepared_with(""), same = prepared_with("measure: { from: 0s, to: 100% }\n");
  REQUIRE(all.has_value());
  REQUIRE(same.has_value());
  const Summary a = run_of(*all).summary, b = run_of(*same).summary;
  for (const MetricDefinition& m : metric_definitions()) {
    INFO(m.key);
    CHECK(metric_value(m, a) == metric_value(m, b));
  }
}

TEST_CASE("measure: a job of the window that does not finish is counted", "[measure]") {
  // p0 runs 0-100 and is not measured; p1 runs 10-60, is stopped and never comes back; p2 runs 60-80.
  test::Stream s(3, 1, 4);
  JobTable table = *s.table();
  table[0].measured = false;
  const auto jobs = std::make_shared<const JobTable>(table);
  MetricsFold base(jobs, s.node_gpus());
  s.watch(base);
  s.submit(0, 0);
  s.launch(0, 0, test::gpus(0, 0b0011));
  s.submit(10, 1);
  s.launch(10, 1, test::gpus(0, 0b1100));
  s.submit(20, 2);
  s.send(60, event::Stop{}, 1);
  s.send(60, event::Stopped{Work{50 * kNsPerSecond}}, 1);
  s.launch(60, 2, test::gpus(0, 0b1100));
  s.send(80, event::Finished{}, 2);
  s.send(100, event::Finished{}, 0);
  s.end(120);
  const Summary sum = base.summary();
  CHECK(sum.jobs == 2);
  CHECK(sum.finished == 1);
  CHECK(sum.unmeasured == 1);
  CHECK(sum.preemptions == 1);
  CHECK(sum.mean_jct_s == 60);
  CHECK(sum.makespan_s == 70);                                          // 10 to 80
  CHECK(sum.gpu_util_ratio == Approx((70 * 2 + 70 * 2) / (70 * 4.0)));  // of all jobs in that time
}

TEST_CASE("measure: windows that cannot be", "[app][measure]") {
  CHECK(window_error("measure: { from: 2h, to: 1h }\n") ==
        "`measure.to` is before `measure.from`: no job is submitted in between");
  CHECK(window_error("measure: { from: 80%, to: 20% }\n") ==
        "`measure.to` is before `measure.from`: no job is submitted in between");
  CHECK(window_error("measure: { from: 110% }\n") == "`measure.from` is `110%`, which is no share from 0% to 100%");
  CHECK(window_error("measure: { form: 10% }\n").find("form") != std::string::npos);
  const auto read = read_scenario_text("/d/s.yaml", kMeasuredScenario + "measure: { to: ten% }\n");
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().items[0].where.line == 7);
  CHECK(read.error().items[0].where.column == 16);
  CHECK(window_error("measure: { from: 9000h }\n")
            .starts_with("`measure` leaves no jobs: it begins 375d00h after the first"));
  CHECK(window_error("measure: { from: 1ms, to: 2ms }\n") ==
        "`measure` leaves no jobs: none of 80 is submitted 1ms to 2ms after the first");
}

TEST_CASE("measure: written back, and part of what makes a result", "[app][measure]") {
  const auto read = [](const std::string& window) {
    return *read_scenario_text("/d/s.yaml", kMeasuredScenario + window);
  };
  const Scenario s = read("measure: { from: 12.5%, to: 90m }\n");
  CHECK(effective_yaml(s).find("measure:\n  from: 12.5%\n  to: 90m\n") != std::string::npos);
  CHECK(config_digest_text(s).find("measure:") != std::string::npos);
  CHECK(config_digest_text(read("")).find("measure:") == std::string::npos);
}

// Found by a reviewer: these errors named no line.
TEST_CASE("what a scenario asks for and cannot have is shown at its key", "[app]") {
  const auto where = [](const std::string& extra, const std::string& workload) {
    const auto s =
        read_scenario_text("/d/s.yaml",
                           "version: 1\ncluster:\n  groups:\n    - { name: n, count: 2, gpus_per_node: 4 }\n"
                           "workload:\n  " +
                               workload + "\n" + extra + "policy: { name: fifo }\n");
    REQUIRE(s.has_value());
    const auto p = prepare(*s);
    REQUIRE_FALSE(p.has_value());
    const SourcePos& at = p.error().items[0].where;
    return fmt::format("{}:{}:{}", at.file, at.line, at.column);
  };
  const std::string drawn = "generate: { jobs: 20, gpus: { 1: 1 } }\n  load: 0.5";
  CHECK(where("measure: { from: 9000h }\n", drawn) == "/d/s.yaml:8:10");
  CHECK(where("", drawn + "\n  slice: { skip: 20 }") == "/d/s.yaml:8:10");
}

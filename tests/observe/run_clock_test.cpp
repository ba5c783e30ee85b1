// One clock for everything that a run reports of its jobs: rows and summary under a clock that rounds, over random
// worlds, against what the events say when they are counted by hand.
#include "sim/observe/metrics/run_clock.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "sim/core/random.hpp"
#include "sim/observe/metrics/study.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Each job's waiting, starting and running time, this one by the step.
class ByHand final : public Observer {
 public:
  explicit ByHand(std::int64_t step_s) : step_(seconds(step_s).ns) {}
  struct Job {
    std::int64_t submit = 0, since = 0, waited = 0, held = 0, ran = 0;
    bool holds = false, runs = false, ended = false;
  };
  void on_event(const Event& e) override {
    if (!e.job.valid()) return;
    Job& j = jobs[e.job.value];
    if (e.kind() == EventKind::submit) j.submit = j.since = e.at.ns;
    if (e.kind() == EventKind::launch) turn(j, e.at.ns, true, false);
    if (e.kind() == EventKind::started) turn(j, e.at.ns, true, true);
    if (e.kind() == EventKind::stop) turn(j, e.at.ns, true, false);
    if (e.kind() == EventKind::stopped) turn(j, e.at.ns, false, false);
    if (e.kind() == EventKind::finished) {
      turn(j, e.at.ns, false, false);
      j.ended = true;
    }
  }
  std::map<std::uint32_t, Job> jobs;

 private:
  void turn(Job& j, std::int64_t now, bool holds, bool runs) {
    std::int64_t spent = now - j.since;
    if (j.runs) {
      spent = 0;
      for (std::int64_t t = j.since; t < now;) {
        const std::int64_t to = std::min(now, t - t % step_ + step_);
        spent += seconds(whole_seconds(Duration{to - t})).ns;
        t = to;
      }
      j.ran += spent;
    }
    (j.holds ? j.held : j.waited) += spent;
    j.since = now;
    j.holds = holds;
    j.runs = runs;
  }
  std::int64_t step_;
};

Workload random_jobs(std::uint64_t seed) {
  RandomStream rng = stream(seed, "jobs");
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 25; ++i) jobs.push_back({0, static_cast<std::int32_t>(below(4)) + 1, 1});
  Workload w = make_workload(jobs);
  std::int64_t submit = 0;
  for (std::size_t i = 0; i < w.specs.size(); ++i) {
    submit += below(90'000);
    w.specs[i].submit = Time{submit * 1'000'000};
    w.truths[i].work = Work{(below(900'000) + 200) * 1'000'000};
    w.specs[i].user_estimate = Duration{w.truths[i].work.ns};
  }
  return w;
}

// The one that a simulator counts by which decides so often.
RunClock clock_of(std::int64_t step) {
  return {find_emulation("titan")->counted(step == 60 ? "themis" : "fifo")};
}

}  // namespace

TEST_CASE("a clock that goes in steps rounds what ran in each", "[observe][clock]") {
  const RunClock exact, steps = clock_of(300);
  const Time from{60'400'000'000}, to{650'300'000'000};
  CHECK(exact.ran(from, to) == to - from);
  CHECK(steps.ran(from, Time{239'600'000'000}) == seconds(179));  // 179.2 s
  CHECK(steps.ran(from, to) == seconds(240 + 300 + 50));          // 239.6, 300, 50.3 s
  CHECK(steps.ran(from, from) == Duration{});
  CHECK(steps.ran(Time{}, Time{} + seconds(600)) == seconds(600));
}

TEST_CASE("rows and summary are on one clock, also on one that rounds", "[observe][clock]") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Workload w = random_jobs(seed);
    const std::vector<NodeGroup> groups = cluster(2, 4);
    const std::int64_t step = seed % 3 == 0 ? 60 : 300;
    for (const char* policy : {"fifo", "srtf", "tiresias"}) {
      INFO("seed " << seed << ", " << policy);
      SimOptions sim;
      sim.overheads.launch = seconds(30);
      const Topology topology(groups);
      std::vector<JobRecord> records(w.specs.size());
      for (std::size_t i = 0; i < records.size(); ++i) records[i].spec = &w.specs[i];
      const auto table = std::make_shared<const JobTable>(make_job_table(records));
      MetricsFold fold(table, gpus_by_node(topology), clock_of(step));
      StudyInputs in = make_study_inputs(w.specs, topology);
      in.clock = clock_of(step);
      for (std::size_t i = 0; i < in.jobs.size(); ++i) in.jobs[i].exclusive = Duration{w.truths[i].work.ns};
      StudyFold study(table, in);
      ByHand by_hand(step);
      const auto made = make_policy({policy, "count", {}});
      (void)run_world(groups, w, *made, sim, false, {&fold, &study, &by_hand});

      double jct_s = 0, wait_s = 0, slowdown = 0, held_gpu_s = 0, ran_gpu_s = 0;
      std::vector<double> jcts;
      std::int64_t last = 0;
      for (const JobRow& r : fold.rows()) {
        const ByHand::Job& j = by_hand.jobs.at(r.job.value);
        REQUIRE(j.ended);
        INFO("job " << r.job.value);
        CHECK(r.wait.ns == j.waited);
        CHECK(r.run.ns == j.ran);
        CHECK((r.finish - r.submit).ns == j.waited + j.held);
        CHECK(r.held == gpu_time(Duration{j.held}, std::int64_t{r.gpus} * kMilliPerGpu));
        CHECK(r.service == gpu_time(r.run, std::int64_t{r.gpus} * kMilliPerGpu));
        jcts.push_back(to_seconds(r.finish - r.submit));
        jct_s += jcts.back() / 25;
        wait_s += to_seconds(r.wait) / 25;
        slowdown += jcts.back() / to_seconds(*in.jobs[r.job.index()].exclusive) / 25;
        held_gpu_s += to_gpu_seconds(r.held);
        ran_gpu_s += to_gpu_seconds(r.service);
        last = std::max(last, r.finish.ns);
      }
      REQUIRE(jcts.size() == 25);
      CHECK(fold.jct_by_job_s() == jcts);
      std::sort(jcts.begin(), jcts.end());
      const Summary s = fold.summary();
      CHECK(s.mean_jct_s == Approx(jct_s).epsilon(1e-12));
      CHECK(s.p50_jct_s == quantile(jcts, 0.5));
      CHECK(s.p90_jct_s == quantile(jcts, 0.9));
      CHECK(s.p99_jct_s == quantile(jcts, 0.99));
      CHECK(s.mean_wait_s == Approx(wait_s).epsilon(1e-12));
      CHECK(s.makespan_s == Approx(static_cast<double>(last - w.specs[0].submit.ns) / 1e9).epsilon(1e-12));
      CHECK(s.gpu_util_ratio * 8 * s.makespan_s == Approx(held_gpu_s).epsilon(1e-12));
      CHECK(s.gpu_goodput_ratio * 8 * s.makespan_s == Approx(ran_gpu_s).epsilon(1e-12));
      const StudySummary more = study.summary(fold);
      CHECK(*more.mean_slowdown == Approx(slowdown).epsilon(1e-12));
      CHECK(*more.held_gpu_s == Approx(held_gpu_s).epsilon(1e-12));
      CHECK(*more.productive_gpu_s == Approx(ran_gpu_s).epsilon(1e-12));
    }
  }
}

TEST_CASE("price and energy are of the time that the run's clock counts", "[observe][clock]") {
  // 2 GPUs from 0 on, 0.4 s of starting up, then 100.6 s of running that count as 101: 101.4 s, 2 GPUs.
  std::vector<NodeGroup> groups = cluster(1, 2);
  groups[0].price_micro_per_h = 3'600'000'000;  // 1 per GPU-second
  groups[0].idle_milliwatt = 1'000'000;
  groups[0].busy_milliwatt = 3'000'000;
  Workload w = make_workload({{0, 2, 1}});
  w.truths[0].work = Work{100'600'000'000};
  const Topology topology(groups);
  std::vector<JobRecord> records(1);
  records[0].spec = &w.specs[0];
  const auto table = std::make_shared<const JobTable>(make_job_table(records));
  MetricsFold fold(table, gpus_by_node(topology), clock_of(300));
  StudyInputs in = make_study_inputs(w.specs, topology);
  in.clock = clock_of(300);
  StudyFold study(table, in);
  SimOptions sim;
  sim.overheads.launch = milliseconds(400);
  const auto policy = make_policy({"fifo"});
  (void)run_world(groups, w, *policy, sim, false, {&fold, &study});
  const StudySummary s = study.summary(fold);
  CHECK(fold.row(JobId(0)).finish == Time{101'400'000'000});
  CHECK(*s.cost == Approx(202.8));
  CHECK(*s.energy_kwh == Approx((2 * 101.4 + 2 * 2 * 101.0) / 3600));
}

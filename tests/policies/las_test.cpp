// LAS against its definition: a naive scheduler that is woken whenever a running job fills a quantum and sorts
// everybody anew decides the same, at the same times, in many more decisions.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Whole GPUs, counted.
class NaiveLas final : public Policy {
 public:
  NaiveLas(Duration quantum, Duration hold)
      : quantum_(gpu_time(quantum, kMilliPerGpu).milli_gpu_ns), hold_(hold), placement_(make_placement("count", 1)) {}
  [[nodiscard]] EventMask wakes_on() const override { return Policy::wakes_on() | mask_of(EventKind::started); }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    std::int64_t free = plan.free().free_gpus();
    order_.clear();
    for (auto& [id, job] : jobs_) {
      const JobView v = view.job(id);
      if (job.runs && v.ran - job.ran >= job.first) job.rank = v.attained.milli_gpu_ns / quantum_;
      if (job.runs) free += v.gpus();
      order_.push_back(id);
    }
    std::sort(order_.begin(), order_.end(), [this](JobId a, JobId b) {
      const Job &x = jobs_.at(a), &y = jobs_.at(b);
      return std::tuple(x.rank, !x.runs, a) < std::tuple(y.rank, !y.runs, b);
    });
    std::vector<JobId> start;
    for (const JobId id : order_) {
      const std::int32_t gpus = view.job(id).gpus();
      const bool serves = gpus <= free;
      if (serves) free -= gpus;
      if (serves && !jobs_.at(id).runs) start.push_back(id);
      if (!serves && jobs_.at(id).runs) {
        plan.preempt(id);
        jobs_.at(id).runs = false;
      }
    }
    for (const JobId id : start) {
      REQUIRE(plan.start(id, *placement_));
      const JobView v = view.job(id);
      Job& job = jobs_.at(id);
      job.runs = true;
      job.ran = v.ran;
      job.first = std::max(until_next(v), hold_);
    }
    for (const auto& [id, job] : jobs_) {
      const JobView v = view.job(id);
      if (!job.runs || v.state != JobState::running) continue;
      const Duration held = job.first - (v.ran - job.ran);
      plan.wake_at(view.now + (held.ns > 0 ? held : until_next(v)));
    }
  }

 private:
  struct Job {
    Int128 rank = 0;
    bool runs = false;
    Duration ran{}, first{};  // its run time when it was started, and from then until it is compared
  };
  [[nodiscard]] Duration until_next(const JobView& v) const {
    const Int128 left = quantum_ - v.attained.milli_gpu_ns % quantum_, speed = v.spec->demand.milli_gpus();
    return Duration{static_cast<std::int64_t>((left + speed - 1) / speed)};
  }
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView v = view.job(e.job);
    if (enters_queue(e.kind())) jobs_[e.job] = {v.attained.milli_gpu_ns / quantum_, false, {}, {}};
    if (is_final(v.state)) jobs_.erase(e.job);
  }
  Int128 quantum_;
  Duration hold_;
  std::unique_ptr<Placement> placement_;
  std::map<JobId, Job> jobs_;
  std::vector<JobId> order_;
};

// What was decided when.
class Decisions final : public Observer {
 public:
  void on_plan(Time now, std::uint64_t, const Plan& plan) override {
    ++count;
    std::vector<std::string> changes;
    for (const auto& [job, target] : plan.targets)
      changes.push_back(
          fmt::format("{} {} {}", now.ns, job.value, target.act == Act::run ? target.gpus.to_string() : "preempt"));
    std::sort(changes.begin(), changes.end());
    all.insert(all.end(), changes.begin(), changes.end());
  }
  std::vector<std::string> all;
  std::int64_t count = 0;
};

}  // namespace

TEST_CASE("las decides as one that looks at every quantum, in a fraction of the decisions", "[policies]") {
  RandomStream rng = stream(14, "tests/las");
  const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  std::int64_t las_decisions = 0, naive_decisions = 0;
  std::size_t changes = 0;
  for (int round = 0; round < share_of(60); ++round) {
    const std::int64_t quantum_s = 1 + upto(40), hold_s = upto(3) == 0 ? 0 : upto(30);
    std::vector<TinyJob> jobs;
    std::int64_t submit = 0;
    for (std::int64_t i = 10 + upto(30); i > 0; --i) {
      jobs.push_back({submit, static_cast<std::int32_t>(1 + upto(upto(2) == 0 ? 8 : 2)), 1 + upto(400)});
      submit += upto(30);
    }
    SimOptions sim;
    if (round % 3 == 1) sim.overheads.launch = seconds(1 + upto(9)), sim.overheads.stop = seconds(upto(3));
    if (round % 3 == 2) sim.failures.outages = {{NodeId(0), at_seconds(90), at_seconds(130)}};
    INFO("world " << round << ": quantum " << quantum_s << " GPU-s, hold " << hold_s << " s");
    Decisions real, expected;
    const Workload w = make_workload(jobs);
    const auto las = make_policy(
        {"las", "count", {{"quantum", fmt::format("{}GPUs", quantum_s)}, {"hold", fmt::format("{}s", hold_s)}}});
    NaiveLas naive(seconds(quantum_s), seconds(hold_s));
    run_world(cluster(2, 4), w, *las, sim, false, {&real});
    run_world(cluster(2, 4), w, naive, sim, false, {&expected});
    CHECK(real.all == expected.all);
    las_decisions += real.count;
    naive_decisions += expected.count;
    changes += real.all.size();
  }
  CHECK(changes > share_of(5000U));
  CHECK(4 * las_decisions < 3 * naive_decisions);
}

// [1x1], quantum 60 GPU-s, hold 1 s: alone a job is woken for nothing; of two equal ones each runs until it is a
// quantum beyond the other: to 60, 120, 180, ..., 540 s of service, and the second to its end.
TEST_CASE("las asks to be woken only when a waiting job goes ahead", "[policies]") {
  const std::map<std::string, std::string> options{{"quantum", "60GPUs"}, {"hold", "1s"}};
  const auto decisions = [&](const std::vector<TinyJob>& jobs) {
    Decisions seen;
    run_world(cluster(1, 1), jobs, {"las", "count", options}, {}, {&seen});
    return seen.count;
  };
  CHECK(decisions({{0, 1, 6000}}) == 2);               // it comes, it ends
  CHECK(decisions({{0, 1, 600}, {0, 1, 600}}) == 12);  // they come, nine turns end, both end
}

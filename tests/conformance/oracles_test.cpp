// Oracles: optimal schedules by brute force, promises that must be kept, and metamorphic relations, where a change of
// the input must change the output in a known way.
#include <catch2/catch.hpp>
#include <cstdio>
#include <map>

#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

std::vector<TinyJob> random_jobs(RandomStream& rng, std::uint64_t n, std::uint64_t gpus, std::uint64_t span,
                                 std::uint64_t duration) {
  std::vector<TinyJob> jobs;
  for (std::uint64_t i = 0; i < n; ++i)
    jobs.push_back({static_cast<std::int64_t>(uniform_below(rng, span)),
                    static_cast<std::int32_t>(1 + uniform_below(rng, gpus)),
                    static_cast<std::int64_t>(1 + uniform_below(rng, duration))});
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const TinyJob& a, const TinyJob& b) { return a.submit_s < b.submit_s; });
  return jobs;
}

// The smallest possible sum of finish times on one GPU with preemption at whole seconds, by looking at all schedules.
class BruteForce {
 public:
  explicit BruteForce(const std::vector<TinyJob>& jobs) : jobs_(jobs) {}
  std::int64_t best() {
    std::vector<int> left;
    for (const TinyJob& j : jobs_) left.push_back(static_cast<int>(j.duration_s));
    return from(0, left);
  }

 private:
  std::int64_t from(std::int64_t now, const std::vector<int>& left) {
    bool any = false, ready = false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      any = any || left[i] > 0;
      ready = ready || (left[i] > 0 && jobs_[i].submit_s <= now);
    }
    if (!any) return 0;
    if (!ready) return from(now + 1, left);
    const auto key = std::make_pair(now, left);
    if (const auto it = known_.find(key); it != known_.end()) return it->second;
    std::int64_t best = 1'000'000;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i] == 0 || jobs_[i].submit_s > now) continue;
      std::vector<int> next = left;
      next[i] -= 1;
      best = std::min(best, (next[i] == 0 ? now + 1 : 0) + from(now + 1, next));
    }
    return known_[key] = best;
  }

  std::vector<TinyJob> jobs_;
  std::map<std::pair<std::int64_t, std::vector<int>>, std::int64_t> known_;
};

// Holds every promise of a start time against what comes after it.
class Promises final : public Observer {
 public:
  void on_plan(Time, std::uint64_t, const Plan& plan) override {
    for (const Reservation& r : plan.reservations) {
      const auto [it, fresh] = promised_.try_emplace(r.job, r.start);
      if (r.start > it->second) ++broken;
      it->second = std::min(it->second, r.start);
      ++made;
    }
  }
  void on_event(const Event& e) override {
    if (e.kind() != EventKind::launch) return;
    if (const auto it = promised_.find(e.job); it != promised_.end() && e.at > it->second) ++broken;
  }
  int made = 0, broken = 0;

 private:
  std::map<JobId, Time> promised_;
};

std::vector<double> finishes(const RunResult& r) {
  std::vector<double> out;
  for (const Outcome& j : r.jobs) out.push_back(j.finish_s);
  return out;
}

}  // namespace

// SRPT minimises the mean JCT on one machine (Schrage 1968).
TEST_CASE("srtf on one GPU is as good as brute force", "[oracle]") {
  RandomStream rng = stream(1, "tests/oracles/srtf");
  for (int round = 0; round < share_of(150); ++round) {
    const auto jobs = random_jobs(rng, 2 + uniform_below(rng, 6), 1, 6, 4);
    std::int64_t sum = 0;
    for (const double f : finishes(run_world(cluster(1, 1), jobs, {"srtf"}))) sum += static_cast<std::int64_t>(f);
    INFO("round " << round);
    REQUIRE(sum == BruteForce(jobs).best());
  }
}

TEST_CASE("backfilling never delays a reservation", "[oracle]") {
  RandomStream rng = stream(1, "tests/oracles/backfill");
  int made = 0;
  for (int round = 0; round < share_of(150); ++round) {
    auto jobs = random_jobs(rng, 5 + uniform_below(rng, 40), 8, 2000, 900);
    for (TinyJob& j : jobs)
      j.estimate_s = j.duration_s * static_cast<std::int64_t>(100 + uniform_below(rng, 200)) / 100;
    for (const char* policy : {"conservative", "easy"}) {
      INFO("round " << round << ", " << policy);
      Promises promises;
      run_world(cluster(2, 4), jobs, {policy}, {}, {&promises});
      REQUIRE(promises.broken == 0);
      made += promises.made;
    }
  }
  CHECK(made > share_of(1000));
}

TEST_CASE("scaling all times scales the schedule", "[oracle]") {
  RandomStream rng = stream(1, "tests/oracles/scale");
  for (int round = 0; round < share_of(15); ++round) {
    const auto jobs = random_jobs(rng, 30, 8, 3000, 900);
    auto slow = jobs;
    for (TinyJob& j : slow) {
      j.submit_s *= 7;
      j.duration_s *= 7;
    }
    // Policies without times of their own; tiresias, las and gandiva with theirs scaled along.
    std::vector<std::pair<PolicyChoice, PolicyChoice>> pairs;
    for (const char* name :
         {"fifo", "fjf", "sjf", "qssf", "smallest", "lpjf", "easy", "conservative", "srtf", "srsf", "edf", "drf"})
      pairs.push_back({{name}, {name}});
    pairs.push_back({{"tiresias", "count", {{"limits", "[100s]"}}}, {"tiresias", "count", {{"limits", "[700s]"}}}});
    pairs.push_back({{"las", "count", {{"quantum", "50s"}, {"hold", "20s"}}},
                     {"las", "count", {{"quantum", "350s"}, {"hold", "140s"}}}});
    pairs.push_back({{"gandiva", "count", {{"quantum", "20s"}}}, {"gandiva", "count", {{"quantum", "140s"}}}});
    for (const auto& [one, seven] : pairs) {
      INFO("round " << round << ", " << one.name);
      const std::vector<double> scaled = finishes(run_world(cluster(2, 4), jobs, one));
      const std::vector<double> slowed = finishes(run_world(cluster(2, 4), slow, seven));
      for (std::size_t i = 0; i < scaled.size(); ++i)  // crossings of a limit are rounded up to a nanosecond
        REQUIRE(slowed[i] == Approx(7 * scaled[i]).epsilon(0).margin(1e-6));
    }
  }
}

TEST_CASE("names of jobs, tenants and nodes decide nothing", "[oracle]") {
  RandomStream rng = stream(1, "tests/oracles/names");
  for (int round = 0; round < share_of(20); ++round) {
    Workload plain = make_workload(random_jobs(rng, 30, 8, 3000, 900));
    for (JobSpec& s : plain.specs) s.tenant = fmt::format("t{}", s.id.value % 3);
    Workload renamed = plain;
    for (JobSpec& s : renamed.specs) {
      s.name = fmt::format("{}-z", 1000 - s.id.value);
      s.tenant = fmt::format("{}", 9 - s.id.value % 3);
    }
    auto groups = cluster(2, 4);
    auto other = groups;
    other[0].name = "zz";
    other[0].gpu = "a";
    for (const PolicyInfo& info : policy_table()) {
      INFO("round " << round << ", " << info.name);
      const auto a = make_policy({std::string(info.name)});
      const auto b = make_policy({std::string(info.name)});
      REQUIRE(finishes(run_world(groups, plain, *a)) == finishes(run_world(other, renamed, *b)));
    }
  }
}

// Two clusters that share nothing, each with its own copy of the work: each schedule is that of one cluster alone.
TEST_CASE("two copies of a cluster with two copies of the work do not meet", "[oracle]") {
  RandomStream rng = stream(1, "tests/oracles/disjoint");
  for (int round = 0; round < share_of(30); ++round) {
    const auto jobs = random_jobs(rng, 25, 8, 3000, 900);
    const Workload one = make_workload(jobs);
    Workload both;
    for (const JobSpec& s : one.specs) {
      for (std::uint32_t copy = 0; copy < 2; ++copy) {
        JobSpec twin = s;
        twin.id = JobId(2 * s.id.value + copy);
        twin.demand.gpu_types = 1u << copy;
        twin.demand_class = both.demands.intern(twin.demand);
        both.specs.push_back(twin);
        both.truths.push_back(one.truths[s.id.index()]);
      }
    }
    auto groups = cluster(2, 4);
    auto twin_groups = groups;
    twin_groups.push_back(groups[0]);
    twin_groups[1].name = "m";
    twin_groups[1].gpu = "other";
    for (const char* name :
         {"fifo", "fjf", "sjf", "qssf", "smallest", "lpjf", "srtf", "srsf", "edf", "las", "tiresias"}) {
      INFO("round " << round << ", " << name);
      const auto a = make_policy({name});
      const auto b = make_policy({name});
      const std::vector<double> alone = finishes(run_world(groups, one, *a));
      const std::vector<double> together = finishes(run_world(twin_groups, both, *b));
      for (std::size_t i = 0; i < alone.size(); ++i) {
        REQUIRE(together[2 * i] == alone[i]);
        REQUIRE(together[2 * i + 1] == alone[i]);
      }
    }
  }
}

// Progressive filling (Ghodsi et al. 2011, section 4) without an LP: replaying the starts of the first decision one
// by one, no tenant with a smaller dominant share than the one served had a job that would have fitted; and at the
// end nobody's job fits. Tenants have more identical jobs than there is room for, on one node of GPUs and CPUs;
// shares are of what is up: there is another node, which is away.
TEST_CASE("drf always serves the smallest dominant share that can be served", "[oracle]") {
  class FirstPlan final : public Observer {
   public:
    void on_plan(Time now, std::uint64_t, const Plan& plan) override {
      if (now != at_seconds(1)) return;
      for (const auto& [job, target] : plan.targets) started.push_back(job);
    }
    std::vector<JobId> started;
  };
  constexpr std::int64_t kGpus = 32, kCpuMilli = 128'000;
  RandomStream rng = stream(1, "tests/oracles/drf");
  for (int round = 0; round < share_of(300); ++round) {
    auto groups = cluster(1, kGpus);
    groups[0].cpu_milli = kCpuMilli;
    groups.push_back(groups[0]);
    groups[1].name = "away";
    groups[1].cpu_milli = static_cast<std::int64_t>(1 + uniform_below(rng, 10)) * kCpuMilli;
    SimOptions sim;
    sim.failures.outages = {{NodeId(1), Time{}, at_seconds(1'000'000)}};
    struct Tenant {
      std::int64_t gpus, cpu_milli, has = 0;
      [[nodiscard]] double share() const {
        return static_cast<double>(has) *
               std::max(static_cast<double>(gpus) / kGpus, static_cast<double>(cpu_milli) / kCpuMilli);
      }
    };
    std::vector<Tenant> tenants;
    for (std::uint64_t t = 2 + uniform_below(rng, 3); t > 0; --t)
      tenants.push_back({static_cast<std::int64_t>(1 + uniform_below(rng, 3)),
                         static_cast<std::int64_t>(1000 * uniform_below(rng, 20))});
    Workload w;
    for (std::size_t i = 0; i < 33 * tenants.size(); ++i) {
      const Tenant& t = tenants[i % tenants.size()];
      JobSpec s;
      s.id = JobId(static_cast<std::uint32_t>(i));
      s.name = fmt::format("j{}", i);
      s.tenant = fmt::format("t{}", i % tenants.size());
      s.submit = at_seconds(1);
      s.demand.gpus = s.min_gpus = s.max_gpus = static_cast<std::int32_t>(t.gpus);
      s.demand.cpu_milli = t.cpu_milli;
      s.demand_class = w.demands.intern(s.demand);
      w.specs.push_back(s);
      w.truths.push_back({Work{seconds(100).ns}});
    }
    const auto policy = make_policy({"drf"});
    FirstPlan first;
    run_world(groups, w, *policy, sim, true, {&first});
    std::int64_t gpus = kGpus, cpu = kCpuMilli;
    const auto fits = [&](const Tenant& t) { return t.gpus <= gpus && t.cpu_milli <= cpu; };
    INFO("round " << round);
    for (const JobId job : first.started) {
      Tenant& served = tenants[job.index() % tenants.size()];
      REQUIRE(fits(served));
      for (const Tenant& t : tenants) REQUIRE((!fits(t) || t.share() >= served.share() - 1e-9));
      served.has += 1;
      gpus -= served.gpus;
      cpu -= served.cpu_milli;
    }
    for (const Tenant& t : tenants) REQUIRE(!fits(t));
  }
}

// Each node killed at and between every event of a run, for every policy.
TEST_CASE("a node may go down at and between any two events", "[oracle]") {
  class Times final : public Observer {
   public:
    void on_event(const Event& e) override { at.push_back(e.at); }
    std::vector<Time> at;
  };
  const std::vector<TinyJob> jobs{{0, 4, 90},  {0, 2, 50},  {5, 8, 40}, {10, 1, 200},
                                  {20, 3, 70}, {30, 4, 30}, {31, 1, 5}};
  SimOptions sim;
  sim.overheads.launch = seconds(3);
  sim.overheads.stop = seconds(2);
  sim.checkpoints = {seconds(20), seconds(1)};
  int runs = 0;
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    Times times;
    run_world(cluster(2, 4), jobs, {std::string(info.name)}, sim, {&times});
    std::vector<Time> at = times.at;
    at.erase(std::unique(at.begin(), at.end()), at.end());
    const std::vector<Time> events = at;
    for (std::size_t i = 1; i < events.size(); ++i)
      at.push_back(events[i - 1] + Duration{(events[i] - events[i - 1]).ns / 2});
    for (const std::size_t which : some_of(at.size(), turn++)) {
      const Time t = at[which];
      for (std::uint32_t node = 0; node < 2; ++node) {
        INFO("policy " << info.name << ", node " << node << " down at " << to_seconds(t) << " s");
        SimOptions broken = sim;
        broken.failures.outages = {{NodeId(node), t, t + seconds(25)}};
        const RunResult r = run_world(cluster(2, 4), jobs, {std::string(info.name)}, broken);
        REQUIRE(r.outcome.status == RunStatus::completed);
        for (const Outcome& j : r.jobs) REQUIRE(j.state == JobState::finished);
        ++runs;
      }
    }
  }
  std::printf("node killed at and between events: %d runs\n", runs);
}

// Work conservation, for every policy of the registry, over random worlds of unequal nodes and of jobs that want
// whole GPUs, fractions, CPUs alone, one GPU type, CPUs and memory beside GPUs, and of jobs that descend from others:
// after every decision no waiting job fits by the policy's own placement. Policies whose row declares that order
// comes first are held to that: a job that fits waits only while the first in order does not fit. Those that hold
// children back are held to saying so.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <vector>

#include "policies/parts/sizes.hpp"
#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Looks at what waits after every decision.
class IdleBesideWork final : public Observer {
 public:
  IdleBesideWork(const PolicyInfo& info, bool elastic, const std::string& placement)
      : conserves_(info.conserves), elastic_(elastic), placement_(make_placement(placement, 1)) {}
  void on_begin(const RunContext& context) override { context_ = context; }
  void on_plan(Time now, std::uint64_t, const Plan& plan) override {
    if (conserves_ == Conserves::held)
      for (const Reason& r : plan.reasons) held_[r.job] = r.code == ReasonCode::held;
    std::vector<const JobSpec*> fitting_now;
    std::size_t waiting_now = 0;
    for (const JobRecord& r : *context_.records) {
      if (!r.ready || r.has_target || r.cancelling || is_final(r.state)) {
        held_.erase(r.spec->id);
        continue;
      }
      ++waiting_now;
      if (const auto at = held_.find(r.spec->id); at != held_.end() && at->second) {
        held += fits(*r.spec) ? 1 : 0;
        continue;
      }
      if (fits(*r.spec)) fitting_now.push_back(r.spec);
    }
    waiting += static_cast<std::int64_t>(waiting_now);
    const bool others_first = fitting_now.size() < waiting_now || !plan.reservations.empty();
    if (fitting_now.empty() || (conserves_ == Conserves::order && others_first)) return;
    ++fitting;
    for (const JobSpec* s : fitting_now)
      broken += fmt::format("at {} s job {} of {} GPUs, {} of 1000 each, waits and would fit\n", to_seconds(now),
                            s->name, s->demand.gpus, s->demand.milli_per_gpu);
  }
  std::int64_t waiting = 0;  // over all decisions
  std::int64_t held = 0;     // those that would fit and are held, over all decisions
  std::int64_t fitting = 0;  // decisions that break the promise
  std::string broken;        // which, in words

 private:
  bool fits(const JobSpec& spec) {
    scratch_.clear();
    const Demand least = elastic_ ? resized(spec.demand, spec.min_gpus) : spec.demand;
    return placement_->place(least, *context_.planned, scratch_);
  }
  Conserves conserves_;
  bool elastic_;
  std::unique_ptr<Placement> placement_;
  RunContext context_;
  Allocation scratch_;
  std::map<JobId, bool> held_;  // what was said last of those that wait
};

struct RandomWorld {
  std::vector<NodeGroup> groups;
  Workload workload;
  std::string placement;
  SimOptions sim;
};

class Drawn {
 public:
  explicit Drawn(std::uint64_t seed) : rng_(stream(seed, "tests/work_conservation")) {}

  RandomWorld world() {
    RandomWorld w;
    for (std::int64_t g = 1 + upto(3); g > 0; --g) {
      NodeGroup group;
      group.name = fmt::format("g{}", g);
      group.gpu = upto(2) == 0 ? "a" : "b";
      group.count = static_cast<int>(1 + upto(3));
      group.gpus_per_node = static_cast<int>(1 + upto(8));
      if (upto(2) == 0) group.cpu_milli = 8000;
      if (upto(3) == 0) group.mem_bytes = std::int64_t{64} << 30;
      w.groups.push_back(group);
    }
    const auto& placements = placement_table();
    w.placement = placements[static_cast<std::size_t>(upto(static_cast<std::int64_t>(placements.size())))].name;
    draw_jobs(w);
    if (upto(2) == 0) draw_lineages(w);
    if (upto(2) == 0) w.sim.overheads.launch = seconds(2), w.sim.overheads.stop = seconds(1);
    if (upto(3) == 0) w.sim.failures.outages = {{NodeId(0), at_seconds(20), at_seconds(60)}};
    return w;
  }

 private:
  std::int64_t upto(std::int64_t n) {
    return static_cast<std::int64_t>(uniform_below(rng_, static_cast<std::uint64_t>(n)));
  }
  Demand demand(int types) {
    Demand d;
    const std::int64_t kind = upto(6);
    d.gpus = kind == 0 ? 0 : kind == 1 ? 1 : static_cast<std::int32_t>(1 + upto(8));
    if (kind == 1) d.milli_per_gpu = static_cast<std::int32_t>(100 * (1 + upto(8)));
    if (d.gpus > 0 && upto(3) == 0) d.gpu_types = GpuTypeMask{1} << upto(types);
    if (d.gpus == 0 || upto(3) == 0) d.cpu_milli = 1000 * (1 + upto(4));
    if (upto(4) == 0) d.mem_bytes = (1 + upto(16)) << 30;
    return d;
  }
  // Jobs that fit on the cluster when it is idle.
  void draw_jobs(RandomWorld& w) {
    const Topology topology(w.groups);
    const Inventory idle(topology);
    const auto placement = make_placement(w.placement, 1);
    Allocation scratch;
    std::int64_t submit = 0;
    for (int tries = 0; tries < 400 && w.workload.specs.size() < 20; ++tries) {
      JobSpec s;
      s.demand = demand(static_cast<int>(topology.gpu_types().size()));
      scratch.clear();
      if (!placement->place(s.demand, idle, scratch)) continue;
      s.id = JobId(static_cast<std::uint32_t>(w.workload.specs.size()));
      s.name = fmt::format("j{}", s.id.value);
      s.tenant = fmt::format("t{}", upto(3));
      s.submit = at_seconds(submit += upto(6));
      s.min_gpus = s.max_gpus = s.demand.gpus;
      if (s.demand.milli_per_gpu == kMilliPerGpu && s.demand.gpus > 1 && upto(3) == 0) s.min_gpus = 1;
      s.demand_class = w.workload.demands.intern(s.demand);
      const std::int64_t length = 1 + upto(60);
      if (upto(8) != 0) s.user_estimate = seconds(length * (1 + upto(3)));
      if (upto(3) == 0) s.deadline = s.submit + seconds(upto(200));
      w.workload.specs.push_back(s);
      w.workload.truths.push_back({Work{seconds(length).ns}});
    }
  }
  // The first two jobs are parents of most others.
  void draw_lineages(RandomWorld& w) {
    w.sim.publishes = {.every_per_mille = 100, .cost = seconds(1)};
    for (std::size_t i = 0; i < w.workload.specs.size(); ++i) {
      JobSpec& s = w.workload.specs[i];
      s.kind = i < 2 ? JobKind::pretrain : JobKind::transfer;
      s.model = i < 2 ? "pretrain" : "transfer";
      if (i < 2) {
        w.workload.truths[i].work = Work{w.workload.truths[i].work.ns * 8};
        s.user_estimate = Duration{w.workload.truths[i].work.ns} + seconds(60);  // publications, too
        continue;
      }
      if (upto(4) == 0) continue;
      const JobId parent(static_cast<std::uint32_t>(upto(2)));
      s.dataset = upto(2) == 0 ? "a" : "b";
      s.after.push_back({parent, upto(3) == 0, static_cast<std::int32_t>(100 * (1 + upto(10)))});
      if (s.user_estimate) s.user_estimate = Duration{2 * s.user_estimate->ns};  // nobody outlives it
      const auto gain = static_cast<std::int32_t>(s.dataset == "a" ? 700 : 300 * (upto(3) - 1));
      w.workload.truths[i].sources.push_back({parent, gain});
    }
  }
  RandomStream rng_;
};

// When each of some jobs of 100 s starts under themis; the i-th is submitted at i s.
std::vector<double> starts_under_themis(const std::vector<NodeGroup>& groups, const std::vector<Demand>& demands,
                                        const std::string& placement) {
  Workload w;
  for (const Demand& d : demands) {
    JobSpec s;
    s.id = JobId(static_cast<std::uint32_t>(w.specs.size()));
    s.name = fmt::format("j{}", s.id.value);
    s.submit = at_seconds(s.id.value);
    s.demand = d;
    s.min_gpus = s.max_gpus = d.gpus;
    s.demand_class = w.demands.intern(d);
    s.user_estimate = seconds(100);
    w.specs.push_back(s);
    w.truths.push_back({Work{seconds(100).ns}});
  }
  const auto policy = make_policy({"themis", placement});
  std::vector<double> starts;
  for (const Outcome& j : run_world(groups, w, *policy).jobs) starts.push_back(j.start_s);
  return starts;
}

}  // namespace

TEST_CASE("no policy leaves free what a waiting job could use, unless its row says so", "[conformance]") {
  Drawn drawn(14);
  std::map<std::string_view, std::int64_t> waited, held;
  for (int round = 0; round < share_of(60); ++round) {
    const RandomWorld w = drawn.world();
    for (const PolicyInfo& info : policy_table()) {
      if (info.conserves == Conserves::nothing) continue;
      INFO("world " << round << ", policy " << info.name << ", placement " << w.placement << ", outages "
                    << w.sim.failures.outages.size());
      std::map<std::string, std::string> options;  // short enough to matter in worlds of minutes
      for (const OptionSpec& o : info.options)
        if (o.type == "time" || o.type == "gpu_time") options[o.name] = "7s";
      const auto policy = make_policy({std::string(info.name), w.placement, options});
      IdleBesideWork idle(info, info.capabilities.elastic, w.placement);
      InvariantChecker checker{InvariantOptions{}};
      const RunResult r = run_world(w.groups, w.workload, *policy, w.sim, false, {&idle, &checker});
      CHECK(r.outcome.status == RunStatus::completed);
      for (const Violation& v : checker.violations()) UNSCOPED_INFO("invariant " << v.rule << ": " << v.text);
      CHECK(checker.violations().empty());
      INFO(idle.broken);
      // After a node went down what comes back waits behind reservations of others.
      if (info.conserves != Conserves::order || w.sim.failures.outages.empty()) CHECK(idle.fitting == 0);
      waited[info.name] += idle.waiting;
      held[info.name] += idle.held;
    }
  }
  for (const PolicyInfo& info : policy_table()) {
    INFO(info.name);
    CHECK((info.conserves == Conserves::nothing || waited[info.name] > share_of(1000)));
    if (whole_effort() || info.conserves != Conserves::held)
      CHECK((held[info.name] > 0) == (info.conserves == Conserves::held));
  }
}

// Themis counted GPUs: nothing started beside a job that it could not place, nor when no whole GPU was free.
TEST_CASE("themis starts what fits beside a first job that cannot be placed", "[policies]") {
  Demand whole, half, cpus, two;
  half.milli_per_gpu = 500;
  cpus.gpus = 0;
  cpus.cpu_milli = 1000;
  two.gpus = 2;
  auto one = cluster(1, 1);
  one[0].cpu_milli = 4000;
  CHECK(starts_under_themis(one, {whole, cpus}, "count") == std::vector<double>{0, 1});  // CPUs alone, no GPU free
  CHECK(starts_under_themis(one, {half, half}, "count") == std::vector<double>{0, 1});   // the other half
  // [1x3 + 1x1], two GPUs on one node: the second job of two waits for the first, the job of one does not wait.
  auto unequal = cluster(1, 3);
  unequal.push_back(unequal[0]);
  unequal[1].name = "m";
  unequal[1].gpus_per_node = 1;
  CHECK(starts_under_themis(unequal, {two, two, whole}, "consolidated") == std::vector<double>{0, 100, 2});
}

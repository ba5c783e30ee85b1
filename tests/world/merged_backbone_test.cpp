// Merged gangs on one frozen backbone: what they share of a step is done once for all of them, in the world, in what
// is believed of it and in the checker's book alike.
#include <catch2/catch.hpp>

#include "sim/api/predictor.hpp"
#include "tests/support/chaos_world.hpp"
#include "tests/support/stepping.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Starts children as they come, all in one gang on the first GPU, and parents on GPUs of their own.
class MergesChildren final : public Policy {
 public:
  explicit MergesChildren(bool says_version = true) : says_version_(says_version) {}
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const JobView job : view.pending()) {
      Allocation gpu;
      const bool child = !job.spec->after.empty();
      gpu.add({.node = NodeId(0), .gpus = GpuMask::one(child ? 0 : 1 + static_cast<int>(job.id().value))});
      RunConfig config;
      if (child && says_version_) config = {.start_version = 1, .start_parent = job.spec->after.front().parent};
      if (child)
        plan.run(job.id(), gpu, config, Sharing::merged, GroupId(1));
      else
        plan.run(job.id(), gpu);
    }
    for (const JobView job : view.active()) rates.push_back(job.rate.per_billion);
  }
  std::vector<std::int64_t> rates;  // of all that run, at every decision

 private:
  bool says_version_;
};

Workload lineage(const std::vector<TinyJob>& jobs, std::uint32_t parents, std::int32_t shared_per_mille) {
  Workload w = make_workload(jobs);
  for (JobSpec& spec : w.specs) {
    if (spec.id.value < parents) continue;
    spec.after.push_back({JobId(spec.id.value % parents), true, 1000});
    spec.merging.step_per_mille = shared_per_mille;
  }
  return w;
}

RunResult play(const Workload& w, Policy& policy, const SimOptions& sim = {}) {
  return run_checked(cluster(1, 8), w, policy, {}, sim);
}

MergedPart part(std::int64_t step_s, std::int32_t shared, std::uint32_t version = 1, std::uint32_t parent = 0) {
  return {seconds(step_s), shared, {JobId(parent), version, "m"}};
}

}  // namespace

// Thousandths of a nanosecond. Two of 10 s that share 0.8 take 12 s; a third on another backbone adds its own 10 s.
TEST_CASE("merged: what is shared of a step is done once for all on one backbone", "[exec][merged][backbone]") {
  constexpr std::int64_t kS = 1'000'000'000'000;
  const auto step = [](const std::vector<MergedPart>& parts) {
    return static_cast<std::int64_t>(merged_step(parts));
  };
  CHECK(step({part(10, 800)}) == 10 * kS);
  CHECK(step({part(10, 800), part(10, 800)}) == 12 * kS);
  CHECK(step({part(10, 800), part(10, 800), part(10, 800), part(10, 800)}) == 16 * kS);
  CHECK(step({part(10, 800), part(10, 800, 2)}) == 20 * kS);
  CHECK(step({part(10, 800), part(10, 800, 1, 5)}) == 20 * kS);
  CHECK(step({part(10, 800), part(10, 800), part(10, 800, 2)}) == 22 * kS);
  // 2 s and 3 s of their own, and the longer one of 8 s and 3 s.
  CHECK(step({part(10, 800), part(6, 500)}) == 13 * kS);
  CHECK(step({part(10, 0), part(6, 0)}) == 16 * kS);
  CHECK(step({part(10, 1000), part(10, 1000)}) == 10 * kS);
  const std::vector<MergedPart> two{part(10, 800), part(6, 500)};
  CHECK(merged_speed(kUnitRate, 0, two).per_billion == 769'230'769);  // 10 of 13
  CHECK(merged_speed(kUnitRate, 1, two).per_billion == 461'538'461);
  // A step that is not known: all take the same, 1 / (0.8 + 0.2 x 2).
  const std::vector<MergedPart> unknown{part(0, 800), part(7, 800)};
  CHECK(merged_speed(kUnitRate, 0, unknown).per_billion == 833'333'333);
}

TEST_CASE("merged: who does not say which version it starts from has a backbone of its own", "[merged][backbone]") {
  JobSpec spec;
  spec.model = "lora";
  CHECK_FALSE(backbone_of(spec, {.start_version = 1}).known());  // no parent
  spec.after = {{JobId(3), true, 1000}, {JobId(4), true, 1000}};
  CHECK_FALSE(backbone_of(spec, {}).known());
  CHECK_FALSE(backbone_of(spec, {.start_version = kFromBase}).known());
  CHECK(backbone_of(spec, {.start_version = 2}) == Backbone{JobId(3), 2, "lora"});
  CHECK(backbone_of(spec, {.start_version = 2, .start_parent = JobId(4)}) == Backbone{JobId(4), 2, "lora"});
}

// The parent ends at 10 s. Two children of 100 and 60 s share 0.8 of a step, so both go at 1 / 1.2: j2 has done its
// 60 s at 82 s, when 40 s are left of j1, alone.
TEST_CASE("merged: children of one version run together as the law says", "[exec][merged][backbone]") {
  MergesChildren policy;
  const RunResult r = play(lineage({{0, 1, 10}, {0, 1, 100}, {0, 1, 60}}, 1, 800), policy);
  CHECK(r.jobs[2].finish_s == Approx(82).epsilon(1e-6));
  CHECK(r.jobs[1].finish_s == Approx(122).epsilon(1e-6));
  // What is believed at 10 s, before they run, is nothing; at 82 s it is that j1 is alone.
  CHECK(policy.rates.back() == kUnitRate.per_billion);
  // Without the version nothing is known to be shared: each has half of the time. j2 ends at 130 s, j1 at 170 s.
  MergesChildren silent(false);
  const RunResult apart = play(lineage({{0, 1, 10}, {0, 1, 100}, {0, 1, 60}}, 1, 800), silent);
  CHECK(apart.jobs[2].finish_s == Approx(130).epsilon(1e-6));
  CHECK(apart.jobs[1].finish_s == Approx(170).epsilon(1e-6));
}

// Of two parents that end at 10 s: j2 and j4 of the first, j3 of the second. All have 60 s. Steps of 0.8 + 0.2 x 2
// and 1 take 2.2 together: all end at 10 + 132 s.
TEST_CASE("merged: children of other parents add their whole steps", "[exec][merged][backbone]") {
  MergesChildren policy;
  const RunResult r = play(lineage({{0, 1, 10}, {0, 1, 10}, {0, 1, 60}, {0, 1, 60}, {0, 1, 60}}, 2, 800), policy);
  for (std::size_t j = 2; j < 5; ++j) CHECK(r.jobs[j].finish_s == Approx(142).epsilon(1e-6));
}

TEST_CASE("merged: on one backbone, random worlds keep every promise", "[exec][merged][backbone]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/backbone");
    std::vector<TinyJob> jobs;
    const auto parents = static_cast<std::uint32_t>(1 + uniform_below(rng, 2));
    for (std::uint32_t i = 0; i < parents + 6; ++i)
      jobs.push_back({static_cast<std::int64_t>(i < parents ? 0 : uniform_below(rng, 300)), 1,
                      static_cast<std::int64_t>(1 + uniform_below(rng, 400))});
    const Workload w = lineage(jobs, parents, static_cast<std::int32_t>(uniform_below(rng, 1001)));
    SimOptions sim = chaos_sim_options();
    sim.failures.outages = {{NodeId(0), at_seconds(400), at_seconds(450)}};
    MergesChildren policy;
    const RunResult r = play(w, policy, sim);
    CHECK(r.outcome.unfinished == 0);
  }
}

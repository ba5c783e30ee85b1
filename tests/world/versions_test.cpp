// Lineage in the simulated world: parents publish as they run, children become ready at the progress their edges ask
// for, and the version a child starts from decides how much work it has.
#include <cmath>
#include <fstream>

#include "sim/core/random.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

Dependency edge(std::uint32_t parent, bool hard, std::int32_t per_mille = 1000) {
  return {JobId(parent), hard, per_mille};
}

// Everything that was said about versions, as text.
class VersionSaid final : public Observer {
 public:
  void on_event(const Event& e) override {
    const bool wanted =
        e.kind() == EventKind::published || e.kind() == EventKind::inherited || e.kind() == EventKind::ready;
    if (!wanted) return;
    text += fmt::format("{} {} j{}", to_seconds(e.at), to_string(e.kind()), e.job.value);
    if (const auto* p = e.get_if<event::Published>()) text += fmt::format(" v{} at {}", p->version, p->per_mille);
    if (const auto* i = e.get_if<event::Inherited>())
      text += fmt::format(" of j{} saves {}", i->parent.value, i->saved.ns / kNsPerSecond);
    text += "\n";
  }
  std::string text;
};

RunResult run_checked(const std::vector<NodeGroup>& groups, const Workload& w, SimOptions sim, VersionSaid& said,
                      const PolicyChoice& choice = {"fifo"}) {
  const auto policy = make_policy(choice);
  InvariantOptions options;
  options.true_work = [&w](JobId id) { return w.truths[id.index()].work; };
  InvariantChecker checker(options);
  RunResult r = run_world(groups, w, *policy, std::move(sim), true, {&said, &checker});
  for (const Violation& v : checker.violations())
    FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s, job " << v.job.value << ": " << v.text);
  return r;
}

}  // namespace

TEST_CASE("a child with @hard:0.8 is ready when its parent has published at 80 %", "[lineage]") {
  // One node of 4 GPUs.  j0: 2 GPUs, 0-100; publishes at 80.  j1 (2 GPUs, 50 s, after j0@hard:0.8): 80-130.
  Workload w = make_workload({{0, 2, 100}, {10, 2, 50}});
  w.specs[1].after = {edge(0, true, 800)};
  VersionSaid said;
  const RunResult r = run_checked(cluster(1, 4), w, {}, said);
  CHECK(r.jobs[1].start_s == 80);
  CHECK(r.jobs[1].finish_s == 130);
  CHECK(r.jobs[0].finish_s == 100);
  CHECK(said.text == "0 ready j0\n80 published j0 v1 at 800\n80 ready j1\n");
}

TEST_CASE("publishing every tenth costs the parent time and commits its work", "[lineage]") {
  // j0: 100 s of work, stands still 2 s at 25, 50, 75 %: 27, 54, 81, ends at 106.
  Workload w = make_workload({{0, 2, 100}, {0, 2, 10}});
  w.specs[1].after = {edge(0, true, 500)};
  SimOptions sim;
  sim.publishes = {250, seconds(2)};
  VersionSaid said;
  const RunResult r = run_checked(cluster(1, 4), w, sim, said);
  CHECK(r.jobs[0].finish_s == 106);
  CHECK(r.jobs[1].start_s == 54);
  CHECK(said.text ==
        "0 ready j0\n27 published j0 v1 at 250\n54 published j0 v2 at 500\n54 ready j1\n81 published j0 v3 at 750\n");
}

// j1 leaves j0's GPU at the instant at which j0 is told to publish: j0 goes on at another speed, and publishes. Its
// next command is not refused.
TEST_CASE("a publication that was asked for is made though the job's speed changes at that instant", "[lineage]") {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << "0s j0 run n0:0 group 1\n0s j1 run n0:0 group 1\n20s j1 preempt\n"
                                       "20s j0 publish\n30s j0 publish\n40s j1 run n0:1\n";
  Workload w = make_workload({{0, 1, 100}, {0, 1, 50}, {0, 1, 10}});
  w.specs[2].after = {edge(0, false)};
  VersionSaid said;
  const IdealModel speed;
  InvariantChecker checker(watched(w, speed));
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  const RunResult r = run_world(cluster(1, 4), w, *policy, {}, true, {&said, &checker});
  check_clean(checker);
  CHECK(said.text.find("20 published j0 v1 at 98\n30 published j0 v2 at 198\n") != std::string::npos);
  CHECK(r.jobs[0].finish_s == Approx(20 + 100 - 9.8));
}

TEST_CASE("a child's work depends on the version it starts from", "[lineage]") {
  // j1 would take 1000 s from its base checkpoint; a finished j0 saves 60 % of that. Started from j0 at 80 %:
  // g(0.8) = (1 - e^(-8/3)) / (1 - e^(-10/3)), so 60 % of it saves 578.6 s.
  Workload w = make_workload({{0, 2, 100}, {0, 2, 1000}, {0, 2, 1000}, {200, 2, 1000}});
  w.specs[1].after = {edge(0, true, 800)};
  w.specs[2].after = {edge(0, false)};      // soft: starts at once, from nothing
  w.specs[3].after = {edge(0, true, 800)};  // submitted when j0 has ended: all of the gain
  for (const std::size_t child : {1U, 2U, 3U}) w.truths[child].sources = {{JobId(0), 600}};
  VersionSaid said;
  const RunResult r = run_checked(cluster(1, 8), w, {}, said);
  const double saved = 600.0 * (1 - std::exp(-8.0 / 3)) / (1 - std::exp(-10.0 / 3));
  CHECK(r.jobs[1].start_s == 80);
  CHECK(r.jobs[1].finish_s == Approx(1080 - saved).epsilon(1e-9));
  CHECK(r.jobs[2].finish_s == 1000);
  CHECK(r.jobs[3].finish_s == 600);  // 200 + 1000 - 600
  CHECK(said.text.find("80 inherited j1 of j0 saves 578\n") != std::string::npos);
  CHECK(said.text.find("200 inherited j3 of j0 saves 600\n") != std::string::npos);
  CHECK(said.text.find("inherited j2") == std::string::npos);
}

TEST_CASE("negative transfer costs work", "[lineage]") {
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}});
  w.specs[1].after = {edge(0, true)};
  w.truths[1].sources = {{JobId(0), -500}};
  VersionSaid said;
  const RunResult r = run_checked(cluster(1, 4), w, {}, said);
  CHECK(r.jobs[1].start_s == 100);
  CHECK(r.jobs[1].finish_s == 250);
}

TEST_CASE("a child that is ready through a version survives the failure of its parent", "[lineage]") {
  Workload w = make_workload({{0, 1, 100}, {0, 1, 10}, {0, 1, 10}});
  w.specs[1].after = {edge(0, true, 500)};
  w.specs[2].after = {edge(0, true, 900)};
  JobSource source(w.specs, [](const JobSpec&) { return std::nullopt; });
  std::vector<Event> out;
  source.release(Time{}, out);
  CHECK(out.size() == 4);  // three submits, one ready
  out.clear();
  source.published(at_seconds(60), JobId(0), 600, out);
  REQUIRE(out.size() == 1);
  CHECK(out[0].job == JobId(1));
  out.clear();
  std::vector<JobId> doomed;
  source.ended(at_seconds(70), JobId(0), false, out, doomed);
  CHECK(out.empty());
  REQUIRE(doomed.size() == 1);
  CHECK(doomed[0] == JobId(2));
  CHECK(source.doomed(JobId(2)));
  CHECK_FALSE(source.doomed(JobId(1)));
}

TEST_CASE("bug: a running child was said to be ready again when its soft parent finished", "[lineage]") {
  Workload w = make_workload({{0, 1, 10}, {0, 1, 100}});
  w.specs[1].after = {edge(0, false)};
  VersionSaid said;
  const RunResult r = run_checked(cluster(1, 4), w, {}, said);
  CHECK(r.jobs[1].start_s == 0);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(said.text == "0 ready j0\n0 ready j1\n");
}

TEST_CASE("publications, checkpoints and failing nodes keep the books straight", "[lineage]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RandomStream rng = stream(seed, "test/lineage");
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 30; ++i)
      jobs.push_back({static_cast<std::int64_t>(i * 20), 1 + static_cast<std::int32_t>(uniform_below(rng, 4)),
                      20 + static_cast<std::int64_t>(uniform_below(rng, 400))});
    Workload w = make_workload(jobs);
    for (std::uint32_t i = 1; i < 30; ++i) {
      if (uniform_below(rng, 3) == 0) continue;
      const auto parent = static_cast<std::uint32_t>(uniform_below(rng, i));
      w.specs[i].after = {edge(parent, uniform_below(rng, 4) != 0, 100 * (1 + std::int32_t(uniform_below(rng, 10))))};
      w.truths[i].sources = {{JobId(parent), static_cast<std::int32_t>(uniform_below(rng, 1600)) - 700}};
    }
    SimOptions sim;
    sim.publishes = {150, seconds(3)};
    sim.checkpoints = {seconds(40), seconds(2)};
    if (seed % 2 == 0) {
      sim.failures.node_mtbf = seconds(2000);
      sim.failures.repair = seconds(50);
      sim.failures.seed = seed;
    }
    VersionSaid said;
    const auto policy = make_policy({seed % 3 == 0 ? "srtf" : "fifo"});
    InvariantOptions options;
    if (seed % 2 == 1) options.true_work = [&w](JobId id) { return w.truths[id.index()].work; };
    InvariantChecker checker(options);
    const RunResult r = run_world(cluster(2, 4), w, *policy, sim, true, {&said, &checker});
    INFO("seed " << seed << (checker.ok() ? "" : ": " + checker.violations()[0].text));
    CHECK(checker.ok());
    CHECK(r.outcome.unfinished == 0);
    CHECK(said.text.find("published") != std::string::npos);
  }
}

TEST_CASE("transfer: the work a version leaves", "[lineage]") {
  const Work base{1'000'000'000'000};
  CHECK(transfer_work(base, 600, 1000) == Work{400'000'000'000});
  CHECK(transfer_work(base, 600, 0) == base);
  CHECK(transfer_work(base, 0, 700) == base);
  CHECK(transfer_work(base, -250, 1000) == Work{1'250'000'000'000});
  CHECK(transfer_work(Work{1}, 950, 1000).ns == 1);
  CHECK(transfer_share(0) == 0);
  CHECK(transfer_share(1000) == 1'000'000'000);
  CHECK(static_cast<double>(transfer_share(300)) / 1e9 ==
        Approx((1 - std::exp(-1.0)) / (1 - std::exp(-10.0 / 3))).epsilon(1e-9));
  for (std::int32_t q = 1; q <= 1000; ++q) {  // rises, ever more slowly
    CHECK(transfer_share(q) > transfer_share(q - 1));
    if (q > 1) CHECK(transfer_share(q) - transfer_share(q - 1) <= transfer_share(q - 1) - transfer_share(q - 2) + 1);
  }
}

TEST_CASE("transfer: data transferred has the published values", "[lineage]") {
  // Hernandez et al., Scaling laws for transfer, 2021 (docs/formulas.md): k = 1.9e4, alpha = 0.18, beta = 0.38, N =
  // 1e8.
  const TransferLaw law;
  CHECK(data_transferred(law, 1e6, 1e8) == Approx(2.5047e8).epsilon(1e-4));
  CHECK(data_transferred(law, 1e7, 1e8) == Approx(3.791e8).epsilon(2e-4));
  CHECK(data_transferred(law, 1e8, 1e8) == Approx(5.738e8).epsilon(2e-4));
  CHECK(data_multiplier(law, 1e6, 1e8) == Approx(251.5).epsilon(1e-3));
  CHECK(data_multiplier(law, 1e7, 1e8) == Approx(38.91).epsilon(1e-3));
  CHECK(data_multiplier(law, 1e8, 1e8) == Approx(6.738).epsilon(1e-3));
}

TEST_CASE("transfer: gains are sparse, directional, sometimes negative", "[lineage]") {
  const GainLaw law;
  int positive = 0, negative = 0, asymmetric = 0;
  double ratios = 0;
  constexpr int kFamilies = 70;
  const auto drawn_gain = [&law](const std::string& from, const std::string& to) {
    return drawn_gains(law, 1, from, to, 1).front();
  };
  for (int a = 0; a < kFamilies; ++a) {
    for (int b = 0; b < kFamilies; ++b) {
      const std::string from = fmt::format("s{}", a), to = fmt::format("s{}", b);
      const std::int32_t gain = drawn_gain(from, to);
      CHECK(gain == drawn_gain(from, to));
      CHECK(gain <= 875);  // a ratio of 8
      positive += gain > 0;
      negative += gain < 0;
      ratios += 1000.0 / (1000 - gain);
      asymmetric += (gain > 0) != (drawn_gain(to, from) > 0);
    }
  }
  const double n = kFamilies * kFamilies;
  CHECK(positive / n == Approx(law.positive).margin(0.02));
  CHECK(negative / n == Approx(law.negative).margin(0.02));
  CHECK(ratios / n == Approx(1.5).margin(0.2));  // measured: means of 1.3 and 1.7
  CHECK(asymmetric > 1000);
}

TEST_CASE("transfer: where parents publish", "[lineage]") {
  Workload w = make_workload({{0, 1, 10}, {0, 1, 10}, {0, 1, 10}});
  CHECK(publish_points({}, w.specs).empty());
  w.specs[1].after = {edge(0, true, 450)};
  w.specs[2].after = {edge(0, true), edge(1, false)};
  CHECK(publish_points({}, w.specs) == std::vector<std::vector<std::int32_t>>{{450}, {}, {}});
  CHECK(publish_points({250, {}}, w.specs) ==
        std::vector<std::vector<std::int32_t>>{{250, 450, 500, 750}, {250, 500, 750}, {}});
}

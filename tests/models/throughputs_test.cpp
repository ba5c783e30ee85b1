// Tables of steps per second: alone, spread, beside others; what is missing is named; and in the simulator two jobs
// on one GPU slow each other down by what was measured.
#include <catch2/catch.hpp>

#include "sim/models/speed/throughputs.hpp"
#include "tests/support/traces.hpp"
#include "tests/support/world.hpp"
#include "traces/format/canonical.hpp"
#include "traces/profiles/profiles.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Two nodes of four V100, two of two K80.
std::vector<NodeGroup> two_types() {
  NodeGroup v, k;
  v.name = "v", v.count = 2, v.gpus_per_node = 4, v.gpu = "v100";
  k.name = "k", k.count = 2, k.gpus_per_node = 2, k.gpu = "k80";
  return {v, k};
}

ThroughputSet table() {
  ThroughputSet t;
  t.name = "table";
  t.alone = {{{"bert", "", 0, 1}, "v100", false, 4},  {{"bert", "", 0, 2}, "v100", false, 7},
             {{"bert", "", 0, 2}, "v100", true, 5},   {{"bert", "", 0, 1}, "k80", false, 1},
             {{"vit", "", 32, 1}, "v100", false, 10}, {{"vit", "", 32, 1}, "k80", false, 2},
             {{"bert", "", 0, 2}, "k80", false, 1.5}};
  t.pairs = {{{"bert", "", 0, 1}, {"vit", "", 32, 1}, "v100", 0.75, 0.5},
             {{"vit", "", 32, 1}, {"vit", "", 32, 1}, "v100", 0, 0}};
  t.crowds = {{{"bert", "", 0, 1}, "v100", 3, 0.25}};
  return t;
}

Allocation on(std::initializer_list<std::pair<std::uint32_t, std::uint64_t>> nodes) {
  Allocation a;
  for (const auto& [node, gpus] : nodes) a.add({NodeId(node), kMilliPerGpu, gpus, 0, 0});
  return a;
}

std::string message(const Expected<void>& e) {
  REQUIRE_FALSE(e);
  return e.error().items.front().message;
}

}  // namespace

TEST_CASE("throughput tables: type, number of GPUs and spreading decide the speed", "[models][throughputs]") {
  const Topology topology(two_types());
  const auto model = ThroughputModel::compile(table(), topology, "v100").value();
  const Workload w = make_workload({{0, 1, 1}, {0, 2, 1}, {0, 1, 1}, {0, 1, 1}});
  REQUIRE(model->add({{"bert", "", 64, 1}, 400}, 0, false));
  CHECK(model->reference_time() == seconds(100));
  REQUIRE(model->add({{"bert", "transfer", 0, 2}, 700}, 0, false));
  CHECK(model->reference_time() == seconds(100));
  REQUIRE(model->add({{"vit", "", 32, 1}, 0}, 0, false));
  REQUIRE(model->add({{"bert", "", 64, 1}, 400}, 0, true));
  const auto rate = [&](std::uint32_t job, const Allocation& a, std::vector<JobId> with = {}) {
    return static_cast<double>(model->speed(w.specs[job], a, {}, with).rate.per_billion) / 1e9;
  };
  CHECK(rate(0, on({{0, 1}})) == 1);
  CHECK(rate(0, on({{2, 1}})) == 0.25);
  CHECK(rate(1, on({{0, 3}})) == 1);
  CHECK(rate(1, on({{0, 1}, {1, 1}})) == Approx(5.0 / 7));
  CHECK(rate(1, on({{2, 1}, {3, 1}})) == Approx(1.5 / 7));  // spread was not measured there: the packed rate
  CHECK(rate(1, on({{0, 1}, {2, 1}})) == Approx(1.5 / 7));  // two types: the slower one
  CHECK(rate(0, on({{0, 3}})) == Approx(7.0 / 4));          // elastic: measured on two
  CHECK(rate(3, on({{0, 15}})) == Approx(14.0 / 4));        // not measured on four: the nearest, linear, as asked for
  CHECK_FALSE(model->speed(w.specs[0], on({{0, 15}}), {}, {}).known);
  CHECK(model->unknown(w.specs[0], on({{0, 15}}), {}).find("was put on 4 GPUs of type `v100`") != std::string::npos);
  CHECK(rate(0, on({{0, 1}}), {JobId(2)}) == 0.75);
  CHECK(rate(2, on({{0, 1}}), {JobId(0)}) == 0.5);
  CHECK(rate(2, on({{2, 1}}), {JobId(0)}) == Approx(0.2 * 0.49));  // no such pair on K80: they take turns
  CHECK(rate(2, on({{0, 1}}), {JobId(2)}) == Approx(0.49));        // measured not to fit: turns
  CHECK(rate(0, on({{0, 1}}), {JobId(1), JobId(2)}) == 0.25);
  CHECK(rate(2, on({{0, 1}}), {JobId(0), JobId(1)}) == Approx(0.98 / 3));
  double a = 0, b = 0;
  CHECK(model->pair(JobId(2), JobId(0), 0, a, b));
  CHECK((a == 0.5 && b == 0.75));
  CHECK_FALSE(model->pair(JobId(1), JobId(0), 0, a, b));
  CHECK(model->steps_per_s(JobId(1), "v100", 2, true) == 5);
  CHECK(model->steps_per_s(JobId(1), "v100", 4, false) == 0);
}

TEST_CASE("throughput tables: what is missing is named, or clamped where that was asked for",
          "[models][throughputs]") {
  const Topology topology(two_types());
  const auto model = ThroughputModel::compile(table(), topology, "v100").value();
  CHECK(message(model->add({{"gpt", "", 0, 1}, 1}, 0, true)) == "table knows no `gpt` on 1 GPU");
  CHECK(message(model->add({{"bert", "", 8, 4}, 1}, 0, false)) ==
        "table has no steps per second of `bert` with batch 8 on 4 GPUs of type `v100`");
  CHECK(model->add({{"bert", "", 8, 4}, 1400}, 0, true));
  CHECK(model->reference_time() == seconds(100));
  ThroughputSet no_k80 = table();
  std::erase_if(no_k80.alone, [](const AloneRate& r) { return r.gpu == "k80"; });
  const auto less = ThroughputModel::compile(no_k80, topology, "v100").value();
  CHECK(message(less->add({{"bert", "", 0, 1}, 1}, 0, false)) ==
        "table has no steps per second of `bert` on 1 GPU of type `k80`");
  CHECK(less->add({{"bert", "", 0, 1}, 1}, topology.type_bit("v100"), false));
  // A type without any measurement has no nearest one: `missing: clamp` does not make a speed up.
  CHECK(message(less->add({{"bert", "", 0, 1}, 1}, 0, true)) ==
        "table has no steps per second of `bert` on 1 GPU of type `k80`");
  CHECK(less->add({{"bert", "", 0, 1}, 1}, topology.type_bit("v100"), true));
  CHECK_FALSE(ThroughputModel::compile(table(), topology, "h200"));
  ThroughputSet twice = table();
  twice.alone.push_back(twice.alone.front());
  CHECK_FALSE(ThroughputModel::compile(twice, topology, "v100"));
}

TEST_CASE("two jobs on one GPU run at their pair's speeds until one of them ends", "[exec][throughputs]") {
  // bert alone: 400 steps at 4/s, 100 s; vit: 500 at 10/s, 50 s. Together 0.75 and 0.5: vit ends after 100 s, bert
  // has done 75 s of its work by then and does the rest in 25 s.
  NodeGroup g;
  g.name = "v", g.count = 1, g.gpus_per_node = 1, g.gpu = "v100";
  const Topology topology({g});
  const auto model = ThroughputModel::compile(table(), topology, "v100").value();
  REQUIRE(model->add({{"bert", "", 0, 1}, 400}, 0, false));
  const std::int64_t bert = model->reference_time().ns;
  REQUIRE(model->add({{"vit", "", 32, 1}, 500}, 0, false));
  const std::int64_t vit = model->reference_time().ns;
  Workload w = make_workload({{0, 1, 1}, {0, 1, 1}});
  w.truths[0].work = Work{bert};
  w.truths[1].work = Work{vit};
  half_a_gpu_each(w);
  SimExecutor executor(topology, w, *model, {});
  const auto policy = make_policy(PolicyChoice{"fifo", "spread"});
  JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
  Controller controller(executor, *policy, source, w.specs, w.demands, *model, {}, {});
  REQUIRE(controller.run().status == RunStatus::completed);
  const auto records = controller.state().records();
  CHECK(to_seconds(records[1].since) == Approx(100));
  CHECK(to_seconds(records[0].since) == Approx(125));
}

TEST_CASE("Gavel's tables: rates alone and pairs", "[traces][throughputs]") {
  const auto path = recorded("gavel/simulation_throughputs.json.gz");
  if (!path) return;
  const auto set = read_gavel_throughputs(*path);
  if (!set) FAIL(render(set.error()));
  CHECK(set->alone.size() == 489);  // of 492 configurations: three run nowhere
  const auto find = [&](const std::string& gpu, const std::string& name, int gpus, bool spread) {
    for (const AloneRate& r : set->alone)
      if (r.gpu == gpu && r.config.model == name && r.config.gpus == gpus && r.spread == spread) return r.steps_per_s;
    return 0.0;
  };
  CHECK(find("v100", "ResNet-18 (batch size 32)", 1, false) > 0);
  const std::string lm = "LM (batch size 80)";
  CHECK(find("v100", lm, 4, true) < find("v100", lm, 4, false));
  for (const PairRate& p : set->pairs) CHECK((p.speed_a >= 0 && p.speed_a < 2 && p.speed_b < 2));

  NodeGroup g;
  g.name = "v", g.count = 4, g.gpus_per_node = 4, g.gpu = "v100";
  const Topology topology({g});
  const auto model = ThroughputModel::compile(*set, topology, "v100");
  if (!model) FAIL(render(model.error()));
  const auto file = recorded("gavel/msr/seed=0/7f04ca.trace.gz");
  if (!file) return;
  const auto trace = read_trace(*file);
  if (!trace) FAIL(render(trace.error()));
  CHECK(trace->jobs.size() == 972);
  int missing = 0;
  for (const TraceJob& j : trace->jobs) {
    const TrainingConfig config{j.model, j.kind, j.batch, j.gpus};
    if (auto ok = (*model)->add({config, j.iterations}, 0, false); !ok) {
      ++missing;
      CHECK(ok.error().items.front().message.find("of type `v100`") != std::string::npos);
      REQUIRE((*model)->add({config, j.iterations}, 0, true));
    }
    CHECK((*model)->reference_time().ns > 0);
  }
  // Recommendation, CycleGAN and A3C were measured on few GPUs only, nothing on 16 or 32.
  CHECK(missing == 183);
}

TEST_CASE("Lucid's pairs: 1,388 on one GPU; the first of each at a mean speed of 0.929", "[traces][throughputs]") {
  const auto folder = recorded("lucid-venus");
  if (!folder) return;
  const auto set = read_lucid_colocation(*folder, "gpu");
  if (!set) FAIL(render(set.error()));
  CHECK(set->alone.size() == 66);
  CHECK(set->pairs.size() == 1388);
  double sum = 0;
  for (const PairRate& p : set->pairs) sum += p.speed_a;
  CHECK(sum / 1388 == Approx(0.929).margin(5e-4));
  NodeGroup g;
  g.name = "v", g.count = 1, g.gpus_per_node = 8, g.gpu = "gpu";
  CHECK(ThroughputModel::compile(*set, Topology({g}), "gpu"));
}

TEST_CASE("a calibrated table: ranks are GPUs, co-runners are crowds", "[traces][throughputs]") {
  ProfileRow r;
  r.model = "vit", r.mode = "transfer", r.gpu = "cpu", r.world = 2, r.local_batch = 8;
  r.step = milliseconds(50);
  ProfileRow beside = r;
  beside.corunners = 2;
  beside.step = milliseconds(80);
  const ThroughputSet set = throughputs_of("profile.csv", {r, beside});
  const Topology topology([] {
    NodeGroup g;
    g.name = "c", g.count = 1, g.gpus_per_node = 4, g.gpu = "cpu";
    return std::vector{g};
  }());
  const auto model = ThroughputModel::compile(set, topology, "cpu").value();
  REQUIRE(model->add({{"vit", "transfer", 16, 2}, 200}, 0, false));
  CHECK(model->reference_time() == seconds(10));
  REQUIRE(model->add({{"vit", "transfer", 16, 2}, 200}, 0, false));
  const Workload w = make_workload({{0, 2, 1}, {0, 2, 1}});
  const JobId other(1);
  CHECK(model->speed(w.specs[0], on({{0, 3}}), {}, {&other, 1}).rate == Rate{625'000'000});
}

TEST_CASE("a table of throughputs that is none is one clear error", "[traces][throughputs]") {
  const auto error = [](std::string_view text) {
    const auto set = read_gavel_throughputs_text("t.json", text);
    REQUIRE_FALSE(set);
    return render(set.error());
  };
  CHECK(error("{\n  \"v100\": {,}\n}").find("t.json:2:12") != std::string::npos);
  CHECK(error("[]").find("must be an object of GPU types") != std::string::npos);
  CHECK(error("{\"v100\": {\"('A', 1)\": {}}}").find("has no `null`") != std::string::npos);
  CHECK(error("{\"v100\": {\"A\": {}}}").find("must be a configuration") != std::string::npos);
  CHECK(error("{\"v100\": {\"('A', 1)\": {\"null\": -1}}}").find("0 or more") != std::string::npos);
  CHECK(error("{\"v100\": {\"('A', 1)\": {\"null\": 1, \"('A', 1)\": [1]}}}").find("two numbers") !=
        std::string::npos);
}

// Profile tables: what was measured comes back, what lies between is linear, what is missing is named; and how an
// application's batch is split. Vectors worked out by hand.
#include <catch2/catch.hpp>

#include "sim/core/random.hpp"
#include "sim/models/speed/profiled_model.hpp"

namespace {

using namespace orrery;

double uniform(RandomStream& rng) {
  return static_cast<double>(uniform_below(rng, 1'000'001)) / 1e6;
}

Allocation on(std::initializer_list<int> gpus_per_node) {
  Allocation a;
  std::uint32_t node = 0;
  for (const int g : gpus_per_node) {
    NodeSlice s;
    s.node = NodeId(node++);
    s.gpus = (std::uint64_t{1} << g) - 1;
    a.add(s);
  }
  return a;
}

// A step takes 10 ms per sample, 100 ms per node and 20 ms per GPU, of which the nodes' part is synchronisation.
double step_s(int nodes, int gpus, double batch) {
  return 0.01 * batch + 0.1 * nodes + 0.02 * gpus;
}
StepPoint point(std::uint64_t placement, int nodes, int gpus, double batch) {
  return {placement, nodes, gpus, batch, step_s(nodes, gpus, batch), 0.1 * nodes};
}

ApplicationProfile application_profile() {
  ApplicationProfile p;
  p.name = "net";
  p.hardware = "k9";
  for (const double b : {4.0, 8.0, 16.0}) {
    p.exact.push_back(point(1, 1, 1, b));
    p.exact.push_back(point(2, 1, 2, b));
    p.exact.push_back(point(4, 1, 4, b));
    p.exact.push_back(point(11, 2, 2, b));
    p.exact.push_back(point(24, 2, 6, b));
    p.scaling.push_back(point(0, 4, 4, b));
    p.scaling.push_back(point(0, 4, 16, b));
  }
  return p;
}

StepTimes times() {
  return StepTimes::compile("net on k9", application_profile().exact, application_profile().scaling).value();
}

}  // namespace

TEST_CASE("between scattered points a linear function comes back, outside there is nothing", "[models]") {
  RandomStream rng = stream(7, "tests/scatter");
  const auto f = [](const Point3& p) { return ScatterTable::Values{1 + 2 * p[0] - 3 * p[1] + 0.5 * p[2], p[2]}; };
  for (const bool grid : {false, true}) {  // a grid is degenerate: eight corners on one sphere
    std::vector<Point3> points;
    std::vector<ScatterTable::Values> values;
    for (int i = 0; i < 125; ++i) {
      points.push_back(grid ? Point3{i % 5 / 4.0, i / 5 % 5 / 4.0, i / 25 / 4.0}
                            : Point3{uniform(rng), uniform(rng), uniform(rng)});
      values.push_back(f(points.back()));
    }
    const auto table = ScatterTable::make(points, values);
    REQUIRE(table);
    int inside = 0;
    for (int i = 0; i < 1000; ++i) {
      const Point3 p{uniform(rng), uniform(rng), uniform(rng)};
      const auto v = table->at(p);
      if (!v) continue;
      ++inside;
      CHECK((*v)[0] == Approx(f(p)[0]).margin(1e-9));
      CHECK((*v)[1] == Approx(f(p)[1]).margin(1e-9));
    }
    CHECK(inside > (grid ? 999 : 500));
    for (std::size_t i = 0; i < points.size(); ++i) CHECK((*table->at(points[i]))[0] == Approx(values[i][0]));
    CHECK_FALSE(table->at({-1, 0.5, 0.5}));
    CHECK_FALSE(table->at({0.5, 0.5, 1.01}));
    CHECK(table->at_or_clamped({0.5, 0.5, 5})[1] <= 1 + 1e-9);
    CHECK(table->at_or_clamped({0.5, 0.5, 5})[1] > 0.9);
  }
  CHECK_FALSE(ScatterTable::make({{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}, {2, 2, 0}},
                                 std::vector<ScatterTable::Values>(5)));
}

TEST_CASE("a shape is named by its smallest rotation", "[models]") {
  CHECK(NodeRing(on({4})).placement() == 4);
  CHECK(NodeRing(on({4, 2})).placement() == 24);
  CHECK(NodeRing(on({1, 3, 2})).placement() == 132);  // filled as 3, 2, 1
  CHECK(NodeRing(on({1, 3, 2}), NodeRing::Order::by_node).placement() == 132);
  CHECK(NodeRing(on({1, 2, 3})).placement() == 132);
  CHECK(NodeRing(on({1, 2, 3}), NodeRing::Order::by_node).placement() == 123);
  const NodeRing ten = NodeRing::packed(10, 4);
  CHECK(ten.nodes() == 3);
  CHECK(ten.gpus() == 10);
  CHECK(ten.placement() == 244);
  CHECK(NodeRing::packed(100, 4).placement() == 0);  // 25 nodes have no name of one digit each
  CHECK(NodeRing::packed(100, 4).nodes() == 25);
}

TEST_CASE("step times: measured placements, points between, points outside", "[models]") {
  const StepTimes t = times();
  CHECK(t.at(NodeRing(on({4, 2})), 8).step_s == Approx(step_s(2, 6, 8)));
  CHECK(t.at(NodeRing(on({4, 2})), 10).step_s == Approx(step_s(2, 6, 10)));
  CHECK(t.at(NodeRing(on({4, 2})), 10).sync_s == Approx(0.2));
  // Three GPUs on one node were not measured, nor eight on three.
  CHECK(t.at(NodeRing(on({3})), 10).step_s == Approx(step_s(1, 3, 10)));
  CHECK(t.covers(NodeRing(on({3})), 10));
  CHECK(t.at(NodeRing(on({4, 2, 2})), 5).step_s == Approx(step_s(3, 8, 5)));
  CHECK_FALSE(t.covers(NodeRing(on({4})), 17));
  CHECK_FALSE(t.covers(NodeRing::packed(64, 4), 8));
  CHECK(t.at(NodeRing(on({4})), 17).step_s == Approx(step_s(1, 4, 16)));  // clamped
  const std::string message = render(t.missing(NodeRing::packed(64, 4), 8));
  CHECK(message.find("the profile of net on k9 has no step time for 64 GPUs on 16 nodes at 8 samples per GPU") !=
        std::string::npos);
}

// M0 = 32, local batches of 4 to 16: docs/formulas.md.
TEST_CASE("a batch is split over GPUs and accumulation steps", "[models]") {
  ApplicationProfile p = application_profile();
  p.initial_batch = 32;
  p.max_batch = 256;
  const Application a = Application::compile(p).value();
  const auto split = [&a](std::int64_t batch, int gpus) {
    const Application::Split s = a.split(batch, gpus);
    return std::vector<std::int64_t>{s.per_gpu, s.accumulation, s.total};
  };
  CHECK(split(64, 4) == std::vector<std::int64_t>{16, 0, 64});
  CHECK(split(64, 2) == std::vector<std::int64_t>{16, 1, 64});
  CHECK(split(64, 3) == std::vector<std::int64_t>{11, 1, 66});  // rounded up
  CHECK(split(32, 1) == std::vector<std::int64_t>{16, 1, 32});
  CHECK(split(256, 3) == std::vector<std::int64_t>{14, 5, 252});  // 15 each would be 270, above the largest
  CHECK(a.most_gpus(64) == 16);
  // Two accumulated passes without synchronisation, then a whole step.
  CHECK(a.step(NodeRing(on({1})), {16, 2, 48}).seconds == Approx(2 * (step_s(1, 1, 16) - 0.1) + step_s(1, 1, 16)));
}

// Two epochs that end at progress 100 and 300; with var = 3 and sqr = 1, doubling the batch gains (3 + 1) / (3/2 + 1)
// = 1.6 iterations of the initial size per step. On its requested GPU a step takes 0.16 + 0.1 + 0.02 = 0.28 s.
TEST_CASE("work of a profiled job is time on its requested GPUs, in stretches of one epoch", "[models]") {
  ApplicationProfile p = application_profile();
  p.batches = {{16, {{100, 100, 1, 3}, {300, 300, 1, 3}}}, {32, {{110, 60, 1, 3}, {300, 190, 1, 3}}}};
  const auto model = ProfiledModel::compile({p}, 4).value();
  REQUIRE(model->add({"net", 16, 1, 0}, false));
  CHECK(to_seconds(model->reference_time()) == Approx(300 * 0.28));
  CHECK(model->most_gpus() == 4);
  REQUIRE(model->add({"net", 32, 2, 0}, false));
  const double step = step_s(1, 2, 16);
  CHECK(to_seconds(model->reference_time()) == Approx(300 / 1.6 * step));

  JobSpec spec;
  spec.id = JobId(0);
  spec.demand.gpus = 1;
  const auto first = model->stretch(spec, on({1}), {}, Work{});
  CHECK(to_seconds(first.left) == Approx(28));
  CHECK(to_seconds(Duration{first.until.ns}) == Approx(28));
  const auto second = model->stretch(spec, on({1}), {}, Work{first.until.ns});
  CHECK(to_seconds(second.left) == Approx(56));
  // On two GPUs each has 8 samples: 0.08 + 0.1 + 0.04 s a step.
  const auto half = model->stretch(spec, on({2}), {}, Work{first.until.ns / 2});
  CHECK(to_seconds(half.left) == Approx(50 * 0.22));
  CHECK(static_cast<double>(model->speed(spec, on({2}), {}, {}).rate.per_billion) / 1e9 == Approx(0.28 / 0.22));
  const Work whole = model->work_of(spec).value(), left = whole - first.until;
  CHECK(to_seconds(Duration{whole.ns}) == Approx(300 * 0.28));
  CHECK(to_seconds(model->time_for(spec, left, Shape::packed(2), {})) == Approx(200 * 0.22));
}

// The job of above, on two GPUs: with a batch of 32 each has 16 samples, 0.16 + 0.1 + 0.04 s a step, which is worth
// 1.6; in two passes of 8 each, of which one synchronises, 0.22 + 0.12 s.
TEST_CASE("a profiled job with another batch than its own", "[models][reconfigure]") {
  ApplicationProfile p = application_profile();
  p.batches = {{16, {{100, 100, 1, 3}, {300, 300, 1, 3}}}, {32, {{110, 60, 1, 3}, {300, 190, 1, 3}}}};
  const auto model = ProfiledModel::compile({p}, 4).value();
  REQUIRE(model->add({"net", 16, 1, 0}, false));
  JobSpec spec;
  spec.id = JobId(0);
  spec.demand.gpus = 1;
  const auto with = [](std::int64_t batch, std::int32_t accumulation) {
    RunConfig c;
    c.batch = batch;
    c.accumulation = accumulation;
    return c;
  };
  const auto left_s = [&](const RunConfig& c) { return to_seconds(model->stretch(spec, on({2}), c, Work{}).left); };
  CHECK(left_s({}) == Approx(100 * 0.22));
  CHECK(left_s(with(16, 0)) == Approx(100 * 0.22));
  CHECK(left_s(with(32, 0)) == Approx(100 / 1.6 * 0.30));
  CHECK(left_s(with(32, 1)) == Approx(100 / 1.6 * 0.34));
  CHECK(to_seconds(model->step_time(spec, on({2}), with(32, 1))) == Approx(0.34));
  CHECK(model->refusal(spec, on({2}), with(32, 1)) == Refusal::none);
  CHECK(model->refusal(spec, on({2}), with(0, 0)) == Refusal::none);
  CHECK(model->refusal(spec, on({2}), with(256, 1)) == Refusal::out_of_range);  // 64 at once on a GPU
  CHECK(model->refusal(spec, on({2}), with(2, 1)) == Refusal::out_of_range);    // one at once was never measured

  // What policies are told is the same, and that nobody knows of what was not measured.
  const auto told_s = [&](const RunConfig& c) {
    return to_seconds(model->time_for(spec, model->work_of(spec).value(), Shape::packed(2), c));
  };
  for (const RunConfig& c : {with(0, 0), with(16, 0), with(32, 0), with(32, 1)})
    CHECK(told_s(c) == Approx(3 * left_s(c)));  // the second epoch is twice as long
  for (const RunConfig& c : {with(256, 1), with(2, 1), with(-1, 0)})
    CHECK(model->time_for(spec, Work{1}, Shape::packed(2), c) == kForever);
}

TEST_CASE("a job without a profile, or whose profile lacks its size, is named", "[models]") {
  const auto model = ProfiledModel::compile({application_profile()}, 4).value();
  const auto unknown = model->add({"nett", 16, 1, 0}, false);
  REQUIRE_FALSE(unknown);
  CHECK(render(unknown.error()).find("did you mean `net`?") != std::string::npos);
  CHECK_FALSE(model->add({"net", 16, 1, 0}, false));  // counts samples, but how many?
  const auto large = model->add({"net", 4096, 64, 1000}, false);
  REQUIRE_FALSE(large);
  CHECK(render(large.error()).find("64 GPUs on 16 nodes") != std::string::npos);
  CHECK(model->add({"net", 4096, 64, 1000}, true));
}

// Node 0 is of type a, nodes 1 and 2 of type b, on which everything takes half as long.
TEST_CASE("each type of GPU has its own step times; a gang over two types is as fast as the slower", "[models]") {
  NodeGroup a, b;
  a.name = a.gpu = "a", a.count = 1, a.gpus_per_node = 4;
  b.name = b.gpu = "b", b.count = 2, b.gpus_per_node = 4;
  const Topology topology({a, b});
  ApplicationProfile fast = application_profile();
  fast.hardware = "k10";
  for (std::vector<StepPoint>* points : {&fast.exact, &fast.scaling})
    for (StepPoint& p : *points) p.step_s /= 2, p.sync_s /= 2;
  const auto model = ProfiledModel::compile({application_profile(), fast}, topology, {"k9", "k10"}).value();
  REQUIRE(model->add({"net", 16, 2, 1600}, false));
  CHECK(to_seconds(model->reference_time()) == Approx(100 * step_s(1, 2, 8)));  // counted on type a
  REQUIRE(model->add({"net", 16, 2, 1600}, false, topology.type_bit("b")));
  CHECK(to_seconds(model->reference_time()) == Approx(100 * step_s(1, 2, 8) / 2));

  JobSpec spec;
  spec.id = JobId(0);
  const auto nodes = [](std::initializer_list<std::uint32_t> all, std::uint64_t gpus) {
    Allocation held;
    for (const std::uint32_t n : all) held.add({NodeId(n), kMilliPerGpu, gpus, 0, 0});
    return held;
  };
  const auto left_s = [&](const Allocation& held) { return to_seconds(model->stretch(spec, held, {}, Work{}).left); };
  CHECK(left_s(nodes({0}, 3)) == Approx(100 * step_s(1, 2, 8)));
  CHECK(left_s(nodes({1}, 3)) == Approx(100 * step_s(1, 2, 8) / 2));
  CHECK(left_s(nodes({1, 2}, 1)) == Approx(100 * step_s(2, 2, 8) / 2));
  CHECK(left_s(nodes({0, 1}, 1)) == Approx(100 * step_s(2, 2, 8)));
  CHECK(static_cast<double>(model->speed(spec, nodes({1}, 3), {}, {}).rate.per_billion) / 1e9 == Approx(2));

  // What policies are told of four GPUs, packed: of one type, of both, and of the one that its work is counted on.
  const Work all = model->work_of(spec).value();
  const auto told_s = [&](const Shape& shape) { return to_seconds(model->time_for(spec, all, shape, {})); };
  CHECK(told_s(Shape::packed(4)) == Approx(100 * step_s(1, 4, 4)));
  CHECK(told_s(Shape::packed(4, topology.type_bit("b"))) == Approx(100 * step_s(1, 4, 4) / 2));
  CHECK(told_s(Shape::packed(4, topology.type_bit("a") | topology.type_bit("b"))) == Approx(100 * step_s(1, 4, 4)));
  CHECK(told_s(nodes({1, 2}, 1)) == Approx(left_s(nodes({1, 2}, 1))));  // of these very GPUs

  ApplicationProfile other = application_profile();
  other.name = "other";
  const auto some = ProfiledModel::compile({application_profile(), fast, other}, topology, {"k9", "k10"});
  const auto missing = (*some)->add({"other", 16, 1, 100}, false);
  REQUIRE_FALSE(missing);
  CHECK(render(missing.error()).find("no profile of `other` on GPUs of type `b`, whose tables are called `k10`") !=
        std::string::npos);
  CHECK((*some)->add({"other", 16, 1, 100}, false, topology.type_bit("a")));
}

// Measured on one and two GPUs of a node; nothing is known of more, or of two nodes.
TEST_CASE("without clamp a job is elastic as far as its profile goes, and a shape beyond it fails the run",
          "[models]") {
  ApplicationProfile p;
  p.name = "net";
  p.hardware = "k9";
  for (const double b : {32.0, 64.0, 128.0}) {
    p.exact.push_back(point(1, 1, 1, b));
    p.exact.push_back(point(2, 1, 2, b));
  }
  const auto model = ProfiledModel::compile({p}, 4).value();
  REQUIRE(model->add({"net", 256, 2, 2560}, false));
  CHECK(model->least_gpus() == 1);
  CHECK(model->most_gpus() == 2);
  REQUIRE(model->add({"net", 256, 2, 2560}, true));
  CHECK(model->most_gpus() == 8);
  JobSpec spec;
  spec.name = "x";
  const auto stretch = [&](std::uint32_t job, std::initializer_list<int> gpus) {
    spec.id = JobId(job);
    return model->stretch(spec, on(gpus), {}, Work{}).left;
  };
  CHECK(to_seconds(stretch(0, {2})) == Approx(10 * step_s(1, 2, 128)));
  CHECK(to_seconds(stretch(1, {1, 1})) == Approx(10 * step_s(1, 2, 128)));  // the nearest
  spec.id = JobId(0);
  for (const auto& gpus : {on({3}), on({1, 1})}) {
    CHECK_FALSE(model->stretch(spec, gpus, {}, Work{}).known);
    CHECK_FALSE(model->speed(spec, gpus, {}, {}).known);
  }
  CHECK(model->speed(spec, on({2}), {}, {}).known);
  CHECK(model->unknown(spec, on({1, 1}), {})
            .find("job `x` of `net` was put where its speed is not known: the profile of net on k9 has no step time "
                  "for 2 GPUs on 2 nodes at 128 samples per GPU") == 0);
  CHECK(model->time_for(spec, Work{1}, Shape::packed(3), {}) == kForever);
  CHECK(model->time_for(spec, Work{1}, Shape::packed(1), {}) < kForever);
  // A job that needs more than one GPU: fewer were not measured.
  ApplicationProfile wide = p;
  std::erase_if(wide.exact, [](const StepPoint& at) { return at.gpus == 1; });
  const auto least = ProfiledModel::compile({wide}, 4).value();
  REQUIRE(least->add({"net", 256, 2, 2560}, false));
  CHECK(least->least_gpus() == 2);
}

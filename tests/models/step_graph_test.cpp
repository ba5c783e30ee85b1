// The step simulator against closed forms, exactly: pipelines and their bubbles, ring all-reduce, overlapped buckets.
#include <catch2/catch.hpp>

#include <algorithm>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"
#include "sim/models/network/collectives.hpp"
#include "sim/models/training/pipeline.hpp"
#include "sim/models/training/training_step.hpp"

using namespace orrery;

namespace {

constexpr Duration us(std::int64_t n) {
  return Duration{n * 1000};
}

PipelineSpec equal(PipelineSchedule schedule, int devices, int micro_batches, StageCost cost, int chunks = 1) {
  PipelineSpec spec;
  spec.schedule = schedule;
  spec.devices.assign(static_cast<std::size_t>(devices), cost);
  spec.micro_batches = micro_batches;
  spec.chunks = chunks;
  return spec;
}

// Most micro-batches whose forward pass has run and whose backward pass has not ended, on one stage.
int in_flight(const StepGraph& graph, const StepGraph::Timeline& t, std::uint32_t stage) {
  std::vector<std::pair<std::int64_t, int>> changes;
  for (StepGraph::Op op = 0; op < graph.size(); ++op) {
    if (graph.at(op).part != stage) continue;
    if (graph.at(op).kind == OpKind::forward) changes.push_back({t.spans[op].start.ns, 1});
    if (graph.at(op).kind == OpKind::backward) changes.push_back({t.spans[op].end.ns, -1});
  }
  std::sort(changes.begin(), changes.end());  // an end before a start of the same instant
  int now = 0, most = 0;
  for (const auto& [at, change] : changes) most = std::max(most, now += change);
  return most;
}

}  // namespace

TEST_CASE("GPipe, 1F1B and interleaved pipelines take (v m + p - 1)(f + b)", "[models][step]") {
  const StageCost cost{us(3), us(5), {}};
  for (const int p : {1, 2, 3, 4, 8})
    for (const int m : {1, 2, 4, 8, 16, 24}) {
      for (const auto schedule : {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b}) {
        const StepGraph graph = pipeline_step(equal(schedule, p, m, cost));
        const auto t = graph.run();
        REQUIRE(t.total == pipeline_time(p, m, cost.forward, cost.backward));
        for (const Duration busy : t.busy) {
          REQUIRE(busy == us(8 * m));
          const double idle = static_cast<double>((t.total - busy).ns) / static_cast<double>(t.total.ns);
          REQUIRE(idle == Approx(bubble_fraction(p, m)).epsilon(1e-12).margin(1e-12));
        }
        for (int s = 0; s < p; ++s)
          REQUIRE(in_flight(graph, t, static_cast<std::uint32_t>(s)) ==
                  (schedule == PipelineSchedule::gpipe ? m : activations_in_flight(p, s, m)));
      }
      for (const int v : {1, 2, 4})
        if (m % p == 0) {
          const StepGraph graph = pipeline_step(equal(PipelineSchedule::interleaved, p, m, cost, v));
          INFO("p " << p << " m " << m << " v " << v);
          REQUIRE(graph.run().total == pipeline_time(p, m, cost.forward, cost.backward, v));
        }
    }
}

// The vector of docs/formulas.md.
TEST_CASE("bubbles of four stages and eight micro-batches are 3/11, interleaved 3/19", "[models][step]") {
  CHECK(bubble_fraction(4, 8) == Approx(3.0 / 11).epsilon(1e-15));
  CHECK(bubble_fraction(4, 8, 2) == Approx(3.0 / 19).epsilon(1e-15));
  const auto t = pipeline_step(equal(PipelineSchedule::one_f_one_b, 4, 8, {us(1), us(2), {}})).run();
  CHECK(t.total == us(33));
  CHECK(t.busy == std::vector<Duration>(4, us(24)));
}

TEST_CASE("zero bubble H1 leaves (p - 1)(F + B - W), and the memory of 1F1B", "[models][step]") {
  for (const int p : {2, 3, 4, 8})
    for (const int m : {p, 2 * p, 4 * p}) {
      const StageCost cost{us(10), us(10), us(10)};
      const StepGraph graph = pipeline_step(equal(PipelineSchedule::zero_bubble_h1, p, m, cost));
      const auto t = graph.run();
      INFO("p " << p << " m " << m);
      REQUIRE(t.total == us(30 * m) + zero_bubble_h1_bubble(p, cost));
      REQUIRE(one_f_one_b_bubble(p, cost).ns == 3 * zero_bubble_h1_bubble(p, cost).ns);
      for (int s = 0; s < p; ++s)
        REQUIRE(in_flight(graph, t, static_cast<std::uint32_t>(s)) <= activations_in_flight(p, s, m));
    }
}

TEST_CASE("a pipeline of unequal stages: exact for GPipe, a bound for 1F1B", "[models][step]") {
  RandomStream rng = stream(5, "tests/pipeline");
  for (int i = 0; i < 50; ++i) {
    PipelineSpec spec;
    for (std::uint64_t p = 1 + uniform_below(rng, 6); p > 0; --p)
      spec.devices.push_back({us(1 + static_cast<std::int64_t>(uniform_below(rng, 50))),
                              us(1 + static_cast<std::int64_t>(uniform_below(rng, 50))),
                              {}});
    spec.micro_batches = 1 + static_cast<int>(uniform_below(rng, 12));
    spec.schedule = PipelineSchedule::gpipe;
    const StepGraph gpipe = pipeline_step(spec);
    const Duration total = gpipe.run().total;
    REQUIRE(total == gpipe_time(spec.devices, spec.micro_batches));
    REQUIRE(total == gpipe.longest_path());  // the order on each device is part of the graph
    spec.schedule = PipelineSchedule::one_f_one_b;
    Duration slowest{}, once{};
    for (const StageCost& c : spec.devices) {
      slowest = std::max(slowest, c.forward + c.backward);
      once += c.forward + c.backward;
    }
    const Duration alternating = pipeline_step(spec).run().total;
    REQUIRE(alternating >= Duration{slowest.ns * spec.micro_batches});
    REQUIRE(alternating >= once);
  }
}

TEST_CASE("sends between stages and gradients at the end of a pipeline", "[models][step]") {
  // GPipe, 2 stages, 2 micro-batches, f = 10, b = 20; a send is 1 us + 4000 B at 1 GB/s = 5 us.
  //   stage 0: F0 0-10  F1 10-20              B0 60-80   B1 80-100    reduce 100-107
  //   stage 1:          F0 15-25  F1 25-35  B0 35-55  B1 55-75        reduce  75-82
  PipelineSpec spec = equal(PipelineSchedule::gpipe, 2, 2, {us(10), us(20), {}});
  spec.send_latency = us(1);
  spec.boundary_bytes = 4000;
  spec.link_bytes_per_s = 1'000'000'000;
  spec.gradient_bytes = 14'000;
  spec.gradient_bytes_per_s = 2'000'000'000;
  const auto t = pipeline_step(spec).run();
  CHECK(t.total == us(107));
  CHECK(t.busy == std::vector<Duration>(2, us(60)));
}

TEST_CASE("a ring all-reduce, chunk by chunk, takes 2 (n - 1)(latency + S / (n B))", "[models][step][collectives]") {
  for (const int n : {1, 2, 3, 4, 8, 16}) {
    const std::int64_t bytes = 48'000'000, bandwidth = 1'000'000'000;  // 48 MB: every chunk a whole number of ns
    const auto t = ring_all_reduce_graph(n, bytes, us(7), bandwidth).run();
    REQUIRE(t.total == Duration{2 * (n - 1) * (us(7).ns + bytes / n)});
    REQUIRE(to_seconds(t.total) == Approx(ring_all_reduce_s(n, 48e6, {7e-6, 1e9})).epsilon(1e-12).margin(1e-15));
  }
}

TEST_CASE("two rings over the same links take twice the time on the wire", "[models][step]") {
  StepGraph graph;
  const LinkId link = graph.add_link(1'000'000'000);
  Operation send;
  send.bytes = 1000;
  send.links.push_back({link, 1});
  graph.add(send);
  graph.add(send);
  Operation late = send;  // starts after 0.5 us of latency; then three share: 250 bytes are sent by each of the two
  late.duration = Duration{500};
  late.bytes = 100;
  graph.add(late);
  // 0.5 us: 250 of 1000 sent. Three share 1/3 GB/s until `late` is through (301 ns), then the two have 650 left.
  const auto t = graph.run();
  CHECK(t.spans[2].end == Time{801});
  CHECK(t.total == Duration{2101});
  CHECK(graph.longest_path() == us(1));
}

TEST_CASE("gradient buckets overlap the backward pass", "[models][step]") {
  // One tower, forward 10, backward 40 in 4 pieces of 10; 4 ranks, a bucket of 4000 B is 6000 B on the wire: 6 us at
  // 1 GB/s and 6 hops of 1 us make 12 us. Buckets at 20, 30, 40, 50; the stream is the bottleneck: 20 + 4 x 12 = 68.
  TrainingStepSpec spec;
  spec.towers.push_back({"image", us(10), us(40), {4000, 4000, 4000, 4000}, 0});
  spec.ranks = 4;
  spec.hop_latency = us(1);
  spec.link_bytes_per_s = 1'000'000'000;
  spec.optimiser = us(2);
  CHECK(ring_bytes(4, 4000) == 6000);
  CHECK(training_step(spec).run().total == us(70));
  spec.link_bytes_per_s = 6'000'000'000;  // 7 us a bucket: only the last one is seen
  CHECK(training_step(spec).run().total == us(10 + 40 + 7 + 2));
  spec.overlap = false;
  CHECK(training_step(spec).run().total == us(10 + 40 + 4 * 7 + 2));
  spec.ranks = 1;
  CHECK(training_step(spec).run().total == us(52));
  // Gradients of earlier micro-batches stay where they are: three passes, buckets in the last.
  spec.ranks = 4;
  spec.overlap = true;
  spec.micro_batches = 3;
  CHECK(training_step(spec).run().total == us(3 * 50 + 7 + 2));
}

TEST_CASE("towers, fusion, exchange and loss of a multimodal step", "[models][step]") {
  TrainingStepSpec spec;
  spec.towers.push_back({"text", us(10), us(20), {1000}, 0});
  spec.towers.push_back({"image", us(30), us(60), {1000, 1000}, 0});
  spec.fusion = {"fusion", us(5), us(10), {1000}, 0};
  spec.loss_forward = us(1);
  spec.loss_backward = us(2);
  spec.optimiser = us(3);
  CHECK(training_step(spec).run().total == us(10 + 30 + 5 + 1 + 2 + 10 + 60 + 20 + 3));
  // Contrastive: the loss waits for 2 ranks' embeddings: one hop of 1 us, 4000 B at 1 GB/s. Reduce: 1000 B and 2 hops
  // are 3 us each; only the last bucket, the text tower's, is not hidden.
  spec.ranks = 2;
  spec.hop_latency = us(1);
  spec.link_bytes_per_s = 1'000'000'000;
  spec.exchange_bytes = 4000;
  CHECK(training_step(spec).run().total == us(10 + 30 + 5 + 5 + 1 + 2 + 10 + 60 + 20 + 3 + 3));
  // Towers on devices of their own run side by side; the slower one decides. The text tower's bucket is full long
  // before the image tower's last one, but waits its turn.
  spec.towers[0].device = 1;
  CHECK(training_step(spec).run().total == us(30 + 5 + 5 + 1 + 2 + 10 + 60 + 3 + 3 + 3));
  // A frozen image tower: no backward pass, no buckets.
  spec.towers[1].backward = Duration{};
  spec.towers[1].bucket_bytes.clear();
  CHECK(training_step(spec).run().total == us(30 + 5 + 5 + 1 + 2 + 10 + 20 + 3 + 3));
}

TEST_CASE("whatever the graph: no resource does two things at once, nothing starts early", "[models][step]") {
  RandomStream rng = stream(8, "tests/step-graph");
  const auto below = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  for (int world = 0; world < 50; ++world) {
    StepGraph graph;
    const auto resources = static_cast<std::uint64_t>(1 + below(4));
    for (std::uint64_t r = 0; r < resources; ++r) graph.add_resource("r");
    for (int l = 0; l < 3; ++l) (void)graph.add_link(1'000'000 + below(1'000'000'000));
    for (std::int64_t n = 1 + below(60); n > 0; --n) {
      Operation o;
      if (below(4) > 0) o.resource = static_cast<std::uint32_t>(below(resources));
      o.priority = below(3);
      o.duration = Duration{below(3) * 1000};
      if (below(2) == 0) {
        o.bytes = below(10'000);
        o.links.push_back({static_cast<LinkId>(below(3)), 1 + below(2)});
      }
      const auto op = graph.add(std::move(o));
      for (std::int64_t e = below(3); e > 0 && op > 0; --e) graph.order(static_cast<StepGraph::Op>(below(op)), op);
    }
    const auto t = graph.run();
    REQUIRE(t.total >= graph.longest_path());
    REQUIRE(t.total == graph.run().total);
    std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> held(resources);
    Time last{};
    for (StepGraph::Op op = 0; op < graph.size(); ++op) {
      last = std::max(last, t.spans[op].end);
      REQUIRE(t.spans[op].end - t.spans[op].start >= graph.at(op).duration);
      const auto [first, end] = boost::in_edges(op, graph.dag());
      for (auto e = first; e != end; ++e) REQUIRE(t.spans[op].start >= t.spans[boost::source(*e, graph.dag())].end);
      if (graph.at(op).resource != StepGraph::kNoResource)
        held[graph.at(op).resource].push_back({t.spans[op].start.ns, t.spans[op].end.ns});
    }
    REQUIRE(t.total == last - Time{});
    for (auto& spans : held) {
      std::sort(spans.begin(), spans.end());
      for (std::size_t i = 1; i < spans.size(); ++i) REQUIRE(spans[i].first >= spans[i - 1].second);
    }
  }
}

TEST_CASE("a step graph with a cycle is a programmer's error", "[models][step]") {
  StepGraph graph;
  const auto a = graph.add({}), b = graph.add({}, {a});
  graph.order(b, a);
  CHECK_THROWS_AS(graph.run(), AssertionFailed);
}

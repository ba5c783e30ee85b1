// Windows from the timeline of a step against closed forms and by hand.
#include <catch2/catch.hpp>

#include "sim/api/bubbles.hpp"
#include "sim/models/training/bubble_windows.hpp"

namespace {

using namespace orrery;

Duration idle_of(const Bubbles& b, std::int32_t stage) {
  return stage_use(b, stage, {Duration{1}, 0}).idle;
}

}  // namespace

// 4 stages, 8 micro-batches of 1 s forward and 2 s backward: every device idles for (p - 1)(f + b) = 9 s of 33 s.
TEST_CASE("bubble windows of a pipeline are those of its closed form", "[bubbles][pipeline]") {
  const Bubbles b = pipeline_bubbles(4, 8, seconds(33), 5);
  CHECK(b.step == seconds(33));
  CHECK(b.stages == 4);
  for (std::int32_t stage = 0; stage < 4; ++stage) {
    CHECK(idle_of(b, stage) == seconds(9));
    CHECK(static_cast<double>(idle_of(b, stage).ns) / static_cast<double>(b.step.ns) ==
          Approx(bubble_fraction(4, 8)));
  }
  for (const BubbleWindow& w : b.windows) CHECK(w.free_bytes == 5);
  // The last stage waits for 3 s of forward passes, and drains for 6 s of backward ones.
  std::vector<std::pair<std::int64_t, std::int32_t>> last;
  for (const BubbleWindow& w : b.windows)
    if (w.stage == 3) last.emplace_back(w.length.ns, w.times);
  CHECK(last == std::vector<std::pair<std::int64_t, std::int32_t>>{{seconds(6).ns, 1}, {seconds(3).ns, 1}});
}

// Two towers of 3 s and 1 s that meet in an all-reduce: the quick one waits for 2 s, both for 1 s of sending.
TEST_CASE("bubble windows of unequal towers that wait for an all-reduce", "[bubbles][pipeline]") {
  StepGraph g;
  const std::uint32_t slow = g.add_resource("slow"), quick = g.add_resource("quick");
  Operation o;
  o.resource = slow;
  o.duration = seconds(3);
  const auto a = g.add(o);
  o.resource = quick;
  o.duration = seconds(1);
  const auto b = g.add(o);
  Operation reduce;
  reduce.kind = OpKind::reduce;
  reduce.bytes = 1'000'000;
  reduce.links.push_back({g.add_link(1'000'000), 1});
  g.add(reduce, {a, b});
  const std::vector<std::uint32_t> devices{slow, quick};
  const Bubbles bubbles = bubbles_of(g, devices, milliseconds(1));
  CHECK(bubbles.step == seconds(4));
  CHECK(bubbles.windows == std::vector<BubbleWindow>{{0, 1, seconds(1), 0}, {1, 1, seconds(3), 0}});
  CHECK(bubbles_of(g, devices, seconds(2)).windows == std::vector<BubbleWindow>{{1, 1, seconds(3), 0}});
}

// Towers of 3 s and 1.2 s, a third of it forward. The quick one waits for 0.6 s before the backward passes, which end
// at 3 s and 1.8 s; then all wait for two all-reduces of 1 GB over four ranks, of 1.5 s each.
TEST_CASE("bubble windows of towers of several ranks", "[bubbles][pipeline]") {
  const TowerSpec spec{{seconds(3), milliseconds(1200)}, 4, 1'000'000'000, 1'000'000'000};
  const Bubbles b = tower_bubbles(spec, 7);
  CHECK(b.step == seconds(6));
  CHECK(b.stages == 2);
  CHECK(b.windows == std::vector<BubbleWindow>{
                         {0, 1, seconds(3), 7}, {1, 1, milliseconds(4200), 7}, {1, 1, milliseconds(600), 7}});
  // One tower alone idles while its ranks send.
  const Bubbles one = tower_bubbles({{seconds(3)}, 2, 1'000'000'000, 1'000'000'000}, 0);
  CHECK(one.step == seconds(4));
  CHECK(one.windows == std::vector<BubbleWindow>{{0, 1, seconds(1), 0}});
  CHECK(tower_bubbles({{seconds(3)}, 1, 0, 0}, 0).windows.empty());
}

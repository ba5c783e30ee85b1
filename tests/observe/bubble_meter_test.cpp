// What was filled and what it cost, by hand.
#include <catch2/catch.hpp>

#include "sim/observe/metrics/bubble_meter.hpp"

namespace {

using namespace orrery;

Allocation gpus(int from, int to) {
  Allocation a;
  a.add({.node = NodeId(0), .gpus = GpuMask::range(from, to)});
  return a;
}

// 4 GPUs on two stages; those of the second idle for 4 s of 10 s. A filler of one GPU with units of 1.5 s uses 3 s of
// them.
struct MeteredHost {
  void say(std::int64_t at, std::uint32_t job, const event::Payload& what) {
    meter.note(Event{.at = Time{} + seconds(at), .job = JobId(job), .what = what},
               [this](JobId of) -> const BubbleJob& { return jobs[of.index()]; });
  }
  std::vector<BubbleJob> jobs{{{seconds(10), 2, {{1, 1, seconds(4), 0}}}, {}}, {{}, {milliseconds(1500), 0}}};
  BubbleMeter meter;
};

}  // namespace

// The host reports every 100 s.
TEST_CASE("the meter of bubbles adds up what is idle, used and lost", "[metrics][bubbles]") {
  MeteredHost m;
  const Allocation host = gpus(0, 4), one = gpus(2, 3);
  m.say(0, 0, event::Launch{&host});
  m.say(0, 0, event::Started{});
  m.say(100, 0, event::Progress{Work{seconds(100).ns}});  // alone: 1
  m.say(100, 1, event::Launch{&one, false, JobId(0), 1000});
  m.say(100, 1, event::Started{});
  m.say(200, 0, event::Progress{Work{seconds(190).ns}});  // the first one after a change says nothing
  m.say(300, 0, event::Progress{Work{seconds(270).ns}});  // 0.8
  m.say(300, 1, event::Reconfigured{0, 0, 500});
  m.say(400, 1, event::Finished{});
  const BubbleMeter::Totals t = m.meter.totals(Time{} + seconds(400));
  CHECK(to_gpu_seconds(GpuTime{t.idle}) == Approx(400 * 2 * 0.4));
  CHECK(to_gpu_seconds(GpuTime{t.used}) == Approx(200 * 0.3 + 100 * 0.15));
  REQUIRE(m.meter.slowdown().has_value());
  CHECK(*m.meter.slowdown() == Approx(0.25));
  m.say(500, 0, event::Finished{});
  CHECK(to_gpu_seconds(GpuTime{m.meter.totals(Time{} + seconds(900)).idle}) == Approx(500 * 2 * 0.4));
}

// A 257th of two GPUs idles, which is no whole number of thousandths of a GPU.
TEST_CASE("the meter of bubbles loses no part of a GPU", "[metrics][bubbles]") {
  MeteredHost m;
  m.jobs[0].bubbles = {Duration{257'000}, 2, {{0, 1, Duration{1'000}, 0}, {1, 1, Duration{1'000}, 0}}};
  const Allocation host = gpus(0, 2), one = gpus(1, 2);
  m.jobs[1].fills = {Duration{1}, 0};
  m.say(0, 0, event::Launch{&host});
  m.say(0, 0, event::Started{});
  m.say(0, 1, event::Launch{&one, false, JobId(0), 1000});
  m.say(0, 1, event::Started{});
  const BubbleMeter::Totals t = m.meter.totals(Time{} + seconds(10'000));
  CHECK(to_gpu_seconds(GpuTime{t.idle}) == Approx(2 * 10'000 / 257.0).epsilon(1e-6));
  CHECK(to_gpu_seconds(GpuTime{t.used}) == Approx(10'000 / 257.0).epsilon(1e-6));
}

// Twice as fast in the second phase, and 20 % slower there beside the filler.
TEST_CASE("the meter of bubbles compares steps of one phase", "[metrics][bubbles]") {
  MeteredHost m;
  m.jobs[0].phased = true;
  const Allocation host = gpus(0, 4), one = gpus(2, 3);
  m.say(0, 0, event::Launch{&host});
  m.say(0, 0, event::Started{});
  m.say(100, 0, event::Progress{Work{seconds(100).ns}, 1});  // the second one begins
  m.say(200, 0, event::Progress{Work{seconds(300).ns}, 1});
  m.say(200, 1, event::Launch{&one, false, JobId(0), 1000});
  m.say(200, 1, event::Started{});
  m.say(200, 0, event::Progress{Work{seconds(300).ns}, 1});
  m.say(300, 0, event::Progress{Work{seconds(460).ns}, 1});
  REQUIRE(m.meter.slowdown().has_value());
  CHECK(*m.meter.slowdown() == Approx(0.25));
}

TEST_CASE("the meter of bubbles says nothing where there are none", "[metrics][bubbles]") {
  const std::vector<BubbleJob> jobs(1);
  BubbleMeter meter;
  const Allocation held = gpus(0, 1);
  meter.note(Event{.job = JobId(0), .what = event::Launch{&held}},
             [&jobs](JobId job) -> const BubbleJob& { return jobs[job.index()]; });
  CHECK(meter.totals(Time{} + seconds(10)).idle == 0);
  CHECK_FALSE(meter.slowdown().has_value());
}

// It says 1 alone and 0.8 beside the filler, whatever its work says; a report without a speed says nothing.
TEST_CASE("the meter of bubbles takes a host's own measure of its speed", "[metrics][bubbles]") {
  MeteredHost m;
  const Allocation host = gpus(0, 4), one = gpus(2, 3);
  m.say(0, 0, event::Launch{&host});
  m.say(0, 0, event::Started{});
  m.say(100, 0, event::Progress{Work{seconds(97).ns}, 0, kUnitRate});
  m.say(100, 1, event::Launch{&one, false, JobId(0), 1000});
  m.say(100, 1, event::Started{});
  m.say(150, 0, event::Progress{Work{seconds(130).ns}});
  m.say(200, 0, event::Progress{Work{seconds(170).ns}, 0, Rate{800'000'000}});
  REQUIRE(m.meter.slowdown().has_value());
  CHECK(*m.meter.slowdown() == Approx(0.25));
}

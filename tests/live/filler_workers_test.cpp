// Paced workers that fill what others leave, and those that are slowed by them, under the local engine.
#include <sched.h>
#include <sys/resource.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "orrery_paths.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;
constexpr std::int64_t kFillerPatience = 20'000'000'000;

// Twenty steps of 10 ms, each told of.
GangSpec paced(const test::TempFolder& dir, int ranks) {
  GangSpec g;
  g.name = "a.1";
  g.argv = {ORRERY_PACED};
  g.start.job = "a";
  g.start.run_folder = dir.file("run");
  g.start.checkpoint_dir = dir.file("checkpoints");
  g.start.total_work = Work{milliseconds(200).ns};
  g.start.step_time = milliseconds(10);
  g.start.step_work = Work{milliseconds(10).ns};
  for (int r = 0; r < ranks; ++r) g.ranks.push_back({NodeId(0), GpuMask::one(r)});
  return g;
}

struct FillerRun {
  std::vector<FromWorker> said{};
  int verdict = -1;
  template <class Message>
  [[nodiscard]] int count() const {
    int n = 0;
    for (const FromWorker& m : said) n += std::holds_alternative<Message>(m) ? 1 : 0;
    return n;
  }
};

// Runs it to its end; `see` may act on each line.
FillerRun run(const GangSpec& spec, const std::function<void(Engine&, const FromWorker&)>& see) {
  LocalEngine engine({.nodes = {4}});
  engine.launch({1}, spec);
  FillerRun r;
  const std::int64_t limit = monotonic_ns() + kFillerPatience;
  while (r.verdict < 0) {
    if (monotonic_ns() >= limit) FAIL("the gang is still there");
    const auto events = engine.poll(limit);
    for (const EngineEvent& e : std::vector<EngineEvent>(events.begin(), events.end())) {
      if (e.kind == EngineEvent::Kind::gone) r.verdict = e.verdict;
      if (e.kind != EngineEvent::Kind::said) continue;
      r.said.push_back(e.message);
      see(engine, e.message);
    }
  }
  return r;
}

}  // namespace

TEST_CASE("a filler makes no step while it is to fill nothing, and goes on when it is told", "[live][fillers]") {
  for (const int ranks : {1, 2}) {
    INFO(ranks << " ranks");
    const test::TempFolder dir;
    GangSpec spec = paced(dir, ranks);
    spec.start.fill = 0;
    int steps = 0;
    const FillerRun r = run(spec, [&steps](Engine& engine, const FromWorker& m) {
      if (std::holds_alternative<Ready>(m)) engine.say({1}, Fill{0});
      if (const auto* filling = std::get_if<Filling>(&m)) {
        CHECK((filling->per_mille == 500 ? steps >= 5 : steps == 0));
        if (filling->per_mille == 0) engine.say({1}, Fill{1000});
      }
      if (!std::holds_alternative<Step>(m) || ++steps != 5) return;
      engine.say({1}, Fill{500});
    });
    CHECK(r.verdict == kExitDone);
    CHECK(r.count<Step>() == 20);
    CHECK(r.count<Filling>() == 3);
  }
}

TEST_CASE("a filler that rests saves and leaves when it is told to stop", "[live][fillers]") {
  for (const int ranks : {1, 2}) {
    INFO(ranks << " ranks");
    const test::TempFolder dir;
    GangSpec spec = paced(dir, ranks);
    spec.start.fill = 1000;
    const FillerRun r = run(spec, [](Engine& engine, const FromWorker& m) {
      const auto* step = std::get_if<Step>(&m);
      if (step != nullptr && step->step == 3) engine.say({1}, Fill{0});
      if (std::holds_alternative<Filling>(m)) engine.stop({1}, seconds(10));
    });
    CHECK(r.verdict == kExitStopped);
    const auto found = load_checkpoint(dir.file("checkpoints"));
    REQUIRE(found.newest);
    CHECK(found.newest->checkpoint.stamp.step >= 3);
    CHECK(found.newest->checkpoint.stamp.step < 20);
    CHECK(found.newest->checkpoint.stamp.done == Work{found.newest->checkpoint.stamp.step * milliseconds(10).ns});
  }
}

TEST_CASE("a paced host that is slowed says what its steps take by plan", "[live][fillers]") {
  const test::TempFolder dir;
  const FillerRun r = run(paced(dir, 2), [](Engine& engine, const FromWorker& m) {
    const auto* step = std::get_if<Step>(&m);
    if (std::holds_alternative<Hello>(m)) engine.say({1}, Slow{0});
    if (step != nullptr && step->step == 5) engine.say({1}, Slow{100'000});
  });
  CHECK(r.verdict == kExitDone);
  std::vector<std::int64_t> spent;
  for (const FromWorker& m : r.said)
    if (const auto* step = std::get_if<Step>(&m)) spent.push_back(step->spent.ns);
  REQUIRE(spent.size() == 20);
  for (std::size_t i = 0; i < 5; ++i) CHECK(spent[i] == milliseconds(10).ns);
  CHECK(spent.back() == milliseconds(11).ns);
  CHECK(std::is_sorted(spent.begin(), spent.end()));
}

TEST_CASE("ranks of a filler have the least priority, on the cores of their slots", "[live][fillers]") {
  const test::TempFolder dir;
  for (const bool idle : {false, true}) {
    GangSpec spec = paced(dir, 2);
    spec.start.job = idle ? "idle" : "usual";
    spec.start.run_folder = dir.file(spec.start.job);
    spec.start.checkpoint_dir = dir.file(spec.start.job + "/checkpoints");
    spec.idle = idle;
    const FillerRun r = run(spec, [idle](Engine& engine, const FromWorker& m) {
      if (!std::holds_alternative<Ready>(m)) return;
      int rank = 0;
      for (const ProcessHandle& handle : engine.processes({1})) {
        const auto process = process_of(handle);
        REQUIRE(process);
        const bool least = ::sched_getscheduler(process->pid) == SCHED_IDLE ||
                           ::getpriority(PRIO_PROCESS, static_cast<id_t>(process->pid)) == 19;
        CHECK(least == idle);
        cpu_set_t set;
        CPU_ZERO(&set);
        REQUIRE(::sched_getaffinity(process->pid, sizeof set, &set) == 0);
        for (const int c : cores_of_slot(own_cores(), rank, 4)) CHECK(CPU_ISSET(static_cast<std::size_t>(c), &set));
        ++rank;
      }
    });
    CHECK(r.verdict == kExitDone);
  }
}

// Merged gangs of real processes, beside simulated ones: who joins, leaves, publishes, dies or is stopped does so
// alone or with the others, alike in both worlds.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Told of each job, with when, in whole seconds of the run.
std::map<std::uint32_t, std::vector<std::pair<std::string, double>>> times_of(const std::vector<Event>& events) {
  std::map<std::uint32_t, std::vector<std::pair<std::string, double>>> told;
  for (const Event& e : events)
    if (e.kind() == EventKind::started || e.kind() == EventKind::stopped || e.kind() == EventKind::finished ||
        e.kind() == EventKind::failed || e.kind() == EventKind::launch)
      told[e.job.value].emplace_back(fmt::format("{} in gang {}", to_string(e.kind()), e.gang.value),
                                     to_seconds(e.at));
  return told;
}

void same_times(const std::vector<Event>& live, const std::vector<Event>& simulated, double margin_s) {
  const auto real = times_of(live), expected = times_of(simulated);
  REQUIRE(real.size() == expected.size());
  for (const auto& [job, told] : expected) {
    INFO("job " << job);
    const auto& other = real.at(job);
    REQUIRE(other.size() == told.size());
    for (std::size_t i = 0; i < told.size(); ++i) {
      INFO(told[i].first);
      CHECK(other[i].first == told[i].first);
      CHECK(other[i].second == Approx(told[i].second).margin(margin_s));
    }
  }
}

}  // namespace

// The schedule of merged_test: three members that join, leave, come back and finish, in either world.
TEST_CASE("both worlds: a merged gang, joined and left", "[live][merged]") {
  for (const char* where : {"n0:0", "n0:0-1"}) {  // one rank; two
    INFO(where);
    FaultWorld w;
    w.checkpoints = {};
    w.overheads.launch = seconds(10);
    w.overheads.stop = seconds(4);
    const std::string run = fmt::format("run {} group 7 merged\n", where);
    const int wide = std::string(where) == "n0:0" ? 1 : 2;
    use_script(w, "0s j0 " + run + "30s j1 " + run + "60s j2 " + run + "100s j1 preempt\n120s j1 " + run,
               {{0, wide, 100}, {0, wide, 100}, {0, wide, 30}});
    const Topology topology(w.groups);
    const IdealModel model;
    SimExecutor simulated(topology, w.workload, model, sim_options(w));
    const auto real = live_executor(w, topology, model);
    const std::vector<Event> expected = run_controller(simulated, w);
    same_times(run_controller(*real, w), expected, 20);
  }
}

// They save every 4 s for 1 s. A rank of the gang dies: both have failed, each keeps what it has saved, and they go
// on in a gang of their own, which forms anew.
TEST_CASE("both worlds: a merged gang that dies takes all of its members", "[live][merged]") {
  FaultWorld w;
  use_script(w, "0s j0 run n0:0 group 1 merged\n0s j1 run n0:0 group 1 merged\n", {{0, 1, 20}, {0, 1, 20}});
  const Topology topology(w.groups);
  const IdealModel model;
  bool killed = false;
  int saves = 0;
  w.see = [&](Engine& engine, const EngineEvent& e) {
    const auto* line = e.kind == EngineEvent::Kind::said ? std::get_if<live::FromMember>(&e.message) : nullptr;
    if (line != nullptr && std::holds_alternative<live::Saved>(line->what)) ++saves;
    if (saves < 2 || killed) return;
    killed = true;
    for (const live::ProcessHandle& p : engine.processes(e.gang)) kill_rank(p);
  };
  const auto real = live_executor(w, topology, model);
  Diary book;
  book.events = run_controller(*real, w);
  for (const int job : {0, 1}) {
    CHECK(book.count(EventKind::failed, job) == 1);
    CHECK(book.count(EventKind::finished, job) == 1);
    CHECK(book.count(EventKind::launch, job) == 2);
  }
  for (const Event& e : book.events)
    if (const auto* f = failure_of(e)) CHECK(f->committed.ns > 0);
}

// j1 wants to join just as j0 ends, again and again: whether its word is heard in time or not, it runs and finishes.
TEST_CASE("live: who joins a gang that ends at that moment begins one", "[live][merged]") {
  FaultWorld w;
  w.checkpoints = {};
  w.overheads = {};
  std::string script = "0s j0 run n0:0 group 1 merged\n";
  std::vector<TinyJob> jobs{{0, 1, 8}};
  for (int i = 1; i <= 6; ++i) {
    script += fmt::format("{}ms j{} run n0:0 group 1 merged\n", 7'700 + 100 * i, i);
    jobs.push_back({0, 1, 1});
  }
  use_script(w, script, jobs);
  const Topology topology(w.groups);
  const IdealModel model;
  const auto real = live_executor(w, topology, model);
  Diary book;
  book.events = run_controller(*real, w);
  CHECK(book.count(EventKind::finished) == 7);
  CHECK(book.count(EventKind::launch_failed) == 0);
  CHECK(book.count(EventKind::failed) == 0);
}

// What a member publishes was asked of the first one of its gang.
TEST_CASE("both worlds: a child of half a member of a merged gang starts while it runs", "[live][merged]") {
  FaultWorld w;
  w.checkpoints = {};
  const std::string merged = " run n0:0 group 7 merged\n";
  use_script(w, "0s j0" + merged + "0s j1" + merged + "0s j2 run n1:0\n", {{0, 1, 60}, {0, 1, 60}, {0, 1, 6}});
  w.workload.specs[2].after = {{JobId(1), true, 500}};
  in_both_worlds(w, [](const Diary& book) {
    CHECK(book.count(EventKind::published, 0) == 0);
    CHECK(book.count(EventKind::published, 1) == 1);
    CHECK(book.when(EventKind::started, 2) < book.when(EventKind::finished, 1));
  });
}

// Two gangs that need 6.5 s of wall clock to start, longer than the grace of a stop. Meanwhile the one loses its
// first member and the other the one that wants to join.
TEST_CASE("live: a member that is stopped while its gang starts leaves the others alone", "[live][merged]") {
  FaultWorld w;
  w.checkpoints = {};
  w.overheads.launch = seconds(130);
  std::string script;
  for (const char* line :
       {"0s j0 run n0:0 group 1", "0s j2 run n1:0 group 2", "2s j1 run n0:0 group 1", "2s j3 run n1:0 group 2"})
    script += std::string(line) + " merged\n";
  use_script(w, script + "6s j0 preempt\n6s j3 preempt\n150s j0 cancel\n150s j3 cancel\n",
             {{0, 1, 20}, {0, 1, 20}, {0, 1, 20}, {0, 1, 20}});
  const Topology topology(w.groups);
  const IdealModel model;
  const auto real = live_executor(w, topology, model);
  Diary book;
  book.events = run_controller(*real, w);
  for (const int job : {1, 2}) {
    INFO(job);
    CHECK(book.count(EventKind::launch, job) == 1);
    CHECK(book.count(EventKind::finished, job) == 1);
  }
  for (const int job : {0, 3}) CHECK(book.count(EventKind::stopped, job) == 1);
  CHECK(book.count(EventKind::failed) + book.count(EventKind::launch_failed) == 0);
}

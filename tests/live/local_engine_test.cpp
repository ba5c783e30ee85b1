// The local engine with real processes: orrery-paced, and shell scripts that play bad workers.
#include "backend/engine/local/local_engine.hpp"

#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <functional>

#include "backend/engine/ranks_file.hpp"
#include "backend/engine/registry.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "orrery_paths.hpp"
#include "sim/observe/metrics/metrics.hpp"
#include "tests/support/kill_rank.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;
using test::kill_rank;
using Kind = EngineEvent::Kind;
constexpr std::int64_t kPatience = 20'000'000'000;

Start paced(const std::string& folder, Duration total, Duration step) {
  Start s;
  s.job = "a";
  s.run_folder = folder + "/run";
  s.checkpoint_dir = folder + "/checkpoints";
  s.total_work = Work{total.ns};
  s.step_time = step;
  s.step_work = Work{step.ns};
  return s;
}

GangSpec gang(const Start& start, int ranks, std::vector<std::string> argv = {ORRERY_PACED}) {
  GangSpec g;
  g.name = "a.1";
  g.argv = std::move(argv);
  g.start = start;
  for (int r = 0; r < ranks; ++r) g.ranks.push_back({NodeId(0), GpuMask::one(r % 4)});
  return g;
}

// A worker that is a shell script; what the engine appends becomes its arguments.
std::vector<std::string> script(const std::string& text) {
  return {"/bin/sh", "-c", text, "worker"};
}

// Everything until the gang is gone; `at_each` may act on what it sees.
std::vector<EngineEvent> until_gone(Engine& engine, GangHandle handle,
                                    const std::function<void(const EngineEvent&)>& at_each = {}) {
  std::vector<EngineEvent> all;
  const std::int64_t limit = monotonic_ns() + kPatience;
  while (monotonic_ns() < limit) {
    const auto events = engine.poll(limit);
    const std::vector<EngineEvent> seen(events.begin(), events.end());
    for (const EngineEvent& e : seen) {
      if (e.gang != handle) continue;
      all.push_back(e);
      if (at_each) at_each(e);
      if (e.kind == Kind::gone) return all;
    }
  }
  FAIL("the gang is still there");
  return all;
}

template <class Message>
int said(const std::vector<EngineEvent>& events) {
  return static_cast<int>(std::count_if(events.begin(), events.end(), [](const EngineEvent& e) {
    return e.kind == Kind::said && std::holds_alternative<Message>(e.message);
  }));
}

bool ready(const EngineEvent& e) {
  return e.kind == Kind::said && std::holds_alternative<Ready>(e.message);
}

}  // namespace

TEST_CASE("gangs of one, two and four ranks run to their end", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  for (const int ranks : {1, 2, 4}) {
    INFO(ranks << " ranks");
    const GangHandle handle{static_cast<std::uint64_t>(ranks)};
    engine.launch(handle, gang(paced(dir.file(std::to_string(ranks)), milliseconds(200), milliseconds(20)), ranks));
    CHECK(engine.processes(handle).size() == static_cast<std::size_t>(ranks));
    const auto events = until_gone(engine, handle);
    CHECK(events.front().kind == Kind::launched);
    CHECK(events.back().verdict == kExitDone);
    CHECK(said<Ready>(events) == 1);
    CHECK(said<Step>(events) == 10);
    CHECK(said<Done>(events) == 1);
    CHECK(std::count_if(events.begin(), events.end(), [](const auto& e) { return e.kind == Kind::exited; }) == ranks);
  }
}

TEST_CASE("a gang that is asked to stop saves and goes on from there", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  Start start = paced(dir.path(), seconds(1), milliseconds(20));
  engine.launch({1}, gang(start, 2));
  const auto first = until_gone(engine, {1}, [&](const EngineEvent& e) {
    if (e.kind == Kind::said && std::holds_alternative<Step>(e.message)) engine.stop({1}, seconds(10));
  });
  CHECK(first.back().verdict == kExitStopped);
  const auto saved = load_checkpoint(start.checkpoint_dir);
  REQUIRE(saved.newest);
  const std::int64_t at = saved.newest->checkpoint.stamp.step;
  CHECK(at >= 1);
  start.restore = true;
  start.incarnation = 2;
  start.run_folder += "2";
  engine.launch({2}, gang(start, 2));
  const auto second = until_gone(engine, {2});
  CHECK(second.back().verdict == kExitDone);
  CHECK(said<Step>(second) == 50 - at);
}

TEST_CASE("a rank that is killed takes its gang along, and is named", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  for (const int victim : {0, 1, 2}) {
    const GangHandle handle{static_cast<std::uint64_t>(victim) + 1};
    engine.launch(handle, gang(paced(dir.file(std::to_string(victim)), seconds(30), milliseconds(20)), 3));
    const auto events = until_gone(engine, handle, [&](const EngineEvent& e) {
      if (ready(e)) kill_rank(engine.processes(handle)[static_cast<std::size_t>(victim)]);
    });
    CHECK(events.back().verdict == kExitError);
    CHECK(events.back().text.find(fmt::format("rank {} was ended by SIGKILL", victim)) != std::string::npos);
  }
}

TEST_CASE("a death is seen within 100 ms", "[live]") {
  const test::TempFolder dir;
  std::vector<double> seen_ms;
  for (int attempt = 0; attempt < 2; ++attempt) {
    LocalEngine engine({.nodes = {4}});
    seen_ms.clear();
    for (std::uint64_t i = 1; i <= 50; ++i) {
      engine.launch({i}, gang(paced(dir.path(), seconds(30), milliseconds(20)), 1, script("exec sleep 60")));
      const std::int64_t at = monotonic_ns();
      kill_rank(engine.processes({i})[0]);
      seen_ms.push_back(static_cast<double>(until_gone(engine, {i}).back().at_ns - at) / 1e6);
    }
    std::sort(seen_ms.begin(), seen_ms.end());
    if (quantile(seen_ms, 0.99) < 100) break;
  }
  WARN(fmt::format("50 deaths seen after: median {:.2f} ms, p99 {:.2f} ms", quantile(seen_ms, 0.5),
                   quantile(seen_ms, 0.99)));
  CHECK(quantile(seen_ms, 0.99) < 100);
}

TEST_CASE("every way in which a worker can misbehave ends in one clear event", "[live]") {
  struct Case {
    const char* what;
    std::string worker;
    std::string said;
    bool garbage = false;
  };
  const std::vector<Case> cases{
      {"silence", "echo 'hello 2 paced'; exec sleep 60", "taken for hung"},
      {"garbage", "echo 'hello 2 paced'; echo 'what is this'; exec sleep 60", "what is this", true},
      {"another version", "echo 'hello 999 paced'; exec sleep 60", "999", true},
      {"a flood without newline", "exec cat /dev/zero", "", true},
      {"a status", "echo 'no such model' >&2; exit 3",
       "rank 0 left with status 3; its stderr ends with: no such model"},
      {"an error line", "echo 'error out of memory'; exit 1", "rank 0 left with status 1: out of memory"},
      {"a signal", "kill -SEGV $$", "rank 0 was ended by SIGSEGV"},
      {"much on stderr", "yes abcdefgh | head -c 10000000 >&2; echo the end >&2; exit 1", "the end"},
      {"stdin that is never read", "echo 'hello 2 paced'; exec sleep 60 <&-", "taken for hung"},
  };
  const test::TempFolder dir;
  // Only who hangs is taken for hung soon: the others may have to wait for a core.
  LocalEngine impatient({.nodes = {4}, .watchdog = milliseconds(300)}), patient({.nodes = {4}});
  std::uint64_t n = 0;
  for (const Case& c : cases) {
    INFO(c.what);
    LocalEngine& engine = c.said == "taken for hung" ? impatient : patient;
    const GangHandle handle{++n};
    engine.launch(handle,
                  gang(paced(dir.file(std::to_string(n)), seconds(30), milliseconds(20)), 1, script(c.worker)));
    const auto events = until_gone(engine, handle);
    CHECK(events.back().verdict == kExitError);
    CHECK_THAT(events.back().text, Catch::Contains(c.said));
    CHECK(events.back().text.size() < 5000);
    CHECK(std::any_of(events.begin(), events.end(), [](const auto& e) { return e.kind == Kind::garbage; }) ==
          c.garbage);
  }
  patient.launch({100}, gang(paced(dir.path(), seconds(1), milliseconds(20)), 2, {"/nowhere/worker"}));
  const auto events = until_gone(patient, {100});
  CHECK(events.size() == 1);
  CHECK_THAT(events.back().text, Catch::Contains("/nowhere/worker") && Catch::Contains("No such file"));
}

TEST_CASE("a worker that cannot save says why, and nothing is half-committed", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  const std::vector<std::string> limited{"/bin/sh", "-c", "ulimit -f 0; exec \"$0\" \"$@\"", ORRERY_PACED};
  Start start = paced(dir.path(), seconds(30), milliseconds(20));
  start.save_every_steps = 5;
  engine.launch({1}, gang(start, 1, limited));
  const auto events = until_gone(engine, {1});
  CHECK_THAT(events.back().text, Catch::Contains("File too large"));
  CHECK_FALSE(load_checkpoint(start.checkpoint_dir).newest);
}

TEST_CASE("a rank that never joins is named by the others", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  const std::string lost = fmt::format(
      "case \"$*\" in *'--rank 1 '*) exec sleep 60;; esac; exec {} \"$@\" --rendezvous-s 1", ORRERY_PACED);
  engine.launch({1}, gang(paced(dir.path(), seconds(30), milliseconds(20)), 2, script(lost)));
  CHECK_THAT(until_gone(engine, {1}).back().text, Catch::Contains("did not come within 1 s"));
}

TEST_CASE("what does not stop within its grace is killed", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}});
  engine.launch({1}, gang(paced(dir.path(), seconds(30), milliseconds(20)), 1,
                          script("echo 'hello 2 paced'; echo 'ready 0 0'; exec sleep 60")));
  const std::int64_t at = monotonic_ns();
  const auto events = until_gone(engine, {1}, [&](const EngineEvent& e) {
    if (ready(e)) engine.stop({1}, milliseconds(200));
  });
  CHECK(monotonic_ns() - at < kPatience / 4);
  CHECK_THAT(events.back().text, Catch::Contains("did not stop within 0.2 s"));
}

TEST_CASE("a frozen gang outlives its lease and goes on", "[live]") {
  const test::TempFolder dir;
  LocalEngine engine({.nodes = {4}, .lease = seconds(1)});
  engine.launch({1}, gang(paced(dir.path(), milliseconds(400), milliseconds(20)), 2));
  const std::int64_t began = monotonic_ns();
  std::int64_t frozen_at = 0, thaw_at = kNever.ns;
  std::vector<EngineEvent> events;
  while (events.empty() || events.back().kind != Kind::gone) {
    REQUIRE(monotonic_ns() < began + kPatience);
    const auto seen = engine.poll(std::min(thaw_at, began + kPatience));
    events.insert(events.end(), seen.begin(), seen.end());
    if (thaw_at == kNever.ns && frozen_at == 0 && said<Step>(events) == 3) {
      engine.freeze({1});
      frozen_at = monotonic_ns();
      thaw_at = frozen_at + 1'600'000'000;
    } else if (monotonic_ns() >= thaw_at) {
      engine.thaw({1});
      thaw_at = kNever.ns;
    }
  }
  CHECK(events.back().verdict == kExitDone);
  CHECK(said<Step>(events) == 20);
  CHECK(monotonic_ns() - began > 1'900'000'000);
}

TEST_CASE("no process outlives its engine", "[live]") {
  const test::TempFolder dir;
  std::vector<ProcessHandle> all;
  {
    LocalEngine engine({.nodes = {4}, .farewell = seconds(1)});
    engine.launch({1}, gang(paced(dir.file("a"), seconds(30), milliseconds(20)), 2));
    engine.launch({2}, gang(paced(dir.file("b"), seconds(30), milliseconds(20)), 1, script("exec sleep 60")));
    engine.launch({3}, gang(paced(dir.file("c"), seconds(30), milliseconds(20)), 1));
    for (int steps = 0; steps < 10;)
      for (const EngineEvent& e : engine.poll(monotonic_ns() + kPatience))
        steps += e.kind == Kind::said && std::holds_alternative<Step>(e.message) ? 1 : 0;
    engine.freeze({3});
    for (const std::uint64_t h : {1, 2, 3})
      for (const ProcessHandle& rank : engine.processes({h})) all.push_back(rank);
  }
  CHECK(all.size() == 4);
  for (const ProcessHandle& rank : all) CHECK_FALSE(runs(rank));
  CHECK(load_checkpoint(dir.file("a") + "/checkpoints").newest);
}

TEST_CASE("no orphan outlives a controller that is killed", "[live]") {
  const test::TempFolder dir;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t controller = ::fork();
  if (controller == 0) {
    LocalEngine engine({.nodes = {4}});
    engine.launch({1}, gang(paced(dir.path(), seconds(60), milliseconds(20)), 2));
    bool told = false;
    for (;;)
      for (const EngineEvent& e : engine.poll(kNever.ns))
        if (!told && e.kind == Kind::said && std::holds_alternative<Step>(e.message)) {
          told = true;
          for (const ProcessHandle& rank : engine.processes({1})) {
            const ProcessId id = *process_of(rank);
            (void)!::write(ends[1], &id, sizeof id);
          }
        }
  }
  ProcessId ids[2];
  REQUIRE(::read(ends[0], &ids[0], sizeof ids[0]) == static_cast<ssize_t>(sizeof ids[0]));
  REQUIRE(::read(ends[0], &ids[1], sizeof ids[1]) == static_cast<ssize_t>(sizeof ids[1]));
  ::kill(controller, SIGKILL);
  ::waitpid(controller, nullptr, 0);
  const auto killed = wait_or_kill(ids, seconds(10));
  REQUIRE(killed);
  CHECK(*killed == 0);  // they left by themselves
  CHECK(load_checkpoint(dir.file("checkpoints")).newest);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("leftovers are killed only when they are who they were", "[live]") {
  const test::TempFolder dir;
  auto process = spawn({.argv = {"/bin/sleep", "60"}, .environment = {}, .cores = {}, .log_path = dir.file("log")});
  REQUIRE(process);
  ProcessId other = process->id;
  ++other.start_time;
  CHECK(wait_or_kill(std::vector<ProcessId>{other}, milliseconds(10)).value() == 0);
  CHECK(identify(process->id.pid));
  // Ours to reap, so that its end can be waited for.
  CHECK(wait_or_kill(std::vector<ProcessId>{process->id}, milliseconds(10)).value() == 1);
  CHECK(::waitpid(process->id.pid, nullptr, 0) == process->id.pid);
}

TEST_CASE("launches leak no descriptor", "[live]") {
  const test::TempFolder dir;
  const auto open_files = [] {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  LocalEngine engine({.nodes = {4}});
  const auto before = open_files();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    engine.launch({i}, gang(paced(dir.path(), seconds(1), milliseconds(20)), 1, script("exit 0")));
    (void)until_gone(engine, {i});
  }
  CHECK(open_files() == before);
}

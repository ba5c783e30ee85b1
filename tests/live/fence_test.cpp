// A run has one controller. One that was taken for dead and comes back, or whose folder was given to another,
// commands nobody, writes nothing, and what it left running commits nothing.
#include "backend/protocol/fence.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "backend/engine/local/local_engine.hpp"
#include "backend/engine/ranks_file.hpp"
#include "backend/engine/registry.hpp"
#include "backend/live/journal.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "orrery_paths.hpp"
#include "tests/support/orrery_process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"
#include "tests/support/wait.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;
using test::text_of;
using test::wait_for;
namespace fs = std::filesystem;

// A paced job of 20 ms a step that nobody waits for.
GangSpec endless(const std::string& folder, int ranks) {
  GangSpec g;
  g.name = "a.1";
  g.argv = {ORRERY_PACED};
  g.start.job = "a";
  g.start.run_folder = folder + "/run";
  g.start.checkpoint_dir = folder + "/checkpoints";
  g.start.total_work = Work{seconds(600).ns};
  g.start.step_time = milliseconds(20);
  g.start.step_work = Work{milliseconds(20).ns};
  for (int r = 0; r < ranks; ++r) g.ranks.push_back({NodeId(0), GpuMask::one(r)});
  return g;
}

// The gang's last event; `at_each` may act on what it sees.
template <class AtEach>
EngineEvent end_of(Engine& engine, GangHandle handle, const AtEach& at_each) {
  const std::int64_t limit = monotonic_ns() + test::kLongWait.ns;
  while (monotonic_ns() < limit) {
    const auto events = engine.poll(limit);
    for (const EngineEvent& e : std::vector<EngineEvent>(events.begin(), events.end())) {
      if (e.gang != handle) continue;
      if (e.kind == EngineEvent::Kind::gone) return e;
      at_each(e);
    }
  }
  FAIL("the gang is still there");
  return {};
}

template <class Message>
bool says(const EngineEvent& e) {
  return e.kind == EngineEvent::Kind::said && std::holds_alternative<Message>(e.message);
}

EngineOptions four_slots(const Fence& fence) {
  EngineOptions o;
  o.nodes = {4};
  o.fence = fence;
  return o;
}

}  // namespace

TEST_CASE("a fence holds for who claimed it last", "[live]") {
  const test::TempFolder dir;
  CHECK(Fence{}.holds());  // nobody fences
  const auto first = claim_fence(dir.file("fence"));
  REQUIRE(first);
  CHECK(first->holds());
  const auto second = claim_fence(dir.file("fence"));
  REQUIRE(second);
  CHECK(second->token > first->token);
  CHECK_FALSE(first->holds());
  CHECK(second->holds());
  fs::remove(dir.file("fence"));
  CHECK_FALSE(second->holds());
  const auto third = claim_fence(dir.file("fence"));  // in a folder that was made anew
  REQUIRE(third);
  CHECK(third->token > second->token);
}

TEST_CASE("a controller that was replaced starts nothing and says nothing", "[live]") {
  const test::TempFolder dir;
  const auto mine = claim_fence(dir.file("fence"));
  REQUIRE(mine);
  LocalEngine engine(four_slots(*mine));
  engine.launch({1}, endless(dir.path(), 2));
  bool replaced = false;
  const EngineEvent end = end_of(engine, {1}, [&](const EngineEvent& e) {
    if (!says<Step>(e) || std::exchange(replaced, true)) return;
    REQUIRE(claim_fence(dir.file("fence")));
    engine.say({1}, Save{});
  });
  CHECK(end.verdict == kExitError);
  CHECK_THAT(end.text, Catch::Contains(kFencedOff));
  CHECK_FALSE(load_checkpoint(dir.file("checkpoints")).newest);
  engine.launch({2}, endless(dir.file("late"), 2));
  CHECK_THAT(end_of(engine, {2}, [](const EngineEvent&) { FAIL("it began"); }).text, Catch::Contains(kFencedOff));
  CHECK_FALSE(fs::exists(dir.file("late")));
}

TEST_CASE("what a replaced controller left running commits no checkpoint", "[live]") {
  const test::TempFolder dir;
  const auto mine = claim_fence(dir.file("fence"));
  REQUIRE(mine);
  LocalEngine engine(four_slots(*mine));
  GangSpec spec = endless(dir.path(), 2);
  spec.start.save_every_steps = 5;
  engine.launch({1}, spec);
  std::int64_t saved = 0;
  const EngineEvent end = end_of(engine, {1}, [&](const EngineEvent& e) {
    if (!says<Saved>(e)) return;
    saved = std::get<Saved>(e.message).step;
    if (saved == 5) REQUIRE(claim_fence(dir.file("fence")));
  });
  CHECK(saved == 5);
  CHECK_THAT(end.text, Catch::Contains("is not committed") && Catch::Contains(kFencedOff));
  CHECK(load_checkpoint(dir.file("checkpoints")).newest->checkpoint.stamp.step == 5);
}

TEST_CASE("a worker obeys no line of a controller that was replaced", "[live]") {
  for (const ToWorker& order : std::vector<ToWorker>{Save{}, Publish{}, Stop{}, Lease{30}}) {
    const test::TempFolder dir;
    const auto mine = claim_fence(dir.file("fence"));
    REQUIRE(mine);
    Start start = endless(dir.path(), 1).start;
    start.report_every_steps = 0;
    start.fence = *mine;
    auto worker = spawn({.argv = {ORRERY_PACED, "--rank", "0", "--world", "1", "--run-folder", start.run_folder},
                         .environment = {},
                         .cores = {},
                         .log_path = dir.file("stderr")});
    REQUIRE(worker);
    std::string said;
    const auto hear = [&] {
      char buffer[4096];
      const ssize_t n = ::read(worker->out.get(), buffer, sizeof buffer);
      if (n > 0) said.append(buffer, static_cast<std::size_t>(n));
      return n == 0;  // it has left
    };
    const auto tell = [&](const ToWorker& message) {
      const std::string line = format(message);
      REQUIRE(::write(worker->in.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    };
    tell(start);
    REQUIRE(wait_for([&] { return hear() || said.find("ready 0 0\n") != std::string::npos; }));
    REQUIRE(claim_fence(dir.file("fence")));
    tell(order);
    REQUIRE(wait_for(hear));
    const auto status = test::wait_for_end(worker->id.pid);
    REQUIRE(status);
    CHECK(WEXITSTATUS(*status) == kExitError);
    CHECK_THAT(said, Catch::EndsWith(fmt::format("error {}\n", kFencedOff)));
    CHECK_FALSE(fs::exists(dir.file("checkpoints")));
  }
}

TEST_CASE("a journal takes nothing more from a controller that was replaced", "[live]") {
  const test::TempFolder dir;
  auto writer = JournalWriter::create(dir.file("journal"), "{}");
  REQUIRE(writer);
  const auto mine = claim_fence(dir.file("fence"));
  REQUIRE(mine);
  writer->guard(*mine);
  REQUIRE(writer->batch(at_seconds(1), kNever, {}));
  REQUIRE(claim_fence(dir.file("fence")));
  const auto refused = writer->batch(at_seconds(2), kNever, {});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().items.at(0).message, Catch::Contains(kFencedOff));
  CHECK_FALSE(writer->plan(7));
  CHECK(read_journal(dir.file("journal"))->batches.size() == 1);
}

TEST_CASE("the processes of a copied folder are not the copy's", "[live]") {
  const test::TempFolder dir;
  const std::vector<ProcessHandle> ranks{{"local 1 2"}, {"local 3 4"}};
  fs::create_directories(dir.file("a"));
  REQUIRE(write_ranks(dir.file("a"), ranks));
  CHECK(read_ranks(dir.file("a")) == ranks);
  fs::copy(dir.file("a"), dir.file("b"));
  CHECK(read_ranks(dir.file("b")).empty());  // who runs there belongs to `a`
  fs::remove_all(dir.file("b"));
  fs::rename(dir.file("a"), dir.file("b"));
  CHECK(read_ranks(dir.file("b")) == ranks);
  CHECK(read_ranks(dir.file("nowhere")).empty());
}

TEST_CASE("a handle of no engine is of no process", "[live]") {
  CHECK(runs(own_handle()));
  CHECK_FALSE(runs({""}));
  CHECK_FALSE(runs({"nothing 1 2"}));
  CHECK_FALSE(runs({"local 1"}));
  const std::vector<ProcessHandle> foreign{{"nothing 1 2"}};
  CHECK_FALSE(wait_or_kill(foreign, Duration{}));
}

// The lock keeps a second controller out as long as the first one lives. Here it is lost, as it may be where a folder
// is shared by machines: the journal becomes another file of the same bytes.
TEST_CASE("a controller that comes back after another took over ends, and disturbs nothing", "[live][slow]") {
  const test::TempFolder dir;
  const std::string run = dir.file("run"), journal = run + ".live/journal", fence = run + ".live/fence";
  const pid_t first = test::start_orrery(
      {"live", "run", ORRERY_SOURCE_DIR "/scenarios/live/paced.yaml", "--set", "workload.generate.jobs=8", "--set",
       "live.time_scale=40", "--set", "live.lease=1s", "--policy", "srtf", "-o", run},
      dir.file("first"));
  REQUIRE(wait_for([&] { return fs::exists(run + ".live/jobs/1/launch-1/ranks"); }));
  const std::string token = text_of(fence);
  ::kill(first, SIGSTOP);

  const pid_t early = test::start_orrery({"live", "resume", run}, dir.file("early"));
  CHECK(WEXITSTATUS(test::wait_for_end(early).value()) == 2);
  CHECK_THAT(text_of(dir.file("early")), Catch::Contains("is in use"));
  CHECK(text_of(fence) == token);

  fs::copy_file(journal, journal + ".copy");
  fs::rename(journal + ".copy", journal);
  const pid_t second = test::start_orrery({"live", "resume", run}, dir.file("second"));
  REQUIRE(wait_for([&] { return text_of(fence) != token; }));
  ::kill(first, SIGCONT);
  const auto first_ended = test::wait_for_end(first);
  const auto second_ended = test::wait_for_end(second, seconds(240));
  INFO(text_of(dir.file("first")) << "\n---\n" << text_of(dir.file("second")));
  REQUIRE((first_ended && second_ended));
  CHECK(WEXITSTATUS(*first_ended) == 2);
  CHECK_THAT(text_of(dir.file("first")), Catch::Contains(kFencedOff));
  CHECK(WEXITSTATUS(*second_ended) == 0);
  CHECK_THAT(text_of(dir.file("second")), Catch::Contains("8 of 8 jobs finished, 0 failed"));
}

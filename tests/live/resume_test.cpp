// A controller that is killed at random moments, as a user's machine would kill it: every time `live resume` goes on,
// until the run has ended well.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "backend/engine/ranks_file.hpp"
#include "backend/engine/registry.hpp"
#include "backend/live/journal.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "orrery_paths.hpp"
#include "scenarios/run/journalled_executor.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"
#include "tests/support/orrery_process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"
#include "tests/support/wait.hpp"

namespace {

using namespace orrery;
using orrery::test::text_of;
namespace fs = std::filesystem;
constexpr int kJobs = 8;

// Runs `orrery WORDS...` with its output in `log`; kills it after `life` (0 = never). Its wait status.
int run_orrery(const std::vector<std::string>& words, const std::string& log, Duration life) {
  const pid_t pid = test::start_orrery(words, log);
  if (life.ns > 0) {
    if (const auto status = test::wait_for_end(pid, life)) return *status;
    ::kill(pid, SIGKILL);
  }
  return test::wait_for_end(pid, seconds(600)).value();
}

std::vector<std::int64_t> committed(const std::string& run) {
  std::vector<std::int64_t> all;
  for (int j = 0; j < kJobs; ++j) {
    const auto found = live::load_checkpoint(fmt::format("{}.live/jobs/{}/checkpoints", run, j)).newest;
    all.push_back(found ? found->checkpoint.stamp.done.ns : 0);
  }
  return all;
}

}  // namespace

TEST_CASE("a controller killed at 50 random moments loses no committed work and leaves no orphan", "[live][slow]") {
  int kills = 0, runs = 0;
  for (std::uint64_t seed = 1; kills < 50; ++seed) {
    INFO("seed " << seed);
    const test::TempFolder dir;
    const std::string run = dir.file("run"), log = dir.file("log");
    RandomStream rng = stream(seed, "tests/live/controller-kills");
    std::vector<std::string> words{"live",
                                   "run",
                                   std::string(ORRERY_SOURCE_DIR) + "/scenarios/live/paced.yaml",
                                   "--set",
                                   fmt::format("workload.generate.jobs={}", kJobs),
                                   "--set",
                                   "live.time_scale=40",
                                   "--policy",
                                   seed % 2 == 0 ? "srtf" : "fifo",
                                   "-o",
                                   run};
    std::vector<std::int64_t> before(kJobs, 0);
    for (int attempt = 0; attempt < 60; ++attempt) {
      const Duration life = milliseconds(20 + static_cast<std::int64_t>(uniform_below(rng, 1200)));
      const int status = run_orrery(words, log, kills < 50 ? life : Duration{});
      INFO(text_of(log));
      if (WIFEXITED(status)) {
        REQUIRE(WEXITSTATUS(status) == 0);
        break;
      }
      ++kills;
      if (fs::exists(run + ".live/journal")) {
        if (words[1] != "resume") words = {"live", "resume", run};
        const std::vector<std::int64_t> now = committed(run);
        for (int j = 0; j < kJobs; ++j)
          CHECK(now[static_cast<std::size_t>(j)] >= before[static_cast<std::size_t>(j)]);
        before = now;
      }
    }
    INFO(text_of(log));
    const std::string said = text_of(log);
    CHECK_THAT(said, Catch::Contains(fmt::format("{} of {} jobs finished, 0 failed", kJobs, kJobs)));
    REQUIRE(fs::exists(run + "/jobs.csv"));
    for (const auto& f : fs::recursive_directory_iterator(run + "/live/jobs"))
      if (f.path().filename() == "ranks")
        for (const live::ProcessHandle& rank : live::read_ranks(f.path().parent_path().string()))
          CHECK_FALSE(live::runs(rank));
    ++runs;
  }
  std::printf("live: controller killed %d times, %d runs ended well\n", kills, runs);
}

TEST_CASE("a decision that is not the journal's ends a resumed run", "[live]") {
  const test::TempFolder dir;
  auto writer = live::JournalWriter::create(dir.file("journal"), "{}");
  REQUIRE(writer);
  Plan plan;
  plan.wake_at = at_seconds(5);
  app::PlanJournal plans(*writer, {live::digest_of(plan), live::digest_of(plan) + 1});
  plans.on_plan(Time{}, 1, plan);
  CHECK(plans.replayed() == 1);
  CHECK_THROWS_AS(plans.on_plan(Time{}, 2, plan), AssertionFailed);
  plans.on_plan(Time{}, 3, plan);  // beyond the journal: written to it
  const auto contents = live::read_journal(dir.file("journal"));
  REQUIRE(contents);
  CHECK(contents->plans == std::vector<std::uint32_t>{live::digest_of(plan)});
}

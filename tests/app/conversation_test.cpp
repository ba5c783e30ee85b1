// The conversation with a policy in another process: where it is kept, and that nothing else is.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/simulate.hpp"
#include "tests/support/external.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"
#include "traces/format/text_file.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
using namespace orrery::test;
namespace fs = std::filesystem;

}  // namespace

#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
namespace {

// The most memory that this process has held since `forget_peak`, bytes.
void forget_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}
std::int64_t peak_bytes() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;)
    if (word == "VmHWM:" && in >> word) return std::stoll(word) * 1024;
  return 0;
}

}  // namespace

TEST_CASE("a conversation that nobody records is not kept", "[external]") {
  const test::TempFolder dir;
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const std::string long_answer = "say(json.dumps({'epoch': e, 'place': sorted(jobs)[:0]}) + ' ' * (8 << 20))";
  forget_peak();
  const std::int64_t before = peak_bytes();
  (void)run_of(*p, external_config(program(dir, long_answer)));  // some 20 decisions
  CHECK(peak_bytes() - before < std::int64_t{100} << 20);
}
#endif

TEST_CASE("a program's last words lie in no file that could be left", "[external]") {
  const test::TempFolder dir, scratch;
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const char* const before = std::getenv("TMPDIR");
  const std::string restore = before == nullptr ? "" : before;
  REQUIRE(::setenv("TMPDIR", scratch.path().c_str(), 1) == 0);
  {
    const auto policy = RunPolicy::make(*p, external_config(program(dir, "sys.exit(3)")), 1);
    CHECK(policy);
    CHECK(fs::is_empty(scratch.path()));
  }
  const std::string failure = run_of(*p, external_config(program(dir, "sys.exit('no such tenant')"))).failure;
  CHECK(fs::is_empty(scratch.path()));
  CHECK(has(failure, "its last words: no such tenant"));
  (void)(before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", restore.c_str(), 1));
}

TEST_CASE("the conversation of a run that failed lies beside its folder, to the line of the error", "[external]") {
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const struct {
    const char* body;
    const char* place;
    const char* last_line;  // its beginning
    int lines;
  } kFailed[] = {
      {"sys.exit(3)", "FILE:4", "{\"view\"", 3},
      {"sys.stdout.write('{\"epoch\":1,\"pl'); sys.exit(3)",
       "FILE:4:15\n   |\n 4 | {\"epoch\":1,\"pl\n   |               ^ there is no more of its answer",
       "{\"epoch\":1,\"pl", 4},
      {"say({'epoch': e}); n < 2 or say('debugging')", "FILE:", "debugging", 0},
      {"say({'epoch': e})", "\n   = its conversation: FILE", "{\"epoch\"", 0},  // nothing is ever started
  };
  for (const auto& f : kFailed) {
    const test::TempFolder dir;
    const std::string failure = run_of(*p, external_config(program(dir, f.body)), dir.file("run") + "/").failure;
    INFO(failure);
    CHECK(has(in_file(failure, dir), f.place));
    const auto kept = read_text_file(dir.file("run.conversation.jsonl.zst"));
    REQUIRE(kept);
    CHECK(has(kept->substr(0, kept->find('\n')), "{\"hello\":1"));
    CHECK(kept->substr(kept->rfind('\n', kept->size() - 2) + 1).starts_with(f.last_line));
    if (f.lines > 0) CHECK(std::count(kept->begin(), kept->end(), '\n') == f.lines);
  }
  const test::TempFolder dir;  // before there is a folder at all
  const std::string silent = run_of(*p, external_config("[sh, -c, \"exit 7\"]"), dir.file("new/run")).failure;
  CHECK(has(silent, "--> " + dir.file("new/run.conversation.jsonl.zst") + ":2"));
  PolicyConfig replay;  // what is played back lies where it did
  replay.name = "external";
  replay.options["conversation"] = dir.file("new/run.conversation.jsonl.zst");
  CHECK(has(run_of(*p, replay, dir.file("again")).failure, "--> " + replay.options["conversation"] + ":2"));
  // What is in the way is told, once, beside what was wrong.
  fs::create_directories(dir.file("full.conversation.jsonl.zst/x"));
  const std::string full = run_of(*p, external_config(program(dir, "say('hello')")), dir.file("full")).failure;
  CHECK(full.find("= the conversation is not kept: cannot write `") == full.rfind("conversation is not kept") - 6);
  // Without a folder nothing is kept, and the line is shown.
  const std::string shown = run_of(*p, external_config(program(dir, "say('hello')"))).failure;
  CHECK(has(shown, "--> its conversation:4:1\n   |\n 4 | hello\n   | ^"));
}

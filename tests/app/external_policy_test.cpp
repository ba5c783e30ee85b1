// Policies in other processes: the examples in Python decide as the built-in policies do, to the last event; their
// conversation is recorded and played back without them; whatever a program does wrong is one error that names the
// line, leaves nothing behind and nobody running.
#include <signal.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "orrery_paths.hpp"
#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/assert.hpp"
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

PolicyConfig example_policy(const std::string& name) {
  return external_config(fmt::format("[python3, {}/scenarios/policies/{}.py]", ORRERY_SOURCE_DIR, name));
}

}  // namespace

TEST_CASE("fifo and srtf in Python decide as the built-in ones", "[external]") {
  const std::string cluster =
      "version: 1\ncluster: { groups: [ { name: n, count: 4, gpus_per_node: 8, gpu: h200 } ] }\n";
  const std::string many =
      "workload: { generate: { jobs: 150, gpus: { 1: 0.5, 2: 0.2, 4: 0.2, 16: 0.1 } }, load: 1.1 }\n";
  const struct {
    const char* what;
    std::string scenario;
  } kCases[] = {
      {"plain", cluster + many},
      {"overheads", cluster + many + "overheads: { launch: 5s, restart: 30s }\n"},
      {"nodes that fail", cluster + many + "failures: { node_mtbf: 2d, repair: 1h }\ncheckpoints: { every: 10m }\n"},
      {"no estimates", cluster + "workload: { estimates: none, generate: { jobs: 80 }, load: 1.0 }\n"},
  };
  for (const auto& c : kCases) {
    INFO(c.what);
    const auto p = test::prepared(c.scenario);
    if (!p) FAIL(render(p.error()));
    for (const char* name : {"fifo", "srtf"}) {
      INFO(name);
      const test::TempFolder dir;
      PolicyConfig built_in;
      built_in.name = name;
      const RunReport ours = run_of(*p, built_in, dir.file("built-in"));
      const RunReport theirs = run_of(*p, example_policy(name), dir.file("external"));
      CHECK(ours.failure == "");
      CHECK(theirs.failure == "");
      CHECK(theirs.violations == 0);
      CHECK(theirs.result.summary.finished == ours.result.summary.finished);
      CHECK(theirs.result_digest == ours.result_digest);
    }
  }
}

TEST_CASE("fifo in Python leaves placing to any placement", "[external]") {
  const auto p = test::prepared(R"(version: 1
cluster: { groups: [ { name: n, count: 4, gpus_per_node: 8, gpu: h200 } ] }
workload: { generate: { jobs: 120, gpus: { 1: 0.4, 4: 0.4, 8: 0.2 } }, load: 1.0 }
)");
  REQUIRE(p);
  for (const char* placement : {"consolidated", "spread", "fewest"}) {
    const test::TempFolder dir;
    PolicyConfig built_in, external = example_policy("fifo");
    built_in.placement = external.placement = placement;
    INFO(placement);
    CHECK(run_of(*p, external, dir.file("b")).result_digest == run_of(*p, built_in, dir.file("a")).result_digest);
  }
}

TEST_CASE("a recorded conversation is played back without its program", "[external]") {
  const test::TempFolder dir;
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const RunReport first = run_of(*p, example_policy("srtf"), dir.file("run"));
  const std::string recording = dir.file("run/conversation.jsonl.zst");
  REQUIRE(fs::exists(recording));
  PolicyConfig replay;
  replay.name = "external";
  replay.options["conversation"] = recording;
  CHECK(run_of(*p, replay, dir.file("again")).result_digest == first.result_digest);
  // Recorded again it is the same.
  CHECK(*read_text_file(recording) == *read_text_file(dir.file("again/conversation.jsonl.zst")));
  // Of another run it is not.
  const auto other = test::prepared(std::string(kTwentyJobs) + "overheads: { launch: 5s }\n");
  REQUIRE(other);
  const std::string failure = run_of(*other, replay).failure;
  CHECK(has(failure, "the run is another than the one whose conversation was recorded"));
  CHECK(has(failure, recording + ":"));
}

TEST_CASE("what a program does wrong is one error that names the line", "[external]") {
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const struct {
    const char* body;
    const char* failure;
  } kWrong[] = {
      {"sys.exit(3)", "it has ended with exit code 3 before it answered\n  --> FILE:4"},
      {"say({'epoch': e}) if n < 3 else os.kill(os.getpid(), 9)", "it was ended by SIGKILL before it answered"},
      {"raise ValueError('no such tenant')", "ValueError: no such tenant"},
      {"time.sleep(600)", "no answer within 5s (`timeout`)\n  --> FILE:"},
      {"say('hello')", "its answer is no plan: this is not JSON\n  --> FILE:4:1"},
      {"say({'epoch': e, 'palce': jobs})", "nothing is known about `palce` here; did you mean `place`?"},
      {"say({'epoch': e + 1})", "it answers epoch 2, and was asked about 1"},
      {"say({'epoch': e, 'place': [99]})", "its plan names job 99, which it has not been told of"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n7:0']]})", "which the cluster does not have"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0-1,n1:0-3']]})", "GPUs; it wants"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'suspend']]})", "which has no GPUs to stand still on"},
      {"say({'epoch': e, 'wake': v['now']})", "which is not after now"},
      {"say({'epoch': e, 'place': jobs + jobs})", "which has GPUs by an earlier target"},
      {"say({'epoch': e}); say('debugging'); n < 2 or time.sleep(9)", "--> FILE:"},
      {"say({'epoch': e, 'targets': [[j, 'run', 'n0:0'] for j in jobs]}) if n > 1 else say({'epoch': e, 'targets': "
       "[[jobs[0], 'run', 'n0:0']]})",
       "its plan runs job"},
  };
  for (const auto& w : kWrong) {
    INFO(w.body);
    const test::TempFolder dir;
    PolicyConfig policy = external_config(program(dir, w.body));
    if (has(w.body, "sleep(600)")) policy.options["timeout"] = "5s";
    const RunReport report = run_of(*p, policy, dir.file("run"));
    INFO(report.failure);
    CHECK(has(in_file(report.failure, dir), w.failure));
    CHECK_FALSE(fs::exists(dir.file("run")));
    CHECK(fs::exists(dir.file("run.conversation.jsonl.zst")));
    std::size_t left = 0;  // of the program and its notes
    for (const auto& entry : fs::directory_iterator(dir.path())) left += entry.is_directory() ? 1 : 0;
    CHECK(left == 0);
    int pid = 0;
    std::ifstream(dir.file("pid")) >> pid;
    REQUIRE(pid > 0);
    CHECK(::kill(pid, 0) != 0);  // it is gone, and has been waited for
  }
}

TEST_CASE("what a program says of groups that cannot be is one error that names the line", "[external]") {
  std::string scenario = kTwentyJobs;
  scenario.replace(scenario.find("jobs: 20"), 8, "jobs: 20, gpus: { 1: 1 }");
  const auto p = test::prepared(scenario);
  REQUIRE(p);
  // g(j, gpu, sharing, group): a target that runs the job there.
  const std::string g =
      "g = lambda j, gpu, *s: [j, 'run', 'n0:%d' % gpu, dict(zip(('sharing', 'group'), s))]\n  "
      "old = (old if n > 1 else []) + jobs\n  ";
  const struct {
    const char* body;
    const char* failure;
  } kWrong[] = {
      {"say({'epoch': e, 'targets': [g(jobs[0], 0, 'merged', 1)] if n == 1 else [g(j, 1, 'merged', 1) for j in jobs "
       "if j != old[0]]})",
       "its plan merges job 1 on `n0:1` with job 0, which is to be on `n0:0`: those of a group are on the same GPUs"},
      {"say({'epoch': e, 'targets': [g(jobs[0], 0, 'merged', 1)] if n == 1 else [g(j, 0, 'interleaved', 1) "
       "for j in jobs if j != old[0]]})",
       "its plan has job 1 in group 1 interleaved, and job 0 merged"},
      {"say({'epoch': e, 'targets': [g(jobs[0], 0, 'merged', 1), [jobs[0], 'suspend']]})",
       "its plan suspends job 0, which is merged with others: it can be preempted"},
      {"say({'epoch': e, 'targets': [g(jobs[0], 0, 'merged', 1)] if n == 1 else [[old[0], 'suspend']]})",
       "its plan suspends job 0, which is merged with others: it can be preempted"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'group': 1}]]})",
       "its plan runs job 0 in group 1, but is not to share: `sharing` is `interleaved` or `merged`"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0@500', {'group': 1, 'sharing': 'fraction'}]]})",
       "its plan runs job 0 in group 1, but is not to share"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'sharing': 'merged'}]]})",
       "its plan runs job 0 with others of a group (`sharing`), but names no `group`"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'sharing': 'filler'}]]})",
       "its plan has job 0 fill bubbles (`sharing`), but `config` names no `host`"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'sharing': 'filler', 'config': {'host': 1}}]]})",
       "its plan has job 0 fill 0 thousandths of its host's bubbles: `fill_per_mille` is 1 to 1000"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'config': {'host': 1}}]]})",
       "its plan names a `host` for job 0, which is not to fill bubbles: `sharing` is `filler`"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'sharing': 'filler', 'config': {'host': 99, "
       "'fill_per_mille': 1000}}]]})",
       "99"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0', {'sharing': 'filler', 'config': {'host': 0, "
       "'fill_per_mille': 1000}}]]})",
       "its plan has job 0 fill bubbles of job 0, which does not run, or not where it is to be"},
      {"say({'epoch': e, 'targets': [g(jobs[0], 0)] if n == 1 else [[j, 'run', 'n0:0', {'sharing': 'filler', "
       "'config': {'host': old[0], 'fill_per_mille': 1000}}] for j in jobs if j != old[0]]})",
       "its plan has job 1 fill bubbles of job 0, which has none"},
      {"say({'epoch': e, 'targets': [[jobs[0], 'run', 'n0:0@500']]})",
       "its plan runs job 0 on `n0:0@500`: less than whole GPUs are held with `sharing` `fraction` only"},
  };
  for (const auto& w : kWrong) {
    INFO(w.body);
    const test::TempFolder dir;
    const RunReport report = run_of(*p, external_config(program(dir, g + w.body)), dir.file("run"));
    INFO(report.failure);
    CHECK(has(report.failure, w.failure));
    CHECK(has(in_file(report.failure, dir), "\n  --> FILE:"));
  }
}

// Found with the speed of merged jobs: nothing said that it changes when another member ends.
TEST_CASE("a program is told how fast a merged job is when another one ends", "[external][merged]") {
  std::string scenario = kTwentyJobs;
  scenario.replace(scenario.find("jobs: 20"), 8, "jobs: 2, gpus: { 1: 1 }");
  const auto p = test::prepared(scenario);
  REQUIRE(p);
  const test::TempFolder dir;
  const std::string body =
      "arrived = (arrived if n > 1 else []) + [x['job'] for x in v['events'] if x['e'] == 'ready']\n  "
      "rates = (rates if n > 1 else {}) | {j['id']: j.get('rate') for j in v['jobs']}\n  "
      "ended = [x['job'] for x in v['events'] if x['e'] == 'finish']\n  "
      "if ended: sys.exit('job %d was told at %s' % (1 - ended[0], rates[1 - ended[0]]))\n  "
      "both = len(arrived) == 2 and len(rates) == 2\n  "
      "say({'epoch': e, 'targets': [[j, 'run', 'n0:0', {'sharing': 'merged', 'group': 1}] for j in arrived]} if both "
      "else {'epoch': e})\n  "
      "arrived = [] if both else arrived";
  CHECK(has(run_of(*p, external_config(program(dir, body))).failure, "was told at 1000000000"));
}

TEST_CASE("a program that does not say `ready` fails the run", "[external]") {
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const auto failure = [&](const char* command) { return run_of(*p, external_config(command)).failure; };
  CHECK(has(failure("[cat]"), "its first line is no `ready`"));
  CHECK(has(failure("[sh, -c, \"exit 7\"]"),
            "it has ended with exit code 7 before it answered\n  --> its conversation:2"));
  CHECK(has(failure("[echo, '{\"ready\":9}']"), "version 9 of the wire; this orrery speaks version 1"));
}

TEST_CASE("an error of a program names its policy as the scenario does", "[external]") {
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  PolicyConfig policy = external_config("[cat]");
  policy.label = "mine";
  CHECK(has(run_of(*p, policy).failure, "policy `mine`, `cat`: its first line is no `ready`"));
  policy.options["command"] = "[no-such-program]";
  RunRequest request;
  request.policy = policy;
  CHECK(has(render(simulate(*p, request).error()), "policy `mine`: "));
  const test::TempFolder dir;
  policy.options["command"] = program(dir, "say({'epoch': e})");
  CHECK(has(run_of(*p, policy).failure, "policy `mine` left "));
}

TEST_CASE("a policy in another process says that it cannot be copied", "[external]") {
  const auto p = test::prepared(kTwentyJobs);
  REQUIRE(p);
  const auto policy = RunPolicy::make(*p, example_policy("fifo"), 1);
  REQUIRE(policy);
  CHECK(policy->get().clone() == nullptr);
  const auto copy = policy->copy();
  REQUIRE_FALSE(copy);
  CHECK(has(render(copy.error()), "policy `external` is another process, which cannot be copied"));
}

TEST_CASE("what is wrong with the options of `external`", "[external]") {
  const auto wrong = [](const std::string& policy) {
    const auto s = read_scenario_text("s.yaml", kTwentyJobs + ("policy: " + policy + "\n"));
    return s ? std::string() : render(s.error());
  };
  CHECK(wrong("{ name: external, command: [python3, mine.py], timeout: 5s }").empty());
  CHECK(wrong("{ name: external, command: ./mine }").empty());
  CHECK(has(wrong("external"), "`external` needs a `command`"));
  CHECK(has(wrong("{ name: external, command: [] }"), "`command` is `[]`, which is no list of words"));
  CHECK(has(wrong("{ name: external, comand: [a] }"), "did you mean `command`?"));
  CHECK(has(wrong("{ name: external, command: [a], timeout: soon }"), "timeout"));
  CHECK(has(wrong("{ name: external, command: [a] }\nemulate: tiresias"), "`external` is none of them"));
  CHECK(has(wrong("{ name: externl, command: [a] }"), "did you mean `external`?"));
  const auto p = test::prepared(kTwentyJobs);
  RunRequest request;
  request.policy = external_config("[no-such-program]");
  const auto report = simulate(*p, request);
  REQUIRE_FALSE(report);
  CHECK(has(render(report.error()), "no-such-program"));
  request.policy = external_config("python3 mine.py");
  const auto one_word = simulate(*p, request);
  REQUIRE_FALSE(one_word);
  CHECK(has(render(one_word.error()), "write a list, `command: [python3, mine.py]`"));
}

TEST_CASE("the words of a command survive being written into a run folder", "[external]") {
  const std::string text =
      std::string(kTwentyJobs) +
      "policy: { name: external, command: [python3, 'a, b.py', '[x]', \"say \\\"hi\\\"\", '--n=3'] }\n";
  const auto s = read_scenario_text("/somewhere/s.yaml", text);
  if (!s) FAIL(render(s.error()));
  const auto options = external_options(s->policy);
  REQUIRE(options);
  CHECK(options->command == std::vector<std::string>{"python3", "a, b.py", "[x]", "say \"hi\"", "--n=3"});
  CHECK(options->directory == "/somewhere");
  const auto again = read_scenario_text("elsewhere.yaml", effective_yaml(*s));
  if (!again) FAIL(render(again.error()));
  CHECK(external_options(again->policy)->command == options->command);
  CHECK(external_options(again->policy)->directory == options->directory);
}

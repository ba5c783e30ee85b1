// The policy `scripted`: its file, the errors in it, and schedules worked out by hand.
#include <catch2/catch.hpp>
#include <fstream>

#include "policies/parts/script.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

RunResult run_script(const std::string& text, const std::vector<NodeGroup>& groups,
                     const std::vector<TinyJob>& jobs) {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << text;
  return run_world(groups, jobs, {"scripted", "count", {{"file", dir.file("script")}}});
}

}  // namespace

TEST_CASE("a script's lines are read, and each malformed one is an error with its place", "[policies]") {
  const auto good =
      parse_script("s", "# first a\n\n90s a run n0:0-1,n1:3\n@12 b suspend # why\n1m c run n0:0 group 7\n");
  REQUIRE(good);
  REQUIRE(good->size() == 3);
  CHECK((*good)[0].at == at_seconds(90));
  CHECK((*good)[0].gpus->to_string() == "n0:0-1,n1:3");
  CHECK((*good)[1].epoch == 12);
  CHECK((*good)[1].what == ScriptLine::Do::suspend);
  CHECK((*good)[2].group == GroupId(7));
  CHECK((*good)[2].number == 5);
  struct Bad {
    const char* text;
    int column;
    const char* says;
  };
  for (const Bad& b :
       {Bad{"90s a\n", 5, "WHEN JOB ACTION"}, Bad{"90 a run\n", 1, "unit"}, Bad{"@0 a run\n", 1, "decision"},
        Bad{"1s a susspend\n", 6, "did you mean `suspend`?"}, Bad{"1s a run n0\n", 10, "not an allocation"},
        Bad{"1s a run n0:0 group x\n", 21, "group"}, Bad{"1s a run n0:0 now\n", 15, "`now`"},
        Bad{"1s a preempt n0:0\n", 14, "`n0:0`"}, Bad{"1s a run n0:0@500 group 1\n", 10, "share whole GPUs"}}) {
    INFO(b.text);
    const auto r = parse_script("s", b.text);
    REQUIRE_FALSE(r);
    REQUIRE(r.error().items.size() == 1);
    CHECK(r.error().items[0].where.line == 1);
    CHECK(r.error().items[0].where.column == b.column);
    CHECK(render(r.error()).find(b.says) != std::string::npos);
  }
  CHECK(parse_script("s", "x\ny\n").error().items.size() == 2);
}

TEST_CASE("a script that cannot be read is an error of the option", "[policies]") {
  const PolicyInfo& info = *find_policy("scripted");
  PolicySetup setup;
  setup.placement = make_placement("count", 1);
  OptionReader reader("scripted", {{"file", "nowhere"}}, {{"file", {"of/scenario.yaml", 3, 4}}}, info.options);
  CHECK(reader.path("file") == "of/nowhere");
  OptionReader said("scripted", {{"file", "a/b"}}, {{"file", {"--set policy.file=a/b"}}}, info.options);
  CHECK(said.path("file") == "a/b");
  (void)info.make(std::move(setup), reader);
  REQUIRE_FALSE(reader.finish());
  CHECK(render(reader.finish().error()).find("cannot be read") != std::string::npos);
}

//   j0  ===....=======      preempted at 3, back at 7
//   j1     ====             starts where j0 was
TEST_CASE("scripted: preempted and resumed at given times", "[policies]") {
  const auto r =
      run_script("0s j0 run\n3s j0 preempt\n3s j1 run n0:0\n7s j0 run\n", cluster(1, 1), {{0, 1, 10}, {0, 1, 4}});
  CHECK(r.jobs[0].finish_s == 14);
  CHECK(r.jobs[0].preemptions == 1);
  CHECK(r.jobs[1].start_s == 3);
  CHECK(r.jobs[1].finish_s == 7);
}

//   j0  ==ssss===           suspended from 2 to 6 with its state on the GPU
//   j1    ====
TEST_CASE("scripted: two jobs of a group hold one GPU in turns", "[policies]") {
  const auto r = run_script("0s j0 run n0:0 group 1\n2s j0 suspend\n2s j1 run n0:0 group 1\n6s j0 run n0:0 group 1\n",
                            cluster(1, 1), {{0, 1, 5}, {0, 1, 4}});
  CHECK(r.jobs[0].finish_s == 9);
  CHECK(r.jobs[0].preemptions == 0);
  CHECK(r.jobs[1].start_s == 2);
  CHECK(r.jobs[1].finish_s == 6);
}

//   j0  ==rr==ssss====      alone until 2, then of a group: started again as such (2 s), suspended from 6 to 10
//   j1        ====
TEST_CASE("scripted: a job that is to share the GPU it holds alone is started again", "[policies]") {
  SimOptions sim;
  sim.overheads.restart = OverheadModel::Restart::constant;
  sim.overheads.restart_default = seconds(2);
  const TempFolder dir;
  std::ofstream(dir.file("script")) << "0s j0 run n0:0\n2s j0 run n0:0 group 1\n6s j0 suspend\n"
                                       "6s j1 run n0:0 group 1\n10s j0 run n0:0 group 1\n";
  const auto r =
      run_world(cluster(1, 1), {{0, 1, 8}, {0, 1, 4}}, {"scripted", "count", {{"file", dir.file("script")}}}, sim);
  CHECK(r.jobs[0].preemptions == 1);
  CHECK(r.jobs[1].start_s == 6);
  CHECK(r.jobs[1].finish_s == 10);
  CHECK(r.jobs[0].finish_s == 14);
}

namespace {

// What was answered to commands: of a save what it took, in ns, of a publication how far the job was.
class Answers final : public Observer {
 public:
  void on_event(const Event& e) override {
    const auto* saved = e.get_if<event::Checkpointed>();
    const auto* published = e.get_if<event::Published>();
    if (saved == nullptr && published == nullptr && e.kind() != EventKind::command_failed) return;
    const std::int64_t more = saved != nullptr       ? saved->stood_still.ns
                              : published != nullptr ? published->per_mille
                                                     : 0;
    text += fmt::format("{} j{} {} {}; ", to_seconds(e.at), e.job.value, to_string(e.kind()), more);
  }
  std::string text;
};

}  // namespace

TEST_CASE("scripted: a save that is asked for takes as long as one by the clock", "[policies]") {
  struct Case {
    const char* script;
    std::int64_t every_s, cost_s, publish_s;
    double finish_s;
    const char* answers;
  };
  for (const Case& c : {
           // 100 s of work and the 10 s that it stands still
           Case{"12s j0 checkpoint", 0, 10, 0, 110, "22 j0 checkpointed 10000000000; "},
           Case{"12s j0 checkpoint", 0, 0, 0, 100, "12 j0 checkpointed 0; "},
           // saves by the clock follow 40 s after it: with 12, 52 and 92 s done
           Case{"12s j0 checkpoint", 40, 10, 0, 130,
                "22 j0 checkpointed 10000000000; 72 j0 checkpointed 10000000000; 122 j0 checkpointed 10000000000; "},
           Case{"12s j0 checkpoint", 40, 0, 0, 100,
                "12 j0 checkpointed 0; 52 j0 checkpointed 0; 92 j0 checkpointed 0; "},
           // in the middle of one nothing else is saved
           Case{"12s j0 checkpoint\n15s j0 checkpoint\n16s j0 publish", 0, 10, 4, 110,
                "15 j0 command_failed 0; 16 j0 command_failed 0; 22 j0 checkpointed 10000000000; "},
           // publishing has a cost of its own, and is a save
           Case{"12s j0 publish", 0, 10, 4, 104, "16 j0 checkpointed 4000000000; 16 j0 published 120; "},
           // of two at one instant the second is refused, also where the first takes no time
           Case{"12s j0 publish\n12s j0 checkpoint", 0, 10, 0, 100,
                "12 j0 checkpointed 0; 12 j0 published 120; 12 j0 command_failed 0; "},
           // broken off by a stop: 12 s done, 10 s later it goes on
           Case{"12s j0 checkpoint\n15s j0 preempt\n25s j0 run", 0, 10, 0, 113, ""},
       }) {
    INFO(c.script << ", every " << c.every_s << " for " << c.cost_s);
    const TempFolder dir;
    std::ofstream(dir.file("script")) << "0s j0 run\n" << c.script << "\n";
    Workload w = make_workload({{0, 1, 100}, {0, 1, 1}});
    w.specs[1].after = {{JobId(0), true, 1000}};
    SimOptions sim;
    sim.checkpoints = {seconds(c.every_s), seconds(c.cost_s)};
    sim.publishes.cost = seconds(c.publish_s);
    const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
    Answers answers;
    const RunResult r = run_checked(cluster(1, 1), w, *policy, {&answers}, sim);
    CHECK(r.jobs[0].finish_s == c.finish_s);
    CHECK(answers.text == c.answers);
  }
}

TEST_CASE("scripted: jobs that are not named are scheduled first-in, first-out", "[policies]") {
  const auto r = run_script("5s j1 run n0:1\n", cluster(1, 2), {{0, 1, 4}, {0, 1, 4}, {1, 1, 3}, {1, 1, 3}});
  CHECK(r.jobs[0].start_s == 0);
  CHECK(r.jobs[2].start_s == 1);
  CHECK(r.jobs[3].start_s == 4);
  CHECK(r.jobs[1].start_s == 5);
}

// What a plan commands went nowhere, in either world.
TEST_CASE("scripted: a job that is told to save or publish does so; one without GPUs refuses", "[policies]") {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << "0s j0 run\n4s j0 checkpoint\n5s j0 publish\n";
  Workload w = make_workload({{0, 1, 10}, {0, 1, 4}});
  w.specs[1].after = {{JobId(0), true, 1000}};
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  Answers answers;
  (void)run_world(cluster(1, 1), w, *policy, {}, true, {&answers});
  CHECK(answers.text == "4 j0 checkpointed 0; 5 j0 checkpointed 0; 5 j0 published 500; ");

  class Deaf final : public Policy {  // starts j0 and tells j1, which waits, to save
   public:
    void schedule(const ClusterView& view, PlanBuilder& plan) override {
      for (const JobView& v : view.pending())
        if (!plan.start(v.id(), *placement_)) plan.command({v.id(), Command::Kind::checkpoint});
    }

   private:
    std::unique_ptr<Placement> placement_ = make_placement("count", 1);
  } deaf;
  answers.text.clear();
  (void)run_world(cluster(1, 1), make_workload({{0, 1, 10}, {0, 1, 4}}), deaf, {}, true, {&answers});
  CHECK(answers.text == "0 j1 command_failed 0; ");
}

TEST_CASE("scripted: an allocation that the cluster does not have names its line", "[policies]") {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << "\n0s j0 run n0:5\n";
  const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
  const Workload workload = make_workload({{0, 1, 5}});
  CHECK_THROWS_WITH(run_world(cluster(1, 2), workload, *policy),
                    Catch::Contains("script:2: the cluster has no n0:5"));
}

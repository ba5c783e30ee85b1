// Jobs that do not do their work: why, on the screen, in jobs.csv and in the log, and what the run's exit code is
// then.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

#include "scenarios/app/cli.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/progress_watch.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using orrery::test::has;
using namespace orrery::app;

struct World : test::TempFolder {
  [[nodiscard]] Expected<Prepared> prepared(const std::string& columns, const std::string& rows,
                                            const std::string& more = {}) const {
    std::ofstream(file("jobs.csv")) << "job_id,submit_s,gpus,duration_s" << columns << "\n" << rows;
    auto scenario = read_scenario_text(
        file("s.yaml"),
        fmt::format("version: 1\n"
                    "cluster: {{ groups: [ {{ name: a, count: 2, gpus_per_node: 4, gpu: a100, cpus: 8 }} ] }}\n"
                    "workload: {{ trace: '{}' }}\npolicy: {{ name: fifo }}\n{}",
                    file("jobs.csv"), more));
    if (!scenario) return tl::make_unexpected(std::move(scenario.error()));
    return prepare(std::move(*scenario));
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(file(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace

TEST_CASE("a rejected job says why", "[app]") {
  const World f;
  const auto p = f.prepared(",after", "wide,0,9,10,\nchild,1,1,10,wide\nfine,2,1,10,\n");
  REQUIRE(p);
  RunRequest r;
  r.folder = f.file("run");
  const auto report = simulate(*p, r);
  REQUIRE(report);
  const std::string screen = ended_badly(*p, *report);
  CHECK(has(screen, "1 job rejected (infeasible): `wide`: it asks for 9 GPUs, the cluster has 8"));
  CHECK(has(screen, "1 job rejected (parent_lost): `child`: a job that it needs"));
  CHECK(exit_code_of(report->result.summary) == kOk);  // one has run
  const std::string jobs = f.text("run/jobs.csv");
  CHECK(has(jobs, ",state,reason\n"));
  CHECK(has(jobs, ",rejected,infeasible\n"));
  CHECK(has(jobs, ",rejected,parent_lost\n"));
  CHECK(has(jobs, ",finished,\n"));

  struct Rejected final : Observer {
    void on_event(const Event& e) override {
      if (const auto* reject = e.get_if<event::Reject>()) why.push_back(reject->why);
    }
    std::vector<Rejection> why{};
  } stored;
  REQUIRE(read_event_log(f.file("run/events.jsonl.zst"), stored));
  CHECK(stored.why == std::vector<Rejection>{Rejection::infeasible, Rejection::parent_lost});
}

TEST_CASE("why no placement can hold a job", "[app]") {
  const World f;
  const auto p = f.prepared(",gpu_type,cpus", "a,0,1,10,h100,1\nb,0,9,10,a100,1\nc,0,2,10,,20\nd,0,1,10,,10\n");
  REQUIRE(p);
  const auto why = [&p](std::size_t job) { return why_infeasible(p->workload.specs[job], *p->topology); };
  CHECK(has(why(0), "a GPU type that the cluster does not have (there is a100)"));
  CHECK(has(why(1), "it asks for 9 GPUs of type a100, the cluster has 8 of them"));
  CHECK(has(why(2), "it asks for 20 CPUs, the nodes have 16"));
  CHECK(has(why(3), "it asks for 10 CPUs on one node, the nodes have at most 8"));
  NodeGroup silent;  // says nothing of CPUs
  silent.count = 2;
  silent.gpus_per_node = 4;
  const Topology racks({silent});
  CHECK(has(why_infeasible(p->workload.specs[2], racks), "it asks for 2 GPUs, which no placement of this policy"));
}

TEST_CASE("a run whose jobs all failed or were rejected is not a good one", "[app]") {
  Summary s;
  CHECK(exit_code_of(s) == kOk);
  s.jobs = 3;
  s.rejected = 2;
  s.finished = 1;
  CHECK(exit_code_of(s) == kOk);
  s.rejected = 3;
  CHECK(exit_code_of(s) == kFailedPoints);
  s.rejected = 0;
  s.failed = 1;
  CHECK(exit_code_of(s) == kFailedPoints);
  const World f;
  const auto p = f.prepared("", "wide,0,9,10\n");
  REQUIRE(p);
  const auto report = simulate(*p, {});
  REQUIRE(report);
  CHECK(exit_code_of(report->result.summary) == kFailedPoints);
}

// A job of 100,000 s on nodes that fail every minute or so: without saves it never gets further than a few of them.
TEST_CASE("a run in which jobs lose their work for ever ends and says why", "[app]") {
  const World f;
  const auto p = f.prepared("", "long,0,1,100000\n", "failures: { node_mtbf: 60s, repair: 1s }\n");
  REQUIRE(p);
  const auto report = simulate(*p, {});
  REQUIRE(report);
  CHECK(has(report->failure, "10000 failures in a row, in "));
  CHECK(has(report->failure, "job `long`: jobs lose all they have done (`checkpoints.every` keeps it)"));
  CHECK(exit_code_of(*report) == kFailedPoints);
}

// With saves it gets on between two failures, however many there are: it is launched again after each of them.
TEST_CASE("a run that gets on goes on, after any number of failures", "[app]") {
  const World f;
  const auto p =
      f.prepared("", "long,0,1,600000\n", "failures: { node_mtbf: 60s, repair: 1s }\ncheckpoints: { every: 10s }\n");
  REQUIRE(p);
  const auto report = simulate(*p, {});
  REQUIRE(report);
  CHECK(report->failure.empty());
  CHECK(exit_code_of(*report) == kOk);
  CHECK(*report->result.summary.study.restarts > 10'000);
}

// 11,000 jobs are stopped at once, again and again: each may fail nine times, as those of a small cluster may.
TEST_CASE("one outage that fails more than 10,000 jobs is no sign that a run gets nowhere", "[app]") {
  constexpr std::uint32_t kJobs = 11'000;
  const World f;
  std::string rows;
  for (std::uint32_t j = 0; j < kJobs; ++j) rows += fmt::format("j{},0,1,10\n", j);
  const auto p = f.prepared("", rows);
  REQUIRE(p);
  const auto fail = [](ProgressWatch& watch, std::uint32_t job, Work committed = {}) {
    watch.on_event(Event{.job = JobId(job), .what = event::Failed{.committed = committed}});
  };
  ProgressWatch watch(*p);
  for (int outage = 1; outage <= 9; ++outage)
    for (std::uint32_t j = 0; j < kJobs; ++j) REQUIRE_NOTHROW(fail(watch, j));
  for (std::uint32_t j = 0; j + 1 < kJobs; ++j) REQUIRE_NOTHROW(fail(watch, j));
  CHECK_THROWS_AS(fail(watch, kJobs - 1), NoProgress);

  ProgressWatch saved(*p);  // one of them gets on: a new row, of fewer jobs
  for (std::uint32_t j = 0; j < kJobs; ++j) REQUIRE_NOTHROW(fail(saved, j));
  REQUIRE_NOTHROW(fail(saved, 0, Work{1}));
  for (int n = 1; n < 10'000; ++n) REQUIRE_NOTHROW(fail(saved, 1));
  CHECK_THROWS_AS(fail(saved, 1), NoProgress);
}

TEST_CASE("a run in which jobs were only cancelled says so", "[app]") {
  const World f;
  auto p = f.prepared("", "a,0,1,10\n");
  REQUIRE(p);
  RunReport report;
  report.result.summary.jobs = 2;
  report.result.summary.cancelled = 2;
  CHECK(ended_badly(*p, report) == "  2 jobs cancelled by the policy; none has finished\n");
  report.result.summary.cancelled = report.result.summary.finished = 1;
  CHECK(ended_badly(*p, report) == "  1 job cancelled by the policy\n");
}

TEST_CASE("what keeps a scenario from being run live is found before anything starts", "[app]") {
  const World f;
  std::ofstream(f.file("toy.yaml")) << "task: toy\nsteps: 5\n";
  std::ofstream(f.file("data.yaml"))
      << "task: multimodal\nsteps: 5\nmodel: { preset: tiny, text: { vocabulary: 400, length: 16 }, "
         "image: { size: 32, patch: 8 }, objectives: { contrastive: 1 } }\n"
         "data: { folder: nowhere }\n";
  const auto faults = [&f](const std::string& rows, const std::string& live) {
    const auto p = f.prepared(",kind,model", rows, "live: { " + live + " }\n");
    if (!p) return render(p.error());
    const auto ok = check_live(*p, f.file("jobs"));
    return ok ? std::string() : render(ok.error());
  };
  CHECK(has(faults("a,0,1,10,,\n", "time_scale: 1"), "`live: { nodes: here }`"));
  CHECK(faults("a,0,1,10,,\n", "nodes: here").empty());
  CHECK(has(faults("a,0,1,10,,\n", "nodes: hre"), "did you mean `here`?"));
  const std::string models = "nodes: here, models: { tr: toy.yaml, wait: paced, other: data.yaml }";
  CHECK(faults("a,0,1,10,pretrain,tr\nb,0,1,10,,wait\n", models).empty());  // nobody is `other`
  const std::string good = "nodes: here, models: { tr: toy.yaml, wait: paced }";
  // A job without a model, whatever its kind, would be paced in silence beside those that train.
  const std::string nameless = faults("a,0,1,10,pretrain,tr\nb,0,1,10,,wait\nc,0,1,10,,\n", good);
  CHECK(has(nameless, "job `c`: the job names no model, but the scenario says what models train"));
  CHECK(has(nameless, "jobs.csv:4"));
  const std::string unknown = faults("a,0,1,10,pretrain,tr\nb,0,1,10,pretrain,trr\n", good);
  CHECK(has(unknown, "job `b`: neither `live.models` nor a catalogue names the model `trr`"));
  CHECK(has(unknown, "did you mean `tr`?"));
  CHECK(has(unknown, "jobs.csv:3"));
  CHECK(has(faults("a,0,1,10,pretrain,\n", good), "the job names no model"));
  CHECK(has(faults("a,0,1,10,pretrain,other\n", models), "there is no folder"));
  CHECK(has(faults("a,0,1,10,pretrain,tr\n", "nodes: here, models: { tr: toi.yaml }"), "toi.yaml"));
  // Where no model trains there is nothing to miss; a wrong name still is one.
  const std::string paced = "nodes: here, models: { wait: paced, other: paced }";
  CHECK(faults("a,0,1,10,pretrain,wait\nb,0,1,10,,\n", paced).empty());
  CHECK(has(faults("a,0,1,10,pretrain,wiat\n", paced), "did you mean `wait`?"));
}

TEST_CASE("the trainer is needed where a job trains, not where models are named", "[app]") {
  const World f;
  std::ofstream(f.file("toy.yaml")) << "task: toy\nsteps: 5\n";
  const auto trains = [&f](const std::string& rows, const std::string& models) {
    const auto p = f.prepared(",kind,model", rows, "live: { nodes: here, models: { " + models + " } }\n");
    REQUIRE(p);
    if (!may_train(*p)) CHECK(live_tasks(*p, f.file("run"), 1).value().empty());
    return may_train(*p);
  };
  CHECK_FALSE(trains("a,0,1,10,pretrain,tr\nb,0,1,10,,\n", "tr: paced"));
  CHECK_FALSE(trains("a,0,1,10,pretrain,tr\n", "tr: paced, toy: toy.yaml"));
  CHECK(trains("a,0,1,10,pretrain,tr\nb,0,1,10,pretrain,toy\n", "tr: paced, toy: toy.yaml"));
}

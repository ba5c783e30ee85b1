// Versions in the live world with paced workers: a child starts from the version that the policy chose, its first
// epoch is compared, it begins anew; as in the simulated world, and replayed to the same decisions.
#include <sys/wait.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "backend/protocol/checkpoint_dir.hpp"
#include "sim/control/replay_executor.hpp"
#include "sim/core/random.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "tests/support/fault_world.hpp"
#include "tests/support/orrery_process.hpp"
#include "tests/support/text.hpp"
#include "tests/support/wait.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

namespace fs = std::filesystem;

void child_of(Workload& w, std::size_t child, std::uint32_t parent, bool hard, std::int32_t gain_per_mille,
              std::int32_t epochs) {
  w.specs[child].model = "transfer";
  w.specs[child].dataset = "set";
  w.specs[parent].model = "pretrain";
  w.specs[child].after = {{JobId(parent), hard, 1000}};
  w.truths[child].sources = {{JobId(parent), gain_per_mille}};
  w.truths[child].epochs = epochs;
}

std::vector<double> seconds_saved(const Diary& book, std::uint32_t job) {
  std::vector<double> saved;
  for (const Event& e : book.events)
    if (const auto* i = e.get_if<event::Inherited>(); i != nullptr && e.job == JobId(job))
      saved.push_back(static_cast<double>(i->saved.ns) / 1e9);
  return saved;
}

// Runs it live, then plays its batches back to a fresh policy.
Diary live_and_again(const LiveWorld& w) {
  const Topology topology(w.groups);
  const IdealModel model;
  const auto estimate = [](const JobSpec& s) { return s.user_estimate; };
  ControllerOptions options;
  options.check_views = true;
  Recording recording;
  Diary book, again;
  {
    const auto executor = live_executor(w, topology, model);
    RecordingExecutor recorder(*executor, recording);
    const auto policy = make_policy(w.policy);
    JobSource source(w.workload.specs, estimate);
    InvariantChecker checker;
    Controller controller(recorder, *policy, source, w.workload.specs, w.workload.demands, model, options,
                          {&checker, &book});
    CHECK(controller.run().status == RunStatus::completed);
    check_clean(checker);
  }
  ReplayExecutor executor(topology, recording);
  const auto policy = make_policy(w.policy);
  JobSource source(w.workload.specs, estimate);
  Controller controller(executor, *policy, source, w.workload.specs, w.workload.demands, model, options, {&again});
  (void)controller.run();
  CHECK(again.plans == book.plans);
  return book;
}

}  // namespace

TEST_CASE("checkpoints that are laid aside are found by nobody until the next ones are there", "[live][anew]") {
  const TempFolder dir;
  const std::string at = dir.file("checkpoints");
  const auto save = [&](std::int64_t incarnation, std::int64_t step) {
    return live::save_checkpoint(at, {{"0", incarnation, 0, step, Work{step}}, {{"a", "b"}}, {}});
  };
  REQUIRE(live::lay_checkpoints_aside(at, 2));  // there are none
  REQUIRE(save(1, 5));
  REQUIRE(save(2, 9));
  REQUIRE(live::lay_checkpoints_aside(at, 3));
  CHECK_FALSE(live::load_checkpoint(at).newest);
  CHECK(fs::exists(at + "/aside/step-9"));
  REQUIRE(live::lay_checkpoints_aside(at, 3));  // twice is once
  CHECK(fs::exists(at + "/aside/step-9"));
  // A later launch's steps stay, though they are fewer.
  REQUIRE(save(3, 4));
  REQUIRE(live::lay_checkpoints_aside(at, 3));
  CHECK(live::load_checkpoint(at).newest->checkpoint.stamp.step == 4);
  CHECK(fs::exists(at + "/aside/step-9"));
  live::remove_laid_aside(at);
  CHECK_FALSE(fs::exists(at + "/aside"));
}

// j1 has 40 s from its base and 60 s from j0, an epoch is 10 s. It saves every 4 s; at 45 s it begins anew.
TEST_CASE("both worlds: a child inherits, is compared, and begins anew from its base", "[live][anew]") {
  FaultWorld w;
  use_script(w, "0s j0 run n0:0\n0s j1 run n0:1\n45s j1 run n0:1 anew from base\n", {{0, 1, 10}, {0, 1, 40}});
  child_of(w.workload, 1, 0, true, -500, 4);
  in_both_worlds(w, [](const Diary& book) {
    CHECK(seconds_saved(book, 1) == std::vector<double>{-20});
    REQUIRE(book.count(EventKind::assessed, 1) == 1);
    for (const Event& e : book.events)
      if (const auto* a = e.get_if<event::Assessed>()) {
        const EpochWorth same = measured_worth({}, JobId(1), JobId(0), Work{40}, Work{60});
        CHECK(a->parent == JobId(0));
        CHECK(a->worth == same.worth);
        CHECK(a->error == same.error);
      }
    CHECK(book.count(EventKind::started, 1) == 2);
    std::vector<double> starts;
    for (const Event& e : book.events)
      if (e.kind() == EventKind::started && e.job == JobId(1)) starts.push_back(to_seconds(e.at));
    REQUIRE(starts.size() == 2);
    const double ran_s = book.when(EventKind::finished, 1) - starts[1];
    CHECK(ran_s >= 40);
    CHECK(ran_s < 40 + 10 + 20);  // saves, and a busy machine
  });
  CHECK_FALSE(fs::exists(w.folder.path() + "/jobs/1/checkpoints/aside"));
  CHECK(live::load_checkpoint(w.folder.path() + "/jobs/1/checkpoints").newest->checkpoint.stamp.incarnation == 2);
}

// j0 publishes at 25 % (told by an edge) and, told by the script, later. j1 starts from the first version, 10 s in.
TEST_CASE("both worlds: a child starts from the version that was chosen", "[live][anew]") {
  FaultWorld w;
  w.checkpoints = {};
  use_script(w, "0s j0 run n0:0\n30s j0 publish\n36s j1 run n0:1 from j0:1\n36s j2 run n1:0 from j0:2\n",
             {{0, 1, 50}, {0, 1, 20}, {0, 1, 20}});
  for (const std::size_t child : {1U, 2U}) {
    child_of(w.workload, child, 0, true, 800, 0);
    w.workload.specs[child].after[0].progress_per_mille = 250;
  }
  in_both_worlds(w, [](const Diary& book) {
    CHECK(book.count(EventKind::published, 0) == 2);
    const auto first = seconds_saved(book, 1), second = seconds_saved(book, 2);
    REQUIRE(first.size() == 1);
    REQUIRE(second.size() == 1);
    // 0.8 x 20 s x g(0.25 to 0.5), g(0.56 to 0.7): reports come every 10 s of a live run.
    CHECK(first[0] > 9);
    CHECK(second[0] > first[0] + 0.2);
    CHECK(second[0] < 15.5);
  });
}

// j1 takes 100 s from its base and 250 s from j0: after an epoch of 10 s it begins anew. j2 of the same pair, which
// comes then, starts from its base.
TEST_CASE("live: lineage breaks off a child that is slower than from its base, and decides so again when replayed",
          "[live][anew][lineage]") {
  LiveWorld w;
  w.workload = make_workload({{0, 1, 10}, {0, 1, 100}, {40, 1, 60}});
  for (const std::size_t child : {1U, 2U}) child_of(w.workload, child, 0, true, -1500, 10);
  w.policy = {"lineage", "count", {{"min_run", "0s"}}};
  const Diary book = live_and_again(w);
  CHECK(book.count(EventKind::assessed, 1) == 1);
  CHECK(book.count(EventKind::started, 1) == 2);
  CHECK(seconds_saved(book, 1) == std::vector<double>{-150});
  CHECK(seconds_saved(book, 2).empty());
  CHECK(book.when(EventKind::finished, 1) < 10 + 10 + 100 + 30);
  bool said = false;
  for (const auto& [now, plan] : book.plans)
    for (const Reason& r : plan.reasons) said = said || (r.code == ReasonCode::slower && r.job == JobId(1));
  CHECK(said);
}

// j1 shows that such parents save 0.8. j3 may start at 46 from nothing, but j2 ends 20 s later: it is held until
// then, and saves 80 s.
TEST_CASE("live: lineage holds a child until its parent has published, and starts it then", "[live][anew][lineage]") {
  LiveWorld w;
  w.workload = make_workload({{0, 1, 10}, {0, 1, 50}, {26, 1, 40}, {46, 1, 100}});
  child_of(w.workload, 1, 0, true, 800, 0);
  child_of(w.workload, 3, 2, false, 800, 0);
  w.policy = {"lineage", "count", {{"min_run", "0s"}, {"rho_max", "0"}}};
  const Diary book = live_and_again(w);
  CHECK(book.when(EventKind::launch, 3) >= book.when(EventKind::finished, 2));
  CHECK(seconds_saved(book, 3) == std::vector<double>{80});
  CHECK(book.when(EventKind::finished, 3) < 46 + 100);
}

// j1 shows that such parents save 0.8. Children of j2 come every 12 s and start at once: j2 is told to publish, about
// once a minute, which is what a publication is thought to cost, and later ones start from that.
TEST_CASE("live: a parent publishes when lineage says so, and children start from that", "[live][anew][lineage]") {
  LiveWorld w;
  w.groups = cluster(1, 12);  // for all of them
  std::vector<TinyJob> jobs{{0, 1, 10}, {0, 1, 50}, {26, 1, 140}};
  for (std::int64_t at = 30; at < 150; at += 12) jobs.push_back({at, 1, 80});
  w.workload = make_workload(jobs);
  child_of(w.workload, 1, 0, true, 800, 0);
  for (std::size_t c = 3; c < jobs.size(); ++c) child_of(w.workload, c, 2, false, 800, 0);
  w.policy = {"lineage", "count", {{"min_run", "0s"}, {"rho_max", "0"}, {"rules", "[index, learn, publish]"}}};
  const Diary book = live_and_again(w);
  int told = 0;
  for (const auto& [now, plan] : book.plans)
    for (const Command& c : plan.commands) told += c.kind == Command::Kind::publish && c.job == JobId(2) ? 1 : 0;
  CHECK(told >= 1);
  CHECK(book.count(EventKind::published, 2) >= 1);
  CHECK(book.count(EventKind::published, 2) <= told);
  int heirs = 0;
  for (std::uint32_t c = 3; c < jobs.size(); ++c)
    for (const double saved_s : seconds_saved(book, c)) heirs += saved_s > 0 ? 1 : 0;
  CHECK(heirs >= 1);
}

namespace {

// The launches of a job that began anew, and when it finished, in s.
class AnewInLog final : public Observer {
 public:
  void on_event(const Event& e) override {
    const auto* launch = e.get_if<event::Launch>();
    if (launch != nullptr && launch->anew) anew_s.push_back(to_seconds(e.at));
    if (e.kind() == EventKind::finished) finished_s = std::max(finished_s, to_seconds(e.at));
  }
  std::vector<double> anew_s{};
  double finished_s = -1;
};

}  // namespace

// Wherever the controller dies, what the job had done before it began anew never comes back: it takes its 60 s from
// there, and not less.
TEST_CASE("a job that began anew does not get its old work back when its controller dies", "[live][anew][slow]") {
  int kills = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("seed " << seed);
    const TempFolder dir;
    std::ofstream(dir.file("t.csv")) << "job_id,submit_s,gpus,duration_s,after,gain,epochs\n"
                                        "p,0,1,10,,,\nc,0,1,60,p@hard,p:-0.5,6\n";
    std::ofstream(dir.file("script")) << "0s p run n0:0\n0s c run n0:1\n40s c run n0:1 anew from base\n";
    std::ofstream(dir.file("s.yaml"))
        << "version: 1\nname: anew\ncluster: { groups: [{ name: s, count: 1, gpus_per_node: 4, gpu: cpu }] }\n"
        << "workload: { trace: " << dir.file("t.csv") << " }\npolicy: { name: scripted, file: " << dir.file("script")
        << " }\ncheckpoints: { every: 5s, cost: 500ms }\nlive: { time_scale: 20, step: 20ms, lease: 10s }\n";
    RandomStream rng = stream(seed, "tests/live/anew-kills");
    const std::string run = dir.file("run"), log = dir.file("log");
    std::vector<std::string> words{"live", "run", dir.file("s.yaml"), "-o", run};
    bool ended = false;
    for (int attempt = 0; attempt < 30 && !ended; ++attempt) {
      const pid_t pid = start_orrery(words, log);
      const Duration life = milliseconds(300 + static_cast<std::int64_t>(uniform_below(rng, 1700)));
      auto status = wait_for_end(pid, attempt < 12 ? life : seconds(300));
      if (!status) {
        ::kill(pid, SIGKILL);
        ++kills;
        status = wait_for_end(pid, seconds(60));
        if (fs::exists(run + ".live/journal")) words = {"live", "resume", run};
        continue;
      }
      INFO(text_of(log));
      REQUIRE(WIFEXITED(*status));
      REQUIRE(WEXITSTATUS(*status) == 0);
      ended = true;
    }
    INFO(text_of(log));
    REQUIRE(ended);
    AnewInLog seen;
    REQUIRE(read_event_log(run + "/events.jsonl.zst", seen));
    REQUIRE(seen.anew_s.size() == 1);
    CHECK(seen.finished_s >= seen.anew_s[0] + 60);
  }
  CHECK(kills > 4);
}

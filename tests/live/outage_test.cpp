// Runs whose controller dies and that are resumed, in a world of exact time: the clock stands still for the
// outage, so that no job can have done its work in less time than the work takes, wherever and however often it is
// cut.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "backend/live/run_clock.hpp"
#include "scenarios/run/journalled_executor.hpp"
#include "sim/core/random.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;

struct Killed {};

// What outlives a controller.
struct Disk {
  std::vector<Work> saved{};
};

struct WorldOptions {
  Duration start{};            // from a launch to the first step
  Duration save_every{};       // 0 = never by itself
  std::optional<Time> dies{};  // the controller hears nothing any more from then on
};

// Gangs that work at rate 1; what the controller is told is told to the nanosecond.
class ExactWorld final : public Executor {
 public:
  ExactWorld(const Topology& topology, const Workload& workload, Disk& disk, WorldOptions options)
      : topology_(&topology), workload_(&workload), disk_(&disk), options_(options) {}

  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] const Topology& describe() override { return *topology_; }
  void begin_at(Time t) { now_ = t; }
  void launch(const LaunchRequest& r) override {
    const JobId job = r.members[0].job;
    gangs_[job] = {r.gang, r.members[0].incarnation, now_ + options_.start, now_, disk_->saved[job.index()], false};
  }
  void stop(GangId gang, const Member& member, StopHow, Duration) override {
    for (auto& [job, g] : gangs_)
      if (g.gang == gang && g.incarnation == member.incarnation) g.stopping = true;
  }
  void resume(GangId, const Member&) override {}
  void command(GangId, const Member&, const Command&) override {}

  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override {
    batch_.clear();
    Time next = deadline;
    for (const auto& [job, g] : gangs_) next = std::min(next, due(job, g));
    if (options_.dies && next >= *options_.dies) throw Killed{};
    if (next == kNever) return {};
    now_ = std::max(now_, next);
    for (auto at = gangs_.begin(); at != gangs_.end();) at = turn(at->first, at->second) ? gangs_.erase(at) : ++at;
    return batch_;
  }

  // The workers after the controller's death: each goes on for a while, then saves, or is killed before it can.
  // When the last one saved.
  Time outlive(RandomStream& rng, std::int64_t longest_ns, bool all_save) {
    Time last{};
    for (auto& [job, g] : gangs_) {
      const Time until =
          *options_.dies +
          Duration{static_cast<std::int64_t>(uniform_below(rng, static_cast<std::uint64_t>(longest_ns) + 1))};
      if (!all_save && uniform_below(rng, 3) == 0) continue;
      const Work done = done_at(job, g, until);
      if (done > disk_->saved[job.index()]) {
        disk_->saved[job.index()] = done;
        last = std::max(last, until);
      }
    }
    return last;
  }

 private:
  struct Gang {
    GangId gang{};
    Incarnation incarnation = 0;
    Time ready{}, turned{};  // first step; what has been told
    Work from{};
    bool stopping = false, started = false;
    Time saved{};
  };
  [[nodiscard]] Work total(JobId job) const { return workload_->truths[job.index()].work; }
  [[nodiscard]] Work done_at(JobId job, const Gang& g, Time t) const {
    return t <= g.ready ? g.from : std::min(total(job), g.from + Work{(t - g.ready).ns});
  }
  [[nodiscard]] Time due(JobId job, const Gang& g) const {
    if (g.stopping) return now_;
    if (!g.started) return g.ready;
    Time t = g.ready + time_for(total(job) - g.from, kUnitRate);
    if (options_.save_every.ns > 0) t = std::min(t, std::max(g.saved, g.ready) + options_.save_every);
    return t;
  }
  void say(const event::Payload& what, JobId job, const Gang& g) {
    batch_.push_back(Event{.at = now_, .job = job, .gang = g.gang, .incarnation = g.incarnation, .what = what});
  }
  // Whether the gang is gone.
  bool turn(JobId job, Gang& g) {
    if (due(job, g) > now_) return false;
    Work& saved = disk_->saved[job.index()];
    if (g.stopping) {
      saved = std::max(saved, done_at(job, g, now_));
      say(event::Stopped{saved}, job, g);
      return true;
    }
    if (!g.started) {
      g.started = true;
      say(event::Started{}, job, g);
      return false;
    }
    const Work done = done_at(job, g, now_);
    saved = std::max(saved, done);
    if (done == total(job)) {
      say(event::Finished{}, job, g);
      return true;
    }
    g.saved = now_;
    say(event::Checkpointed{saved}, job, g);
    return false;
  }

  const Topology* topology_;
  const Workload* workload_;
  Disk* disk_;
  WorldOptions options_;
  Time now_{};
  std::map<JobId, Gang> gangs_{};
  std::vector<Event> batch_{};
};

struct Ended {
  std::vector<JobRow> rows;
  Time at{};
  int deaths = 0;
};

struct Cut {
  int deaths = 0;               // how often the controller dies
  std::int64_t longest_ns = 0;  // that a worker outlives it
  bool all_save = true;
  bool notes = true;  // the clock is noted, a tenth of a second before its death at the latest
  std::optional<Duration> counted{};
  bool rates = true;  // the resumed run knows how fast its gangs work
};

// Under `policy` until all jobs have ended, over as many controllers as that takes.
Ended run(const Workload& workload, int gpus, const std::string& policy, WorldOptions options, const Cut& cut,
          std::uint64_t seed) {
  const Topology topology(test::cluster(1, gpus));
  const IdealModel model;
  const test::TempFolder folder;
  RandomStream rng = stream(seed, "tests/live/outages");
  Disk disk{std::vector<Work>(workload.specs.size())};
  Ended ended;
  std::optional<app::Standstill> outage;
  Time begins{};
  for (int controller = 0;; ++controller) {
    options.dies.reset();
    if (controller < cut.deaths)
      options.dies = begins + Duration{static_cast<std::int64_t>(1 + uniform_below(rng, 40'000'000'000ULL))};
    live::JournalContents past;
    std::optional<live::JournalWriter> writer;
    if (controller == 0) {
      auto made = live::JournalWriter::create(folder.file("journal"), "{}");
      REQUIRE(made);
      writer.emplace(std::move(*made));
    } else {
      auto read = live::read_journal(folder.file("journal"));
      REQUIRE(read);
      past = std::move(*read);
      auto opened = live::JournalWriter::append_to(folder.file("journal"), past);
      REQUIRE(opened);
      writer.emplace(std::move(*opened));
    }
    ExactWorld world(topology, workload, disk, options);
    const std::vector<Work> committed = disk.saved;
    if (outage) {
      if (cut.rates)
        outage->rate = [&](const LaunchRequest& r) {
          return model.speed(workload.specs[r.members[0].job.index()], *r.gpus, r.members[0].config, {}).rate;
        };
      outage->goes_on = [&](Time t) {
        begins = t;
        world.begin_at(t);
      };
    }
    Recording recording;
    app::JournalledExecutor executor(
        world, *writer, std::move(past.batches), [&](JobId job) { return committed[job.index()]; }, recording,
        outage);
    const auto chosen = test::make_policy({policy});
    JobSource source(workload.specs, [](const JobSpec& s) { return s.user_estimate; });
    JobTable names;
    for (const JobSpec& s : workload.specs)
      names.push_back({s.name, "", "", "", s.demand.gpus, s.demand.milli_gpus()});
    MetricsFold fold(std::make_shared<JobTable>(names), gpus_by_node(topology));
    InvariantChecker checker{InvariantOptions{}};
    app::PlanJournal plans(*writer, past.plans);
    ControllerOptions controls;
    controls.check_views = true;
    Controller controller_(executor, *chosen, source, workload.specs, workload.demands, model, controls,
                           {&fold, &checker, &plans});
    try {
      const RunOutcome outcome = controller_.run();
      REQUIRE(outcome.status == RunStatus::completed);
      for (const Violation& v : checker.violations())
        FAIL_CHECK("invariant " << v.rule << " at " << to_seconds(v.at) << " s: " << v.text);
      ended.rows = fold.rows();
      ended.at = outcome.ended;
      return ended;
    } catch (const Killed&) {
      ++ended.deaths;
      const Time saved = world.outlive(rng, cut.longest_ns, cut.all_save);
      outage.emplace();
      outage->counted = cut.counted;
      if (cut.notes) {
        const auto before = static_cast<std::int64_t>(uniform_below(rng, 100'000'000));
        outage->stood = std::max({Time{}, saved, *options.dies - Duration{before}});
      }
      begins = std::max({begins, saved, *options.dies});
    }
  }
}

Workload random_jobs(RandomStream& rng, int jobs) {
  std::vector<test::TinyJob> all;
  std::int64_t submit = 0;
  for (int i = 0; i < jobs; ++i) {
    submit += static_cast<std::int64_t>(uniform_below(rng, 15));
    all.push_back({submit, 1, 1 + static_cast<std::int64_t>(uniform_below(rng, 60))});
  }
  return test::make_workload(all);
}

double finish_s(const JobRow& r) {
  return to_seconds(r.finish);
}

}  // namespace

// [1 GPU] J(1,60)@0, killed at 37 s without any record since its start at 0: it went on at 0 with 37 s of work done.
TEST_CASE("a run that is cut and resumed takes as long as one that is not", "[live]") {
  const Workload one = test::make_workload({{0, 1, 60}, {10, 1, 5}});
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    const Ended whole = run(one, 1, "fifo", {}, {}, seed);
    CHECK(finish_s(whole.rows[0]) == 60);
    CHECK(finish_s(whole.rows[1]) == 65);
    const Ended cut = run(one, 1, "fifo", {}, {1, 0, true}, seed);
    REQUIRE(cut.deaths == 1);
    CHECK(std::abs(finish_s(cut.rows[0]) - 60) < 0.2);  // the clock was noted up to a tenth of a second before
    CHECK(finish_s(cut.rows[0]) >= 60);
    CHECK(cut.rows[0].run >= seconds(60));
    CHECK(finish_s(cut.rows[1]) >= 65);
  }
}

TEST_CASE("no job of a resumed run has done its work in less time than it takes", "[live]") {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    INFO("seed " << seed);
    RandomStream rng = stream(seed, "tests/live/outage-worlds");
    const int gpus = 1 + static_cast<int>(uniform_below(rng, 3));
    const Workload jobs = random_jobs(rng, 4 + static_cast<int>(uniform_below(rng, 5)));
    WorldOptions options;
    options.start = milliseconds(static_cast<std::int64_t>(uniform_below(rng, 3)) * 700);
    options.save_every = seconds(static_cast<std::int64_t>(uniform_below(rng, 3)) * 7);
    Cut cut;
    cut.deaths = 1 + static_cast<int>(uniform_below(rng, 4));
    cut.longest_ns = 2'000'000'000;
    cut.all_save = uniform_below(rng, 2) == 0;
    cut.notes = uniform_below(rng, 4) != 0;
    const Ended whole = run(jobs, gpus, "fifo", options, {}, seed);
    const Ended resumed = run(jobs, gpus, "fifo", options, cut, seed);
    REQUIRE(resumed.rows.size() == whole.rows.size());
    for (std::size_t j = 0; j < resumed.rows.size(); ++j) {
      INFO("job " << j);
      CHECK(resumed.rows[j].state == JobState::finished);
      CHECK(resumed.rows[j].run.ns >= jobs.truths[j].work.ns);
      CHECK((resumed.rows[j].finish - resumed.rows[j].submit).ns >= jobs.truths[j].work.ns);
    }
    const auto last = [](const Ended& e) {
      Time t{};
      for (const JobRow& r : e.rows) t = std::max(t, r.finish);
      return t;
    };
    CHECK(last(resumed) >= last(whole));
  }
}

TEST_CASE("an outage that counts is in the times of completion, not in the times that jobs ran", "[live]") {
  const Workload jobs = test::make_workload({{0, 1, 60}, {1, 1, 50}, {2, 1, 5}});
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    Cut cut;
    cut.deaths = 1;
    const Ended still = run(jobs, 2, "fifo", {}, cut, seed);
    cut.counted = seconds(1000);
    const Ended counted = run(jobs, 2, "fifo", {}, cut, seed);
    REQUIRE(counted.deaths == 1);
    for (std::size_t j = 0; j < jobs.specs.size(); ++j) {
      INFO("job " << j);
      CHECK(counted.rows[j].run == still.rows[j].run);
      CHECK(counted.rows[j].run.ns >= jobs.truths[j].work.ns);
    }
    CHECK(counted.rows[0].finish == still.rows[0].finish + seconds(1000));
    CHECK(counted.rows[0].wait >= seconds(1000));
  }
}

TEST_CASE("a clock's note says when a run stood still, by the file system's time", "[live]") {
  const test::TempFolder folder;
  const std::string path = folder.file("clock");
  CHECK_FALSE(live::read_clock(path));
  auto clock = live::RunClock::open(path);
  REQUIRE(clock);
  clock->note([] { return at_seconds(1234); });
  clock->note([] { return at_seconds(17); });
  const auto note = live::read_clock(path);
  REQUIRE(note);
  CHECK(note->run == at_seconds(17));
  CHECK(note->at_ns == live::modified_ns(path));
  CHECK(note->run_at(note->at_ns + 500'000'000, 10) == at_seconds(22));
  CHECK(note->run_at(note->at_ns - 1'000'000'000, 10) == at_seconds(7));
  CHECK(note->run_at(note->at_ns - 1'000'000'000'000, 10) == Time{});
  REQUIRE(live::write_file(path, "00000000000000000017 00000000\n"));
  CHECK_FALSE(live::read_clock(path));
}

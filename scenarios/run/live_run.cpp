#include "scenarios/run/live_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "backend/engine/local/priority.hpp"
#include "backend/engine/registry.hpp"
#include "backend/live/run_clock.hpp"
#include "backend/protocol/files.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/decision_replay.hpp"
#include "scenarios/run/journalled_executor.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_profile.hpp"
#include "scenarios/run/live_remains.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/machine_use.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/run/run_controller.hpp"
#include "scenarios/run/run_output.hpp"
#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/sim_world.hpp"
#include "scenarios/run/stop_signals.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

Error no_engine(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return Error(std::move(d));
}

// Workers that compute get the priority of any program.
bool paces(const std::string& worker) {
  return fs::path(worker).filename() == "orrery-paced";
}

// What a simulation from profiles says of every job; NaN where it does not finish. Empty when it cannot be run.
std::vector<double> expected_jct_s(const Prepared& prepared, RunRequest request) {
  request.folder.reset();
  auto simulated = simulate(prepared, request);
  return simulated ? std::move(simulated->result.jct_by_job_s) : std::vector<double>{};
}

// One live run, from what is on disk to what is in its report. Its stages are called once each, in the order in which
// they stand here.
class LiveSession {
 public:
  // All must outlive it.
  LiveSession(const Prepared& prepared, const LiveRequest& request, std::string worker)
      : prepared_(prepared),
        request_(request),
        config_(prepared.scenario.live.value_or(LiveConfig{})),
        worker_(std::move(worker)),
        beside_(*request.run.folder),
        run_(request.run),
        record_(prepared, request.run) {
    run_.live = true;
  }
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;

  // The run folder and the journal: a new one, or the one that a resumed run has left.
  Expected<void> open();
  // Ends what a dead controller has left and takes its place.
  Expected<void> take_over();
  // What trains, what is left of an earlier world, who watches.
  Expected<void> make_ready();
  // Lets the policy decide over real processes until all has ended, or somebody ends it.
  Expected<void> play(RunPolicy& policy);
  // Replays the decisions, writes the tables and the measured profile.
  Expected<LiveReport> close();

 private:
  Expected<LiveFolder::Journal> open_journal() const;
  std::unique_ptr<live::Engine> make_engine() const;
  live::LiveOptions live_options(const Policy& policy);
  std::optional<Standstill> outage(live::LiveExecutor& executor);
  void on_beat();
  int stop(live::LiveExecutor& executor);
  void break_off(live::LiveExecutor& executor);

  const Prepared& prepared_;
  const LiveRequest& request_;
  LiveConfig config_;
  std::string worker_;
  LiveFolder beside_;
  RunRequest run_;
  RunRecord record_;
  std::optional<RunOutput> output_{};
  std::optional<LiveFolder::Journal> journal_{};
  live::Fence fence_{};
  bool stopping_ = false;
  std::vector<live::LiveTask> tasks_{};
  std::optional<Remains> remains_{};  // of a run that is resumed
  std::optional<live::RunClock> clock_{};
  PlanBook book_{};
  Recording recording_{};
  live::LiveExecutor* running_ = nullptr;  // while it plays
  std::string conversation_{};             // the file of it, where the policy holds one
  std::unique_ptr<LiveView> view_ = std::make_unique<LiveView>();
  LiveReport report_{};
};

Expected<LiveFolder::Journal> LiveSession::open_journal() const {
  Scenario effective = prepared_.scenario;
  effective.policy = run_.policy;
  const std::string identity = run_identity(effective, prepared_, run_.seed, worker_);
  if (request_.resume) return beside_.reopen(identity);
  auto writer = beside_.create(effective_yaml(effective), identity, request_.force);
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  return LiveFolder::Journal{std::move(*writer), {}};
}

Expected<void> LiveSession::open() {
  if (request_.resume)
    if (auto ok = claim_resumed_folder(prepared_, run_, beside_); !ok) return ok;
  auto output = RunOutput::open(prepared_, run_, record_);
  if (!output) return tl::make_unexpected(std::move(output.error()));
  output_.emplace(*std::move(output));
  auto journal = open_journal();
  if (!journal) return tl::make_unexpected(std::move(journal.error()));
  journal_.emplace(*std::move(journal));
  return {};
}

// Workers of a dead controller get their time before they are fenced off, since what they save then is not lost; what
// was started in the meantime has none.
Expected<void> LiveSession::take_over() {
  auto killed = live::wait_or_kill(beside_.processes(), kStopGrace);
  if (!killed) return tl::make_unexpected(std::move(killed.error()));
  auto fence = beside_.claim(journal_->writer);
  if (!fence) return tl::make_unexpected(std::move(fence.error()));
  fence_ = *std::move(fence);
  auto late = live::wait_or_kill(beside_.processes(), Duration{});
  if (!late) return tl::make_unexpected(std::move(late.error()));
  if (!request_.resume) return {};
  report_.leftovers_killed = *killed + *late;
  report_.decisions_resumed = journal_->past.plans.size();
  auto remains = remains_of(prepared_, beside_, journal_->past, request_.count_outage);
  if (!remains) return tl::make_unexpected(std::move(remains.error()));
  remains_ = *std::move(remains);
  return {};
}

Expected<void> LiveSession::make_ready() {
  auto tasks = live_tasks(prepared_, beside_.path(), run_.seed);
  if (!tasks) return tl::make_unexpected(std::move(tasks.error()));
  tasks_ = *std::move(tasks);
  auto clock = live::RunClock::open(beside_.clock());
  if (!clock) return tl::make_unexpected(std::move(clock.error()));
  clock_.emplace(*std::move(clock));
  if (!request_.view) return {};
  const auto& batches = journal_->past.batches;
  view_ = request_.view({&prepared_, expected_jct_s(prepared_, request_.run), beside_.path(), config_.time_scale,
                         batches.empty() ? Time{} : batches.back().now,
                         [this](JobId job) { return running_ == nullptr ? Work{} : running_->done(job); }});
  if (remains_)
    view_->line(fmt::format(
        "resumed at {:.1f} s, after {} of wall clock that {}: {} decisions to take again, {} processes were left and "
        "killed",
        to_seconds(remains_->outage.stood), report::human_duration(to_seconds(remains_->stood_wall)),
        request_.count_outage ? "count" : "do not count", report_.decisions_resumed, report_.leftovers_killed));
  return {};
}

std::unique_ptr<live::Engine> LiveSession::make_engine() const {
  live::EngineOptions o;
  o.nodes.clear();
  for (std::uint32_t n = 0; n < prepared_.topology->node_count(); ++n)
    o.nodes.push_back(prepared_.topology->node(NodeId(n)).gpus);
  o.gpus = config_.gpus;
  o.lease = config_.lease;
  o.watchdog = config_.watchdog;
  o.fence = fence_;
  return live::make_engine(config_.engine, o);
}

live::LiveOptions LiveSession::live_options(const Policy& policy) {
  const Scenario& s = prepared_.scenario;
  live::LiveOptions o;
  o.folder = beside_.path();
  o.worker = {worker_};
  o.time_scale = config_.time_scale;
  o.step = config_.step;
  o.overheads = overhead_model(prepared_);
  o.checkpoints = {s.checkpoints.every, s.checkpoints.cost};
  const std::int64_t every = policy.publishes() ? 0 : s.publish.every_per_mille;
  o.publishes = {static_cast<std::int32_t>(every), s.publish.cost};
  o.assess.seed = run_.seed;
  if (const auto& b = s.bubbles) o.fill_cost = {b->switch_time, b->interference_ppm};
  o.tasks = tasks_;
  if (const auto& f = s.features)
    o.features = {f->folder.empty() ? beside_.path() + "/features" : f->folder, f->limit_bytes, f->bytes_per_s,
                  std::max<std::int64_t>(1, std::llround(f->readers * 1000))};
  if (remains_) o.committed = remains_->committed;
  o.on_failure = [this](const std::string& why) { view_->failure(why); };
  o.on_beat = [this] { on_beat(); };
  return o;
}

// Several times a second. Whoever was taken for dead meanwhile leaves before it writes or decides anything more.
void LiveSession::on_beat() {
  if (!fence_.holds()) {
    if (stopping_) return;
    throw JournalFailed{Error(Diagnostic{fmt::format("{}: `{}`", live::kFencedOff, *run_.folder)})};
  }
  clock_->note([this] { return running_->clock(); });
  view_->beat(running_->clock());
}

// How the world of a run that is resumed goes on.
std::optional<Standstill> LiveSession::outage(live::LiveExecutor& executor) {
  if (!remains_) return std::nullopt;
  Standstill o = remains_->outage;
  o.goes_on = [&executor](Time at) { executor.begin_at(at); };
  o.began_anew = [this, &executor](JobId job, Incarnation incarnation) {
    executor.begin_anew(job, incarnation);
    if (job.index() < remains_->committed.size()) remains_->committed[job.index()] = executor.done(job);
  };
  o.rate = [this](const LaunchRequest& r) -> std::optional<Rate> {
    const JobId job = r.members[0].job;
    if (job.index() < tasks_.size() && tasks_[job.index()]) return std::nullopt;
    return prepared_.model().speed(prepared_.workload.specs[job.index()], *r.gpus, r.members[0].config, {}).rate;
  };
  return o;
}

Expected<void> LiveSession::play(RunPolicy& policy) {
  if (policy.converses()) {
    conversation_ = fmt::format("{}/{}", beside_.path(), kConversationFile);
    policy.record(conversation_, true);
  }
  const bool urgent = paces(worker_) && !may_train(prepared_);
  const live::RaisedPriority priority(urgent);  // of the threads and processes that follow
  report_.priority_refused = urgent && !priority.granted();
  std::function<void()> on_interrupt;
  StopSignals signals([&on_interrupt] { on_interrupt(); },  // blocks them for the threads that follow
                      [this] {
                        if (fence_.holds()) (void)live::wait_or_kill(beside_.processes(), Duration{});
                      });
  live::LiveExecutor executor(*prepared_.topology, prepared_.workload, prepared_.model(), make_engine(),
                              live_options(policy.get()));
  running_ = &executor;
  on_interrupt = [&executor] { executor.interrupt(); };
  signals.listen();
  const auto committed = [this](JobId job) {
    return remains_ && job.index() < remains_->committed.size() ? remains_->committed[job.index()] : Work{};
  };
  JournalledExecutor recorder(executor, journal_->writer, std::move(journal_->past.batches), committed, recording_,
                              outage(executor));
  PlanJournal plans(journal_->writer, std::move(journal_->past.plans));
  std::vector<Observer*> observers = output_->observers();
  observers.push_back(&plans);
  observers.push_back(&book_);
  observers.push_back(view_.get());
  const MachineUse use;
  Expected<void> ended;
  try {
    report_.run = run_controller(prepared_, run_,
                                 {recorder, policy, prepared_.model(), [this, &executor] { break_off(executor); }},
                                 record_, observers);
  } catch (const live::Interrupted&) {
    report_.interrupted = true;
  } catch (const JournalFailed& e) {
    ended = tl::make_unexpected(e.error);
  }
  running_ = nullptr;
  report_.launches = executor.launches();
  const MachineUse::Shares shares = use.shares();
  report_.cpu_pressure_pct = shares.cpu_pressure_pct;
  report_.others_cpu_pct = shares.others_cpu_pct;
  if (!ended) return ended;
  return policy.finish();
}

// Asks all jobs to save and leave; how many did.
int LiveSession::stop(live::LiveExecutor& executor) {
  stopping_ = true;
  const int saved = executor.stop_all(kStopGrace);
  if (executor.begun() && fence_.holds()) clock_->note([&executor] { return executor.clock(); });
  return saved;
}

// With what ends the run in flight. The view shows the records of the controller, which is gone once that has passed.
void LiveSession::break_off(live::LiveExecutor& executor) {
  const int saved = stop(executor);
  try {
    throw;
  } catch (const live::Interrupted&) {
    report_.run.failure =
        fmt::format("interrupted; {} jobs saved and left; `orrery live resume {}` goes on", saved, *run_.folder);
    view_->interrupted(executor.begun() ? executor.clock() : executor.now());
  } catch (const JournalFailed&) {
    return;  // another controller may have taken the run over: nothing more is written
  }
}

Expected<LiveReport> LiveSession::close() {
  if (report_.interrupted) return std::move(report_);
  DecisionReplay replay = replay_decisions(prepared_, run_, recording_, book_, conversation_);
  report_.decisions = replay.decisions;
  report_.decisions_replayed = replay.equal;
  report_.replay_difference = std::move(replay.difference);
  if (!report_.replay_difference.empty() && report_.run.failure.empty())
    report_.run.failure = "decision replay: " + report_.replay_difference;
  auto digest = output_->write(report_.run);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  report_.run.result_digest = *std::move(digest);
  if (!report_.run.failure.empty()) return std::move(report_);
  const std::string profile =
      profile_text(measured_profile(prepared_, report_.launches, config_.time_scale, beside_));
  if (auto ok = live::write_file(beside_.path() + "/profile.csv", profile); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  const std::string to = *run_.folder + "/live";
  std::error_code failed;
  fs::rename(beside_.path(), to, failed);
  if (failed) return fail(fmt::format("cannot rename `{}` to `{}`: {}", beside_.path(), to, failed.message()));
  return std::move(report_);
}

}  // namespace

Expected<std::string> find_worker(const std::string& named) {
  std::error_code ignored;
  std::string path = named;
  if (path.empty()) path = (fs::read_symlink("/proc/self/exe", ignored).parent_path() / "orrery-paced").string();
  if (::access(path.c_str(), X_OK) == 0) return fs::absolute(path, ignored).string();
  return tl::make_unexpected(
      no_engine(fmt::format("there is no worker program `{}`", path), "scripts/build release orrery-paced makes it"));
}

Expected<LiveReport> run_live(const Prepared& prepared, const LiveRequest& request) {
  set_assertion_seed(request.run.seed);
  auto worker = find_worker(request.worker);
  if (!worker) return tl::make_unexpected(std::move(worker.error()));
  ORRERY_ASSERT(request.run.folder.has_value(), "a live run needs a folder");
  auto policy =
      RunPolicy::make(prepared, request.run.policy, request.run.seed, "", conversation_beside(*request.run.folder));
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  if (!policy->failure().empty()) {
    LiveReport failed;
    failed.run.failure = policy->failure();
    return failed;
  }
  LiveSession session(prepared, request, *worker);
  Expected<void> ok = session.open();
  if (ok) ok = session.take_over();
  if (ok) ok = session.make_ready();
  if (ok) ok = session.play(*policy);
  if (!ok) return tl::make_unexpected(std::move(ok.error()));
  return session.close();
}

}  // namespace orrery::app

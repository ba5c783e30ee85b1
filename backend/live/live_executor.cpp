#include "backend/live/live_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "sim/core/assert.hpp"

namespace orrery::live {
namespace {

constexpr Duration kLeastGrace = seconds(5);     // of wall clock, however fast the run's clock is
constexpr Duration kReport = milliseconds(500);  // of wall clock, between step reports
constexpr std::int64_t kBeat = 200'000'000;      // ns of wall clock, between two on_beat

// How often something happens that is due every `every`, in steps of `step`; at least every step.
std::int64_t in_steps(Duration every, Duration step) {
  return std::max<std::int64_t>(1, every.ns / step.ns);
}

}  // namespace

LiveExecutor::LiveExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                           std::unique_ptr<Engine> engine, LiveOptions options, Time from)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      from_(from),
      now_(from),
      gangs_(workload.specs.size()),
      points_(publish_points(options_.publishes, workload.specs)),
      io_(std::move(engine)) {
  ORRERY_ASSERT(options_.time_scale >= 1 && options_.step.ns > 0, "time scale {}, step {} ns", options_.time_scale,
                options_.step.ns);
  for (std::size_t j = 0; j < options_.committed.size(); ++j)
    gangs_[j].done = gangs_[j].committed = options_.committed[j];
}

void LiveExecutor::begin_at(Time from) {
  ORRERY_ASSERT(began_ns_ < 0, "the clock runs already, from {} ns", from_.ns);
  from_ = now_ = from;
}

void LiveExecutor::beat() {
  const std::int64_t ns = monotonic_ns();
  if (beat_ns_ >= 0 && ns - beat_ns_ < kBeat) return;
  beat_ns_ = ns;
  if (options_.on_beat) options_.on_beat();
}

Time LiveExecutor::clock() const {
  return began_ns_ < 0 ? from_ : clock_at(monotonic_ns());
}

Time LiveExecutor::clock_at(std::int64_t monotonic) const {
  const Int128 ns = static_cast<Int128>(std::max<std::int64_t>(0, monotonic - began_ns_)) * options_.time_scale;
  return from_ + Duration{static_cast<std::int64_t>(std::min<Int128>(ns, kForever.ns))};
}

std::string LiveExecutor::folder_of(JobId job) const {
  return fmt::format("{}/jobs/{}", options_.folder, job.value);
}

LiveExecutor::Gang* LiveExecutor::find(GangId gang, Incarnation incarnation) {
  if (gang.index() >= job_of_gang_.size()) return nullptr;
  Gang& g = gangs_[job_of_gang_[gang.index()].index()];
  return g.id == gang && g.incarnation == incarnation && g.phase != Phase::idle ? &g : nullptr;
}

// A rank per GPU; one rank anywhere of a job of CPUs only.
std::vector<RankPlace> LiveExecutor::places_of(const Allocation& gpus) {
  std::vector<RankPlace> ranks;
  for (const NodeSlice& s : gpus.slices())
    for (GpuMask left = s.gpus; left.any(); left.drop_lowest())
      ranks.push_back({s.node, GpuMask::one(left.lowest())});
  const NodeId first = gpus.slices().empty() ? NodeId(0) : gpus.slices().front().node;
  if (ranks.empty()) ranks.push_back({first, {}});
  return ranks;
}

const LiveTask* LiveExecutor::task_of(JobId job) const {
  if (job.index() >= options_.tasks.size() || !options_.tasks[job.index()]) return nullptr;
  return &options_.tasks[job.index()];
}

Start LiveExecutor::start_of(const Gang& g, const LaunchRequest& request) const {
  const JobSpec& spec = workload_->specs[g.job.index()];
  const Rate rate = model_->speed(spec, *request.gpus, request.members[0].config, {}).rate;
  const LiveTask* const task = task_of(g.job);
  // Of the run: a paced step takes the same time anywhere, a real one does the same work.
  const Duration step =
      task != nullptr ? time_for(task->step_work, rate) : Duration{options_.step.ns * options_.time_scale};
  const Duration first = options_.overheads.start_cost(spec, 1);
  const Duration save = options_.checkpoints.cost;
  Start s;
  s.job = fmt::format("{}", g.job.value);
  s.incarnation = g.incarnation;
  s.run_folder = fmt::format("{}/launch-{}", folder_of(g.job), g.incarnation);
  s.checkpoint_dir = folder_of(g.job) + "/checkpoints";
  s.restore = g.incarnation > 1;
  s.total_work = workload_->truths[g.job.index()].work;
  s.step_time = std::max(wall(step), Duration{1});
  s.step_work = task != nullptr ? task->step_work : std::max(work_in(step, rate), Work{1});
  s.save_every_steps = options_.checkpoints.every.ns > 0 ? in_steps(options_.checkpoints.every, step) : 0;
  s.report_every_steps =
      options_.progress_every.ns > 0 ? in_steps(options_.progress_every, step) : in_steps(kReport, s.step_time);
  if (task != nullptr) s.task = task->path;
  s.from = source_of(g, request.members[0].config);
  s.costs = {wall(first), wall(options_.overheads.start_cost(spec, g.incarnation) - first), wall(save),
             wall(options_.overheads.stop)};
  return s;
}

void LiveExecutor::launch(const LaunchRequest& request) {
  ORRERY_ASSERT(request.members.size() == 1, "a gang of {} jobs: merging is not modelled yet",
                request.members.size());
  const JobId job = request.members[0].job;
  const JobSpec& of_job = workload_->specs[job.index()];
  if (!model_->speed(of_job, *request.gpus, request.members[0].config, {}).known) {
    if (broken_.empty()) broken_ = model_->unknown(of_job, *request.gpus);
    return;
  }
  Gang& g = gangs_[job.index()];
  ORRERY_ASSERT(g.phase == Phase::idle, "job {} launched twice", job.value);
  if (request.gang.index() >= job_of_gang_.size()) job_of_gang_.resize(request.gang.index() + 1);
  job_of_gang_[request.gang.index()] = job;
  g.job = job;
  g.id = request.gang;
  g.incarnation = request.incarnation;
  g.phase = Phase::starting;
  g.at_start = g.committed;
  g.told_cpu = {};
  g.asked_at = 0;
  g.saving = false;
  g.saved_before = g.broken_save = {};
  g.began = now_;
  launches_.push_back({.job = job, .incarnation = request.incarnation, .launched = now_});
  launches_.back().ranks = std::max(1, request.gpus->gpu_count());
  launches_.back().shared = request.sharing != Sharing::exclusive;
  g.handle = {launches_.size()};
  GangSpec spec;
  spec.name = fmt::format("{}.{}", workload_->specs[job.index()].name, g.incarnation);
  spec.argv = task_of(job) != nullptr ? task_of(job)->worker : options_.worker;
  spec.start = start_of(g, request);
  spec.ranks = places_of(*request.gpus);
  spec.shared = request.sharing != Sharing::exclusive;
  io_.tell([handle = g.handle, spec = std::move(spec)](Engine& e) { e.launch(handle, spec); });
}

void LiveExecutor::stop(GangId gang, Incarnation incarnation, StopHow how, Duration grace) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr || g->phase == Phase::killing) return;  // it has just ended: its event is on the way
  const GangHandle handle = g->handle;
  const Duration still = g->phase == Phase::running ? stood_still(*g, now_) : Duration{};
  if (how == StopHow::suspend) {
    if (g->phase == Phase::running) launch_of(*g).ran += now_ - g->began;
    g->saved_before += still;
    g->phase = Phase::suspended;
    io_.tell([handle](Engine& e) { e.freeze(handle); });
    verdicts_.push_back(Event{.job = g->job, .what = event::Suspended{still}});
    return;
  }
  g->broken_save = std::max(g->broken_save, still);
  if (how == StopHow::kill) {
    g->phase = Phase::killing;
    io_.tell([handle](Engine& e) { e.kill(handle); });
    return;
  }
  if (g->phase == Phase::stopping) return;
  if (g->phase == Phase::running) launch_of(*g).ran += now_ - g->began;
  g->phase = Phase::stopping;
  g->began = now_;
  io_.tell([handle, patience = std::max(wall(grace), kLeastGrace)](Engine& e) { e.stop(handle, patience); });
}

void LiveExecutor::resume(GangId gang, Incarnation incarnation) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr || g->phase != Phase::suspended) return;
  g->phase = Phase::running;
  g->began = g->saving_since = now_;
  io_.tell([handle = g->handle](Engine& e) { e.thaw(handle); });
  verdicts_.push_back(Event{.job = g->job, .what = event::Resumed{}});
}

void LiveExecutor::command(GangId gang, Incarnation incarnation, const Command& command) {
  Gang* g = find(gang, incarnation);
  if (g == nullptr) return;
  if (g->phase == Phase::running && command.kind == Command::Kind::checkpoint)
    return io_.tell([handle = g->handle](Engine& e) { e.say(handle, Save{}); });
  if (g->phase == Phase::running && command.kind == Command::Kind::publish)
    return io_.tell([handle = g->handle](Engine& e) { e.say(handle, Publish{}); });
  verdicts_.push_back(Event{.job = g->job, .what = event::CommandFailed{}});
}

void LiveExecutor::happen(const Gang& g, const event::Payload& what) {
  batch_.push_back(Event{.at = now_, .job = g.job, .gang = g.id, .incarnation = g.incarnation, .what = what});
}

std::span<const Event> LiveExecutor::wait_until(Time deadline) {
  batch_.clear();
  if (began_ns_ < 0) began_ns_ = monotonic_ns();
  std::int64_t until = kNever.ns;
  if (deadline != kNever && verdicts_.empty())
    until = add_ns(began_ns_, ((deadline - from_).ns + options_.time_scale - 1) / options_.time_scale);
  if (!verdicts_.empty()) until = 0;
  do {
    beat();
    const std::vector<EngineEvent> events = io_.wait(std::min(until, add_ns(beat_ns_, kBeat)));
    if (interrupted_) throw Interrupted{};
    now_ = std::max(now_, clock());
    for (const Event& v : std::exchange(verdicts_, {})) happen(gangs_[v.job.index()], v.what);
    for (const EngineEvent& e : events) translate(e);
  } while (batch_.empty() && now_ < deadline);
  return batch_;
}

void LiveExecutor::translate(const EngineEvent& e) {
  Gang& g = gangs_[launches_[e.gang.value - 1].job.index()];
  if (g.handle != e.gang) return;
  switch (e.kind) {
    case EngineEvent::Kind::said: said(g, e.message, std::min(clock_at(e.at_ns), now_)); break;
    case EngineEvent::Kind::gone: gone(g, e); break;
    case EngineEvent::Kind::launched:
    case EngineEvent::Kind::garbage:
    case EngineEvent::Kind::exited: break;  // `gone` follows and says why
  }
}

// How long the gang has stood still for a checkpoint that is not committed, since it began or went on. A paced one
// does so for as long as the scenario says, however late its word is heard.
Duration LiveExecutor::stood_still(const Gang& g, Time until) const {
  if (!g.saving) return {};
  const Duration still = until > g.saving_since ? until - g.saving_since : Duration{};
  if (task_of(g.job) != nullptr) return still;
  return std::min(still, options_.checkpoints.cost - std::min(g.saved_before, options_.checkpoints.cost));
}

// A checkpoint is committed. One whose beginning was not told took what the scenario says, as a paced one does.
void LiveExecutor::saved(Gang& g, const Saved& report, Time at) {
  const bool measured = g.saving && task_of(g.job) != nullptr;
  const Duration cost = options_.checkpoints.cost;
  const Duration took = measured ? stood_still(g, at) : cost - std::min(g.saved_before, cost);
  g.saving = false;
  g.saved_before = {};
  g.done = g.committed = report.done;
  if (g.phase != Phase::running) return;
  ++launch_of(g).saves;
  happen(g, event::Checkpointed{g.committed, took});
}

void LiveExecutor::said(Gang& g, const FromWorker& message, Time at) {
  if (const auto* ready = std::get_if<Ready>(&message)) {
    g.done = g.committed = g.at_start = ready->done;
    if (g.phase != Phase::starting) return;  // it was asked to stop meanwhile
    g.phase = Phase::running;
    launch_of(g).start = now_ - g.began;
    launch_of(g).first_step = ready->step;
    g.began = now_;
    happen(g, event::Started{});
  } else if (const auto* step = std::get_if<Step>(&message)) {
    g.done = step->done;
    stepped(launch_of(g), *step);
    tell_cpu(g, false);
    ask_for_versions(g);
    if (options_.progress_every.ns > 0 && g.phase == Phase::running) happen(g, event::Progress{g.done});
  } else if (std::holds_alternative<Saving>(message)) {
    g.saving = true;
    g.saving_since = std::max(at, g.began);
  } else if (const auto* report = std::get_if<Saved>(&message)) {
    saved(g, *report, at);
  } else if (const auto* published = std::get_if<Published>(&message)) {
    g.published_at = std::max(g.published_at, progress_of(g));
    if (g.phase == Phase::running) happen(g, event::Published{published->version, progress_of(g)});
  }
}

void LiveExecutor::stepped(Launch& l, const Step& report) {
  const std::int64_t steps = report.step - l.first_step - l.steps;
  if (steps <= 0) return;
  const double one_s = to_seconds(report.spent) / static_cast<double>(steps);
  l.steps += steps;
  l.stepped = l.stepped + report.spent;
  l.squares_s2 += one_s * one_s * static_cast<double>(steps);
  if (report.cpu_per_sample.ns == 0) return;
  l.cpu_ns += static_cast<Int128>(report.cpu_per_sample.ns) * steps;
  l.cpu_steps += steps;
}

// An event is a write to the journal and a turn of the controller, so not every report is one: the first, one that
// moves the launch's mean by a quarter, and the launch's end.
void LiveExecutor::tell_cpu(Gang& g, bool last) {
  const Duration mean = launch_of(g).cpu_per_sample();
  const std::int64_t moved = mean > g.told_cpu ? (mean - g.told_cpu).ns : (g.told_cpu - mean).ns;
  if (moved <= (last ? 0 : g.told_cpu.ns / 4)) return;
  g.told_cpu = mean;
  happen(g, event::Preprocessing{mean});
}

void LiveExecutor::gone(Gang& g, const EngineEvent& e) {
  Launch& l = launch_of(g);
  const Phase was = std::exchange(g.phase, Phase::idle);
  if (was == Phase::running) l.ran += now_ - g.began;
  if (was == Phase::stopping) l.stop = now_ - g.began;
  const bool finished = e.verdict == kExitDone;
  const Duration broken = was == Phase::running ? stood_still(g, std::min(clock_at(e.at_ns), now_)) : g.broken_save;
  if (finished) g.done = g.committed = workload_->truths[g.job.index()].work;
  if (was != Phase::killing && !finished) g.done = g.committed;
  l.done = g.committed - g.at_start;
  tell_cpu(g, true);
  if (finished && was == Phase::suspended) happen(g, event::Resumed{});  // it was too late for that
  if (finished) return happen(g, event::Finished{});
  if (was == Phase::killing || (was == Phase::stopping && e.verdict == kExitStopped)) {
    g.done = g.committed;
    return happen(g, event::Stopped{g.committed, broken});
  }
  l.failure = e.verdict == kExitStopped ? "it stopped without being asked" : e.text;
  if (options_.on_failure) options_.on_failure(l.failure);
  const event::Failed failed{.committed = g.committed, .broken_off = broken};
  if (was == Phase::starting) return happen(g, event::LaunchFailed{failed});
  happen(g, failed);
}

void LiveExecutor::interrupt() {
  interrupted_ = true;
  io_.interrupt();
}

int LiveExecutor::stop_all(Duration grace) {
  int running = 0, stopped = 0;
  for (Gang& g : gangs_) {
    if (g.phase == Phase::idle) continue;
    ++running;
    g.phase = Phase::stopping;
    io_.tell([handle = g.handle, grace](Engine& e) { e.stop(handle, grace); });
  }
  while (running > 0) {
    beat();
    for (const EngineEvent& e : io_.wait(add_ns(beat_ns_, kBeat))) {
      if (e.kind == EngineEvent::Kind::said) translate(e);
      if (e.kind != EngineEvent::Kind::gone) continue;
      --running;
      stopped += e.verdict == kExitStopped || e.verdict == kExitDone ? 1 : 0;
      gangs_[launches_[e.gang.value - 1].job.index()].phase = Phase::idle;
    }
  }
  return stopped;
}

}  // namespace orrery::live

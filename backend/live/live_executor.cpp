#include "backend/live/live_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "backend/protocol/checkpoint_dir.hpp"
#include "sim/core/assert.hpp"

namespace orrery::live {
namespace {

constexpr Duration kLeastGrace = seconds(5);  // of wall clock, however fast the run's clock is
constexpr std::int64_t kBeat = 200'000'000;   // ns of wall clock, between two on_beat

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
  for (std::size_t j = 0; j < options_.committed.size(); ++j) {
    Gang& g = gangs_[JobId(static_cast<std::uint32_t>(j))];
    g.done = g.committed = options_.committed[j];
  }
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

void LiveExecutor::launch(const LaunchRequest& request) {
  for (const Member& member : request.members) launch(request, member);
}

void LiveExecutor::launch(const LaunchRequest& request, const Member& member) {
  const JobSpec& of_job = workload_->specs[member.job.index()];
  if (!model_->speed(of_job, *request.gpus, member.config, {}).known) {
    if (broken_.empty()) broken_ = model_->unknown(of_job, *request.gpus, member.config);
    return;
  }
  Gang& g = gangs_.enter(request, member);
  if (member.config.anew) begin_anew(member.job, member.incarnation);
  g.phase = Phase::starting;
  g.gpus = *request.gpus;
  g.config = member.config;
  g.sharing = request.sharing;
  g.at_start = g.committed;
  g.told_cpu = {};
  g.asked_at = 0;
  g.saving = g.joins = g.freezes = false;
  g.filling = 0;
  if (fills(g)) hosts_[g.config.host].fillers.push_back(g.job);
  g.saved_before = g.broken_save = {};
  g.began = now_;
  g.launch = launches_.size();
  launches_.push_back({.job = member.job, .incarnation = member.incarnation, .launched = now_});
  launches_.back().ranks = std::max(1, request.gpus->gpu_count());
  launches_.back().host = member.config.host;
  launches_.back().shared = request.sharing != Sharing::exclusive;
  launches_.back().rebatched = member.config.other_batch();
  choose_source(g, member.config);
  if (!join(g)) begin(g);
  g.start_left.reset();
}

void LiveExecutor::stop(GangId gang, const Member& member, StopHow how, Duration grace) {
  Gang* g = gangs_.find(gang, member);
  if (g == nullptr || g->phase == Phase::killing) return;  // it has just ended: its event is on the way
  const GangHandle handle = g->handle;
  const Duration still = g->phase == Phase::running ? stood_still(*g, now_) : Duration{};
  if (how == StopHow::suspend) {
    ORRERY_ASSERT(!g->merged, "job {} is merged with others: it cannot be suspended", g->job.value);
    if (g->phase == Phase::running) launch_of(*g).ran += now_ - g->began;
    g->saved_before += still;
    g->phase = Phase::suspended;
    io_.tell([handle](Engine& e) { e.freeze(handle); });
    verdicts_.push_back(Event{.job = g->job, .what = event::Suspended{still}});
    return;
  }
  g->broken_save = std::max(g->broken_save, still);
  if (!alone(*g)) return leave(*g, how, grace);
  if (how == StopHow::kill) {
    g->phase = Phase::killing;
    io_.tell([handle](Engine& e) { e.kill(handle); });
    return;
  }
  if (g->phase == Phase::stopping) return;
  if (g->phase == Phase::running) launch_of(*g).ran += now_ - g->began;
  g->phase = Phase::stopping;
  g->began = now_;
  if (fills(*g)) fillers_changed(g->config.host);
  io_.tell([handle, patience = std::max(wall(grace), kLeastGrace)](Engine& e) { e.stop(handle, patience); });
}

void LiveExecutor::resume(GangId gang, const Member& member) {
  Gang* g = gangs_.find(gang, member);
  if (g == nullptr || g->phase != Phase::suspended) return;
  g->phase = Phase::running;
  g->began = g->saving_since = now_;
  if (!std::exchange(g->freezes, false)) io_.tell([handle = g->handle](Engine& e) { e.thaw(handle); });
  if (workload_->specs[g->job.index()].bubbles.any()) fillers_changed(g->job);  // they left while it stood
  verdicts_.push_back(Event{.job = g->job, .what = event::Resumed{}});
}

void LiveExecutor::happen(const Gang& g, const event::Payload& what) {
  batch_.push_back(g.says(now_, what));
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
    lose_patience();
    const std::vector<EngineEvent> events = io_.wait(std::min(until, add_ns(beat_ns_, kBeat)));
    if (interrupted_) throw Interrupted{};
    now_ = std::max(now_, clock());
    for (const Event& v : std::exchange(verdicts_, {})) {
      if (v.job.valid())
        happen(gangs_[v.job], v.what);
      else
        batch_.push_back(Event{.at = now_, .what = v.what});
    }
    for (const EngineEvent& e : events) translate(e);
  } while (batch_.empty() && now_ < deadline);
  return batch_;
}

void LiveExecutor::translate(const EngineEvent& e) {
  const auto there = processes_.find(e.gang);
  if (there == processes_.end()) return;
  const Time at = std::min(clock_at(e.at_ns), now_);
  switch (e.kind) {
    case EngineEvent::Kind::said:
      if (there->second.members.empty()) break;
      if (const auto* line = std::get_if<FromMember>(&e.message)) return said(e.gang, *line, at);
      if (Gang& first = gangs_[there->second.members.front()]; first.handle == e.gang && !first.joins)
        said(first, e.message, at);
      break;
    case EngineEvent::Kind::gone: gone(e); break;
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
  if (launch_of(g).saves == 0) remove_laid_aside(folder_of(g.job) + "/checkpoints");
  if (g.phase != Phase::running) return;
  ++launch_of(g).saves;
  happen(g, event::Checkpointed{g.committed, took});
}

void LiveExecutor::said(Gang& g, const FromWorker& message, Time at) {
  if (const auto* ready = std::get_if<Ready>(&message)) {
    if (!g.joins) processes_.at(g.handle).starting = {};
    g.done = g.committed = g.at_start = g.last_step = ready->done;
    launch_of(g).first_step = ready->step;
    if (g.phase == Phase::running) g.joins = false;  // taken over
    // Not where it was told to go on, or to stop: frozen, it would never hear that.
    const bool freezes = std::exchange(g.freezes, false) && g.phase == Phase::suspended;
    if (freezes) io_.tell([handle = g.handle](Engine& e) { e.freeze(handle); });
    if (g.phase == Phase::running) makes_steps(g);
    if (g.phase != Phase::starting) return;  // it was asked to stop meanwhile, or taken over
    g.phase = Phase::running;
    g.joins = false;
    launch_of(g).start = now_ - g.began;
    g.began = now_;
    if (std::exchange(g.inherits, false))
      happen(g, event::Inherited{g.heir_of, workload_->truths[g.job.index()].work - g.total});
    happen(g, event::Started{});
    makes_steps(g);
  } else if (const auto* step = std::get_if<Step>(&message)) {
    const Rate rate = measure(g, *step);
    g.done = g.last_step = step->done;
    stepped(launch_of(g), *step);
    tell_cpu(g, false);
    ask_for_versions(g);
    if ((options_.progress_every.ns > 0 || rate.per_billion > 0) && g.phase == Phase::running)
      happen(g, event::Progress{.done = g.done, .rate = rate});
    assess(g);
  } else if (std::holds_alternative<Saving>(message)) {
    g.saving = true;
    g.saving_since = std::max(at, g.began);
  } else if (const auto* report = std::get_if<Saved>(&message)) {
    saved(g, *report, at);
  } else if (const auto* published = std::get_if<Published>(&message)) {
    g.published_at = std::max(g.published_at, progress_of(g));
    if (g.phase == Phase::running) happen(g, event::Published{published->version, progress_of(g)});
  } else if (const auto* seen = std::get_if<Assessed>(&message)) {
    if (g.phase == Phase::running && g.heir_of.valid())
      happen(g, event::Assessed{g.heir_of, seen->worth, seen->error});
  } else if (const auto* config = std::get_if<Reconfigured>(&message)) {
    g.config.batch = config->batch;
    g.config.accumulation = static_cast<std::int32_t>(config->accumulation);
    launch_of(g).rebatched = true;
    if (g.phase == Phase::running)
      happen(g, event::Reconfigured{g.config.batch, g.config.accumulation, g.config.fill_per_mille});
    makes_steps(g);
  } else if (const auto* filling = std::get_if<Filling>(&message)) {
    refilled(g, filling->per_mille);
  } else if (std::holds_alternative<Slowed>(message)) {
    if (const auto host = hosts_.find(g.job); host != hosts_.end()) host->second.meter.restart();
  } else if (const auto* no = std::get_if<Refused>(&message)) {
    if (options_.on_failure)
      options_.on_failure(fmt::format("job {} refused: {}", workload_->specs[g.job.index()].name, no->text));
    if (g.phase == Phase::running) happen(g, event::CommandFailed{no->why});
  } else if (const auto* use = std::get_if<FeaturesUsed>(&message)) {
    used_features(g, *use);
  } else if (std::holds_alternative<Done>(message) && !alone(g)) {
    out(g, kExitDone, {}, at);
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

// The processes are gone. A member that was to join them while they ended begins processes of its own.
void LiveExecutor::gone(const EngineEvent& e) {
  const std::vector<JobId> members = std::move(processes_.at(e.gang).members);
  processes_.erase(e.gang);
  for (const JobId job : members) {
    Gang& g = gangs_[job];
    const bool well = e.verdict == kExitDone || e.verdict == kExitStopped;
    if (g.joins && well && (g.phase == Phase::starting || g.phase == Phase::running)) {  // running: taken over
      if (!join(g)) begin(g);
    } else {
      ended(g, g.joins && well ? kExitStopped : e.verdict, e.text, std::min(clock_at(e.at_ns), now_));
    }
  }
}

void LiveExecutor::ended(Gang& g, int verdict, const std::string& why, Time at) {
  Launch& l = launch_of(g);
  const Phase was = std::exchange(g.phase, Phase::idle);
  if (was == Phase::running) l.ran += now_ - g.began;
  if (was == Phase::stopping) l.stop = now_ - g.began;
  const bool finished = verdict == kExitDone;
  const Duration broken = was == Phase::running ? stood_still(g, at) : g.broken_save;
  if (finished) g.done = g.committed = total_of(g.job);
  if (finished) note_finished(g.job);
  if (was != Phase::killing && !finished) g.done = g.committed;
  l.done = g.committed - g.at_start;
  if (fills(g)) leave_host(g);
  tell_cpu(g, true);
  if (finished && was == Phase::suspended) happen(g, event::Resumed{});  // it was too late for that
  if (finished) return happen(g, event::Finished{});
  if (was == Phase::killing || (was == Phase::stopping && verdict == kExitStopped)) {
    g.done = g.committed;
    return happen(g, event::Stopped{g.committed, broken});
  }
  l.failure = verdict == kExitStopped ? "it stopped without being asked" : why;
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
  int stopped = 0;
  gangs_.for_each([](Gang& g) {
    if (g.phase != Phase::idle) g.phase = Phase::stopping;
  });
  for (const auto& [handle, gang] : processes_)
    io_.tell([handle = handle, grace](Engine& e) { e.stop(handle, grace); });
  while (!processes_.empty()) {
    beat();
    for (const EngineEvent& e : io_.wait(add_ns(beat_ns_, kBeat))) {
      if (e.kind == EngineEvent::Kind::said) translate(e);
      const auto there = processes_.find(e.gang);
      if (e.kind != EngineEvent::Kind::gone || there == processes_.end()) continue;
      const bool well = e.verdict == kExitStopped || e.verdict == kExitDone;
      const std::vector<JobId>& members = there->second.members;
      for (const JobId job : members) gangs_[job].phase = Phase::idle;
      stopped += well ? static_cast<int>(members.size()) : 0;
      processes_.erase(there);
    }
  }
  return stopped;
}

}  // namespace orrery::live

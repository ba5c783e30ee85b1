// What the live world says to a worker: what it is to run, and, later, that it is to save, publish or run otherwise.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/live/live_executor.hpp"

namespace orrery::live {
namespace {

constexpr Duration kReport = milliseconds(500);  // of wall clock, between step reports

// How often something happens that is due every `every`, in steps of `step`; at least every step.
std::int64_t in_steps(Duration every, Duration step) {
  return std::max<std::int64_t>(1, every.ns / step.ns);
}

}  // namespace

// Of the run: a paced step takes the same time anywhere, a real one does the same work. The steps of merged jobs are
// as long as the speed model says, where it knows of steps: a step of the gang is one of each.
Duration LiveExecutor::step_of(const Gang& g) const {
  const JobSpec& spec = workload_->specs[g.job.index()];
  if (const LiveTask* const task = task_of(g.job))
    return time_for(task->step_work, model_->speed(spec, g.gpus, g.config, {}).rate);
  const Duration known = g.merged ? model_->step_time(spec, g.gpus, g.config) : Duration{};
  return known.ns > 0 ? known : Duration{options_.step.ns * options_.time_scale};
}

Start LiveExecutor::start_of(const Gang& g) const {
  const JobSpec& spec = workload_->specs[g.job.index()];
  const Rate rate = model_->speed(spec, g.gpus, g.config, {}).rate;
  const LiveTask* const task = task_of(g.job);
  const Duration alone = step_of(g);
  const Duration step = fills(g) && task == nullptr ? step_in_windows(g, alone) : alone;
  const Duration start = g.start_left.value_or(options_.overheads.start_cost(spec, g.incarnation));
  const Duration first = std::min(start, options_.overheads.start_cost(spec, 1));
  const Duration save = options_.checkpoints.cost;
  Start s;
  s.job = fmt::format("{}", g.job.value);
  s.incarnation = g.incarnation;
  s.run_folder = fmt::format("{}/launch-{}", folder_of(g.job), g.incarnation);
  s.checkpoint_dir = folder_of(g.job) + "/checkpoints";
  s.restore = g.incarnation > 1 || g.committed.ns > 0;
  s.total_work = total_of(g.job);
  s.step_time = std::max(wall(step), Duration{1});
  if (fills(g)) s.fill = g.config.fill_per_mille;
  s.step_work = task != nullptr ? task->step_work : std::max(work_in(alone, rate), Work{1});
  s.save_every_steps = options_.checkpoints.every.ns > 0 ? in_steps(options_.checkpoints.every, step) : 0;
  s.report_every_steps =
      options_.progress_every.ns > 0 ? in_steps(options_.progress_every, step) : in_steps(kReport, s.step_time);
  s.report_every_steps = report_steps(spec, s.step_time, s.report_every_steps);
  if (task != nullptr) s.task = task->path;
  if (task != nullptr) s.from = g.source;
  if (task != nullptr && spec.features.set != 0) s.features = options_.features;
  s.batch = g.config.batch;
  s.accumulation = g.config.accumulation;
  s.costs = {wall(first), wall(start - first), wall(save), wall(options_.overheads.stop)};
  return s;
}

// Processes of its own.
void LiveExecutor::begin(Gang& g) {
  g.handle = {++handles_};
  g.joins = false;
  GangSpec spec;
  spec.name = fmt::format("{}.{}", workload_->specs[g.job.index()].name, g.incarnation);
  spec.argv = task_of(g.job) != nullptr ? task_of(g.job)->worker : options_.worker;
  spec.start = start_of(g);
  const Duration starting = spec.start.costs.start + (spec.start.restore ? spec.start.costs.restore : Duration{});
  processes_[g.handle] = {{g.job}, starting};
  spec.ranks = places_of(g.gpus);
  spec.shared = g.sharing != Sharing::exclusive;
  spec.idle = fills(g);
  io_.tell([handle = g.handle, spec = std::move(spec)](Engine& e) { e.launch(handle, spec); });
}

void LiveExecutor::command(GangId gang, const Member& member, const Command& command) {
  Gang* g = gangs_.find(gang, member);
  if (g == nullptr) return;
  const auto refuse = [&](Refusal why) {
    verdicts_.push_back(Event{.job = g->job, .what = event::CommandFailed{why}});
  };
  if (g->phase != Phase::running) return refuse(Refusal::not_running);
  if (command.kind == Command::Kind::checkpoint) return say(*g, Save{});
  if (command.kind == Command::Kind::publish) return say(*g, Publish{});
  if (command.kind == Command::Kind::fill) return refill(*g, command.config.fill_per_mille);
  const RunConfig& to = command.config;
  const JobSpec& spec = workload_->specs[g->job.index()];
  Reconfigure r{.batch = to.batch, .accumulation = to.accumulation};
  if (task_of(g->job) == nullptr) {  // what a step then is, the model knows; of a real one its worker does
    if (const Refusal why = model_->refusal(spec, g->gpus, to); why != Refusal::none) return refuse(why);
    Gang then = *g;
    then.config.batch = to.batch;
    then.config.accumulation = to.accumulation;
    const Duration step = step_of(then);
    r.step_time = std::max(wall(fills(*g) ? step_in_windows(*g, step) : step), Duration{1});
    r.step_work = std::max(work_in(step, model_->speed(spec, g->gpus, then.config, {}).rate), Work{1});
  }
  say(*g, r);
}

}  // namespace orrery::live

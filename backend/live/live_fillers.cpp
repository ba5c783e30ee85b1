// The live world's fillers: gangs of their own on cores, or GPUs, of another job, their host, at a priority that
// leaves them what the host does not use. What that costs the host is measured from its step reports; to a paced one,
// which nothing costs anything, the scenario says what it is to cost.
#include <algorithm>
#include <cmath>

#include "backend/live/live_executor.hpp"

namespace orrery::live {
namespace {

// Between step reports of a job that has bubbles: as many steps as its measuring takes well, and no flood of lines.
constexpr std::int64_t kMeasuredSteps = 4;
constexpr Duration kLeastReport = milliseconds(20);  // of wall clock

}  // namespace

std::int64_t LiveExecutor::report_steps(const JobSpec& spec, Duration step, std::int64_t usual) {
  if (!spec.bubbles.any()) return usual;
  return std::min(usual, std::max(kMeasuredSteps, (kLeastReport.ns + step.ns - 1) / step.ns));
}

StageUse LiveExecutor::use_of(const Gang& filler) const {
  const Gang& host = gangs_[filler.config.host];
  const Bubbles& bubbles = workload_->specs[filler.config.host.index()].bubbles;
  return stage_use(bubbles, stage_of(bubbles, host.gpus, filler.gpus), workload_->specs[filler.job.index()].fills);
}

// A step of a paced filler that uses all windows that it fits: longer than alone by what they hold. One that trains
// takes what it gets.
Duration LiveExecutor::step_in_windows(const Gang& filler, Duration step) const {
  const Rate rate = fill_rate(workload_->specs[filler.config.host.index()].bubbles, use_of(filler), kWholeFill);
  return time_for(Work{step.ns}, std::max(rate, Rate{1}));
}

// Begins to make steps, or goes on with them in another way: of a host nothing that was measured holds any more.
void LiveExecutor::makes_steps(Gang& g) {
  if (fills(g)) {
    g.filling = g.config.fill_per_mille;
    fillers_changed(g.config.host);
  }
  if (!workload_->specs[g.job.index()].bubbles.any()) return;
  hosts_[g.job].meter.forget();
  fillers_changed(g.job);
}

// Who is at work counts; others have said nothing yet, or leave.
void LiveExecutor::fillers_changed(JobId host) {
  Host& h = hosts_[host];
  const Bubbles& bubbles = workload_->specs[host.index()].bubbles;
  Gang& g = gangs_[host];
  std::int64_t loss = 0;
  bool beside = false;
  for (const JobId job : h.fillers) {
    const Gang& f = gangs_[job];
    if (f.phase != Phase::running || f.filling == 0) continue;
    beside = true;
    loss = std::max(loss, fill_loss_ppm(bubbles, use_of(f), f.filling, options_.fill_cost));
  }
  h.meter.changed(beside);
  if (g.phase != Phase::running) return;
  if (beside) launch_of(g).shared = true;
  if (task_of(host) == nullptr && !g.merged)
    io_.tell([handle = g.handle, loss](Engine& e) { e.say(handle, Slow{std::min(loss, kMaxSlow)}); });
}

void LiveExecutor::leave_host(const Gang& filler) {
  std::erase(hosts_[filler.config.host].fillers, filler.job);
  fillers_changed(filler.config.host);
}

// The speed of a job with bubbles, where its step report is one after which that is to be told; else 0. Its last step
// may be a shorter one.
Rate LiveExecutor::measure(const Gang& g, const Step& report) {
  const auto host = hosts_.find(g.job);
  const Launch& l = launch_of(g);
  const std::int64_t steps = report.step - l.first_step - l.steps;
  if (host == hosts_.end() || g.phase != Phase::running || report.done >= total_of(g.job) || steps <= 0) return {};
  const auto seen = host->second.meter.report(steps, report.spent);
  if (const auto& last = host->second.meter.slowdown()) launch_of(g).slowdown = last;
  if (!seen) return {};
  const double work_ns = static_cast<double>((report.done - g.last_step).ns) / static_cast<double>(steps);
  const double step_ns = seen->mean_ns() * static_cast<double>(options_.time_scale);
  return {std::llround(work_ns / step_ns * static_cast<double>(kUnitRate.per_billion))};
}

void LiveExecutor::refill(const Gang& g, std::int32_t per_mille) {
  Refusal why = Refusal::none;
  if (!fills(g)) why = Refusal::impossible;
  if (why == Refusal::none && (per_mille < 1 || per_mille > kWholeFill)) why = Refusal::out_of_range;
  if (why != Refusal::none) return verdicts_.push_back(Event{.job = g.job, .what = event::CommandFailed{why}});
  io_.tell([handle = g.handle, per_mille](Engine& e) { e.say(handle, Fill{per_mille}); });
}

void LiveExecutor::refilled(Gang& g, std::int64_t per_mille) {
  if (!fills(g)) return;
  g.filling = g.config.fill_per_mille = static_cast<std::int32_t>(per_mille);
  fillers_changed(g.config.host);
  if (g.phase == Phase::running)
    happen(g, event::Reconfigured{g.config.batch, g.config.accumulation, g.config.fill_per_mille});
}

}  // namespace orrery::live

// How fast gangs run in the simulator: stretches of even speed, and speeds that change with the network's load and
// with who else is on the GPUs.
#include <algorithm>

#include "sim/exec/sim_executor.hpp"

namespace orrery {

// How long until so much work is done; for ever where speed changes before.
Duration SimExecutor::time_to(const Gang& g, Work at) const {
  if (!in_stretches_) return time_for(at - g.done, g.rate);
  const Work whole = g.stretch.until - g.done;
  if (at > g.stretch.until || g.stretch.left == kForever || whole.ns <= 0) return kForever;
  const Int128 ns = (static_cast<Int128>(g.stretch.left.ns) * (at - g.done).ns + whole.ns - 1) / whole.ns;
  return Duration{static_cast<std::int64_t>(ns)};
}

// From `done` on at the speed of where the job is now.
void SimExecutor::begin_stretch(Gang& g) {
  g.stretch = model_->stretch(workload_->specs[g.job.index()], g.gpus, g.config, g.done);
  if (g.stretch.left == kForever) return;
  g.stretch.left = time_for(Work{g.stretch.left.ns}, g.rate);
  if (g.stretch.left == kForever) return;
  if (g.stretch.until > g.total) {  // a child with a head start has less to do than the model thinks
    g.stretch.left = time_to(g, g.total);
    g.stretch.until = g.total;
  }
  Time end = now_ + g.stretch.left;
  if (const auto& r = options_.rounding; r.unit.ns > 0) {
    const Time at = std::max(Time{round_half_even(end.ns, r.unit.ns) * r.unit.ns}, now_);
    const bool late = at < end && r.interval.ns > 0 && at.ns % r.interval.ns == 0;
    end = late ? at + Duration{1} : at;
  }
  const bool last = g.stretch.until >= g.total;
  g.next = schedule(g, end, last ? kFinishClass : kProgressClass, last ? EventKind::finished : EventKind::progress, 0,
                    last ? 0 : kStretch);
}

// The job reports as its speed changes.
void SimExecutor::end_stretch(Gang& g, Event& e) {
  g.next = Queue::kNone;
  g.done = g.stretch.until;
  g.since = now_;
  begin_stretch(g);
  plan_publication(g);
  e.value = g.done.ns;
  e.value2 = 0;
}

// Jobs whose share of the network, or whose neighbours, have changed go on at another speed from now on.
void SimExecutor::change_rates() {
  if (contention_)
    for (const auto& [job, rate] : contention_->update()) change_rate(gangs_[job.index()], rate);
  if (neighbours_)
    for (const JobId job : neighbours_->changed()) {
      Gang& g = gangs_[job.index()];
      const JobSpec& spec = workload_->specs[job.index()];
      const auto with = neighbours_->with(job);
      change_rate(g, in_stretches_ ? model_->share(spec, g.gpus, with) : model_->rate(spec, g.gpus, g.config, with));
    }
}

void SimExecutor::change_rate(Gang& g, Rate rate) {
  if (rate == g.rate) return;
  settle(g);
  g.rate = rate;
  if (g.saving) return;  // its end is planned when it has saved
  if (g.next != Queue::kNone) queue_.cancel(g.next);
  if (g.publish != Queue::kNone) queue_.cancel(g.publish);
  g.next = g.publish = Queue::kNone;
  plan_end(g);
  plan_publication(g);
  if (g.save == Queue::kNone) plan_checkpoint(g);
}

}  // namespace orrery

#include "sim/api/view.hpp"

#include <algorithm>

namespace orrery {

JobView ClusterView::job(JobId id) const {
  const JobRecord& r = record(id);
  JobView v;
  v.spec = r.spec;
  v.state = r.state;
  v.ready = r.ready;
  v.incarnation = r.incarnation;
  v.restarts = r.restarts;
  v.waited = r.waited_before;
  v.ran = r.ran_before;
  v.attained = r.attained_before;
  v.done = v.reported = r.done;
  v.committed = r.committed;
  v.estimate = r.estimate;
  if (r.state == JobState::running) {
    v.ran += now - r.since;
    v.attained += gpu_time(now - r.since, r.held.milli_gpus());
    const Rate rate = r.measured ? r.measured->rate : predict->rate(*r.spec, r.held, r.held_config, {});
    v.done = v.done + work_in(now - r.done_at, rate);
  } else if (r.known && (r.state == JobState::pending || r.state == JobState::submitted)) {
    v.waited += now - r.since;
  }
  v.held = holds_gpus(r.state) ? &r.held : nullptr;
  v.target = r.has_target ? &r.target : nullptr;
  v.measured = r.measured ? &*r.measured : nullptr;
  v.cpu_per_sample = r.cpu_per_sample;
  return v;
}

Duration Predictor::time_left(const JobView& job, std::int32_t gpus) const {
  const Duration left = job.remaining();
  if (left == kForever || gpus < 1) return kForever;
  const Int128 ns = static_cast<Int128>(left.ns) * std::max(job.gpus(), 1) / gpus;
  return ns >= kForever.ns ? kForever : Duration{static_cast<std::int64_t>(ns)};
}

}  // namespace orrery

#include "sim/observe/stepped_clock.hpp"

#include <limits>

namespace orrery {

void SteppedClock::enter(Job& j, Phase to, Time now) const {
  if (j.phase == Phase::running) {
    Time from = j.since;
    for (Time step{(from.ns / interval_.ns + 1) * interval_.ns}; step < now; step = step + interval_) {
      j.counted += seconds(whole_seconds(step - from));
      from = step;
    }
    j.counted += seconds(whole_seconds(now - from));
  } else if (j.phase != Phase::ended) {
    j.counted += now - j.since;
  }
  j.phase = to;
  j.since = now;
}

void SteppedClock::on_event(const Event& e) {
  if (!e.job.valid()) return;
  Job& j = jobs_[e.job.index()];
  switch (e.kind) {
    case EventKind::submit: j.since = e.at; break;
    case EventKind::launch: enter(j, Phase::starting, e.at); break;
    case EventKind::started: enter(j, Phase::running, e.at); break;
    case EventKind::stopped:
    case EventKind::failed:
    case EventKind::launch_failed: enter(j, Phase::waiting, e.at); break;
    case EventKind::finished:
      enter(j, Phase::ended, e.at);
      j.finished = true;
      break;
    default: break;
  }
}

std::vector<double> SteppedClock::jct_by_job_s() const {
  std::vector<double> out;
  for (const Job& j : jobs_)
    out.push_back(j.finished ? to_seconds(j.counted) : std::numeric_limits<double>::quiet_NaN());
  return out;
}

}  // namespace orrery

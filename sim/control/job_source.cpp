#include "sim/control/job_source.hpp"

#include <utility>

namespace orrery {

JobSource::JobSource(const std::vector<JobSpec>& specs, EstimateOf estimate)
    : specs_(&specs), estimate_(std::move(estimate)) {
  for (const JobSpec& spec : specs) {
    if (spec.after.empty()) continue;
    if (children_.empty()) {
      children_.resize(specs.size());
      ended_.resize(specs.size(), Parent::open);
    }
    for (const Dependency& d : spec.after) children_[d.parent.index()].push_back(spec.id);
  }
}

Time JobSource::next_submit() const {
  return exhausted() ? kNever : (*specs_)[next_].submit;
}

bool JobSource::may_run(const JobSpec& spec) const {
  for (const Dependency& d : spec.after)
    if (d.hard && ended_[d.parent.index()] != Parent::finished) return false;
  return true;
}

bool JobSource::is_doomed(const JobSpec& spec) const {
  for (const Dependency& d : spec.after)
    if (d.hard && ended_[d.parent.index()] == Parent::lost) return true;
  return false;
}

void JobSource::release(Time now, std::vector<Event>& out) {
  for (; next_ < specs_->size() && (*specs_)[next_].submit <= now; ++next_) {
    const JobSpec& spec = (*specs_)[next_];
    Event e;
    e.at = now;
    e.job = spec.id;
    e.kind = EventKind::submit;
    const std::optional<Duration> estimate = estimate_(spec);
    e.value = estimate ? estimate->ns : -1;
    out.push_back(e);
    if (!spec.after.empty() && !may_run(spec)) continue;
    e.kind = EventKind::ready;
    e.value = 0;
    out.push_back(e);
  }
}

void JobSource::ended(Time now, JobId job, bool finished, std::vector<Event>& out, std::vector<JobId>& doomed) {
  if (children_.empty()) return;
  ended_[job.index()] = finished ? Parent::finished : Parent::lost;
  for (const JobId child : children_[job.index()]) {
    if (child.index() >= next_) continue;  // not announced yet: release() will look
    const JobSpec& spec = (*specs_)[child.index()];
    if (is_doomed(spec)) {
      doomed.push_back(child);
    } else if (finished && may_run(spec)) {
      Event e;
      e.at = now;
      e.kind = EventKind::ready;
      e.job = child;
      out.push_back(e);
    }
  }
}

}  // namespace orrery

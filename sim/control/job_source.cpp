#include "sim/control/job_source.hpp"

#include <algorithm>
#include <utility>

namespace orrery {

JobSource::JobSource(const std::vector<JobSpec>& specs, EstimateOf estimate)
    : specs_(&specs), estimate_(std::move(estimate)) {
  for (const JobSpec& spec : specs) {
    if (spec.after.empty()) continue;
    if (children_.empty()) {
      children_.resize(specs.size());
      parents_.resize(specs.size());
      ready_.resize(specs.size());
    }
    for (const Dependency& d : spec.after) children_[d.parent.index()].push_back(spec.id);
  }
}

Time JobSource::next_submit() const {
  return exhausted() ? kNever : (*specs_)[next_].submit;
}

bool JobSource::may_run(const JobSpec& spec) const {
  for (const Dependency& d : spec.after)
    if (d.hard && parents_[d.parent.index()].progress_per_mille < d.progress_per_mille) return false;
  return true;
}

bool JobSource::is_doomed(const JobSpec& spec) const {
  for (const Dependency& d : spec.after) {
    const Parent& parent = parents_[d.parent.index()];
    if (d.hard && parent.ended && parent.progress_per_mille < d.progress_per_mille) return true;
  }
  return false;
}

void JobSource::release(Time now, std::vector<Event>& out) {
  for (; next_ < specs_->size() && (*specs_)[next_].submit <= now; ++next_) {
    const JobSpec& spec = (*specs_)[next_];
    out.push_back(Event{.at = now, .job = spec.id, .what = event::Submit{estimate_(spec)}});
    if (!spec.after.empty() && !may_run(spec)) continue;
    ready(now, spec, out);
  }
}

void JobSource::ready(Time now, const JobSpec& spec, std::vector<Event>& out) {
  if (!ready_.empty()) ready_[spec.id.index()] = true;
  out.push_back(Event{.at = now, .job = spec.id, .what = event::Ready{}});
}

void JobSource::published(Time now, JobId job, std::int32_t per_mille, std::vector<Event>& out) {
  if (children_.empty()) return;
  Parent& parent = parents_[job.index()];
  parent.progress_per_mille = std::max(parent.progress_per_mille, per_mille);
  for (const JobId child : children_[job.index()]) {
    if (child.index() >= next_ || ready_[child.index()]) continue;  // not announced yet: release() will look
    const JobSpec& spec = (*specs_)[child.index()];
    if (may_run(spec)) ready(now, spec, out);
  }
}

void JobSource::ended(Time now, JobId job, bool finished, std::vector<Event>& out, std::vector<JobId>& doomed) {
  if (children_.empty()) return;
  parents_[job.index()].ended = true;
  if (finished) return published(now, job, 1000, out);
  for (const JobId child : children_[job.index()]) {
    if (child.index() >= next_ || ready_[child.index()]) continue;
    if (is_doomed((*specs_)[child.index()])) doomed.push_back(child);
  }
}

}  // namespace orrery

#include "sim/api/view.hpp"

#include <algorithm>

namespace orrery {

Rate believed_rate(const JobRecord& r, const Predictor& predict) {
  if (r.measured) return r.measured->rate;
  const Rate rate = r.in_gang ? *r.in_gang : predict.speed(*r.spec, r.held, r.held_config, {}).rate;
  return r.spec->phases.empty() ? rate : times(rate, phase_speed(*r.spec, r.phase, r.held.gpu_count()));
}

Rate JobView::pace() const {
  if (spec->phases.empty() || held == nullptr) return rate;
  const std::int64_t speed = phase_speed(*spec, phase, held->gpu_count()).per_billion;
  return Rate{static_cast<std::int64_t>(static_cast<Int128>(rate.per_billion) * kUnitRate.per_billion / speed)};
}

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
  v.done = r.done;
  v.committed = r.committed;
  v.estimate = r.estimate;
  if (r.state == JobState::running) {
    v.ran += now - r.since;
    v.attained += gpu_time(now - r.since, own_milli_gpus(r));
    v.rate = believed_rate(r, *predict);
    v.done = v.done + work_in(now - r.done_at, v.rate);
  } else if (r.known && (r.state == JobState::pending || r.state == JobState::submitted)) {
    v.waited += now - r.since;
  }
  v.held = holds_gpus(r.state) ? &r.held : nullptr;
  v.target = r.has_target ? &r.target : nullptr;
  v.measured = r.measured ? &*r.measured : nullptr;
  v.cpu_per_sample = r.cpu_per_sample;
  v.phase = r.phase;
  return v;
}

GpuTime ClusterView::attained(JobId id, std::uint32_t type) const {
  if (topology->gpu_types().size() < 2) return type == 0 ? job(id).attained : GpuTime{};
  GpuTime sum;
  if (tables_.attained_on != nullptr && id.index() < tables_.attained_on->size())
    if (const std::vector<GpuTime>& before = (*tables_.attained_on)[id.index()]; type < before.size())
      sum = before[type];
  const JobRecord& r = record(id);
  if (r.state != JobState::running || r.held_sharing == Sharing::filler) return sum;
  for (const NodeSlice& s : r.held.slices())
    if (topology->node(s.node).type == type) sum += gpu_time(now - r.since, s.milli_gpus());
  return sum;
}

std::span<const JobId> ClusterView::gang(JobId id) const {
  const JobRecord& r = record(id);
  if (tables_.merged == nullptr || r.held_sharing != Sharing::merged) return {};
  const auto at = tables_.merged->find(r.held_group);
  return at == tables_.merged->end() ? std::span<const JobId>() : std::span<const JobId>(at->second);
}

std::span<const JobId> ClusterView::fillers(JobId host) const {
  if (tables_.fillers == nullptr) return {};
  const auto at = tables_.fillers->find(host);
  return at == tables_.fillers->end() ? std::span<const JobId>() : std::span<const JobId>(at->second);
}

FeatureState ClusterView::features(JobId job, JobId parent, std::uint32_t version) const {
  if (tables_.features == nullptr) return FeatureState::none;
  return tables_.features->state({spec(job).features.set, parent, parent.valid() ? version : 0});
}

FeatureState ClusterView::features(JobId job) const {
  for (const Dependency& d : spec(job).after)
    if (const auto all = versions(d.parent); !all.empty()) return features(job, d.parent, all.back().number);
  return features(job, JobId{}, 0);
}

std::optional<Work> ClusterView::work_after(const JobView& job, Work done) const {
  if (const auto all = predict->work_of(*job.spec)) return Work{std::max<std::int64_t>(all->ns - done.ns, 0)};
  if (!job.estimate || job.estimate->total == kForever) return std::nullopt;
  return Work{job.estimate->total.ns > done.ns ? job.estimate->total.ns - done.ns : 1};
}

Duration ClusterView::time_left(const JobView& job, std::int32_t gpus) const {
  const auto left = work_after(job, job.done);
  return left ? time_for(job, *left, gpus) : kForever;
}

Duration ClusterView::time_for(const JobView& job, Work work, std::int32_t gpus) const {
  GpuTypeMask types = 0;
  if (job.held != nullptr && topology->gpu_types().size() > 1)
    for (const NodeSlice& s : job.held->slices())
      if (s.gpu_count() > 0) types |= GpuTypeMask{1} << topology->node(s.node).type;
  const RunConfig config = job.target != nullptr ? job.target->config : RunConfig{};
  return predict->time_for(*job.spec, work, Shape::packed(gpus, types), config);
}

}  // namespace orrery

// The book's jobs at other speeds than before: merged with others, with another batch, on nodes that are slow.
#include <algorithm>

#include "sim/api/job_phases.hpp"
#include "sim/models/speed/colocation.hpp"
#include "sim/observe/check/work_book.hpp"

namespace orrery {

// One step of each of those that are merged, and so on.
Rate WorkBook::present_rate(const Launch& l) const {
  const Rate alone = times(times(in_turns(l.base, l.turns), l.phase), l.decodes);
  const auto gang = merged_.find(l.merged);
  if (!l.merged.valid() || gang == merged_.end()) return slowed(in_bubbles(l, alone), l.slowdown);
  std::vector<MergedPart> parts;
  std::optional<std::size_t> own;
  for (const std::uint32_t slot : gang->second) {
    if (&launches_[slot] == &l) own = parts.size();
    parts.push_back(launches_[slot].part);
  }
  // One that stands is not in its gang.
  return slowed(in_bubbles(l, own ? merged_speed(alone, *own, parts) : alone), l.slowdown);
}

// In the bubbles of its host, with others in its own.
Rate WorkBook::in_bubbles(const Launch& l, Rate rate) const {
  if (l.host.valid()) rate = times(rate, fill_rate(spec(l.host).bubbles, l.use, l.config.fill_per_mille));
  return after_loss(rate, l.loss_ppm);
}

// A filler begins or ceases to run, or fills more or less.
void WorkBook::fill(const Launch& filler, bool comes) {
  std::map<JobId, std::int64_t>& all = fillers_[filler.host];
  all.erase(filler.job);
  const Bubbles& bubbles = spec(filler.host).bubbles;
  if (comes) all[filler.job] = fill_loss_ppm(bubbles, filler.use, filler.config.fill_per_mille, world_.fill_cost);
  if (Launch* const host = launch_of(entries_[filler.host.index()])) {
    host->loss_ppm = 0;
    for (const auto& [job, loss] : all) host->loss_ppm = std::max(host->loss_ppm, loss);
    mark(*host);
  }
  if (all.empty()) fillers_.erase(filler.host);
}

void WorkBook::refresh(Entry& e, Launch& l) {
  const Rate rate = present_rate(l);
  if (rate == e.now.rate && !l.fresh) return;
  if (e.runs) {
    remember(e, l);
    advance(&l, e.now, now_);
    e.settled += 1;
  }
  e.now.rate = rate;
  if (!e.runs) return;
  l.fresh = false;
  if (in_stretches()) begin_stretch(l, e.now);
}

// Saves are told of when they end: what was before must not be forgotten until then.
void WorkBook::remember(Entry& e, Launch& l) {
  if (!saves_take_time()) return;
  while (l.history.size() > 1 && l.history[1].since + world_.longest_save <= now_) l.history.erase(l.history.begin());
  l.history.push_back(e.now);
}

void WorkBook::reconfigure(JobId job, const RunConfig& config) {
  Launch* l = launch_of(entries_[job.index()]);
  if (l == nullptr) return;
  l->config = config;
  if (l->host.valid() && entries_[job.index()].runs) fill(*l, true);
  if (!in_stretches() && world_.speed != nullptr) l->base = world_.speed->speed(spec(job), l->gpus, config, {}).rate;
  l->fresh = true;
  mark(*l);
  const auto gang = merged_.find(l->merged);
  if (!l->merged.valid() || gang == merged_.end()) return;
  l->part = world_.speed->merged_part(spec(job), l->gpus, config);
  for (const std::uint32_t other : gang->second) mark(launches_[other]);
}

void WorkBook::in_phase(Launch& l, std::int32_t phase, bool runs) {
  const JobSpec& s = spec(l.job);
  l.phase = phase_speed(s, phase, l.gpus.gpu_count());
  if (cpus_ && runs && (!s.phases.empty() || s.demand.cpu_milli > 0)) cpus_->enter(s, l.gpus, decode_cpus(s, phase));
}

void WorkBook::enter_phase(JobId job, std::int32_t phase) {
  Entry& e = entries_[job.index()];
  Launch* l = launch_of(e);
  if (l == nullptr || spec(job).phases.empty()) return;
  in_phase(*l, phase, e.runs);
  mark(*l);
}

void WorkBook::slow(NodeId node, Slowdown slowdown) {
  if (!world_.slow_nodes) return;
  slowdown_[node.index()] = slowdown;
  for (const std::uint32_t slot : there_[node.index()]) {
    Launch& l = launches_[slot];
    l.slowdown = kFullSpeed;
    for (const NodeSlice& s : l.gpus.slices()) l.slowdown = std::max(l.slowdown, slowdown_[s.node.index()]);
    mark(l);
  }
}

}  // namespace orrery

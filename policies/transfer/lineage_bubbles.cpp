#include "policies/transfer/lineage_bubbles.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sim/api/job_phases.hpp"
#include "sim/core/node_widths.hpp"

namespace orrery {
namespace {

constexpr std::int32_t kGrows = kWholeFill / 8;   // per report
constexpr std::int32_t kLeast = kWholeFill / 16;  // below it fillers leave
constexpr std::int64_t kPpm = 1'000'000;
constexpr std::size_t kMostLooked = 64;  // of those who wait, and of hosts for each, at one decision

std::pair<std::int64_t, JobId> by_flops(const JobSpec& spec) {
  return {-spec.tflop, spec.id};
}

// The first `gpus` of those that are free, with what they take of CPUs and memory; empty: there are not so many, or
// not of a type that the job may use.
Allocation first_of(const ClusterView& view, const Allocation& free, const Demand& d) {
  Allocation taken;
  int missing = d.gpus;
  for (const NodeSlice& s : free.slices()) {
    if (missing == 0) break;
    if (d.gpu_types != 0 && ((d.gpu_types >> view.topology->node(s.node).type) & 1) == 0) continue;
    NodeSlice own;
    own.node = s.node;
    own.gpus = s.gpus.lowest(missing);
    missing -= own.gpu_count();
    own.cpu_milli = part_of_job(d, d.cpu_milli, own.gpu_count());
    own.mem_bytes = part_of_job(d, d.mem_bytes, own.gpu_count());
    taken.add(own);
  }
  if (missing > 0) taken.clear();
  return taken;
}

Allocation without(const Allocation& gpus, const Allocation& taken) {
  Allocation left;
  for (NodeSlice s : gpus.slices()) {
    for (const NodeSlice& t : taken.slices())
      if (t.node == s.node) s.gpus &= ~t.gpus;
    if (s.gpus.any()) left.add(s);
  }
  return left;
}

// Where it is, under the plan.
bool goes_on(const ClusterView& view, const PlanBuilder& plan, JobId host) {
  const Allocation* const planned = plan.planned(host);
  return view.state(host) == JobState::running && planned != nullptr && *planned == *view.held(host) &&
         plan.target(host)->act == Act::run;
}

// The speed that a job has in one phase, as it is in another one, which its `phases` say.
Rate in_phase(const JobSpec& spec, Rate alone, std::int32_t before, std::int32_t now, std::int32_t gpus) {
  const Rate was = phase_speed(spec, before, gpus);
  if (was.per_billion <= 0) return {};
  const Int128 is = static_cast<Int128>(alone.per_billion) * phase_speed(spec, now, gpus).per_billion;
  return {static_cast<std::int64_t>(is / was.per_billion)};
}

}  // namespace

std::int32_t next_fill(std::int32_t rate, std::int64_t slow_ppm, std::int64_t epsilon_ppm) {
  if (slow_ppm > epsilon_ppm) return rate / 2 < kLeast ? 0 : rate / 2;
  const std::int32_t more = std::min(rate + kGrows, kWholeFill);
  return slow_ppm * more <= epsilon_ppm * rate ? more : rate;
}

void LineageBubbles::follow(const ClusterView& view, const Event& e) {
  if (!options_.on || !e.job.valid()) return;
  const JobSpec& spec = view.spec(e.job);
  const bool ended = is_final(view.state(e.job));
  const auto filler = fillers_.find(e.job);
  switch (e.kind()) {
    case EventKind::started:
      if (filler != fillers_.end() && view.target(e.job) != nullptr && view.target(e.job)->config.host.valid()) {
        filler->second.runs = true;
        align_.insert(filler->second.host);
      }
      if (spec.bubbles.any() && filler == fillers_.end()) hosts_[e.job] = Host{};
      break;
    case EventKind::progress: reported(view, e.job); break;
    case EventKind::reconfigured:
      if (filler == fillers_.end()) break;
      filler->second.told = e.get<event::Reconfigured>().fill_per_mille;
      align_.insert(filler->second.host);
      break;
    case EventKind::command_failed:
      if (filler != fillers_.end()) filler->second.asked = filler->second.told;
      break;
    case EventKind::stopped:
    case EventKind::suspended:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off:
    case EventKind::finished:
    case EventKind::reject:
    case EventKind::cancel:
      if (filler != fillers_.end() && (ended || view.target(e.job) == nullptr)) {
        forget(e.job);
        waits(spec);
      }
      hosts_.erase(e.job);
      changed_ = true;
      if (ended) waiting_.erase(by_flops(spec));
      break;
    default: break;
  }
}

void LineageBubbles::waits(const JobSpec& spec) {
  const bool whole = spec.demand.gpus > 0 && spec.demand.milli_per_gpu == kMilliPerGpu;
  if (!options_.on || spec.fills.unit.ns <= 0 || !whole || spec.min_gpus != spec.max_gpus) return;
  waiting_.insert(by_flops(spec));
  changed_ = true;
}

void LineageBubbles::starts(const JobSpec& spec) {
  waiting_.erase(by_flops(spec));
  forget(spec.id);
}

void LineageBubbles::held(const JobSpec& spec) {
  waiting_.erase(by_flops(spec));
}

void LineageBubbles::forget(JobId job) {
  const auto filler = fillers_.find(job);
  if (filler == fillers_.end()) return;
  if (const auto host = hosts_.find(filler->second.host); host != hosts_.end()) host->second.fillers.erase(job);
  fillers_.erase(filler);
  changed_ = true;
}

// Of a report that follows another one between which nothing changed: how fast it is alone, or beside its fillers.
void LineageBubbles::reported(const ClusterView& view, JobId job) {
  const auto at = hosts_.find(job);
  if (at == hosts_.end()) return;
  const JobView v = view.job(job);
  if (v.measured == nullptr || v.measured->at != view.now || v.measured->rate.per_billion <= 0) return;
  Host& host = at->second;
  if (const std::int32_t before = std::exchange(host.phase, v.phase); before != v.phase)
    host.alone = in_phase(*v.spec, host.alone, before, v.phase, v.held->gpu_count());
  if (view.fillers(job).empty()) {
    changed_ = changed_ || host.alone.per_billion == 0 || host.rests_until.ns > 0;
    if (host.rests_until <= view.now) host.rests_until = {};
    host.alone = v.measured->rate;
  } else if (host.alone.per_billion > 0) {
    const Int128 more = static_cast<Int128>(host.alone.per_billion) * kPpm / v.measured->rate.per_billion;
    slow_[job] = static_cast<std::int64_t>(more) - kPpm;
  }
}

void LineageBubbles::adjust(const ClusterView& view, PlanBuilder& plan) {
  for (const auto& [job, slow_ppm] : std::exchange(slow_, {})) {
    const auto at = hosts_.find(job);
    if (at == hosts_.end()) continue;
    Host& host = at->second;
    const std::int32_t next = next_fill(host.rate, slow_ppm, options_.epsilon_ppm);
    const bool less = next < host.rate;
    host.rate = next > 0 ? next : kGrows;
    align_.insert(job);
    if (next == 0) host.rests_until = view.now + options_.rest;
    for (const JobId filler : host.fillers) {
      if (less) plan.reason({filler, ReasonCode::throttled, slow_ppm, job, next});
      if (next == 0) plan.preempt(filler);
    }
  }
  for (const JobId id : std::exchange(align_, {})) {
    const auto host = hosts_.find(id);
    if (host == hosts_.end()) continue;
    for (const JobId job : host->second.fillers) {
      Filler& f = fillers_.at(job);
      if (!f.runs || f.asked == host->second.rate || plan.planned(job) == nullptr) continue;
      RunConfig config;
      config.fill_per_mille = f.asked = host->second.rate;
      plan.command({job, Command::Kind::fill, config});
    }
  }
}

bool LineageBubbles::moves(JobId job, Duration left, Duration restart) const {
  const Filler& f = fillers_.at(job);
  const Duration there = time_for(Work{left.ns}, Rate{f.share.per_billion / kWholeFill * f.told});
  return left != kForever && there > left + restart;
}

bool LineageBubbles::stays(const ClusterView& view, const PlanBuilder& plan, JobId job) const {
  const auto filler = fillers_.find(job);
  return filler != fillers_.end() && goes_on(view, plan, filler->second.host);
}

bool LineageBubbles::can_be_filled(const ClusterView& view, const PlanBuilder& plan, JobId host) const {
  const Host& h = hosts_.at(host);
  return h.alone.per_billion > 0 && h.rests_until <= view.now && goes_on(view, plan, host);
}

// The stage in which the job is fastest, of those that have enough GPUs that nobody fills.
LineageBubbles::Place LineageBubbles::place(const ClusterView& view, JobId job, JobId host) const {
  Place best;
  const JobSpec& spec = view.spec(job);
  const Bubbles& bubbles = view.spec(host).bubbles;
  for (std::int32_t stage = 0; stage < bubbles.stages; ++stage) {
    const Rate share = fill_rate(bubbles, stage_use(bubbles, stage, spec.fills), kWholeFill);
    if (share <= best.share) continue;
    Allocation free = stage_gpus(bubbles, *view.held(host), stage);
    for (const JobId other : hosts_.at(host).fillers) free = without(free, fillers_.at(other).gpus);
    Allocation gpus = first_of(view, free, spec.demand);
    if (!gpus.empty()) best = {std::move(gpus), share};
  }
  return best;
}

bool LineageBubbles::put(const ClusterView& view, PlanBuilder& plan, JobId job, const std::vector<JobId>& hosts,
                         const Opinion& of) {
  for (const JobId id : hosts) {
    Host& host = hosts_.at(id);
    const Place at = place(view, job, id);
    if (at.gpus.empty()) continue;
    RunConfig config;
    config.host = id;
    config.fill_per_mille = host.rate;
    const PlanBuilder::Mark before = plan.mark();
    if (!plan.run(job, at.gpus, config, Sharing::filler)) continue;  // CPUs or memory
    plan.rollback(before);
    config = of.start(job);
    config.host = id;
    config.fill_per_mille = host.rate;
    plan.run(job, at.gpus, config, Sharing::filler);
    const std::int64_t share = at.share.per_billion / (kUnitRate.per_billion / 1000);
    plan.reason({job, ReasonCode::fills, share * host.rate / kWholeFill, id, 0});
    host.fillers.insert(job);
    fillers_[job] = {id, at.gpus, at.share, host.rate, host.rate, false};
    return true;
  }
  return false;
}

void LineageBubbles::fill(const ClusterView& view, PlanBuilder& plan, const Opinion& of) {
  if (!options_.on || !changed_ || hosts_.empty()) return;
  changed_ = false;
  std::vector<JobId> hosts;
  for (const auto& [id, host] : hosts_)
    if (hosts.size() < kMostLooked && can_be_filled(view, plan, id)) hosts.push_back(id);
  if (hosts.empty()) return;
  std::size_t looked = 0;
  for (auto at = waiting_.begin(); at != waiting_.end() && looked < kMostLooked; ++looked) {
    const JobId job = at->second;
    const bool idle = view.state(job) == JobState::pending && plan.planned(job) == nullptr;
    at = idle && of.waits(job) && put(view, plan, job, hosts, of) ? waiting_.erase(at) : std::next(at);
  }
}

}  // namespace orrery

#include "sim/world/sim_speed.hpp"

#include <algorithm>
#include <utility>

#include "sim/api/emulation.hpp"
#include "sim/api/job_phases.hpp"
#include "sim/models/speed/colocation.hpp"

namespace orrery {

SimSpeed::SimSpeed(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                   const NetworkModel* network, const ProgressRule* rule, const FillCost& fill_cost)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      rule_(rule),
      in_stretches_(model.in_stretches()),
      fill_cost_(fill_cost) {
  if (network != nullptr) contention_.emplace(*network);
  if (model.minds_neighbours()) neighbours_.emplace(topology, workload.specs.size(), model.places());
}

// As the model says; where it does not know, the run is over.
Rate SimSpeed::speed_of(SimTable& t, const SimGang& g, const Allocation& gpus, const RunConfig& config,
                        std::span<const JobId> with) const {
  const Speed speed = model_->speed(spec(g.job), gpus, config, with);
  if (!speed.known && t.broken.empty()) t.broken = model_->unknown(spec(g.job), gpus, config);
  return speed.rate;
}

void SimSpeed::enter(SimTable& t, SimGang& g, const LaunchRequest& request, const Member& member, bool keeps) {
  const RunConfig& config = member.config;
  if (config.other_batch() && t.broken.empty() &&
      model_->refusal(spec(g.job), *request.gpus, config) == Refusal::out_of_range)
    t.broken = model_->unknown(spec(g.job), *request.gpus, config);
  g.healthy = in_stretches_ ? kUnitRate : speed_of(t, g, *request.gpus, config, {});
  g.rate = g.healthy;
  g.turns = 1;
  g.in_group = request.sharing == Sharing::interleaved && !model_->knows_sharing();
  if (g.in_group && !neighbours_) neighbours_.emplace(*topology_, workload_->specs.size());
  g.fills = config.host.valid();
  g.has_bubbles = spec(g.job).bubbles.any();
  if (g.fills) g.stage = stage_of(spec(config.host).bubbles, std::as_const(t.gangs)[config.host].gpus, *request.gpus);
  if (!in_stretches_ && !contention_ && !neighbours_ && !g.merged && !g.fills && !g.has_bubbles && !keeps) return;
  g.gpus = *request.gpus;
  g.config = config;
}

void SimSpeed::start(const SimGang& g) {
  if (contention_) contention_->start(g.job, g.gpus, g.merged ? std::optional(g.id.value) : std::nullopt);
  if (g.fills) filled_.start(g.job, g.config.host, loss_of(g));
  if (neighbours_ && !g.fills && (g.in_group || model_->minds_neighbours())) neighbours_->start(g.job, g.gpus);
  if (g.merged) merged_.start(g.id, g.job, model_->merged_part(spec(g.job), g.gpus, g.config));
}

void SimSpeed::stop(const SimGang& g) {
  if (contention_) contention_->stop(g.job);
  if (neighbours_) neighbours_->stop(g.job);
  if (g.fills) filled_.stop(g.job, g.config.host);
  if (g.merged) merged_.stop(g.id, g.job);
}

StageUse SimSpeed::use_of(const SimGang& filler) const {
  return stage_use(spec(filler.config.host).bubbles, filler.stage, spec(filler.job).fills);
}

std::int64_t SimSpeed::loss_of(const SimGang& filler) const {
  return fill_loss_ppm(spec(filler.config.host).bubbles, use_of(filler), filler.config.fill_per_mille, fill_cost_);
}

// Of the merged its steps take another time, for the others as well.
void SimSpeed::reconfigured(const SimGang& g) {
  if (g.fills && g.phase == SimGang::Phase::running) filled_.start(g.job, g.config.host, loss_of(g));
  if (!g.merged) return;
  merged_.stop(g.id, g.job);
  merged_.start(g.id, g.job, model_->merged_part(spec(g.job), g.gpus, g.config));
}

// Next to those on its GPUs that are in gangs of their own.
Rate SimSpeed::beside(SimTable& t, const SimGang& g) {
  std::span<const JobId> with = neighbours_->with(g.job);
  if (g.merged) {
    apart_.assign(with.begin(), with.end());
    std::erase_if(apart_, [&](JobId other) { return t.gangs[other].id == g.id; });
    with = apart_;
  }
  return in_stretches_ ? model_->share(spec(g.job), g.gpus, with) : speed_of(t, g, g.gpus, g.config, with);
}

Rate SimSpeed::present(const SimGang& g) const {
  Rate rate = times(times(in_turns(g.healthy, g.turns), g.at_speed), g.decodes);
  if (g.merged) rate = merged_.in_gang(g.id, g.job, rate);
  if (g.fills) rate = times(rate, fill_rate(spec(g.config.host).bubbles, use_of(g), g.config.fill_per_mille));
  if (g.has_bubbles) rate = after_loss(rate, filled_.loss_ppm(g.job));
  return slowed(rate, g.slowdown);
}

void SimSpeed::settle(SimGang& g, Time now) const {
  if (g.phase != SimGang::Phase::running || g.saving) return;
  const Duration gone = now - g.since;
  g.since = now;
  if (!in_stretches_) {
    g.done = g.done + work_in(gone, g.rate);
  } else if (gone >= g.stretch.left) {
    g.done = g.stretch.until;
    g.stretch.left = Duration{0};
  } else {
    const Int128 work = static_cast<Int128>((g.stretch.until - g.done).ns) * gone.ns / g.stretch.left.ns;
    g.done = g.done + Work{static_cast<std::int64_t>(work)};
    g.stretch.left -= gone;
  }
}

Duration SimSpeed::time_to(const SimGang& g, Work at) const {
  if (!in_stretches_) return time_for(at - g.done, g.rate);
  const Work whole = g.stretch.until - g.done;
  if (at > g.stretch.until || g.stretch.left == kForever || whole.ns <= 0) return kForever;
  const Int128 ns = (static_cast<Int128>(g.stretch.left.ns) * (at - g.done).ns + whole.ns - 1) / whole.ns;
  return Duration{static_cast<std::int64_t>(ns)};
}

bool SimSpeed::done_within(const SimGang& g, Duration d) const {
  const Work left = g.total - g.done;
  if (!in_stretches_) return time_for(left, g.rate) <= d;
  return g.stretch.until - g.done == left && g.stretch.left <= d;
}

void SimSpeed::plan_end(SimTable& t, SimGang& g) const {
  if (in_stretches_) return begin_stretch(t, g);
  const Duration needed = time_for(g.total - g.done, g.rate);
  if (needed == kForever) return;
  g.next = t.schedule(g, t.now + needed, Due::kFinishClass, {.what = Due::What::finish});
}

// From `done` on at the speed of where the job is now.
void SimSpeed::begin_stretch(SimTable& t, SimGang& g) const {
  g.stretch = model_->stretch(spec(g.job), g.gpus, g.config, g.done);
  if (!g.stretch.known && t.broken.empty()) t.broken = model_->unknown(spec(g.job), g.gpus, g.config);
  if (g.stretch.left == kForever) return;
  g.stretch.left = time_for(Work{g.stretch.left.ns}, g.rate);
  if (g.stretch.left == kForever) return;
  if (g.stretch.until > g.total) {  // a child with a head start has less to do than the model thinks
    g.stretch.left = time_to(g, g.total);
    g.stretch.until = g.total;
  }
  const Time ours = t.now + g.stretch.left;
  const Time end = rule_ != nullptr && rule_->stretch_end != nullptr ? rule_->stretch_end(ours, t.now) : ours;
  const bool last = g.stretch.until >= g.total;
  g.next = t.schedule(g, end, last ? Due::kFinishClass : Due::kProgressClass,
                      {.what = last ? Due::What::finish : Due::What::stretch_end});
}

void SimSpeed::end_stretch(SimTable& t, SimGang& g) const {
  g.next = DueQueue::kNone;
  g.done = g.stretch.until;
  g.since = t.now;
  begin_stretch(t, g);
}

// Models of one speed know no batch.
Refusal SimSpeed::refusal(const SimGang& g, const RunConfig& config) const {
  return in_stretches_ ? model_->refusal(spec(g.job), g.gpus, config) : Refusal::impossible;
}

}  // namespace orrery

#include "sim/api/plan.hpp"

#include <algorithm>

#include "sim/api/bubbles.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/node_widths.hpp"

namespace orrery {
namespace {

// Targets under which a job keeps its planned GPUs.
bool keeps_gpus(const Target& t) {
  return t.act == Act::run || t.act == Act::suspend;
}

// What the kind of sharing promises, whoever else is there: only fractions hold less than whole GPUs, and only jobs
// that share within a group name one.
void check_contract(JobId job, const Allocation& gpus, const RunConfig& config, Sharing sharing, GroupId group) {
  const bool fills = sharing == Sharing::filler;
  ORRERY_ASSERT(fills == config.host.valid(), "job {} {}", job.value,
                fills ? "is to fill bubbles, but names no host" : "names a host, but is not to fill its bubbles");
  ORRERY_ASSERT(!fills || (config.fill_per_mille >= 1 && config.fill_per_mille <= kWholeFill),
                "job {} is to fill {} thousandths of its host's bubbles", job.value, config.fill_per_mille);
  const bool grouped = sharing == Sharing::interleaved || sharing == Sharing::merged;
  ORRERY_ASSERT(grouped == group.valid(), "job {} {}", job.value,
                grouped ? "is to share within a group, but names none" : "names a group, but is to share with none");
  if (sharing == Sharing::fraction) return;
  for (const NodeSlice& s : gpus.slices())
    ORRERY_ASSERT(s.gpu_count() == 0 || s.milli_per_gpu == kMilliPerGpu,
                  "job {} is to hold {}: less than whole GPUs are shared as fractions", job.value, gpus.to_string());
}

}  // namespace

Demand resized(const Demand& demand, std::int32_t gpus) {
  Demand d = demand;
  if (demand.gpus <= 0 || gpus == demand.gpus) return d;
  d.gpus = gpus;
  d.cpu_milli = part_of_job(demand, demand.cpu_milli, gpus);
  d.mem_bytes = part_of_job(demand, demand.mem_bytes, gpus);
  return d;
}

void Plan::clear() {
  targets.clear();
  commands.clear();
  wake_at.reset();
  reasons.clear();
  reservations.clear();
}

PlanBuilder::PlanBuilder(const std::vector<JobRecord>& records, const DemandTable& demands, Inventory& planned)
    : records_(&records), demands_(&demands), planned_(&planned) {}

void PlanBuilder::begin(Time) {
  plan_.clear();
  entries_.clear();
  journal_.clear();
  before_.clear();
  ++plan_number_;
  ++generation_;
}

Plan& PlanBuilder::finish() {
  for (Entry& e : entries_) {
    const JobRecord& r = (*records_)[e.job.index()];
    if (!e.has_target) continue;
    if (r.has_target && r.target == e.target) continue;
    if (!r.has_target && e.target.act == Act::preempt && !holds_gpus(r.state)) continue;
    plan_.targets.emplace_back(e.job, std::move(e.target));
  }
  return plan_;
}

std::optional<std::size_t> PlanBuilder::find(JobId job) const {
  if (job.index() >= slot_.size() || slot_[job.index()].first != plan_number_) return std::nullopt;
  return slot_[job.index()].second;
}

const Target* PlanBuilder::current(JobId job) const {
  if (const auto at = find(job)) return entries_[*at].has_target ? &entries_[*at].target : nullptr;
  const JobRecord& r = (*records_)[job.index()];
  return r.has_target ? &r.target : nullptr;
}

const Allocation* PlanBuilder::planned(JobId job) const {
  const Target* t = current(job);
  return t != nullptr && keeps_gpus(*t) ? &t->gpus : nullptr;
}

void PlanBuilder::set(JobId job, Target&& t) {
  if (job.index() >= slot_.size()) slot_.resize(std::max(records_->size(), job.index() + 1));
  if (const auto at = find(job)) {
    Entry& e = entries_[*at];
    journal_.push_back({job, *at, false, e.has_target});
    if (e.has_target) before_.push_back(std::move(e.target));
    e.has_target = true;
    e.target = std::move(t);
    return;
  }
  journal_.push_back({job, entries_.size(), true, false});
  slot_[job.index()] = {plan_number_, static_cast<std::uint32_t>(entries_.size())};
  entries_.push_back({job, true, std::move(t)});
}

void PlanBuilder::release(JobId job, const Target& t) {
  (void)job;
  planned_->give(t.gpus, t.sharing, t.group);
  ++generation_;
}

bool PlanBuilder::start(JobId job, Placement& placement) {
  const JobSpec& spec = *(*records_)[job.index()].spec;
  return place(job, placement, spec.demand_class.index(), spec.demand, {});
}

bool PlanBuilder::start(JobId job, Placement& placement, const Ask& ask) {
  const JobSpec& spec = *(*records_)[job.index()].spec;
  Demand d = ask.gpus > 0 ? resized(spec.demand, ask.gpus) : spec.demand;
  if (ask.types != 0) {
    d.gpu_types = d.gpu_types == 0 ? ask.types : d.gpu_types & ask.types;
    if (d.gpu_types == 0) return false;  // of no type at all, which no demand can say
  }
  const bool own = d.gpus == spec.demand.gpus && d.gpu_types == spec.demand.gpu_types;
  const std::size_t as = own ? spec.demand_class.index() : asked(spec.demand_class, d.gpus, d.gpu_types);
  return place(job, placement, as, d, ask.config);
}

// Demands as they are have the numbers of their classes; the others those behind them, in order of appearance.
std::size_t PlanBuilder::asked(DemandClass demand, std::int32_t gpus, GpuTypeMask types) {
  return asked_.try_emplace({demand, gpus, types}, demands_->size() + asked_.size()).first->second;
}

bool PlanBuilder::place(JobId job, Placement& placement, std::size_t asked, const Demand& demand,
                        const RunConfig& config) {
  if (misfit_placement_ != &placement) {
    misfit_.clear();
    misfit_placement_ = &placement;
  }
  if (asked >= misfit_.size()) misfit_.resize(std::max(demands_->size(), asked + 1), 0);
  if (misfit_[asked] == generation_) return false;
  ORRERY_ASSERT(planned(job) == nullptr, "job {} already has GPUs in this plan", job.value);
  scratch_.clear();
  if (!placement.place(demand, *planned_, scratch_)) {
    misfit_[asked] = generation_;
    return false;
  }
  planned_->take(scratch_);
  Target t;
  t.sharing = demand.milli_per_gpu < kMilliPerGpu ? Sharing::fraction : Sharing::exclusive;
  t.gpus = scratch_;
  t.config = config;
  set(job, std::move(t));
  return true;
}

bool PlanBuilder::run(JobId job, const Allocation& gpus, const RunConfig& config, Sharing sharing, GroupId group) {
  check_contract(job, gpus, config, sharing, group);
  const Target* before = current(job);
  const bool held = before != nullptr && keeps_gpus(*before);
  if (held) planned_->give(before->gpus, before->sharing, before->group);
  if (!planned_->can_take(gpus, sharing, group)) {
    if (held) planned_->take(before->gpus, before->sharing, before->group);
    return false;
  }
  if (held) ++generation_;
  planned_->take(gpus, sharing, group);
  Target t;
  t.gpus = gpus;
  t.config = config;
  t.sharing = sharing;
  t.group = group;
  set(job, std::move(t));
  return true;
}

void PlanBuilder::configure(JobId job, const RunConfig& config) {
  const Target* before = current(job);
  ORRERY_ASSERT(before != nullptr && keeps_gpus(*before), "job {} has no GPUs to run on", job.value);
  Target t = *before;
  t.config = config;
  t.config.host = before->config.host;
  t.config.fill_per_mille = before->config.fill_per_mille;
  set(job, std::move(t));
}

void PlanBuilder::suspend(JobId job) {
  const Target* before = current(job);
  ORRERY_ASSERT(before != nullptr && keeps_gpus(*before), "job {} has no GPUs to be suspended on", job.value);
  ORRERY_ASSERT(before->sharing != Sharing::merged,
                "job {} is merged with others: it can be preempted, not suspended", job.value);
  Target t = *before;
  t.act = Act::suspend;
  set(job, std::move(t));
}

void PlanBuilder::end(JobId job, Act act) {
  const Target* before = current(job);
  if (before != nullptr && keeps_gpus(*before)) release(job, *before);
  Target t;
  t.act = act;
  set(job, std::move(t));
}

void PlanBuilder::wake_at(Time t) {
  if (!plan_.wake_at || t < *plan_.wake_at) plan_.wake_at = t;
}

void PlanBuilder::rollback(Mark m) {
  while (journal_.size() > m.journal) {
    Undo& u = journal_.back();
    Entry& e = entries_[u.entry];
    if (e.has_target && keeps_gpus(e.target)) planned_->give(e.target.gpus, e.target.sharing, e.target.group);
    const Target* restored = nullptr;
    if (u.fresh) {
      const JobRecord& r = (*records_)[u.job.index()];
      restored = r.has_target ? &r.target : nullptr;
    } else if (u.had_target) {
      e.target = std::move(before_.back());
      before_.pop_back();
      restored = &e.target;
    }
    if (restored != nullptr && keeps_gpus(*restored))
      planned_->take(restored->gpus, restored->sharing, restored->group);
    if (u.fresh) {
      ORRERY_ASSERT(u.entry + 1 == entries_.size(), "rollback out of order");
      slot_[u.job.index()] = {0, 0};
      entries_.pop_back();
    } else {
      e.has_target = u.had_target;
    }
    journal_.pop_back();
  }
  ++generation_;
}

}  // namespace orrery

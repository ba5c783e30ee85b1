#include "policies/order/tiresias.hpp"

#include "policies/registry.hpp"
#include "sim/core/assert.hpp"

namespace orrery {

// GPU-time (milli-GPU-ns) or time (ns) until the limit of the job's queue.
Int128 Tiresias::service_left(const Job& j, const JobView& v) const {
  const Duration limit = options_.limits[j.queue];
  if (!options_.count_gpus) return static_cast<Int128>(limit.ns) - (v.ran - j.ran_base).ns;
  return gpu_time(limit, kMilliPerGpu).milli_gpu_ns - (v.attained - j.attained_base).milli_gpu_ns;
}

void Tiresias::forget_times(Job& j, JobId id) {
  if (j.crosses != kNever) crossings_.erase({j.crosses, id});
  if (j.starves != kNever) starving_.erase({j.starves, id});
  j.crosses = j.starves = kNever;
}

// While a job starts up it attains nothing, so this is the earliest time; it is looked at again then.
void Tiresias::expect_crossing(Job& j, const JobView& v, Time now) {
  if (j.crosses != kNever) crossings_.erase({j.crosses, v.id()});
  j.crosses = kNever;
  if (!sinks(j)) return;
  const Int128 left = std::max<Int128>(service_left(j, v), 1);
  const Int128 speed = options_.count_gpus ? std::max<Int128>(v.spec->demand.milli_gpus(), 1) : 1;
  Int128 ns = (left + speed - 1) / speed;
  // One that still starts up is not looked at again at once, however little it lacks.
  if (v.state == JobState::starting) ns = std::max<Int128>(ns, milliseconds(1).ns);
  j.crosses = now + Duration{ns > kForever.ns ? kForever.ns : static_cast<std::int64_t>(ns)};
  crossings_.insert({j.crosses, v.id()});
}

void Tiresias::expect_starvation(Job& j, const JobView& v, Time now) {
  if (options_.starvation <= 0 || j.queue == 0 || !j.has_run) return;
  const Duration executed = v.ran - j.ran_base;
  const Duration waited = v.waited - j.waited_base;
  const Int128 left = static_cast<Int128>(executed.ns) * options_.starvation - waited.ns;
  j.starves = now + Duration{static_cast<std::int64_t>(std::min<Int128>(left, kForever.ns))};
  starving_.insert({j.starves, v.id()});
}

void Tiresias::demote(Job& j, const JobView& v) {
  if (j.crosses != kNever) crossings_.erase({j.crosses, v.id()});
  j.crosses = kNever;
  j.queue += 1;
  j.position = back_[j.queue]++;
  demoted_.push_back(v.id());
  if (order_.find_running(v.id()) != nullptr) order_.rerank_running(v.id(), rank(j));
  order_.rank_changed();
}

void Tiresias::promote(Job& j, const JobView& v) {
  forget_times(j, v.id());
  j.queue = 0;
  j.position = back_[0]++;
  j.ran_base = v.ran;
  j.attained_base = v.attained;
  j.has_run = false;
  order_.rerank_waiting(v, rank(j));
  order_.rank_changed();
}

void Tiresias::follow(const ClusterView& view, const Event& e) {
  const StrictPriority::Fate fate = order_.follow(view, e);
  if (fate == StrictPriority::Fate::unchanged) return;
  Job& j = job(e.job);
  forget_times(j, e.job);
  if (fate == StrictPriority::Fate::ended) return;
  const JobView v = view.job(e.job);
  if (fate == StrictPriority::Fate::waits) {
    j.position = back_[j.queue]++;
    order_.add_waiting(v, rank(j));
    expect_starvation(j, v, view.now);
  } else {
    j.position = run_[j.queue]++;
    j.has_run = true;
    order_.add_running(v, rank(j));
    expect_crossing(j, v, view.now);
  }
}

// Restores the order of the lists after a decision: running jobs first, waiting ones behind them.
void Tiresias::settle_lists(const ClusterView& view, const StrictPriority::Result& result) {
  std::vector<std::pair<Rank, JobId>> joining;  // now running, but not yet in the running region
  for (const JobId id : result.started) joining.emplace_back(rank(job(id)), id);
  for (const JobId id : demoted_)
    if (order_.find_running(id) != nullptr && !order_.is_waiting(id)) joining.emplace_back(rank(job(id)), id);
  std::sort(joining.begin(), joining.end());
  joining.erase(std::unique(joining.begin(), joining.end()), joining.end());
  for (const auto& [old_rank, id] : joining) {
    Job& j = job(id);
    j.position = run_[j.queue]++;
    order_.rerank_running(id, rank(j));
  }
  for (std::size_t i = result.preempted.size(); i-- > 0;) {
    Job& j = job(result.preempted[i]);
    if (j.position >= kWaitRegion) continue;  // demoted just now: it already stands at the back
    j.position = --front_[j.queue];
    order_.rerank_waiting(view.job(result.preempted[i]), rank(j));
  }
}

namespace {

Time later(const std::set<std::pair<Time, JobId>>& times, Time now) {
  const auto it = times.upper_bound({now, JobId{}});
  return it == times.end() ? kNever : it->first;
}

}  // namespace

void Tiresias::wake_for_limits(const ClusterView& view, PlanBuilder& plan) {
  if (const Time crosses = later(crossings_, view.now); crosses != kNever) plan.wake_at(crosses);
}

std::vector<Tiresias::Sinking> Tiresias::sinking(const ClusterView& view) const {
  std::vector<Sinking> out;
  for (const StrictPriority::Running& r : order_.running()) {
    const Job& j = jobs_[r.job.index()];
    if (sinks(j)) out.push_back({r.job, r.gpus, view.job(r.job).ran - j.ran_base, options_.limits[j.queue]});
  }
  return out;
}

void Tiresias::schedule(const ClusterView& view, PlanBuilder& plan) {
  demoted_.clear();
  for (const Event& e : view.since_last) follow(view, e);

  std::vector<JobId> due;  // demotions and promotions of this instant, in order of arrival
  for (auto it = crossings_.begin(); it != crossings_.end() && it->first <= view.now; ++it) due.push_back(it->second);
  for (auto it = starving_.begin(); it != starving_.end() && it->first <= view.now; ++it) due.push_back(it->second);
  std::sort(due.begin(), due.end());
  for (const JobId id : due) {
    Job& j = job(id);
    const JobView v = view.job(id);
    if (j.starves <= view.now)
      promote(j, v);
    else if (service_left(j, v) <= 0)
      demote(j, v);
    if (order_.find_running(id) != nullptr) expect_crossing(j, v, view.now);
  }

  const StrictPriority::Result& result = order_.fill(view, plan, *placement_, true);
  for (const JobId id : result.preempted) {
    Job& j = job(id);
    forget_times(j, id);
    expect_starvation(j, view.job(id), view.now);
  }
  for (const JobId id : result.started) {
    Job& j = job(id);
    forget_times(j, id);
    const JobView v = view.job(id);
    if (!j.has_run) j.waited_base = v.waited;
    j.has_run = true;
    expect_crossing(j, v, view.now);
  }
  settle_lists(view, result);
  if (const Time starves = later(starving_, view.now); starves != kNever) plan.wake_at(starves);
  wake_for_limits(view, plan);
}

TiresiasOptions read_tiresias_options(OptionReader& options) {
  TiresiasOptions o;
  o.count_gpus = options.choice("service") == "dlas-gpu";
  o.limits = options.times("limits");
  o.starvation = options.integer("starvation");
  return o;
}

namespace {

std::unique_ptr<Policy> make_tiresias(PolicySetup setup, OptionReader& options) {
  return std::make_unique<Tiresias>(std::move(setup.placement), read_tiresias_options(options));
}

}  // namespace

const PolicyInfo tiresias_policy = {
    .name = "tiresias",
    .title = "discretised least attained service (2D-LAS), with preemption",
    .doc =
        "Jobs sink through queues as their attained service crosses the limits; queues are served in order, "
        "each in the order of its list, past jobs that do not fit; running jobs that are not served are "
        "preempted.",
    .source = "Gu et al., Tiresias, NSDI 2019",
    .make = make_tiresias,
    .options = {{"service",
                 "choice",
                 "dlas-gpu",
                 "what is attained: executed time x GPUs, or executed time alone",
                 {"dlas-gpu", "dlas"}},
                {"limits",
                 "gpu_time_list",
                 "[3250GPUs, 7200GPUs]",
                 "service at which a job moves to the next queue, one limit per queue but the last",
                 {},
                 1,
                 kMostTime},
                {"starvation",
                 "integer",
                 "0",
                 "N > 0: a job that has waited N times as long as it ran returns to the first queue; 0 = never",
                 {},
                 0,
                 kMany}},
    .capabilities = {.preempts = true},
};

}  // namespace orrery

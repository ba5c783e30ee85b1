// Tiresias (Gu et al., NSDI'19): discretised least attained service. Jobs sink through queues as their attained
// service (executed time, times GPUs for `dlas-gpu`) crosses limits; queues are served in order, each as a list
// that is kept from decision to decision: after every decision its running jobs stand before its waiting ones,
// their order otherwise unchanged. Strict-priority fill, the rest is preempted. With `starvation: N` a job that
// has waited N times as long as it has run (both since its first run or last promotion) returns to the first queue
// with its service forgotten. See docs/policies/attained-service.md.
#include <algorithm>
#include <set>

#include "policies/factories.hpp"
#include "policies/parts/strict_priority.hpp"
#include "policies/reference/interval_policies.hpp"
#include "sim/core/assert.hpp"

namespace orrery {
namespace {

// When a job's service reaches its queue's limit is what the reference simulators compute in ways of their own.
enum class Crossing { exact, tiresias, muri };

struct TiresiasOptions {
  bool count_gpus = true;        // dlas-gpu
  std::vector<Duration> limits;  // GPU-time (dlas-gpu) or executed time (dlas), increasing
  std::int64_t starvation = 0;   // 0 = never promote
  Crossing crossing = Crossing::exact;
};

class Tiresias final : public Policy {
 public:
  Tiresias(std::unique_ptr<Placement> placement, TiresiasOptions options)
      : placement_(std::move(placement)),
        options_(std::move(options)),
        back_(options_.limits.size() + 1, 0),
        front_(back_.size(), 0),
        run_(back_.size(), kRunRegion) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true}; }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 private:
  // Positions within a queue: running jobs stand in the first region, waiting ones behind it; a waiting job that
  // was just preempted goes to the front of its region, everything else to the back.
  static constexpr std::int64_t kRunRegion = -(std::int64_t{1} << 62);
  static constexpr std::int64_t kWaitRegion = -(std::int64_t{1} << 61);

  struct Job {
    std::size_t queue = 0;
    std::int64_t position = 0;
    Duration ran_base{};  // `ran`, `attained`, `waited` at the last promotion (or first run)
    GpuTime attained_base{};
    Duration waited_base{};
    Time crosses = kNever;  // its entry in crossings_
    Time starves = kNever;  // its entry in starving_
    bool has_run = false;   // since submission or the last promotion
  };

  Job& job(JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(std::max(id.index() + 1, 2 * jobs_.size()));
    return jobs_[id.index()];
  }
  [[nodiscard]] static Rank rank(const Job& j) {
    return (static_cast<Rank>(j.queue) << 64) + j.position - kRunRegion;
  }
  [[nodiscard]] bool sinks(const Job& j) const { return j.queue < options_.limits.size(); }

  void follow(const ClusterView& view, const Event& e);
  [[nodiscard]] Int128 service_left(const Job& j, const JobView& v) const;
  void expect_crossing(Job& j, const JobView& v, Time now);
  void expect_starvation(Job& j, const JobView& v, Time now);
  void forget_times(Job& j, JobId id);
  void demote(Job& j, const JobView& v);
  void promote(Job& j, const JobView& v);
  void settle_lists(const ClusterView& view, const StrictPriority::Result& result);
  void ask_for_wake(const ClusterView& view, PlanBuilder& plan);

  std::unique_ptr<Placement> placement_;
  TiresiasOptions options_;
  StrictPriority order_;
  std::vector<Job> jobs_;
  std::vector<std::int64_t> back_, front_, run_;  // [queue]: next positions
  std::set<std::pair<Time, JobId>> crossings_;    // running jobs: no earlier than this their limit is reached
  std::set<std::pair<Time, JobId>> starving_;     // waiting jobs: when they are promoted
  std::vector<JobId> demoted_;                    // in this decision
};

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
  if (e.kind == EventKind::capacity) order_.capacity_changed();
  if (!e.job.valid()) return;
  switch (e.kind) {
    case EventKind::ready:
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::called_off: {
      const JobView v = view.job(e.job);
      Job& j = job(e.job);
      order_.remove(e.job);
      forget_times(j, e.job);
      if (is_final(v.state)) return;
      if (v.target != nullptr) {  // it runs by an earlier decision: this object was made in the middle of a run
        j.position = run_[j.queue]++;
        j.has_run = true;
        order_.add_running(v, rank(j));
        expect_crossing(j, v, view.now);
        return;
      }
      j.position = back_[j.queue]++;
      order_.add_waiting(v, rank(j));
      expect_starvation(j, v, view.now);
      return;
    }
    case EventKind::finished:
    case EventKind::reject:
    case EventKind::cancel:
      order_.remove(e.job);
      forget_times(job(e.job), e.job);
      return;
    default: return;
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

void Tiresias::ask_for_wake(const ClusterView& view, PlanBuilder& plan) {
  const auto later = [&view](const std::set<std::pair<Time, JobId>>& times) {
    const auto it = times.upper_bound({view.now, JobId{}});
    return it == times.end() ? kNever : it->first;
  };
  if (const Time starves = later(starving_); starves != kNever) plan.wake_at(starves);
  if (options_.crossing == Crossing::exact || !options_.count_gpus) {
    if (const Time crosses = later(crossings_); crosses != kNever) plan.wake_at(crosses);
    return;
  }
  for (const StrictPriority::Running& r : order_.running()) {
    const Job& j = job(r.job);
    if (!sinks(j)) continue;
    const std::int64_t executed = (view.job(r.job).ran - j.ran_base).ns;
    const std::int64_t limit = options_.limits[j.queue].ns;
    const std::int64_t g = r.gpus;
    // Tiresias: whole seconds, executed time not multiplied by the GPUs; its clock goes on by a second at least.
    // Muri: the limit alone is divided.
    const Duration left = options_.crossing == Crossing::tiresias
                              ? std::max(seconds((limit - executed) / kNsPerSecond / g), seconds(1))
                              : seconds((limit / kNsPerSecond + g - 1) / g) - Duration{executed};
    plan.wake_at(view.now + std::max(left, Duration{1}));
  }
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
  ask_for_wake(view, plan);
}

}  // namespace

std::unique_ptr<Policy> make_tiresias(PolicySetup setup, OptionReader& options) {
  TiresiasOptions o;
  o.count_gpus = options.choice("service") == "dlas-gpu";
  o.limits = options.times("limits");
  o.starvation = options.integer("starvation");
  if (setup.emulate_pollux || setup.emulate_titan) return interval_tiresias(std::move(setup));
  o.crossing = setup.emulate_tiresias ? Crossing::tiresias : setup.emulate_muri ? Crossing::muri : Crossing::exact;
  return std::make_unique<Tiresias>(std::move(setup.placement), std::move(o));
}

}  // namespace orrery

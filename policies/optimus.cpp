// Optimus (Peng et al., EuroSys'18), without its parameter servers: every job gets its least number of GPUs in order of
// arrival, then one GPU after another goes to the job whose remaining time it shortens most (policies.md 1.16). Sizes
// are reconsidered every period; between periods jobs only start, on their least. Under `emulate: pollux` and `titan`
// decisions are made at periods alone, as those simulators' re-implementations do, with their oddities.
#include <algorithm>
#include <map>
#include <queue>

#include "policies/factories.hpp"
#include "policies/parts/class_queues.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"

namespace orrery {
namespace {

enum class Variant { standard, pollux, titan };

class Optimus final : public Policy {
 public:
  Optimus(std::unique_ptr<Placement> placement, Duration period, Variant variant)
      : placement_(std::move(placement)), ticks_(period), variant_(variant) {}

  [[nodiscard]] Capabilities capabilities() const override {
    return {.preempts = true, .elastic = true, .needs_estimates = true};
  }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    if (ticks_.due(view.now))
      resize(view, plan);
    else if (variant_ == Variant::standard)
      start_waiting(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  struct Job {
    JobId id{};
    std::int32_t least = 1, most = 1;
    std::int32_t gpus = 0;
    std::int32_t before = 0;  // what its standing target holds
    std::int64_t gain = 0;    // ns that one more GPU would save
  };
  using Queues = ClassQueues<std::int64_t>;

  void follow(const ClusterView& view, const Event& e) {
    if (variant_ != Variant::standard || !e.job.valid()) return;
    const JobView v = view.job(e.job);
    if (enters_queue(e.kind) && !is_final(v.state) && v.target == nullptr)
      waiting_.insert(class_of(*v.spec), 0, e.job);
    else if (e.kind == EventKind::reject || e.kind == EventKind::cancel)
      waiting_.erase(class_of(*v.spec), 0, e.job);
  }

  // Jobs of one class fit, or do not, on their least number of GPUs together.
  [[nodiscard]] DemandClass class_of(const JobSpec& spec) {
    const auto fresh = DemandClass(static_cast<std::uint32_t>(classes_.size()));
    return classes_.try_emplace({spec.demand_class, spec.min_gpus}, fresh).first->second;
  }

  void start_waiting(const ClusterView& view, PlanBuilder& plan) {
    scan_.begin(waiting_);
    while (!scan_.done() && plan.free().free_gpus() > 0) {
      const JobId job = scan_.head().second;
      const std::int32_t least = (*view.records)[job.index()].spec->min_gpus;
      if (start_sized(view, plan, *placement_, job, least, least) == 0) {
        scan_.drop_class();
        continue;
      }
      const DemandClass c = scan_.head_class();
      scan_.take();
      waiting_.erase(c, 0, job);
    }
  }

  // Saved by one GPU more than it has.
  [[nodiscard]] std::int64_t gain_of(const ClusterView& view, const Job& j) const {
    if (j.gpus + 1 > j.most) return 0;
    return saved(view, j.id, j.gpus);
  }
  [[nodiscard]] static std::int64_t saved(const ClusterView& view, JobId id, std::int32_t gpus) {
    const JobView v = view.job(id);
    const Duration now = view.predict->time_left(v, gpus), then = view.predict->time_left(v, gpus + 1);
    return now == kForever || then == kForever ? 0 : (now - then).ns;
  }

  void collect(const ClusterView& view) {
    wanting_jobs(view, ids_);
    jobs_.clear();
    for (const JobId id : ids_) {
      const JobRecord& r = (*view.records)[id.index()];
      Job j;
      j.id = id;
      j.least = std::max(r.spec->min_gpus, r.spec->demand.gpus > 0 ? 1 : 0);
      j.most = std::max(r.spec->max_gpus, j.least);
      if (r.has_target) j.before = static_cast<std::int32_t>(r.target.gpus.gpu_count());
      jobs_.push_back(j);
    }
    std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.least < b.least; });
  }

  void share_out(const ClusterView& view, std::int64_t left) {
    using Candidate = std::pair<std::int64_t, std::int64_t>;  // gain, -index: the first of equals
    std::priority_queue<Candidate> best;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      Job& j = jobs_[i];
      if (j.least > left) continue;
      j.gpus = j.least;
      left -= j.least;
      const std::int64_t gain = left > 0 ? gain_of(view, j) : 0;
      if (gain > 0) best.emplace(gain, -static_cast<std::int64_t>(i));
    }
    while (left > 0 && !best.empty()) {
      Job& j = jobs_[static_cast<std::size_t>(-best.top().second)];
      const std::int64_t index = best.top().second;
      best.pop();
      ++j.gpus;
      --left;
      if (const std::int64_t gain = gain_of(view, j); gain > 0) best.emplace(gain, index);
    }
  }

  void resize(const ClusterView& view, PlanBuilder& plan) {
    collect(view);
    share_out(view, plan.free().usable_gpus());
    for (const Job& j : jobs_)
      if (j.before > 0 && j.before != j.gpus) plan.preempt(j.id);
    std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.gpus < b.gpus; });
    for (Job& j : jobs_) {
      const bool stays = j.before > 0 && j.before == j.gpus;
      if (!stays && j.gpus > 0) j.gpus = start_sized(view, plan, *placement_, j.id, j.gpus, j.least);
      if (variant_ != Variant::standard || stays) continue;
      const DemandClass c = class_of(*(*view.records)[j.id.index()].spec);
      if (j.gpus > 0)
        waiting_.erase(c, 0, j.id);
      else
        waiting_.insert(c, 0, j.id);
    }
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_;
  Variant variant_;
  Queues waiting_;  // standard only
  ClassScan<std::int64_t> scan_;
  std::map<std::pair<DemandClass, std::int32_t>, DemandClass> classes_;
  std::vector<JobId> ids_;
  std::vector<Job> jobs_;
};

}  // namespace

std::unique_ptr<Policy> make_optimus(PolicySetup setup, OptionReader& options) {
  const std::vector<Duration> period = options.gpu_time_list("period");
  Duration every = period.empty() ? seconds(600) : period.front();
  Variant variant = Variant::standard;
  if (setup.emulate_pollux) variant = Variant::pollux, every = seconds(60);
  if (setup.emulate_titan) variant = Variant::titan, every = seconds(300);
  return std::make_unique<Optimus>(std::move(setup.placement), every, variant);
}

}  // namespace orrery

// Titan (Gao et al., SoCC'22) without task merging: every period it shares the GPUs out anew so that jobs together
// come closest to what an equal share would give each (docs/policies/elastic.md). The reference solves a binary
// program; over one kind of GPU that is a knapsack with one choice per job, solved exactly here.
#include <algorithm>

#include "policies/factories.hpp"
#include "policies/parts/knapsack.hpp"
#include "policies/parts/least_starter.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"

namespace orrery {
namespace {

// Above so many GPUs the knapsack would take longer than the period is worth: only the first so many are shared out,
// the rest is left to jobs that start on their least.
constexpr std::int64_t kMostGpus = 4096;

class Titan final : public Policy {
 public:
  Titan(std::unique_ptr<Placement> placement, Duration period, bool every_size, bool ticks_only)
      : placement_(std::move(placement)), ticks_(period), every_size_(every_size), ticks_only_(ticks_only) {}

  [[nodiscard]] Capabilities capabilities() const override {
    return {.preempts = true, .elastic = true, .needs_estimates = true};
  }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    if (!ticks_only_)
      for (const Event& e : view.since_last) starter_.follow(view, e);
    if (ticks_.due(view.now))
      share_out(view, plan);
    else if (!ticks_only_)
      starter_.start(view, plan, *placement_, [](JobId) {});
    ticks_.ask(view, plan);
  }

 private:
  struct Job : SizedJob {
    Duration alone{};  // what is left to do, on its least number of GPUs
  };

  void collect(const ClusterView& view) {
    wanting_jobs(view, ids_);
    jobs_.clear();
    for (const JobId id : ids_)
      if (const auto job = sized(view, id))
        jobs_.push_back({*job, view.predict->time_left(view.job(id), job->least)});
    std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.alone < b.alone; });
  }

  // The sizes a job may have, and what each costs: remaining time on it over that on the fair share. To hold
  // nothing costs most.
  void offer(const ClusterView& view, const Job& j, std::int32_t fair, std::vector<KnapsackOption>& out) const {
    const JobView v = view.job(j.id);
    const auto left = [&](std::int32_t gpus) {
      const Duration d = view.predict->time_left(v, gpus);
      return to_seconds(std::max(d == kForever ? seconds(1'000'000) : d, ticks_.interval()));
    };
    out.assign(1, {0, 1e4});
    const double even = left(std::clamp(fair, j.least, j.most));
    for (std::int32_t g = j.least; g <= j.most; ++g) {
      const bool considered = every_size_ || g <= 4 || g % 4 == 0 || g == j.least || g == j.most;
      if (considered && g <= capacity_) out.push_back({g, left(g) / even});
    }
  }

  void share_out(const ClusterView& view, PlanBuilder& plan) {
    collect(view);
    capacity_ = static_cast<std::int32_t>(std::min(plan.free().usable_gpus(), kMostGpus));
    const std::size_t kept = std::min<std::size_t>(jobs_.size(), static_cast<std::size_t>(capacity_));
    const std::int32_t fair = kept == 0 ? 1 : std::max(1, capacity_ / static_cast<std::int32_t>(kept));
    groups_.resize(kept);
    for (std::size_t i = 0; i < kept; ++i) offer(view, jobs_[i], fair, groups_[i]);
    const std::vector<std::size_t> chosen = choose_options(groups_, capacity_);
    for (std::size_t i = 0; i < kept; ++i) jobs_[i].gpus = groups_[i][chosen[i]].weight;
    for (const Job& j : jobs_)
      if (j.before > 0 && j.before != j.gpus) plan.preempt(j.id);
    std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.gpus > b.gpus; });
    for (Job& j : jobs_) {
      if (j.before > 0 && j.before == j.gpus) continue;
      const std::int32_t least = ticks_only_ ? j.gpus : j.least;
      if (j.gpus > 0) j.gpus = std::max(start_sized(view, plan, *placement_, j.id, j.gpus, least), 0);
      if (!ticks_only_) starter_.set_waiting(*(*view.records)[j.id.index()].spec, j.gpus == 0);
    }
    if (!ticks_only_) starter_.start(view, plan, *placement_, [](JobId) {});
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_;
  bool every_size_;
  bool ticks_only_;  // emulate: titan
  std::int32_t capacity_ = 0;
  LeastStarter starter_;
  std::vector<JobId> ids_;
  std::vector<Job> jobs_;
  std::vector<std::vector<KnapsackOption>> groups_;
};

}  // namespace

std::unique_ptr<Policy> make_titan(PolicySetup setup, OptionReader& options) {
  const Duration period = options.time("period");
  const bool every_size = options.choice("sizes") == "all";
  const bool emulated = setup.emulate_titan;
  return std::make_unique<Titan>(std::move(setup.placement), emulated ? seconds(120) : period, every_size, emulated);
}

}  // namespace orrery

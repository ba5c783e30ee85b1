#include "policies/transfer/titan.hpp"

#include <algorithm>

#include "policies/registry.hpp"

namespace orrery {
namespace {

// Above so many GPUs the knapsack would take longer than the period is worth: only the first so many are shared out,
// the rest is left to jobs that start on their least.
constexpr std::int64_t kMostShared = 4096;

}  // namespace

void Titan::collect(const ClusterView& view) {
  wanting_jobs(view, ids_);
  jobs_.clear();
  for (const JobId id : ids_)
    if (const auto job = sized(view, id)) jobs_.push_back({*job, view.time_left(view.job(id), job->least)});
  std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.alone < b.alone; });
}

// The sizes a job may have, and what each costs: the inverse of its weight in the program, nothing being the most
// expensive.
void Titan::offer(const ClusterView& view, const Job& j, std::int32_t fair, std::vector<KnapsackOption>& out) const {
  const JobView v = view.job(j.id);
  const auto left = [&](std::int32_t gpus) {
    const Duration d = view.time_left(v, gpus);
    return to_seconds(std::max(d == kForever ? seconds(1'000'000) : d, ticks_.interval()));
  };
  out.assign(1, {0, 1e4});
  const double even = left(std::clamp(fair, j.least, j.most));
  for (std::int32_t g = j.least; g <= j.most; ++g) {
    const bool considered = every_size_ || g <= 4 || g % 4 == 0 || g == j.least || g == j.most;
    if (considered && g <= capacity_) out.push_back({g, left(g) / even});
  }
}

std::vector<Titan::Job>& Titan::share_out(const ClusterView& view, PlanBuilder& plan) {
  collect(view);
  capacity_ = static_cast<std::int32_t>(std::min(plan.free().usable_gpus(), kMostShared));
  const std::size_t kept = std::min<std::size_t>(jobs_.size(), static_cast<std::size_t>(capacity_));
  const std::int32_t fair = kept == 0 ? 1 : std::max(1, capacity_ / static_cast<std::int32_t>(kept));
  groups_.resize(kept);
  for (std::size_t i = 0; i < kept; ++i) offer(view, jobs_[i], fair, groups_[i]);
  const std::vector<std::size_t> chosen = choose_options(groups_, capacity_);
  for (std::size_t i = 0; i < kept; ++i) jobs_[i].gpus = groups_[i][chosen[i]].weight;
  for (const Job& j : jobs_)
    if (j.before > 0 && j.before != j.gpus) plan.preempt(j.id);
  std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.gpus > b.gpus; });
  return jobs_;
}

void Titan::schedule(const ClusterView& view, PlanBuilder& plan) {
  for (const Event& e : view.since_last) starter_.follow(view, e);
  if (ticks_.due(view.now)) {
    for (Job& j : share_out(view, plan)) {
      if (j.before > 0 && j.before == j.gpus) continue;
      if (j.gpus > 0) j.gpus = std::max(start_sized(plan, *placement_, j.id, j.gpus, j.least), 0);
      starter_.set_waiting(view.spec(j.id), j.gpus == 0);
    }
  }
  starter_.start(view, plan, *placement_);
  ticks_.ask(view, plan);
}

namespace {

std::unique_ptr<Policy> make_titan(PolicySetup setup, OptionReader& options) {
  const Duration period = options.time("period");
  return std::make_unique<Titan>(std::move(setup.placement), period, options.choice("sizes") == "all");
}

}  // namespace

const PolicyInfo titan_policy = {
    .name = "titan",
    .title = "numbers of GPUs that together bring every job closest to its fair share, with preemption",
    .doc =
        "Every period the jobs with least to do, one per GPU, get the numbers of GPUs that minimise the sum "
        "over jobs of remaining time over remaining time on an equal share. Exact: a knapsack over the "
        "cluster's GPUs. Between periods waiting jobs start on their least. Tasks are not merged.",
    .source = "Gao et al., Titan, SoCC 2022",
    .make = make_titan,
    .options = {{"period", "time", "120s", "how often numbers of GPUs are reconsidered", {}, 1, kMostTime},
                {"sizes",
                 "choice",
                 "nodes",
                 "sizes considered: 1 to 4 and multiples of 4, or every number",
                 {"nodes", "all"}}},
    .capabilities = {.preempts = true, .elastic = true, .needs_estimates = true},
};

}  // namespace orrery

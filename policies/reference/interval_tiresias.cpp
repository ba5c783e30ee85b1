// Tiresias as the simulators of Pollux and TitanSched re-implement it, for `emulate:` only: two queues, looked at
// every interval; service is compared with the limit at intervals alone. Strict priority, queue by queue, past jobs
// that do not fit; the rest is preempted. Service counts from launch, start-up included. Pollux keeps the queues as
// lists; TitanSched keeps them in order of submission and rounds as TitanClock says. See
// docs/policies/emulations.md.
#include <algorithm>

#include "policies/parts/ticks.hpp"
#include "policies/reference/titan_clock.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

class IntervalTiresias final : public Policy {
 public:
  IntervalTiresias(std::unique_ptr<Placement> placement, bool titan)
      : placement_(std::move(placement)), titan_(titan), ticks_(seconds(titan ? 300 : 60)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<IntervalTiresias>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind())) add(view, e.job);
    if (ticks_.due(view.now)) decide(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  static constexpr GpuTime kPolluxLimit = gpu_time(seconds(16 * 3600), kMilliPerGpu);
  struct Job {
    bool known = false;
    std::size_t queue = 0;
    bool running = false;
    Time checked{};
    Duration executed{};
    TitanClock clock;
  };

  void add(const ClusterView& view, JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(id.index() + 1);
    Job& j = jobs_[id.index()];
    j.running = view.target(id) != nullptr;
    j.checked = view.now;
    if (j.known) return;
    j.known = true;
    queues_[0].push_back(id);
  }

  // Queues without the jobs that have ended, services up to date, jobs that reached the limit in the second queue.
  void account(const ClusterView& view) {
    here_.clear();
    for (std::vector<JobId>& queue : queues_) {
      const auto ended = [&view](JobId id) { return is_final(view.state(id)); };
      queue.erase(std::remove_if(queue.begin(), queue.end(), ended), queue.end());
      here_.insert(here_.end(), queue.begin(), queue.end());
    }
    std::sort(here_.begin(), here_.end());
    for (const JobId id : here_) {
      Job& j = jobs_[id.index()];
      if (j.running) j.executed += view.now - j.checked;
      j.checked = view.now;
      if (titan_) j.clock.update(view.job(id), view.now);
      if (j.queue > 0 || !over_limit(view, j, id)) continue;
      queues_[0].erase(std::find(queues_[0].begin(), queues_[0].end(), id));
      queues_[1].push_back(id);
      j.queue = 1;
    }
    if (!titan_) return;
    const auto submit = [&view](JobId id) { return view.spec(id).submit; };
    for (std::vector<JobId>& queue : queues_)
      std::stable_sort(queue.begin(), queue.end(), [&](JobId a, JobId b) { return submit(a) < submit(b); });
  }

  [[nodiscard]] bool over_limit(const ClusterView& view, const Job& j, JobId id) const {
    if (titan_) return j.clock.attained_gpu_s >= 14400;
    return gpu_time(j.executed, view.spec(id).demand.milli_gpus()) >= kPolluxLimit;
  }

  void decide(const ClusterView& view, PlanBuilder& plan) {
    account(view);
    std::int64_t left = plan.free().usable_gpus();
    to_start_.clear();
    for (const std::vector<JobId>& queue : queues_) {
      for (const JobId id : queue) {
        const std::int32_t gpus = view.spec(id).demand.gpus;
        Job& j = jobs_[id.index()];
        const bool fits = gpus <= left;
        if (fits) left -= gpus;
        if (!fits && j.running) plan.preempt(id);
        if (fits && !j.running) to_start_.push_back(id);
        j.running = fits;
      }
    }
    const auto gpus_of = [&view](JobId id) { return view.spec(id).demand.gpus; };
    if (titan_)
      std::stable_sort(to_start_.begin(), to_start_.end(), [&](JobId a, JobId b) { return gpus_of(a) > gpus_of(b); });
    for (const JobId id : to_start_) jobs_[id.index()].running = plan.start(id, *placement_);
  }

  OwnPlacement placement_;
  bool titan_;
  Ticks ticks_;
  std::vector<Job> jobs_;
  std::vector<JobId> queues_[2];
  std::vector<JobId> here_, to_start_;
};

}  // namespace

std::unique_ptr<Policy> pollux_tiresias(PolicySetup setup, OptionReader&) {
  return std::make_unique<IntervalTiresias>(std::move(setup.placement), false);
}

std::unique_ptr<Policy> titan_tiresias(PolicySetup setup, OptionReader&) {
  return std::make_unique<IntervalTiresias>(std::move(setup.placement), true);
}

}  // namespace orrery

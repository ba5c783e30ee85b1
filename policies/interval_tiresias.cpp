// Tiresias as the simulators of Pollux and TitanSched re-implement it, for `emulate:` only: two queues, looked at every
// interval; service counts from launch to now, start-up included, and is compared with the limit at intervals alone.
// Strict priority, queue by queue, past jobs that do not fit; the rest is preempted. policies.md 1.5, 5.1, 5.3.
#include <algorithm>

#include "policies/factories.hpp"
#include "policies/parts/ticks.hpp"

namespace orrery {
namespace {

class IntervalTiresias final : public Policy {
 public:
  IntervalTiresias(std::unique_ptr<Placement> placement, Duration interval, GpuTime limit)
      : placement_(std::move(placement)), ticks_(interval), limit_(limit) {}

  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind)) add(view, e.job);
    if (ticks_.due(view.now)) decide(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  struct Job {
    bool known = false;
    std::size_t queue = 0;
    bool running = false;
    Time checked{};
    Duration executed{};
  };

  void add(const ClusterView& view, JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(view.records->size());
    Job& j = jobs_[id.index()];
    j.running = (*view.records)[id.index()].has_target;
    j.checked = view.now;
    if (j.known) return;
    j.known = true;
    queues_[0].push_back(id);
  }

  void decide(const ClusterView& view, PlanBuilder& plan) {
    here_.clear();
    for (std::vector<JobId>& queue : queues_) {
      const auto ended = [&view](JobId id) { return is_final((*view.records)[id.index()].state); };
      queue.erase(std::remove_if(queue.begin(), queue.end(), ended), queue.end());
      here_.insert(here_.end(), queue.begin(), queue.end());
    }
    std::sort(here_.begin(), here_.end());
    for (const JobId id : here_) account(view, id);
    std::int64_t left = plan.free().usable_gpus();
    for (const std::vector<JobId>& queue : queues_) {
      for (const JobId id : queue) {
        const std::int32_t gpus = (*view.records)[id.index()].spec->demand.gpus;
        Job& j = jobs_[id.index()];
        const bool fits = gpus <= left;
        if (fits) left -= gpus;
        if (!fits && j.running) plan.preempt(id);
        j.running = fits;
      }
    }
    for (const std::vector<JobId>& queue : queues_)
      for (const JobId id : queue)
        if (jobs_[id.index()].running && plan.planned(id) == nullptr) (void)plan.start(id, *placement_);
  }

  void account(const ClusterView& view, JobId id) {
    Job& j = jobs_[id.index()];
    if (j.running) j.executed += view.now - j.checked;
    j.checked = view.now;
    const Demand& d = (*view.records)[id.index()].spec->demand;
    if (j.queue > 0 || !j.running || gpu_time(j.executed, d.milli_gpus()) < limit_) return;
    queues_[0].erase(std::find(queues_[0].begin(), queues_[0].end(), id));
    queues_[1].push_back(id);
    j.queue = 1;
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_;
  GpuTime limit_;
  std::vector<Job> jobs_;
  std::vector<JobId> queues_[2];
  std::vector<JobId> here_;
};

}  // namespace

std::unique_ptr<Policy> make_interval_tiresias(PolicySetup setup) {
  const bool pollux = setup.emulate_pollux;
  return std::make_unique<IntervalTiresias>(std::move(setup.placement), seconds(pollux ? 60 : 300),
                                            gpu_time(seconds(pollux ? 16 * 3600 : 14400), kMilliPerGpu));
}

}  // namespace orrery

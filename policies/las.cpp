// Policies by attained service that look at it in quanta: LAS (least attained service first) and Gittins (largest
// Gittins index first, from the service of the jobs that have finished so far). Strict priority with preemption; the
// order changes when a running job has filled another quantum, so two equal jobs alternate once per quantum.
// policies.md 1.5.
#include <algorithm>
#include <optional>

#include "policies/factories.hpp"
#include "policies/parts/gittins_index.hpp"
#include "policies/parts/strict_priority.hpp"

namespace orrery {
namespace {

class ByAttainedService : public Policy {
 public:
  ByAttainedService(std::unique_ptr<Placement> placement, Duration quantum)
      : placement_(std::move(placement)), quantum_(quantum) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    for (StrictPriority::Running& r : jobs_.running()) {
      if (r.gone) continue;
      const Rank rank = rank_of(view.job(r.job));
      if (rank != r.rank) jobs_.rank_changed();
      r.rank = rank;
    }
    jobs_.fill(view, plan, *placement_, true);
    for (const StrictPriority::Running& r : jobs_.running())
      if (!r.gone) plan.wake_at(next_quantum(view.job(r.job), view.now));
  }

 protected:
  // Smaller first, by whole quanta of attained service.
  [[nodiscard]] virtual Rank rank_at(std::int64_t quanta) const = 0;
  virtual void job_finished(const ClusterView&, const JobView&) {}
  void rerank_waiting(const ClusterView& view) {
    for (const JobView& v : view.pending())
      if (jobs_.is_waiting(v.id())) jobs_.rerank_waiting(v, rank_of(v));
    jobs_.rank_changed();
  }
  std::unique_ptr<Placement> placement_;
  Duration quantum_;

 private:
  [[nodiscard]] Int128 quantum_size() const { return gpu_time(quantum_, kMilliPerGpu).milli_gpu_ns; }
  [[nodiscard]] Rank rank_of(const JobView& v) const {
    return rank_at(static_cast<std::int64_t>(v.attained.milli_gpu_ns / quantum_size()));
  }
  // When the job will have filled its present quantum, if it attains from now on.
  [[nodiscard]] Time next_quantum(const JobView& v, Time now) const {
    const Int128 left = quantum_size() - v.attained.milli_gpu_ns % quantum_size();
    const Int128 speed = std::max<Int128>(v.spec->demand.milli_gpus(), 1);
    return now + Duration{static_cast<std::int64_t>((left + speed - 1) / speed)};
  }

  void follow(const ClusterView& view, const Event& e) {
    if (e.kind == EventKind::capacity) jobs_.capacity_changed();
    if (!e.job.valid()) return;
    switch (e.kind) {
      case EventKind::ready:
      case EventKind::failed:
      case EventKind::launch_failed: {
        const JobView v = view.job(e.job);
        jobs_.remove(e.job);
        if (is_final(v.state)) return;
        if (v.target == nullptr)
          jobs_.add_waiting(v, rank_of(v));
        else
          jobs_.add_running(v, rank_of(v));
        return;
      }
      case EventKind::finished: job_finished(view, view.job(e.job)); [[fallthrough]];
      case EventKind::reject:
      case EventKind::cancel: jobs_.remove(e.job); return;
      default: return;
    }
  }

  StrictPriority jobs_;
};

class Las final : public ByAttainedService {
 public:
  using ByAttainedService::ByAttainedService;

 private:
  [[nodiscard]] Rank rank_at(std::int64_t quanta) const override { return quanta; }
};

class Gittins final : public ByAttainedService {
 public:
  Gittins(std::unique_ptr<Placement> placement, Duration quantum, bool sup)
      : ByAttainedService(std::move(placement), quantum), sup_(sup) {}

 private:
  // Until there are samples: least attained service.
  [[nodiscard]] Rank rank_at(std::int64_t quanta) const override {
    if (!index_) return quanta;
    const std::int64_t age = quanta * quantum_.ns;
    return -Rank{sup_ ? index_->sup_at(age) : index_->at(age, quantum_.ns)};
  }
  // The index is made anew whenever the number of samples has doubled: O(log) times in a run.
  void job_finished(const ClusterView& view, const JobView& v) override {
    samples_.push_back(static_cast<std::int64_t>(v.attained.milli_gpu_ns / kMilliPerGpu));
    if (samples_.size() < std::max<std::size_t>(16, index_ ? 2 * index_->size() : 0)) return;
    index_.emplace(samples_);
    rerank_waiting(view);
  }
  bool sup_;
  std::vector<std::int64_t> samples_;
  std::optional<GittinsIndex> index_;
};

Duration quantum_of(OptionReader& options) {
  const std::vector<Duration> given = options.gpu_time_list("quantum");
  return given.empty() || given.front().ns <= 0 ? seconds(300) : given.front();
}

}  // namespace

std::unique_ptr<Policy> make_las(PolicySetup setup, OptionReader& options) {
  return std::make_unique<Las>(std::move(setup.placement), quantum_of(options));
}

std::unique_ptr<Policy> make_gittins(PolicySetup setup, OptionReader& options) {
  const Duration quantum = quantum_of(options);
  return std::make_unique<Gittins>(std::move(setup.placement), quantum, options.choice("horizon") == "sup");
}

}  // namespace orrery

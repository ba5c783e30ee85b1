// FIFO, fit-job-first, and the non-preemptive orders by estimate, SJF and QSSF. FIFO starts jobs in order of
// arrival and stops at the first that does not fit; the others go on past it (docs/policies/backfilling.md). No
// preemption.
#include "policies/parts/class_queues.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Fifo final : public Policy {
 public:
  explicit Fifo(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Fifo>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const JobId job : view.pending().ids()) {
      if (plan.start(job, *placement_)) continue;
      plan.reason(job, ReasonCode::resources, plan.free().free_gpus());
      return;
    }
  }

 private:
  OwnPlacement placement_;
};

// Jobs in order of a key that does not change while they wait; scans past those that do not fit.
class FitFirst final : public Policy {
 public:
  enum class Key { arrival, estimate, service };
  FitFirst(std::unique_ptr<Placement> placement, Key key) : placement_(std::move(placement)), key_(key) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<FitFirst>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    scan_.begin(queue_);
    while (!scan_.done()) {
      const auto [key, job] = scan_.head();
      if (!plan.start(job, *placement_)) {
        scan_.drop_class();
        continue;
      }
      const DemandClass c = scan_.head_class();
      scan_.take();
      queue_.erase(c, key, job);
    }
  }

 private:
  [[nodiscard]] std::int64_t key_of(const JobView& job) const {
    if (key_ == Key::arrival) return 0;
    if (!job.estimate) return kForever.ns;
    const std::int64_t total = job.estimate->total.ns;
    if (key_ == Key::estimate) return total;
    std::int64_t service = 0;  // saturates: GPU-time beyond 292 years
    return __builtin_mul_overflow(total, std::int64_t{job.gpus()}, &service) ? kForever.ns : service;
  }
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView job = view.job(e.job);
    const bool back = enters_queue(e.kind());
    if (back && !is_final(job.state) && job.target == nullptr)
      queue_.insert(job.spec->demand_class, key_of(job), e.job);
    else if (e.kind() == EventKind::reject || e.kind() == EventKind::cancel)
      queue_.erase(job.spec->demand_class, key_of(job), e.job);
  }

  OwnPlacement placement_;
  Key key_;
  ClassQueues<std::int64_t> queue_;
  ClassScan<std::int64_t> scan_;
};

std::unique_ptr<Policy> make_fifo(PolicySetup setup, OptionReader&) {
  return std::make_unique<Fifo>(std::move(setup.placement));
}
std::unique_ptr<Policy> make_fjf(PolicySetup setup, OptionReader&) {
  return std::make_unique<FitFirst>(std::move(setup.placement), FitFirst::Key::arrival);
}
std::unique_ptr<Policy> make_qssf(PolicySetup setup, OptionReader&) {
  return std::make_unique<FitFirst>(std::move(setup.placement), FitFirst::Key::service);
}
std::unique_ptr<Policy> make_sjf(PolicySetup setup, OptionReader&) {
  return std::make_unique<FitFirst>(std::move(setup.placement), FitFirst::Key::estimate);
}

}  // namespace

const PolicyInfo fifo_policy = {
    .name = "fifo",
    .title = "strict order of arrival; the first job that does not fit holds up the rest",
    .doc =
        "Starts jobs in order of submission while they fit, and stops at the first that does not. No "
        "preemption.",
    .make = make_fifo,
    .conserves = Conserves::order,
};

const PolicyInfo fjf_policy = {
    .name = "fjf",
    .title = "fit-job-first: FIFO that goes on past jobs that do not fit",
    .doc = "Starts every job that fits, in order of submission. Wide jobs may starve. No preemption.",
    .make = make_fjf,
};

const PolicyInfo sjf_policy = {
    .name = "sjf",
    .title = "shortest estimated run time first, no preemption",
    .doc = "Starts every job that fits, in order of estimated run time. Jobs without an estimate come last.",
    .make = make_sjf,
    .capabilities = {.needs_estimates = true},
};

const PolicyInfo qssf_policy = {
    .name = "qssf",
    .title = "quasi-shortest service first: smallest predicted GPU-time first, no preemption",
    .doc =
        "Starts every job that fits, in order of predicted run time x GPUs. Meant for `workload.estimates: "
        "history`, which predicts from the tenant's earlier jobs.",
    .source = "Hu et al., Helios, SC 2021",
    .make = make_qssf,
    .capabilities = {.needs_estimates = true},
};

}  // namespace orrery

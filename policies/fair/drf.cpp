// Dominant resource fairness (Ghodsi et al., NSDI'11), without preemption: again and again the tenant with the
// smallest dominant share, max over resources of used / capacity of the nodes that are up, starts its first job that
// fits; tenants without one are passed over. Ties: the tenant that came first. Gangs, so shares may jump. See
// docs/policies/fairness.md.
#include <algorithm>
#include <map>
#include <set>

#include "policies/parts/class_queues.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class DominantShare final : public Policy {
 public:
  explicit DominantShare(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<DominantShare>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    const Inventory& all = plan.free();
    capacity_ = {all.usable_gpus() * kMilliPerGpu, all.usable_cpu_milli(), all.usable_mem_bytes()};
    for (const Event& e : view.since_last) follow(view, e);
    // Tenants with something to start, the smallest share first.
    std::set<std::pair<Int128, std::size_t>> order;
    for (std::size_t t = 0; t < tenants_.size(); ++t)
      if (!tenants_[t].waiting.empty()) order.emplace(share(tenants_[t].used), t);
    while (!order.empty()) {
      const auto [before, t] = *order.begin();
      order.erase(order.begin());
      if (start_one(view, plan, tenants_[t])) order.emplace(share(tenants_[t].used), t);
    }
  }

 private:
  struct Resources {
    std::int64_t milli_gpus = 0, cpu_milli = 0, mem_bytes = 0;
    void add(const Demand& d, int sign) {
      milli_gpus += sign * d.milli_gpus();
      cpu_milli += sign * d.cpu_milli;
      mem_bytes += sign * d.mem_bytes;
    }
  };
  struct Tenant {
    Resources used;
    ClassQueues<std::int64_t> waiting;  // one key for all: order of arrival
  };

  // Dominant share in units of 10^-12.
  [[nodiscard]] Int128 share(const Resources& used) const {
    const auto part = [](std::int64_t u, std::int64_t c) { return c > 0 ? Int128{u} * 1'000'000'000'000 / c : 0; };
    return std::max({part(used.milli_gpus, capacity_.milli_gpus), part(used.cpu_milli, capacity_.cpu_milli),
                     part(used.mem_bytes, capacity_.mem_bytes)});
  }

  // The tenant's first waiting job that fits, over its classes in order of arrival.
  bool start_one(const ClusterView& view, PlanBuilder& plan, Tenant& tenant) {
    scan_.begin(tenant.waiting);
    while (!scan_.done()) {
      const JobId job = scan_.head().second;
      if (!plan.start(job, *placement_)) {
        scan_.drop_class();
        continue;
      }
      const DemandClass c = scan_.head_class();
      tenant.waiting.erase(c, 0, job);
      tenant.used.add((*view.demands)[c], 1);
      charged(job) = true;
      return true;
    }
    return false;
  }

  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const bool back = enters_queue(e.kind());
    const bool ended =
        e.kind() == EventKind::finished || e.kind() == EventKind::reject || e.kind() == EventKind::cancel;
    if (!back && !ended) return;
    const JobView v = view.job(e.job);
    Tenant& t = tenant_of(v);
    const DemandClass c = v.spec->demand_class;
    if (charged(e.job)) {
      t.used.add(v.spec->demand, -1);
      charged(e.job) = false;
    }
    t.waiting.erase(c, 0, e.job);
    if (!back || is_final(v.state)) return;
    if (v.target == nullptr) {
      t.waiting.insert(c, 0, e.job);
    } else {  // it runs by an earlier decision
      t.used.add(v.spec->demand, 1);
      charged(e.job) = true;
    }
  }

  Tenant& tenant_of(const JobView& v) {
    const auto [it, fresh] = index_.try_emplace(v.spec->tenant, tenants_.size());
    if (fresh) tenants_.emplace_back();
    return tenants_[it->second];
  }
  char& charged(JobId job) {
    if (job.index() >= charged_.size()) charged_.resize(std::max(job.index() + 1, 2 * charged_.size()));
    return charged_[job.index()];
  }

  OwnPlacement placement_;
  Resources capacity_;  // of the nodes that are up
  std::map<std::string, std::size_t> index_;
  std::vector<Tenant> tenants_;
  std::vector<char> charged_;  // [job]: counted in its tenant's use
  ClassScan<std::int64_t> scan_;
};

std::unique_ptr<Policy> make_drf(PolicySetup setup, OptionReader&) {
  return std::make_unique<DominantShare>(std::move(setup.placement));
}

}  // namespace

const PolicyInfo drf_policy = {
    .name = "drf",
    .title = "dominant resource fairness between tenants, no preemption",
    .doc =
        "Again and again the tenant with the smallest dominant share (the largest of its shares of GPUs, CPUs "
        "and memory) starts its first job that fits.",
    .source = "Ghodsi et al., DRF, NSDI 2011",
    .make = make_drf,
};

}  // namespace orrery

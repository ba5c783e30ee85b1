// SRTF, SRSF and smallest-first as the simulators of Tiresias and Muri run them: one list of all runnable jobs,
// stably sorted anew at every event, and (with placements that do not merely count) every job placed again from an
// empty cluster; moves are free there.
#include <algorithm>
#include <vector>

#include "policies/parts/strict_priority.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

enum class ListKey { remaining, remaining_service, gpus };

class ReferenceList final : public Policy {
 public:
  ReferenceList(std::unique_ptr<Placement> placement, ListKey key) : placement_(std::move(placement)), key_(key) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<ReferenceList>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) {
      if (e.kind() == EventKind::ready) list_.push_back({0, e.job});
      if (e.job.valid() && is_final(view.job(e.job).state))
        list_.erase(std::remove_if(list_.begin(), list_.end(), [&e](const Item& i) { return i.job == e.job; }),
                    list_.end());
    }
    for (Item& i : list_) i.key = key(view.job(i.job));
    std::stable_sort(list_.begin(), list_.end(), [](const Item& a, const Item& b) { return a.key < b.key; });

    if (!placement_->counting()) {
      for (const Item& i : list_)
        if (plan.planned(i.job) != nullptr) plan.preempt(i.job);
      for (const Item& i : list_) (void)plan.start(i.job, *placement_);
      return;
    }
    std::int64_t free = plan.free().free_gpus();
    for (const Item& i : list_) free += plan.planned(i.job) != nullptr ? view.job(i.job).gpus() : 0;
    std::vector<JobId> start;
    for (const Item& i : list_) {
      const std::int32_t gpus = view.job(i.job).gpus();
      const bool runs = plan.planned(i.job) != nullptr;
      if (gpus <= free) {
        free -= gpus;
        if (!runs) start.push_back(i.job);
      } else if (runs) {
        plan.preempt(i.job);
      }
    }
    for (const JobId job : start) (void)plan.start(job, *placement_);
  }

 private:
  struct Item {
    Rank key{};
    JobId job{};
  };
  [[nodiscard]] Rank key(const JobView& v) const {
    switch (key_) {
      case ListKey::remaining: return v.remaining().ns;
      case ListKey::remaining_service: return static_cast<Rank>(v.remaining().ns) * v.gpus();
      case ListKey::gpus: return v.gpus();
    }
    return 0;
  }

  OwnPlacement placement_;
  ListKey key_;
  std::vector<Item> list_;
};

}  // namespace

std::unique_ptr<Policy> list_srtf(PolicySetup setup, OptionReader&) {
  return std::make_unique<ReferenceList>(std::move(setup.placement), ListKey::remaining);
}

std::unique_ptr<Policy> list_srsf(PolicySetup setup, OptionReader&) {
  return std::make_unique<ReferenceList>(std::move(setup.placement), ListKey::remaining_service);
}

std::unique_ptr<Policy> list_smallest(PolicySetup setup, OptionReader&) {
  return std::make_unique<ReferenceList>(std::move(setup.placement), ListKey::gpus);
}

}  // namespace orrery

// Preemptive policies that serve the smallest key first, preempting the rest (docs/policies/sizes.md): SRTF by
// remaining time, SRSF by remaining time x GPUs, smallest by GPUs. Ties: running jobs first, then arrival; under
// `emulate:` the order of a list that is stably sorted again at every event, as the reference simulators keep it.
#include <algorithm>

#include "policies/factories.hpp"
#include "policies/parts/strict_priority.hpp"
#include "policies/reference/interval_policies.hpp"

namespace orrery {
namespace {

enum class Key { remaining, remaining_service, gpus };

class SmallestFirst final : public Policy {
 public:
  SmallestFirst(std::unique_ptr<Placement> placement, Key key) : placement_(std::move(placement)), key_(key) {}

  [[nodiscard]] Capabilities capabilities() const override {
    return {.preempts = true, .needs_estimates = key_ != Key::gpus};
  }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    jobs_.rerank_all_running(
        [&](const StrictPriority::Running& r) { return rank(remaining_at(r, view.now), r.gpus); });
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId job : result.started) refresh(view, job);
  }

 private:
  [[nodiscard]] Rank rank(Duration remaining, std::int32_t gpus) const {
    switch (key_) {
      case Key::remaining: return remaining.ns;
      case Key::remaining_service: return static_cast<Rank>(remaining.ns) * gpus;
      case Key::gpus: return gpus;
    }
    return 0;
  }

  [[nodiscard]] static Duration remaining_at(const StrictPriority::Running& r, Time now) {
    if (r.remaining == kForever) return r.remaining;
    const Duration left{r.remaining.ns - work_in(now - r.anchor, r.rate).ns};
    return std::max(left, Duration{1});
  }

  // Takes a running job's remaining time and speed from the view; they hold until its next event.
  void refresh(const ClusterView& view, JobId job) {
    StrictPriority::Running* r = jobs_.find_running(job);
    if (r == nullptr) return;
    const JobView v = view.job(job);
    r->remaining = v.remaining();
    r->anchor = view.now;
    r->rate = Rate{};
    if (v.state == JobState::running)
      r->rate = v.measured != nullptr ? v.measured->rate : view.predict->rate(*v.spec, *v.held, v.target->config, {});
  }

  void follow(const ClusterView& view, const Event& e) {
    if (e.kind == EventKind::capacity) jobs_.capacity_changed();
    if (!e.job.valid()) return;
    switch (e.kind) {
      case EventKind::ready:
      case EventKind::failed:
      case EventKind::launch_failed:
      case EventKind::called_off: {
        const JobView v = view.job(e.job);
        jobs_.remove(e.job);
        if (is_final(v.state)) return;
        if (v.target == nullptr)
          jobs_.add_waiting(v, rank(v.remaining(), v.gpus()));
        else
          jobs_.add_running(v, 0);
        refresh(view, e.job);
        return;
      }
      case EventKind::finished:
      case EventKind::reject:
      case EventKind::cancel: jobs_.remove(e.job); return;
      case EventKind::started:
      case EventKind::resumed:
      case EventKind::progress: refresh(view, e.job); return;
      default: return;
    }
  }

  std::unique_ptr<Placement> placement_;
  Key key_;
  StrictPriority jobs_;
};

// The reference simulators' way: one list of all runnable jobs, stably re-sorted at every event, and (with
// placements that do not merely count) every job placed again from an empty cluster; moves are free there.
class ReferenceList final : public Policy {
 public:
  ReferenceList(std::unique_ptr<Placement> placement, Key key) : placement_(std::move(placement)), key_(key) {}
  [[nodiscard]] Capabilities capabilities() const override {
    return {.preempts = true, .needs_estimates = key_ != Key::gpus};
  }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) {
      if (e.kind == EventKind::ready) list_.push_back({0, e.job});
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
      case Key::remaining: return v.remaining().ns;
      case Key::remaining_service: return static_cast<Rank>(v.remaining().ns) * v.gpus();
      case Key::gpus: return v.gpus();
    }
    return 0;
  }

  std::unique_ptr<Placement> placement_;
  Key key_;
  std::vector<Item> list_;
};

std::unique_ptr<Policy> make(PolicySetup setup, Key key) {
  if (setup.emulate_tiresias || setup.emulate_muri)
    return std::make_unique<ReferenceList>(std::move(setup.placement), key);
  return std::make_unique<SmallestFirst>(std::move(setup.placement), key);
}

}  // namespace

std::unique_ptr<Policy> make_srtf(PolicySetup setup, OptionReader& options) {
  const bool preempts = options.choice("running") == "preempted";
  if (setup.emulate_titan) return interval_srtf(std::move(setup), preempts);
  return make(std::move(setup), Key::remaining);
}
std::unique_ptr<Policy> make_srsf(PolicySetup setup, OptionReader&) {
  return make(std::move(setup), Key::remaining_service);
}
std::unique_ptr<Policy> make_smallest(PolicySetup setup, OptionReader&) {
  return make(std::move(setup), Key::gpus);
}

}  // namespace orrery

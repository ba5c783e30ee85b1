// Optimus as the simulators of Pollux and TitanSched run it: decisions at their scheduling intervals alone, and in
// TitanSched's with oddities. It keeps lists of running and of waiting jobs, in which jobs of the same second stay in
// the order in which they came to be so; the first gain of a job ignores how many GPUs it can use; and, as released,
// every later gain is worked out with the last job of the list.
#include <algorithm>

#include "policies/parts/marginal_gain.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

// What each job itself last said it has done: Pollux' predictor counts whole epochs that were reported.
class ReportedWork {
 public:
  void follow(const Event& e) {
    switch (e.kind()) {
      case EventKind::progress: return say(e.job, e.get<event::Progress>().done);
      case EventKind::checkpointed: return say(e.job, e.get<event::Checkpointed>().committed);
      case EventKind::stopped: return say(e.job, e.get<event::Stopped>().committed);
      case EventKind::launch_failed:
      case EventKind::failed: return say(e.job, failure_of(e)->committed);
      default: return;
    }
  }
  [[nodiscard]] Work of(JobId job) const { return job.index() < done_.size() ? done_[job.index()] : Work{}; }

 private:
  void say(JobId job, Work done) {
    if (job.index() >= done_.size()) done_.resize(job.index() + 1);
    done_[job.index()] = done;
  }
  std::vector<Work> done_;  // [job]
};

class PolluxOptimus final : public Policy {
 public:
  explicit PolluxOptimus(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<PolluxOptimus>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) reported_.follow(e);
    if (ticks_.due(view.now)) resize(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  void resize(const ClusterView& view, PlanBuilder& plan) {
    smallest_least_first(view, ids_, jobs_);
    give_by_time_saved(jobs_, plan.free().usable_gpus(), [&](JobId id, std::int32_t gpus) {
      const JobView v = view.job(id);
      const bool profiled = view.predict->work_of(*v.spec).has_value();
      return time_saved_after(view, v, profiled ? reported_.of(id) : v.done, gpus);
    });
    for (const SizedJob& j : jobs_)
      if (j.before > 0 && j.before != j.gpus) plan.preempt(j.id);
    std::stable_sort(jobs_.begin(), jobs_.end(),
                     [](const SizedJob& a, const SizedJob& b) { return a.gpus < b.gpus; });
    for (const SizedJob& j : jobs_)
      if (j.gpus > 0 && j.before != j.gpus) (void)start_sized(plan, *placement_, j.id, j.gpus, j.least);
    start_without_gpus(view, plan, *placement_);
  }

  OwnPlacement placement_;
  Ticks ticks_{seconds(60)};
  ReportedWork reported_;
  std::vector<JobId> ids_;
  std::vector<SizedJob> jobs_;
};

class TitanOptimus final : public Policy {
 public:
  TitanOptimus(std::unique_ptr<Placement> placement, bool as_released)
      : placement_(std::move(placement)), as_released_(as_released) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<TitanOptimus>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind())) pending_.push_back(e.job);
    if (ticks_.due(view.now)) resize(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  static void move_to(JobId id, std::vector<JobId>& from, std::vector<JobId>& to) {
    from.erase(std::remove(from.begin(), from.end(), id), from.end());
    if (std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
  }

  void collect(const ClusterView& view) {
    drop_ended(view, running_);
    drop_ended(view, pending_);
    jobs_.clear();
    for (const std::vector<JobId>* list : {&running_, &pending_})
      for (const JobId id : *list)
        if (const auto job = sized(view, id)) jobs_.push_back(*job);
    const auto submit = [&view](const SizedJob& j) { return view.spec(j.id).submit; };
    std::stable_sort(jobs_.begin(), jobs_.end(),
                     [&](const SizedJob& a, const SizedJob& b) { return submit(a) < submit(b); });
  }

  void share_out(const ClusterView& view, std::int64_t left) {
    const auto first = [&view](const SizedJob& j) { return time_saved(view, j.id, j.gpus); };
    const auto next = [this, &view](const SizedJob& j) {
      const SizedJob& asked = as_released_ ? jobs_.back() : j;
      return j.gpus + 1 > asked.most ? 0 : time_saved(view, asked.id, j.gpus);
    };
    give_by_gain(jobs_, left, first, next);
  }

  void resize(const ClusterView& view, PlanBuilder& plan) {
    collect(view);
    share_out(view, plan.free().usable_gpus());
    order_ = jobs_;
    for (const SizedJob& j : jobs_) {
      if (j.before == 0 || j.before == j.gpus) continue;
      plan.preempt(j.id);
      move_to(j.id, running_, pending_);
    }
    std::stable_sort(jobs_.begin(), jobs_.end(),
                     [](const SizedJob& a, const SizedJob& b) { return a.gpus > b.gpus; });
    for (const SizedJob& j : jobs_)
      if (j.gpus > 0 && j.before != j.gpus) (void)start_sized(plan, *placement_, j.id, j.gpus, j.gpus);
    for (const SizedJob& j : order_)
      if (plan.planned(j.id) != nullptr) move_to(j.id, pending_, running_);
    start_without_gpus(view, plan, *placement_);
  }

  OwnPlacement placement_;
  bool as_released_;
  Ticks ticks_{seconds(300)};
  std::vector<SizedJob> jobs_, order_;
  std::vector<JobId> running_, pending_;
};

}  // namespace

std::unique_ptr<Policy> pollux_optimus(PolicySetup setup, OptionReader&) {
  return std::make_unique<PolluxOptimus>(std::move(setup.placement));
}

std::unique_ptr<Policy> titan_optimus(PolicySetup setup, OptionReader& options) {
  return std::make_unique<TitanOptimus>(std::move(setup.placement), options.choice("gains") == "released");
}

}  // namespace orrery

// Themis (Mahajan et al., NSDI'20) in a deterministic form, without bidding: jobs hold GPUs on leases; what is free
// or whose lease is over goes to the jobs that are treated worst, by finish-time fairness rho = time in the shared
// cluster over time alone on an equal share of it (docs/policies/fairness.md).
#include <algorithm>
#include <set>

#include "policies/parts/bidders.hpp"
#include "policies/parts/class_queues.hpp"
#include "policies/parts/room_maker.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Themis final : public Policy {
 public:
  Themis(std::unique_ptr<Placement> placement, Duration lease, std::int64_t percent)
      : placement_(std::move(placement)), lease_(lease), percent_(percent) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Themis>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    if (waiting_.empty()) return;
    if (some_lease_is_over(view.now) || some_job_fits(view, plan.free())) auction(view, plan);
    const auto next = leases_.upper_bound({view.now - lease_, kLastJob});
    if (next != leases_.end()) plan.wake_at(next->first + lease_);
  }

 private:
  static constexpr JobId kLastJob{};     // after every job
  using Lease = std::pair<Time, JobId>;  // since when, whose

  // How many jobs there were, over time: the area under it up to now.
  void count_jobs(const ClusterView& view) {
    area_ += static_cast<Int128>((view.now - counted_).ns) * jobs_;
    counted_ = view.now;
  }
  void follow(const ClusterView& view, const Event& e) {
    if (!e.job.valid()) return;
    const JobView v = view.job(e.job);
    if (e.kind() == EventKind::ready) {
      count_jobs(view);
      ++jobs_;
      at(e.job).area = area_;
    } else if (is_final(v.state) && at(e.job).area >= 0) {
      count_jobs(view);
      --jobs_;
      at(e.job).area = -1;
    }
    if (is_final(v.state)) {
      end_lease(e.job);
      waiting_.erase(v.spec->demand_class, 0, e.job);
    } else if (enters_queue(e.kind()) && v.target == nullptr) {
      wait(v);
    } else if (e.kind() == EventKind::ready) {  // it runs by an earlier decision
      plain_only_ = plain_only_ && v.spec->demand.plain();
      grant(e.job, Time{-1});
    }
  }

  struct Job {
    Int128 area = -1;  // area_ when it came; -1 = not here
    Time granted = kNever;
  };
  Job& at(JobId id) {
    if (id.index() >= by_job_.size()) by_job_.resize(std::max(id.index() + 1, 2 * by_job_.size()));
    return by_job_[id.index()];
  }
  void end_lease(JobId id) {
    leases_.erase({at(id).granted, id});
    at(id).granted = kNever;
  }
  void grant(JobId id, Time now) {
    end_lease(id);
    at(id).granted = now;
    leases_.insert({now, id});
  }
  void wait(const JobView& v) {
    end_lease(v.id());
    plain_only_ = plain_only_ && v.spec->demand.plain();
    waiting_.insert(v.spec->demand_class, 0, v.id());
  }

  [[nodiscard]] bool some_lease_is_over(Time now) const {
    return !leases_.empty() && now - leases_.begin()->first >= lease_;
  }
  // One of each class of equal demands speaks for all of it.
  [[nodiscard]] bool some_job_fits(const ClusterView& view, const Inventory& free) {
    const auto fits = [&](const ClassQueues<std::int64_t>::Head& head) {
      const Demand& d = (*view.demands)[head.demand_class];
      if (counts()) return d.gpus <= free.free_gpus();
      scratch_.clear();
      return placement_->place(d, free, scratch_);
    };
    return std::any_of(waiting_.heads().begin(), waiting_.heads().end(), fits);
  }
  // Only numbers of GPUs matter.
  [[nodiscard]] bool counts() const { return plain_only_ && placement_->counting(); }

  // Time in the shared cluster, if it runs from now on, over time alone on an equal share of the cluster, by the
  // number of jobs there were on average since it came. Without an estimate: as if there were nothing left to do.
  [[nodiscard]] double rho(const ClusterView& view, const JobView& v) {
    const Duration here = view.now - v.spec->submit;
    const std::int64_t gpus = std::max(v.gpus(), 1);
    std::int64_t share = std::max<std::int64_t>(view.physical->usable_gpus() / std::max<std::int64_t>(jobs_, 1), 1);
    if (here.ns > 0) {
      const Int128 jobs_ns = std::max<Int128>(area_ - at(v.id()).area, here.ns);
      share = static_cast<std::int64_t>(static_cast<Int128>(view.physical->usable_gpus()) * here.ns / jobs_ns);
    }
    share = std::clamp<std::int64_t>(share, 1, gpus);
    const Duration left = view.time_left(v, static_cast<std::int32_t>(gpus));
    const auto whole = view.work_after(v, Work{});
    const Duration alone = whole ? view.time_for(v, *whole, static_cast<std::int32_t>(share)) : kForever;
    if (left == kForever || alone == kForever) return to_seconds(here);
    return (to_seconds(here) + to_seconds(left)) / std::max(to_seconds(alone), 1e-9);
  }

  // All that wait and all whose lease is over. The worst-treated share of them comes first; the others are offered
  // what is left, those that run before those that wait.
  void collect_bidders(const ClusterView& view) {
    bidders_.clear();
    for (const JobView v : view.pending()) bidders_.push_back({v.id(), v.gpus(), false, rho(view, v)});
    const std::size_t waiting = bidders_.size();
    for (const Lease& lease : leases_) {
      if (view.now - lease.first < lease_) break;
      bidders_.push_back({lease.second, view.job(lease.second).gpus(), true, 0});
    }
    std::sort(bidders_.begin() + static_cast<std::ptrdiff_t>(waiting), bidders_.end(),
              [](const Bidder& a, const Bidder& b) { return a.id < b.id; });
    for (std::size_t i = waiting; i < bidders_.size(); ++i) bidders_[i].rho = rho(view, view.job(bidders_[i].id));
    worst_first(bidders_);
    const auto n = static_cast<std::int64_t>(bidders_.size());
    const auto first = bidders_.begin() + std::clamp<std::int64_t>((n * percent_ + 99) / 100, 1, n);
    std::stable_sort(first, bidders_.end(), [](const Bidder& a, const Bidder& b) { return a.running > b.running; });
  }

  void auction(const ClusterView& view, PlanBuilder& plan) {
    count_jobs(view);
    collect_bidders(view);
    if (counts())
      share_by_counting(view, plan);
    else
      share_by_placing(view, plan);
  }

  void share_by_counting(const ClusterView& view, PlanBuilder& plan) {
    std::int64_t left = plan.free().free_gpus();
    for (const Bidder& b : bidders_)
      if (b.running) left += b.gpus;
    winners_.clear();
    for (const Bidder& b : bidders_) {
      const bool kept = b.gpus <= left;
      if (kept) left -= b.gpus;
      if (kept && b.running) grant(b.id, view.now);
      if (kept && !b.running) winners_.push_back(b.id);
      if (!kept && b.running) {
        plan.preempt(b.id);
        wait(view.job(b.id));
      }
    }
    for (const JobId id : winners_)
      if (plan.start(id, *placement_)) started(view, id);
  }

  // Every winner is placed for real: who cannot be placed leaves its GPUs to the next, and those whose lease is over
  // run on where nobody is put.
  void share_by_placing(const ClusterView& view, PlanBuilder& plan) {
    room_.clear();
    for (const Bidder& b : bidders_)
      if (b.running) room_.add(b.id, b.gpus);
    misfit_.assign(view.demands->size(), 0);
    std::size_t passed = 0;  // of those that run
    for (const Bidder& b : bidders_) {
      if (!b.running) {
        char& misfit = misfit_[view.spec(b.id).demand_class.index()];
        if (misfit == 0 && room_.start(b.id, passed, view, plan, *placement_))
          started(view, b.id);
        else
          misfit = 1;
        continue;
      }
      const std::size_t i = passed++;
      if (room_.kept(i) || room_.start(b.id, passed, view, plan, *placement_)) {
        room_.keep(i);
        grant(b.id, view.now);
      } else {
        wait(view.job(b.id));
      }
    }
  }

  void started(const ClusterView& view, JobId id) {
    waiting_.erase(view.spec(id).demand_class, 0, id);
    grant(id, view.now);
  }

  OwnPlacement placement_;
  Duration lease_;
  std::int64_t percent_;
  std::int64_t jobs_ = 0;
  Int128 area_ = 0;  // job-ns
  Time counted_{};
  std::vector<Job> by_job_;
  ClassQueues<std::int64_t> waiting_;  // in order of arrival
  std::set<Lease> leases_;             // of the jobs that run
  bool plain_only_ = true;             // every demand seen so far is plain
  std::vector<Bidder> bidders_;
  std::vector<JobId> winners_;
  RoomMaker room_;
  std::vector<char> misfit_;  // [demand class]: nobody of it fits any more
  Allocation scratch_;
};

std::unique_ptr<Policy> make_themis(PolicySetup setup, OptionReader& options) {
  const Duration lease = options.time("lease");
  const std::int64_t percent = options.integer("percent");
  return std::make_unique<Themis>(std::move(setup.placement), lease, percent);
}

}  // namespace

const PolicyInfo themis_policy = {
    .name = "themis",
    .title = "finish-time fairness: GPUs on leases, free ones to the jobs treated worst, with preemption",
    .doc =
        "Jobs hold GPUs on leases. What is free or whose lease is over goes to the jobs with the largest "
        "ratio of their time in the shared cluster to their time alone on an equal share of it; the others "
        "are offered what is left. Deterministic: the partial-allocation auction of the paper is not bid for.",
    .source = "Mahajan et al., Themis, NSDI 2020",
    .make = make_themis,
    .options = {{"lease", "time", "1200s", "how long GPUs are granted for", {}, 1, kMostTime},
                {"percent",
                 "integer",
                 "80",
                 "share of the jobs, the worst-treated ones, that are served first",
                 {},
                 1,
                 100}},
    .capabilities = {.preempts = true, .needs_estimates = true},
};

}  // namespace orrery

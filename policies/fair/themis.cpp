// Themis (Mahajan et al., NSDI'20) in a deterministic form, without bidding: jobs hold GPUs on leases; what is free
// or whose lease is over goes to the jobs that are treated worst, by finish-time fairness rho = time in the shared
// cluster over time alone on an equal share of it (docs/policies/fairness.md). Under `emulate: titan` as TitanSched's
// simulator does it, every 60 s, with its own estimate of rho.
#include <algorithm>
#include <set>

#include "policies/factories.hpp"
#include "policies/parts/class_queues.hpp"
#include "policies/parts/room_maker.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "policies/reference/titan_clock.hpp"

namespace orrery {
namespace {

struct Bidder {
  JobId id{};
  std::int32_t gpus = 0;
  bool running = false;
  double rho = 0;
};

void worst_first(std::vector<Bidder>& bidders) {
  std::stable_sort(bidders.begin(), bidders.end(), [](const Bidder& a, const Bidder& b) { return a.rho > b.rho; });
}

class Themis final : public Policy {
 public:
  Themis(std::unique_ptr<Placement> placement, Duration lease, std::int64_t percent)
      : placement_(std::move(placement)), lease_(lease), percent_(percent) {}

  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true, .needs_estimates = true}; }

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
    if (e.kind == EventKind::ready) {
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
    } else if (enters_queue(e.kind) && v.target == nullptr) {
      wait(v);
    } else if (e.kind == EventKind::ready) {  // it runs by an earlier decision
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
    JobView whole = v;
    whole.done = whole.reported = Work{};
    const Duration left = view.predict->time_left(v, static_cast<std::int32_t>(gpus));
    const Duration alone = view.predict->time_left(whole, static_cast<std::int32_t>(share));
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
        char& misfit = misfit_[view.job(b.id).spec->demand_class.index()];
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
    waiting_.erase(view.job(id).spec->demand_class, 0, id);
    grant(id, view.now);
  }

  std::unique_ptr<Placement> placement_;
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

// As TitanSched counts: contention is twice the running jobs, service is what the clock of its steps says, and the
// best-treated fifth keeps what it runs on though its GPUs are given away once more (the placement then fails).
class TitanThemis final : public Policy {
 public:
  explicit TitanThemis(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true, .needs_estimates = true}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind)) {
        if (e.job.index() >= jobs_.size()) jobs_.resize(view.records->size());
        pending_.push_back(e.job);
      }
    if (ticks_.due(view.now)) decide(view, plan);
    ticks_.ask(view, plan);
  }

 private:
  static constexpr std::int64_t kLease = 600;
  struct Job {
    TitanClock clock;
    double deserved = 0;      // GPU-s
    std::int64_t leased = 0;  // when, s
  };

  void account(const ClusterView& view) {
    drop_ended(view, running_);
    drop_ended(view, pending_);
    const double share = static_cast<double>(view.physical->usable_gpus()) /
                         (static_cast<double>(pending_.size() + running_.size()) + 1e-3);
    for (const std::vector<JobId>* list : {&pending_, &running_}) {
      for (const JobId id : *list) {
        const JobView v = view.job(id);
        Job& j = jobs_[id.index()];
        j.clock.update(v, view.now);
        const Time before = std::max(view.now - ticks_.interval(), v.spec->submit);
        j.deserved += std::min(share, static_cast<double>(v.gpus())) * to_seconds(view.now - before);
      }
    }
  }

  [[nodiscard]] double rho(const ClusterView& view, JobId id) const {
    const JobView v = view.job(id);
    const Job& j = jobs_[id.index()];
    if (j.deserved == 0) return 1;
    const double attained = j.clock.attained_gpu_s;
    const auto ran = static_cast<double>(j.clock.running_s);
    const double stay = j.clock.staying_s(v, view.now);
    const double contention = 2 * static_cast<double>(running_.size());
    const double even = static_cast<double>(view.physical->usable_gpus()) / (contention + 1e-3);
    const auto share =
        std::max<std::int32_t>(1, static_cast<std::int32_t>(std::min(even, static_cast<double>(v.gpus()))));
    const double alone =
        ran * (j.deserved / (attained + 1e-3)) + (stay - ran) + to_seconds(view.predict->time_left(v, share));
    const double shared = stay + to_seconds(view.predict->time_left(v, v.gpus())) * (attained / (j.deserved + 1e-3));
    return shared / alone;
  }

  void decide(const ClusterView& view, PlanBuilder& plan) {
    account(view);
    const std::int64_t now = view.now.ns / kNsPerSecond;
    bidders_.clear();
    std::int64_t left = plan.free().free_gpus();
    const auto gpus_of = [&view](JobId id) { return (*view.records)[id.index()].spec->demand.gpus; };
    for (const JobId id : pending_) bidders_.push_back({id, gpus_of(id), false, rho(view, id)});
    for (const JobId id : running_) {
      if (now - jobs_[id.index()].leased < kLease) continue;
      bidders_.push_back({id, gpus_of(id), true, rho(view, id)});
      left += gpus_of(id);
    }
    worst_first(bidders_);
    const auto admitted = static_cast<std::size_t>(
        whole_seconds(Duration{static_cast<std::int64_t>(static_cast<double>(bidders_.size()) * 0.8 * 1e9 + 0.5)}));
    bidders_.resize(admitted);
    winners_.clear();
    for (const Bidder& b : bidders_) {
      if (b.gpus <= left) {
        left -= b.gpus;
        if (b.running)
          jobs_[b.id.index()].leased += kLease;
        else
          winners_.push_back(b);
      } else if (b.running) {
        plan.preempt(b.id);
        running_.erase(std::find(running_.begin(), running_.end(), b.id));
        pending_.push_back(b.id);
      }
    }
    std::vector<Bidder> widest_first = winners_;
    std::stable_sort(widest_first.begin(), widest_first.end(),
                     [](const Bidder& a, const Bidder& b) { return a.gpus > b.gpus; });
    for (const Bidder& b : widest_first) (void)plan.start(b.id, *placement_);
    for (const Bidder& b : winners_) {
      jobs_[b.id.index()].leased = now;
      if (plan.planned(b.id) == nullptr) continue;
      pending_.erase(std::find(pending_.begin(), pending_.end(), b.id));
      running_.push_back(b.id);
    }
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_{seconds(60)};
  std::vector<Job> jobs_;
  std::vector<JobId> pending_, running_;  // in the order in which they came to be so
  std::vector<Bidder> bidders_, winners_;
};

}  // namespace

std::unique_ptr<Policy> make_themis(PolicySetup setup, OptionReader& options) {
  const Duration lease = options.time("lease");
  const std::int64_t percent = options.integer("percent");
  if (setup.emulate_titan) return std::make_unique<TitanThemis>(std::move(setup.placement));
  return std::make_unique<Themis>(std::move(setup.placement), lease, percent);
}

}  // namespace orrery

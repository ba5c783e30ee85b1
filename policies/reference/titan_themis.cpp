// Themis as TitanSched counts: contention is twice the running jobs, service is what the clock of its steps says, and
// the best-treated fifth keeps what it runs on though its GPUs are given away once more (the placement then fails).
#include <algorithm>

#include "policies/parts/bidders.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"
#include "policies/reference/titan_clock.hpp"
#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

class TitanThemis final : public Policy {
 public:
  explicit TitanThemis(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<TitanThemis>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last)
      if (e.job.valid() && enters_queue(e.kind())) {
        if (e.job.index() >= jobs_.size()) jobs_.resize(e.job.index() + 1);
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
    const double alone = ran * (j.deserved / (attained + 1e-3)) + (stay - ran) + to_seconds(view.time_left(v, share));
    const double shared = stay + to_seconds(view.time_left(v, v.gpus())) * (attained / (j.deserved + 1e-3));
    return shared / alone;
  }

  void decide(const ClusterView& view, PlanBuilder& plan) {
    account(view);
    const std::int64_t now = view.now.ns / kNsPerSecond;
    bidders_.clear();
    std::int64_t left = plan.free().free_gpus();
    const auto gpus_of = [&view](JobId id) { return view.spec(id).demand.gpus; };
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

  OwnPlacement placement_;
  Ticks ticks_{seconds(60)};
  std::vector<Job> jobs_;
  std::vector<JobId> pending_, running_;  // in the order in which they came to be so
  std::vector<Bidder> bidders_, winners_;
};

}  // namespace

std::unique_ptr<Policy> titan_themis(PolicySetup setup, OptionReader&) {
  return std::make_unique<TitanThemis>(std::move(setup.placement));
}

}  // namespace orrery

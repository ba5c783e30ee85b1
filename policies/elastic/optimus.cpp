// Optimus (Peng et al., EuroSys'18), without its parameter servers: every job gets its least number of GPUs, small
// numbers first and then in order of arrival; then one GPU after another goes to the job whose remaining time it
// shortens most (docs/policies/elastic.md).
// Sizes are reconsidered every period; between periods jobs only start, on their least. Under `emulate: pollux` and
// `titan` decisions are made at periods alone, as those simulators' re-implementations do, with their oddities.
#include <algorithm>
#include <queue>

#include "policies/factories.hpp"
#include "policies/parts/least_starter.hpp"
#include "policies/parts/sizes.hpp"
#include "policies/parts/ticks.hpp"

namespace orrery {
namespace {

// `titan` as corrected; `titan_released` works out every gain but the first with the last job of the list.
enum class Variant { standard, pollux, titan, titan_released };

class Optimus final : public Policy {
 public:
  Optimus(std::unique_ptr<Placement> placement, Duration period, Variant variant)
      : placement_(std::move(placement)), ticks_(period), variant_(variant) {}

  [[nodiscard]] Capabilities capabilities() const override {
    return {.preempts = true, .elastic = true, .needs_estimates = true};
  }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    const bool standard = variant_ == Variant::standard;
    for (const Event& e : view.since_last) {
      if (standard) starter_.follow(view, e);
      if (titan() && e.job.valid() && enters_queue(e.kind)) pending_.push_back(e.job);
    }
    if (ticks_.due(view.now))
      resize(view, plan);
    else if (standard)
      starter_.start(view, plan, *placement_, [](JobId) {});
    ticks_.ask(view, plan);
  }

 private:
  using Job = SizedJob;

  [[nodiscard]] bool titan() const { return variant_ == Variant::titan || variant_ == Variant::titan_released; }

  // Saved by one GPU more than `gpus`.
  [[nodiscard]] static std::int64_t saved(const ClusterView& view, const Job& j, std::int32_t gpus) {
    const JobView v = view.job(j.id);
    const Duration now = view.predict->time_left(v, gpus), then = view.predict->time_left(v, gpus + 1);
    return now == kForever || then == kForever ? 0 : (now - then).ns;
  }
  [[nodiscard]] static std::int64_t gain_of(const ClusterView& view, const Job& j) {
    return j.gpus + 1 > j.most ? 0 : saved(view, j, j.gpus);
  }

  // TitanSched's lists: jobs submitted in the same second come in the order of these.
  static void move_to(JobId id, std::vector<JobId>& from, std::vector<JobId>& to) {
    from.erase(std::remove(from.begin(), from.end(), id), from.end());
    if (std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
  }

  void collect(const ClusterView& view) {
    if (titan()) {
      drop_ended(view, running_);
      drop_ended(view, pending_);
      ids_ = running_;
      ids_.insert(ids_.end(), pending_.begin(), pending_.end());
    } else {
      wanting_jobs(view, ids_);
    }
    jobs_.clear();
    for (const JobId id : ids_)
      if (const auto job = sized(view, id)) jobs_.push_back(*job);
    const auto submit = [&view](const Job& j) { return (*view.records)[j.id.index()].spec->submit; };
    if (titan())
      std::stable_sort(jobs_.begin(), jobs_.end(), [&](const Job& a, const Job& b) { return submit(a) < submit(b); });
    else
      std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.least < b.least; });
  }

  void share_out(const ClusterView& view, std::int64_t left) {
    using Candidate = std::pair<std::int64_t, std::int64_t>;  // gain, -index: the first of equals
    std::priority_queue<Candidate> best;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      Job& j = jobs_[i];
      if (j.least > left) continue;
      j.gpus = j.least;
      left -= j.least;
      const std::int64_t gain = titan() ? saved(view, j, j.gpus) : left > 0 ? gain_of(view, j) : 0;
      if (gain > 0) best.emplace(gain, -static_cast<std::int64_t>(i));
    }
    while (left > 0 && !best.empty()) {
      const std::int64_t index = best.top().second;
      Job& j = jobs_[static_cast<std::size_t>(-index)];
      best.pop();
      ++j.gpus;
      --left;
      Job asked = variant_ == Variant::titan_released ? jobs_.back() : j;
      asked.gpus = j.gpus;
      if (const std::int64_t gain = gain_of(view, asked); gain > 0) best.emplace(gain, index);
    }
  }

  void resize(const ClusterView& view, PlanBuilder& plan) {
    collect(view);
    share_out(view, plan.free().usable_gpus());
    order_ = jobs_;
    for (const Job& j : jobs_) {
      if (j.before == 0 || j.before == j.gpus) continue;
      plan.preempt(j.id);
      if (titan()) move_to(j.id, running_, pending_);
    }
    const bool widest_first = titan();
    std::stable_sort(jobs_.begin(), jobs_.end(), [widest_first](const Job& a, const Job& b) {
      return widest_first ? a.gpus > b.gpus : a.gpus < b.gpus;
    });
    for (Job& j : jobs_) {
      const bool stays = j.before > 0 && j.before == j.gpus;
      const std::int32_t least = titan() ? j.gpus : j.least;
      if (!stays && j.gpus > 0) j.gpus = std::max(start_sized(view, plan, *placement_, j.id, j.gpus, least), 0);
      if (variant_ == Variant::standard && !stays)
        starter_.set_waiting(*(*view.records)[j.id.index()].spec, j.gpus == 0);
    }
    if (variant_ == Variant::standard) starter_.start(view, plan, *placement_, [](JobId) {});
    if (!titan()) return;
    for (const Job& j : order_)
      if (plan.planned(j.id) != nullptr) move_to(j.id, pending_, running_);
  }

  std::unique_ptr<Placement> placement_;
  Ticks ticks_;
  Variant variant_;
  LeastStarter starter_;  // standard only
  std::vector<JobId> ids_;
  std::vector<Job> jobs_, order_;
  std::vector<JobId> running_, pending_;  // titan only
};

}  // namespace

std::unique_ptr<Policy> make_optimus(PolicySetup setup, OptionReader& options) {
  const bool released = options.choice("gains") == "released";
  Duration every = options.time("period");
  Variant variant = Variant::standard;
  if (setup.emulate_pollux) variant = Variant::pollux, every = seconds(60);
  if (setup.emulate_titan) variant = released ? Variant::titan_released : Variant::titan, every = seconds(300);
  return std::make_unique<Optimus>(std::move(setup.placement), every, variant);
}

}  // namespace orrery

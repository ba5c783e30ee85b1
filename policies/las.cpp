// LAS (least attained service first): strict priority with preemption by attained GPU-time, compared in whole quanta,
// so that two equal jobs alternate once per quantum. A wide job fills one in seconds, less than it takes to start: so
// a job that was started is not compared anew before it has run for `hold`. policies.md 1.5.
//
// Running jobs fill millions of quanta in a long run, and nearly all of them change nothing: what runs is decided by
// where running jobs stand among the first waiting job of each class of equal demands. So the policy is woken when a
// running job falls behind one of those, not at every quantum, and counts quanta where it decides anyway.
#include <algorithm>
#include <map>

#include "policies/factories.hpp"
#include "policies/parts/strict_priority.hpp"

namespace orrery {
namespace {

class Las final : public Policy {
 public:
  Las(std::unique_ptr<Placement> placement, Duration quantum, Duration hold)
      : placement_(std::move(placement)), quantum_(gpu_time(quantum, kMilliPerGpu).milli_gpu_ns), hold_(hold) {}
  [[nodiscard]] Capabilities capabilities() const override { return {.preempts = true}; }

  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    jobs_.rerank_all_running([&](const StrictPriority::Running& r) { return rank_now(view, r); });
    if (falls_behind_ <= view.now) jobs_.rank_changed();
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId id : result.started) start(view.job(id), view.now);
    falls_behind_ = next_to_fall_behind(view.now);
    if (falls_behind_ != kNever) plan.wake_at(falls_behind_);
  }

 private:
  // How the service of a running job goes on: quanta * quantum_ + beyond as of `since`, and `speed` from there.
  struct Course {
    Int128 beyond = 0;  // milli-GPU-ns
    std::int64_t quanta = 0;
    std::int64_t speed = 0;  // milli-GPUs
    std::uint32_t kind = 0;  // index in speeds_
    Time since = kNever;     // kNever: it still starts up
    Duration ran{};          // its run time when it was started
    Duration first{};        // run time from its start until it is compared anew
    Time compared = kNever;  // when that is over; its rank is that of its start before
  };
  static constexpr Int128 kNoNeed = static_cast<Int128>(1) << 126;

  Course& course(JobId id) {
    if (id.index() >= courses_.size()) courses_.resize(std::max(id.index() + 1, 2 * courses_.size()));
    return courses_[id.index()];
  }
  [[nodiscard]] Rank rank_of(const JobView& v) const { return v.attained.milli_gpu_ns / quantum_; }
  [[nodiscard]] static Duration time_for(Int128 service, std::int64_t speed) {
    if (service <= 0) return {};
    const Int128 ns = (service + speed - 1) / speed;
    return ns < kForever.ns ? Duration{static_cast<std::int64_t>(ns)} : kForever;
  }

  // Where only GPUs are counted no running job is ever moved, so its course is known from its start on.
  [[nodiscard]] bool steady() const { return plain_only_ && placement_->counting(); }

  void start(const JobView& v, Time now) {
    Course& c = course(v.id());
    c.speed = v.spec->demand.milli_gpus();
    const auto [kind, fresh] = kinds_.try_emplace(c.speed, static_cast<std::uint32_t>(speeds_.size()));
    if (fresh) speeds_.push_back(c.speed);
    c.kind = kind->second;
    c.ran = v.ran;
    c.quanta = static_cast<std::int64_t>(v.attained.milli_gpu_ns / quantum_);
    c.beyond = v.attained.milli_gpu_ns % quantum_;
    c.first = c.speed == 0 ? hold_ : std::max(time_for(quantum_ - c.beyond, c.speed), hold_);
    c.since = c.compared = kNever;
    if (v.state == JobState::running) progresses(c, now);
  }
  static void progresses(Course& c, Time from) {
    c.since = from;
    c.compared = from + c.first;
  }
  // As the job's view says, whatever became of it since it was started.
  void look_at(Course& c, const JobView& v, Time now) const {
    c.quanta = static_cast<std::int64_t>(v.attained.milli_gpu_ns / quantum_);
    c.beyond = v.attained.milli_gpu_ns % quantum_;
    c.since = v.state == JobState::running ? now : kNever;
    const Duration left = c.first - (v.ran - c.ran);
    c.compared = left.ns <= 0 ? now : c.since == kNever ? kNever : now + left;
  }

  [[nodiscard]] Rank rank_now(const ClusterView& view, const StrictPriority::Running& r) {
    Course& c = course(r.job);
    if (!steady()) look_at(c, view.job(r.job), view.now);
    if (view.now < c.compared) return r.rank;
    if (c.since == kNever) return c.quanta;
    Int128 beyond = c.beyond + static_cast<Int128>((view.now - c.since).ns) * c.speed;
    if (beyond < quantum_) return c.quanta;
    c.since = view.now;
    c.beyond = beyond - quantum_;
    ++c.quanta;
    if (c.beyond >= quantum_) {
      c.quanta += static_cast<std::int64_t>(c.beyond / quantum_);
      c.beyond %= quantum_;
    }
    return c.quanta;
  }

  // When the first running job will have a greater rank than a waiting one that is first of its class and behind it
  // now, if all run from now on; kNever when none ever will.
  [[nodiscard]] Time next_to_fall_behind(Time now) {
    heads_.clear();
    for (const auto& head : jobs_.waiting().heads()) heads_.push_back(head.item.first);
    if (heads_.empty()) return kNever;
    std::sort(heads_.begin(), heads_.end());
    least_.assign(speeds_.size(), kNoNeed);
    Time next = kNever;
    for (const StrictPriority::Running& r : jobs_.running()) {
      const auto head = std::lower_bound(heads_.begin(), heads_.end(), r.rank);
      const Course& c = course(r.job);
      if (head == heads_.end() || c.speed == 0) continue;
      Int128 need = (*head + 1 - c.quanta) * quantum_ - c.beyond;
      if (c.since != kNever) need -= static_cast<Int128>((now - c.since).ns) * c.speed;
      if (now >= c.compared) {
        least_[c.kind] = std::min(least_[c.kind], need);
      } else {
        const Time compared = c.since == kNever ? now + c.first : c.compared;
        next = std::min(next, std::max(compared, now + time_for(need, c.speed)));
      }
    }
    for (std::size_t k = 0; k < speeds_.size(); ++k)
      if (least_[k] != kNoNeed) next = std::min(next, now + time_for(least_[k], speeds_[k]));
    return next;
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
        plain_only_ = plain_only_ && v.spec->demand.plain();
        if (v.target == nullptr) {
          jobs_.add_waiting(v, rank_of(v));
        } else {
          jobs_.add_running(v, rank_of(v));
          start(v, view.now);
        }
        return;
      }
      case EventKind::started:
        if (jobs_.find_running(e.job) != nullptr) progresses(course(e.job), e.at);
        return;
      case EventKind::finished:
      case EventKind::reject:
      case EventKind::cancel: jobs_.remove(e.job); return;
      default: return;
    }
  }

  std::unique_ptr<Placement> placement_;
  Int128 quantum_;  // milli-GPU-ns
  Duration hold_;
  StrictPriority jobs_;
  std::vector<Course> courses_;  // [job]: of those that run
  bool plain_only_ = true;       // every demand seen so far is plain
  Time falls_behind_ = kNever;
  std::map<std::int64_t, std::uint32_t> kinds_;  // speed -> index in speeds_
  std::vector<std::int64_t> speeds_;             // the different ones
  std::vector<Int128> least_;                    // [kind]: service until the first of them falls behind
  std::vector<Rank> heads_;
};

}  // namespace

std::unique_ptr<Policy> make_las(PolicySetup setup, OptionReader& options) {
  return std::make_unique<Las>(std::move(setup.placement), options.time("quantum"), options.time("hold"));
}

}  // namespace orrery

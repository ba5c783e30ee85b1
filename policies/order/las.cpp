// LAS (least attained service first): strict priority with preemption by attained GPU-time, compared in whole quanta,
// so that two equal jobs alternate once per quantum. A wide job fills one in seconds, less than it takes to start: so
// a job that was started is not compared anew before it has run for `hold`. See docs/policies/attained-service.md.
//
// Running jobs fill millions of quanta in a long run, and nearly all of them change nothing: what runs is decided by
// where running jobs stand among the first waiting job of each class of equal demands. So the policy is woken when a
// running job falls behind one of those, not at every quantum, and counts quanta where it decides anyway.
#include <algorithm>

#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Las final : public Policy {
 public:
  Las(std::unique_ptr<Placement> placement, Duration quantum, Duration hold)
      : placement_(std::move(placement)), quantum_(gpu_time(quantum, kMilliPerGpu).milli_gpu_ns), hold_(hold) {}
  // A job that still starts up is looked at when it may have run for `hold`, or, where that is next to nothing, when
  // it has started.
  [[nodiscard]] EventMask wakes_on() const override {
    return Policy::wakes_on() | (waits_for_starts() ? mask_of(EventKind::started) : EventMask{0});
  }

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Las>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    bring_up_to_date(view);
    if (falls_behind_ <= view.now) jobs_.rank_changed();
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId id : result.started) start(view.job(id), view.now);
    falls_behind_ = next_to_fall_behind(view.now);
    if (falls_behind_ != kNever) plan.wake_at(falls_behind_);
  }

 private:
  // How the service of a running job goes on. Its place in jobs_ holds what every decision looks at: `anchor`, before
  // which its rank does not change, and `remaining`, the time that a quantum takes; 0 while it is not compared anew.
  struct Course {
    Int128 beyond = 0;  // quanta * quantum_ + beyond milli-GPU-ns as of `since`, while it is not compared
    std::int64_t quanta = 0;
    Time since = kNever;     // it makes progress from here on; kNever: it still starts up
    std::int64_t speed = 0;  // milli-GPUs; a quantum is period * speed + rest, 0 <= rest < speed
    std::int64_t period = 0;
    std::int64_t rest = 0;
    std::int64_t slack = 0;  // service beyond the quantum that is full at `anchor`
    Duration ran{};          // its run time when it was started
    Duration first{};        // run time from its start until it is compared anew
  };

  Course& course(JobId id) {
    if (id.index() >= courses_.size()) courses_.resize(std::max(id.index() + 1, 2 * courses_.size()));
    return courses_[id.index()];
  }
  [[nodiscard]] Rank rank_of(const JobView& v) const { return v.attained.milli_gpu_ns / quantum_; }
  [[nodiscard]] static std::int64_t time_for(Int128 service, std::int64_t speed) {  // ns
    const Int128 ns = (std::max<Int128>(service, 0) + speed - 1) / speed;
    return static_cast<std::int64_t>(std::min(ns, static_cast<Int128>(kForever.ns)));
  }

  [[nodiscard]] bool waits_for_starts() const { return hold_ < seconds(1); }
  void attains(Course& c, const JobView& v) const {
    c.quanta = static_cast<std::int64_t>(v.attained.milli_gpu_ns / quantum_);
    c.beyond = v.attained.milli_gpu_ns % quantum_;
  }
  void start(const JobView& v, Time now) {
    Course& c = course(v.id());
    c = Course{};
    attains(c, v);
    c.speed = v.spec->demand.milli_gpus();
    c.ran = v.ran;
    c.first = hold_;
    if (c.speed > 0) {
      c.period = time_for(quantum_ - c.speed + 1, c.speed);
      c.rest = static_cast<std::int64_t>(quantum_ % c.speed);
      c.first = std::max(Duration{time_for(quantum_ - c.beyond, c.speed)}, hold_);
    }
    StrictPriority::Running& r = *jobs_.find_running(v.id());
    r.anchor = kNever;
    r.remaining = Duration{};
    if (v.state == JobState::running) progresses(r, now);
  }
  void progresses(StrictPriority::Running& r, Time from) {
    Course& c = course(r.job);
    c.since = from;
    if (c.speed > 0) r.anchor = from + c.first;
  }
  // From `at` on it is compared anew; its service is known as of then.
  void compare(StrictPriority::Running& r, Course& c, Time at) const {
    const std::int64_t left = time_for(quantum_ - c.beyond, c.speed);
    c.slack = static_cast<std::int64_t>(static_cast<Int128>(left) * c.speed - (quantum_ - c.beyond));
    r.anchor = at + Duration{left};
    r.remaining = Duration{std::max<std::int64_t>(c.period, 1)};
  }
  // As the job's view says, whatever became of it since it was started.
  void look_at(StrictPriority::Running& r, const JobView& v, Time now) {
    Course& c = course(r.job);
    if (c.speed == 0) return;
    attains(c, v);
    const Duration left = c.first - (v.ran - c.ran);
    c.since = v.state == JobState::running ? now : kNever;
    r.remaining = Duration{};
    r.anchor = c.since == kNever ? kNever : now + left;
    if (left.ns > 0) return;
    compare(r, c, now);
    r.rank = c.quanta;
  }

  // Ranks of running jobs, as far as they matter. What was waiting before stands where it stood among those that have
  // not passed the first of it; when more has come, every running job may have to make way for it.
  void bring_up_to_date(const ClusterView& view) {
    steady_ = plain_only_ && placement_->counting();
    if (arrived_ || !steady_)
      jobs_.rerank_all_running([&](StrictPriority::Running& r) { return rank_now(view, r); });
    else if (!heads_.empty())
      rerank_those_behind(view);
    arrived_ = false;
  }
  void rerank_those_behind(const ClusterView& view) {
    const std::int64_t first = heads_.front();
    due_.clear();
    for (const StrictPriority::Running& r : jobs_.running())
      if (view.now >= r.anchor && (quanta(r) >= first || view.now >= passes(r, first))) due_.push_back(r.job);
    for (const JobId id : due_) jobs_.rerank_running(id, rank_now(view, *jobs_.find_running(id)));
  }
  [[nodiscard]] static std::int64_t quanta(const StrictPriority::Running& r) {
    return static_cast<std::int64_t>(r.rank);
  }
  // When a job that is compared has a greater rank than `head`, or a little before; its rank is at most that now.
  [[nodiscard]] static Time passes(const StrictPriority::Running& r, std::int64_t head) {
    std::int64_t ns = 0;  // in 64 bits: every decision asks this of every running job
    const bool far = __builtin_mul_overflow(head - quanta(r), r.remaining.ns, &ns);
    return r.anchor + Duration{far ? kForever.ns : std::min(ns, kForever.ns)};
  }

  [[nodiscard]] Rank rank_now(const ClusterView& view, StrictPriority::Running& r) {
    if (!steady_) look_at(r, view.job(r.job), view.now);
    if (view.now < r.anchor) return r.rank;
    Course& c = course(r.job);
    if (r.remaining.ns == 0) {
      const Int128 beyond = c.beyond + static_cast<Int128>((r.anchor - c.since).ns) * c.speed;
      c.quanta += static_cast<std::int64_t>(beyond / quantum_);
      c.beyond = beyond % quantum_;
      compare(r, c, r.anchor);
    }
    while (view.now >= r.anchor) fill_quantum(r, c, view.now);
    return c.quanta;
  }
  // The quantum that is full at the anchor; many at once when there was no decision for long.
  void fill_quantum(StrictPriority::Running& r, Course& c, Time now) const {
    if ((now - r.anchor).ns / 64 > c.period) {
      const Int128 beyond = c.slack + static_cast<Int128>((now - r.anchor).ns) * c.speed;
      c.quanta += 1 + static_cast<std::int64_t>(beyond / quantum_);
      c.beyond = beyond % quantum_;
      compare(r, c, now);
      return;
    }
    ++c.quanta;
    c.slack -= c.rest;
    r.anchor = r.anchor + Duration{c.period + (c.slack < 0 ? 1 : 0)};
    if (c.slack < 0) c.slack += c.speed;
  }

  // When the first running job will have a greater rank than a waiting one that is first of its class and behind it
  // now, if all run from now on, or a little before; kNever when none ever will.
  [[nodiscard]] Time next_to_fall_behind(Time now) {
    heads_.clear();
    for (const auto& head : jobs_.waiting().heads()) heads_.push_back(static_cast<std::int64_t>(head.item.first));
    if (heads_.empty()) return kNever;
    std::sort(heads_.begin(), heads_.end());
    Time next = kNever;
    for (const StrictPriority::Running& r : jobs_.running()) {
      if (r.anchor >= next && r.anchor != kNever) continue;  // nothing becomes of it before
      std::int64_t head = heads_.front();
      if (quanta(r) > head) {
        const auto later = std::lower_bound(heads_.begin(), heads_.end(), quanta(r));
        if (later == heads_.end()) continue;
        head = *later;
      }
      next = std::min(next, r.remaining.ns == 0 ? behind_when_compared(r, head, now, next) : passes(r, head));
    }
    return std::max(next, now + Duration{1});
  }
  // The same of a job that is not compared yet; of no interest unless it is before `bound`.
  [[nodiscard]] Time behind_when_compared(const StrictPriority::Running& r, std::int64_t head, Time now, Time bound) {
    const Course& c = course(r.job);
    if (c.since == kNever && waits_for_starts()) return bound;
    const Time compared = c.since == kNever ? now + c.first : r.anchor;
    if (c.speed == 0 || compared >= bound) return bound;
    const Int128 need = static_cast<Int128>(head + 1 - c.quanta) * quantum_ - c.beyond;
    return std::max(compared, (c.since == kNever ? now : c.since) + Duration{time_for(need, c.speed)});
  }

  void follow(const ClusterView& view, const Event& e) {
    const StrictPriority::Fate fate = jobs_.follow(view, e);
    if (e.kind() == EventKind::started)
      if (StrictPriority::Running* r = jobs_.find_running(e.job)) progresses(*r, e.at);
    if (fate != StrictPriority::Fate::waits && fate != StrictPriority::Fate::runs) return;
    const JobView v = view.job(e.job);
    plain_only_ = plain_only_ && v.spec->demand.plain();
    if (fate == StrictPriority::Fate::waits) {
      jobs_.add_waiting(v, rank_of(v));
      arrived_ = true;
    } else {
      jobs_.add_running(v, rank_of(v));
      start(v, view.now);
    }
  }

  OwnPlacement placement_;
  Int128 quantum_;  // milli-GPU-ns
  Duration hold_;
  StrictPriority jobs_;
  std::vector<Course> courses_;  // [job]: of those that run
  bool plain_only_ = true;       // every demand seen so far is plain
  bool steady_ = true;    // only GPUs are counted: no running job is moved, its course is known from its start on
  bool arrived_ = false;  // since the last decision
  Time falls_behind_ = kNever;
  std::vector<std::int64_t> heads_;  // of the classes that wait, after the last decision, in order
  std::vector<JobId> due_;
};

std::unique_ptr<Policy> make_las(PolicySetup setup, OptionReader& options) {
  return std::make_unique<Las>(std::move(setup.placement), options.time("quantum"), options.time("hold"));
}

}  // namespace

const PolicyInfo las_policy = {
    .name = "las",
    .title = "least attained service first, with preemption",
    .doc =
        "Strict priority by attained GPU-time, compared in whole quanta: two equal jobs alternate once per "
        "quantum, or once per `hold` where that is longer. Tiresias is its discretised form with fewer "
        "preemptions.",
    .source = "Nuyens and Wierman, 2008; Gu et al., Tiresias, NSDI 2019",
    .make = make_las,
    .options =
        {{"quantum", "gpu_time", "300GPUs", "GPU-time after which a running job is compared anew", {}, 1, kMostTime},
         {"hold", "time", "5m", "run time after its start before which it is not", {}, 0, kMostTime}},
    .capabilities = {.preempts = true},
};

}  // namespace orrery

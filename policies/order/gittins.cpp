// Gittins: strict priority with preemption, the largest Gittins index first, from the service of the jobs that have
// finished so far (until there are enough: least attained service first). The index follows attained service in whole
// quanta and may rise or fall with it, so every running job is looked at when it has filled another one. A wide job
// fills one in seconds, less than it takes to start: so a job that was started is not compared anew before it has run
// for `hold`. See docs/policies/attained-service.md.
#include <algorithm>
#include <optional>
#include <set>

#include "policies/parts/gittins_index.hpp"
#include "policies/parts/strict_priority.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Gittins final : public Policy {
 public:
  Gittins(std::unique_ptr<Placement> placement, Duration quantum, Duration hold, bool sup)
      : placement_(std::move(placement)), quantum_(quantum), hold_(hold), sup_(sup) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Gittins>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) follow(view, e);
    while (!crossings_.empty() && crossings_.begin()->first <= view.now) {
      const JobId id = crossings_.begin()->second;
      const JobView v = view.job(id);
      const bool held = v.ran - crosses_[id.index()].started < hold_;
      expect_crossing(v, view.now);
      if (held) continue;
      if (const Rank rank = rank_of(v); rank != jobs_.find_running(id)->rank) {
        jobs_.rerank_running(id, rank);
        jobs_.rank_changed();
      }
    }
    const StrictPriority::Result& result = jobs_.fill(view, plan, *placement_, true);
    for (const JobId id : result.preempted) forget_crossing(id);
    for (const JobId id : result.started) start(view.job(id), view.now);
    if (!crossings_.empty()) plan.wake_at(crossings_.begin()->first);
  }

 private:
  // Smaller first, by whole quanta of attained service.
  [[nodiscard]] Rank rank_at(std::int64_t quanta) const {
    if (!index_) return quanta;
    const Int128 age = std::min(static_cast<Int128>(quanta) * quantum_.ns, static_cast<Int128>(kForever.ns));
    const auto ns = static_cast<std::int64_t>(age);
    return -Rank{sup_ ? index_->sup_at(ns) : index_->at(ns, quantum_.ns)};
  }
  // The index is made anew whenever the number of samples has doubled: O(log) times in a run.
  void job_finished(const ClusterView& view, const JobView& v) {
    const Int128 service = v.attained.milli_gpu_ns / kMilliPerGpu;
    samples_.push_back(static_cast<std::int64_t>(std::min(service, static_cast<Int128>(kForever.ns))));
    if (samples_.size() < std::max<std::size_t>(16, index_ ? 2 * index_->size() : 0)) return;
    index_.emplace(samples_);
    rerank_all(view);
  }
  void rerank_all(const ClusterView& view) {
    for (const JobView& v : view.pending())
      if (jobs_.is_waiting(v.id())) jobs_.rerank_waiting(v, rank_of(v));
    jobs_.rerank_all_running([&](const StrictPriority::Running& r) { return rank_of(view.job(r.job)); });
    jobs_.rank_changed();
  }
  [[nodiscard]] Int128 quantum_size() const { return gpu_time(quantum_, kMilliPerGpu).milli_gpu_ns; }
  [[nodiscard]] Rank rank_of(const JobView& v) const {
    return rank_at(static_cast<std::int64_t>(v.attained.milli_gpu_ns / quantum_size()));
  }
  // When the job will have filled its present quantum and run for as long as it is held, if it runs from now on:
  // while it starts up it does not, so this is the earliest time, and it is looked at again then.
  [[nodiscard]] Time next_look(const JobView& v, Time now) const {
    const Int128 left = quantum_size() - v.attained.milli_gpu_ns % quantum_size();
    const Int128 speed = std::max<Int128>(v.spec->demand.milli_gpus(), 1);
    const Int128 ns = std::min((left + speed - 1) / speed, static_cast<Int128>(kForever.ns));
    Duration quantum{static_cast<std::int64_t>(ns)};
    // One that still starts up is not looked at again at once, however little it lacks.
    if (v.state == JobState::starting) quantum = std::max(quantum, milliseconds(1));
    return now + std::max(quantum, hold_ - (v.ran - crosses_[v.id().index()].started));
  }

  void forget_crossing(JobId id) {
    if (id.index() >= crosses_.size() || crosses_[id.index()].at == kNever) return;
    crossings_.erase({crosses_[id.index()].at, id});
    crosses_[id.index()].at = kNever;
  }
  void start(const JobView& v, Time now) {
    if (v.id().index() >= crosses_.size()) crosses_.resize(2 * v.id().index() + 1);
    crosses_[v.id().index()].started = v.ran;
    expect_crossing(v, now);
  }
  // Precondition: it was started.
  void expect_crossing(const JobView& v, Time now) {
    forget_crossing(v.id());
    crosses_[v.id().index()].at = next_look(v, now);
    crossings_.insert({crosses_[v.id().index()].at, v.id()});
  }

  void follow(const ClusterView& view, const Event& e) {
    if (e.kind() == EventKind::finished) job_finished(view, view.job(e.job));
    const StrictPriority::Fate fate = jobs_.follow(view, e);
    if (fate == StrictPriority::Fate::unchanged) return;
    forget_crossing(e.job);
    if (fate == StrictPriority::Fate::ended) return;
    const JobView v = view.job(e.job);
    if (fate == StrictPriority::Fate::waits) {
      jobs_.add_waiting(v, rank_of(v));
    } else {
      jobs_.add_running(v, rank_of(v));
      start(v, view.now);
    }
  }

  struct Look {
    Time at = kNever;    // its entry in crossings_
    Duration started{};  // its run time when it was started last
  };
  OwnPlacement placement_;
  Duration quantum_, hold_;
  bool sup_;
  StrictPriority jobs_;
  std::vector<std::int64_t> samples_;
  std::optional<GittinsIndex> index_;
  std::set<std::pair<Time, JobId>> crossings_;  // running jobs: no earlier than this they are compared anew
  std::vector<Look> crosses_;                   // [job]
};

std::unique_ptr<Policy> make_gittins(PolicySetup setup, OptionReader& options) {
  const Duration quantum = options.time("quantum"), hold = options.time("hold");
  const bool sup = options.choice("horizon") == "sup";
  return std::make_unique<Gittins>(std::move(setup.placement), quantum, hold, sup);
}

}  // namespace

const PolicyInfo gittins_policy = {
    .name = "gittins",
    .title = "largest Gittins index first, from the service of finished jobs, with preemption",
    .doc =
        "Strict priority by the chance to finish within a quantum over the service expected to be spent, "
        "given what a job has attained and what earlier jobs needed. Least attained service until 16 jobs "
        "have finished.",
    .source = "Gittins, 1979; Gu et al., Tiresias (2D-Gittins), NSDI 2019",
    .make = make_gittins,
    .options = {{"quantum",
                 "gpu_time",
                 "3250GPUs",
                 "quantum of the index; a running job is compared anew after it",
                 {},
                 1,
                 kMostTime},
                {"hold", "time", "5m", "run time after its start before which it is not", {}, 0, kMostTime},
                {"horizon",
                 "choice",
                 "quantum",
                 "the index over one quantum, or the largest over all quanta (sup)",
                 {"quantum", "sup"}}},
    .capabilities = {.preempts = true},
};

}  // namespace orrery

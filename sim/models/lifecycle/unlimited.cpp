#include "sim/models/lifecycle/unlimited.hpp"

#include <algorithm>

#include "sim/api/job_phases.hpp"

namespace orrery {
namespace {

// Later than any clock goes.
constexpr Int128 kTooLate = kForever.ns / 2;

class Unlimited {
 public:
  Unlimited(const Workload& workload, const OverheadModel& overheads, const CheckpointModel& checkpoints,
            const PublishModel& publishes)
      : workload_(workload),
        overheads_(overheads),
        checkpoints_(checkpoints),
        publish_cost_(publishes.cost),
        points_(publish_points(publishes, workload.specs)),
        versions_(points_.size()),
        finish_(workload.specs.size(), kTooLate) {}

  std::vector<std::optional<Duration>> jcts() {
    for (const std::size_t job : parents_first()) follow(job);
    std::vector<std::optional<Duration>> out;
    for (std::size_t i = 0; i < finish_.size(); ++i) {
      const Int128 jct = finish_[i] - workload_.specs[i].submit.ns;
      out.push_back(finish_[i] < kTooLate ? std::optional(Duration{static_cast<std::int64_t>(jct)}) : std::nullopt);
    }
    return out;
  }

 private:
  struct Version {
    std::int32_t per_mille = 0;
    Int128 at_ns = 0;
  };

  [[nodiscard]] std::vector<std::size_t> parents_first() const {
    const std::vector<JobSpec>& specs = workload_.specs;
    std::vector<std::vector<std::size_t>> children(specs.size());
    std::vector<std::size_t> open(specs.size()), order;
    order.reserve(specs.size());
    for (std::size_t i = 0; i < specs.size(); ++i) {
      open[i] = specs[i].after.size();
      for (const Dependency& d : specs[i].after) children[d.parent.index()].push_back(i);
      if (open[i] == 0) order.push_back(i);
    }
    for (std::size_t k = 0; k < order.size(); ++k)
      for (const std::size_t child : children[order[k]])
        if (--open[child] == 0) order.push_back(child);
    return order;
  }

  // When the parent has published so much.
  [[nodiscard]] Int128 published(const Dependency& d) const {
    for (const Version& v : versions_[d.parent.index()])
      if (v.per_mille >= d.progress_per_mille) return v.at_ns;
    return kTooLate;
  }

  // What is left of its work when it is launched at that instant.
  [[nodiscard]] Work work_at(std::size_t job, Int128 launch_ns) const {
    const JobTruth& truth = workload_.truths[job];
    if (truth.sources.empty()) return truth.work;
    for (const Dependency& d : workload_.specs[job].after) {
      const Version* newest = nullptr;
      for (const Version& v : versions_[d.parent.index()])
        if (v.at_ns <= launch_ns) newest = &v;
      if (newest == nullptr) continue;
      const auto of_parent = [&d](const SourceGain& s) { return s.parent == d.parent; };
      const auto source = std::find_if(truth.sources.begin(), truth.sources.end(), of_parent);
      return transfer_work(workload_.specs[job], truth.work,
                           source == truth.sources.end() ? 0 : source->gain_per_mille, newest->per_mille);
    }
    return truth.work;
  }

  void follow(std::size_t job) {
    const JobSpec& spec = workload_.specs[job];
    Int128 ready = spec.submit.ns;
    for (const Dependency& d : spec.after)
      if (d.hard) ready = std::max(ready, published(d));
    if (ready >= kTooLate) return;
    const Work total = work_at(job, ready);
    Run run{ready + overheads_.start_cost(spec, Incarnation{1}).ns, 0, 0};
    if (!points_.empty()) publish_all(job, total, run);
    advance(job, total, total.ns, run);
    finish_[job] = std::min(run.at_ns, kTooLate);
    if (!points_.empty()) versions_[job].push_back({1000, finish_[job]});
  }

  struct Run {
    Int128 at_ns = 0;
    std::int64_t done_ns = 0;
    std::int64_t unsaved_ns = 0;  // of running, since its clock for checkpoints began anew
  };

  // Runs on to that much work, with the checkpoints by the clock that come before it.
  void advance(std::size_t job, Work total, std::int64_t until_ns, Run& run) const {
    if (until_ns <= run.done_ns) return;
    const std::int64_t left = phases_time(workload_.specs[job], total, Work{run.done_ns}, Work{until_ns}).ns;
    run.at_ns += left;
    run.done_ns = until_ns;
    const std::int64_t every = checkpoints_.every.ns;
    if (every <= 0) return;
    const std::int64_t saves = (run.unsaved_ns + left - 1) / every;
    run.at_ns += static_cast<Int128>(saves) * checkpoints_.cost_of(JobId(static_cast<std::uint32_t>(job))).ns;
    run.unsaved_ns += left - saves * every;
  }

  void publish_all(std::size_t job, Work total, Run& run) {
    std::int32_t have = 0;
    for (const std::int32_t point : points_[job]) {
      if (point <= have) continue;
      const auto at = static_cast<std::int64_t>((static_cast<Int128>(total.ns) * point + 999) / 1000);
      if (at >= total.ns) return;
      advance(job, total, at, run);
      run.at_ns += publish_cost_.ns;
      if (publish_cost_.ns > 0) run.unsaved_ns = 0;
      have = std::max(have, static_cast<std::int32_t>(static_cast<Int128>(at) * 1000 / total.ns));
      versions_[job].push_back({have, run.at_ns});
    }
  }

  const Workload& workload_;
  const OverheadModel& overheads_;
  const CheckpointModel& checkpoints_;
  Duration publish_cost_;
  std::vector<std::vector<std::int32_t>> points_;  // [job] where it publishes; empty where no job has parents
  std::vector<std::vector<Version>> versions_;     // [job] in order of time
  std::vector<Int128> finish_;
};

}  // namespace

std::vector<std::optional<Duration>> unlimited_jcts(const Workload& workload, const OverheadModel& overheads,
                                                    const CheckpointModel& checkpoints,
                                                    const PublishModel& publishes) {
  return Unlimited(workload, overheads, checkpoints, publishes).jcts();
}

}  // namespace orrery

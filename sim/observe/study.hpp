// The metrics of a study beyond JCT and utilisation (policies.md section 4): fairness, slowdowns, deadlines,
// fragmentation, goodput, cost, energy, transfer, per tenant and kind. A second fold over the event stream beside
// MetricsFold, whose rows it reads at the end. Costs O(groups) when time passes and O(GPUs of the nodes) when an
// allocation changes; everything else is done once, at the end. What the inputs do not say has no value.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/observe/fold.hpp"
#include "sim/observe/fragmentation.hpp"
#include "sim/observe/gpu_meter.hpp"

namespace orrery {

struct StudyJob {
  std::optional<Duration>
      exclusive;  // run time undisturbed on the requested GPUs; of a child: from its base checkpoint
  std::optional<Time> deadline;
  std::int64_t tflop = 0;  // 0 = unknown
  std::vector<JobId> parents;
};

// What the events do not say. Owned by the caller.
struct StudyInputs {
  std::vector<StudyJob> jobs;             // by JobId
  std::vector<FragmentShape> shapes;      // the most frequent demands, at most 32
  std::vector<std::int32_t> node_gpus;    // by NodeId
  std::vector<std::uint32_t> node_group;  // by NodeId, index into groups
  std::vector<NodeGroup> groups;          // prices, powers, peaks
};
// All but `exclusive`, which is no public knowledge.
[[nodiscard]] StudyInputs make_study_inputs(const std::vector<JobSpec>& specs, const Topology& topology);

class StudyFold : public Observer {
 public:
  StudyFold(std::shared_ptr<const JobTable> table, StudyInputs inputs);

  void on_event(const Event& e) override;
  void on_end(Time now) override { advance(now); }

  // After on_end of both folds; `base` has folded the same events.
  [[nodiscard]] StudySummary summary(const MetricsFold& base) const;

 private:
  struct Job {
    Int128 contending = 0, usable = 0;  // integrals at submit
    double contention = 0;              // at its end: jobs per usable GPU over its life
    Int128 peak_gflop = 0;              // of what it held: GFLOP/s x milli-GPU x ns
    Allocation held;                    // its present or last one
    Time held_since{};
    std::int64_t saved_ns = 0;  // inherited work
    std::uint32_t launches = 0;
    bool heir = false, holds = false, runs = false, stopping = false, contends = false, ended = false;
  };
  struct Group {
    Int128 held = 0, running = 0;  // integrals, milli-GPU x ns
    std::int64_t held_milli = 0, running_milli = 0;
  };

  void advance(Time now);
  void hold(Job& j, const Event& e);
  void release(Job& j, Time now);
  void run(Job& j, bool on);
  void end(Job& j, Time now);
  void refresh(std::size_t node);
  [[nodiscard]] std::int64_t fragment_micro(std::size_t node);
  // The parts of summary().
  void add_fairness(StudySummary& s, const MetricsFold& base) const;
  void add_work(StudySummary& s, const MetricsFold& base) const;
  void add_economy(StudySummary& s, const MetricsFold& base) const;
  void add_transfer(StudySummary& s, const MetricsFold& base) const;
  void add_groups(StudySummary& s, const MetricsFold& base) const;
  // Run time without disturbance from what the job started from; nothing where it is not known.
  [[nodiscard]] std::optional<double> exclusive_s(JobId id) const;
  [[nodiscard]] std::optional<double> rho(const JobRow& row) const;

  std::shared_ptr<const JobTable> table_;
  StudyInputs in_;
  GpuMeter held_, running_;
  std::vector<Job> jobs_;
  std::vector<Group> groups_;
  std::vector<std::int64_t> node_idle_milli_, node_fragment_micro_;
  std::vector<bool> node_down_;
  std::vector<std::vector<std::int64_t>> whole_;  // [GPUs of the node][whole GPUs free] fragment; -1 = not known yet
  std::vector<std::int32_t> scratch_;
  Time now_{};
  std::int64_t contending_ = 0, usable_ = 0, idle_milli_ = 0, fragment_micro_ = 0;
  Int128 contending_sum_ = 0, usable_sum_ = 0, idle_sum_ = 0, fragment_sum_ = 0;  // integrals
  Int128 checkpoint_milli_ns_ = 0;
  std::int64_t restarts_ = 0, migrations_ = 0;
  Time first_submit_ = kNever;
};

}  // namespace orrery

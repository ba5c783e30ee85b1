// The metrics of a study beyond JCT and utilisation (`orrery metrics` defines them): fairness, slowdowns, deadlines,
// fragmentation, goodput, cost, energy, transfer, per tenant and kind. A second fold over the event stream beside
// MetricsFold, whose rows it reads at the end. Costs O(groups) when time passes and O(GPUs of the nodes) when an
// allocation changes; everything else is done once, at the end. What the inputs do not say has no
// value. Where some jobs are not measured (JobInfo::measured), every metric is of the others; what is of the cluster
// is from their first submit to their last finish.
//
// Every GPU-second held is one of four, which the events alone decide (a job's own: GPUs that jobs interleave on
// count for each of them):
//   overhead     held but not running: starts, stops, suspensions;
//   checkpoint   running, but standing still to save or publish;
//   lost         running, for work that was rolled back: a failure, or a kill, left less than had been done, or
//                the job began anew;
//   productive   the rest.
// What a slow placement, neighbours, slow nodes or a size that scales badly cost is none of these: the job makes
// progress, only slowly. That is the stretch: productive GPU-time over what the same work takes undisturbed on the
// requested GPUs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/slots.hpp"
#include "sim/observe/metrics/bubble_meter.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "sim/observe/metrics/fragmentation.hpp"
#include "sim/observe/metrics/gpu_meter.hpp"

namespace orrery {

struct StudyJob {
  std::optional<Duration>
      exclusive;  // run time undisturbed on the requested GPUs; of a child: from its base checkpoint
  std::optional<Duration> unlimited{};  // from submit to finish with GPUs for all, sim/models/lifecycle/unlimited.hpp
  std::optional<Time> deadline;
  std::int64_t tflop = 0;  // of the work that `exclusive` is; 0 = unknown
  std::vector<JobId> parents;
  BubbleJob filling{};  // what it lets others fill, and needs to fill
};

// What the events do not say. Owned by the caller.
struct StudyInputs {
  std::vector<StudyJob> jobs;             // by JobId
  std::vector<FragmentShape> shapes;      // the most frequent demands: 95 % of the jobs, at most 32
  std::vector<std::int32_t> node_gpus;    // by NodeId
  std::vector<std::uint32_t> node_group;  // by NodeId, index into groups
  std::vector<NodeGroup> groups;          // prices, powers, peaks, CPUs, memory
  std::vector<GpuTypeMask> group_type;    // by group
  RunClock clock{};                       // as the base fold's
  // How many times as fast as on one of these GPUs the job is on all of them, alone there; nothing where that is not
  // known. Asked once per launch. Empty = nobody knows.
  std::function<std::optional<double>(JobId, const Allocation&)> speedup;
};
// All but `exclusive` and `unlimited`, which are no public knowledge, and `speedup`.
[[nodiscard]] StudyInputs make_study_inputs(const std::vector<JobSpec>& specs, const Topology& topology);

class StudyFold : public Observer {
 public:
  StudyFold(std::shared_ptr<const JobTable> table, StudyInputs inputs);
  StudyFold(const StudyFold&) = default;
  StudyFold(StudyFold&&) = default;
  StudyFold& operator=(const StudyFold&) = default;
  StudyFold& operator=(StudyFold&&) = default;
  ~StudyFold() override;

  void expect(JobId job) const override;
  void on_event(const Event& e) override;
  void on_end(Time now) override;

  // After on_end of both folds; `base` has folded the same events.
  [[nodiscard]] StudySummary summary(const MetricsFold& base) const;

 private:
  static constexpr std::uint32_t kNone = Slots<int>::kNone;
  struct Job {
    double contention = 0;                          // at its end: jobs per usable GPU over its life
    double deserved_gpu_s = 0;                      // at its end: see share_jain
    double peak_tflop = 0, cost = 0, energy_j = 0;  // of what it held
    std::int64_t saved_ns = 0;                      // inherited work
    std::int64_t spared_ns = 0;                     // work that features which it found spare it
    std::int64_t committed_ns = 0;                  // work that it would keep, as it last said
    std::uint32_t launches = 0;
    std::uint32_t waste = 0;     // 1 + index into waste_; 0 = none
    std::uint32_t live = kNone;  // in live_, from its first event until it has ended
    bool heir = false, ended = false;
  };
  // What is kept of a job until it has ended.
  struct Live {
    Int128 contending = 0, usable = 0;  // integrals at submit
    Int128 share = 0;                   // integral at ready
    Int128 kept = 0;                    // of running, milli-GPU x ns, whose work is saved: it may be dropped
    Allocation held;                    // its present or last one
    Time ready{}, held_since{}, run_since{};
    std::int64_t unsaved_ns = 0;     // of running in this launch, since it last saved
    std::int64_t ran_ns = 0;         // of running since held_since
    std::int64_t ahead_ns = 0;       // of that, by which the run's clock is ahead of the cluster's
    std::int64_t life_ahead_ns = 0;  // likewise, since it was submitted
    std::int64_t speedup_milli = 0;
    bool holds = false, runs = false, stopping = false, contends = false;
  };
  struct Group {
    Int128 held = 0, running = 0;  // integrals, milli-GPU x ns
    std::int64_t held_milli = 0, running_milli = 0;
  };
  // Of a job's running time, milli-GPU x ns.
  struct Waste {
    Int128 checkpoint = 0, lost = 0;
  };
  // Integrals over time.
  struct Totals {
    Int128 contending = 0, usable = 0, share = 0, idle = 0, fragment = 0, unusable = 0, speedup = 0;
  };

  void advance(Time now);
  void hold(Job& j, const Event& e);
  void release(Job& j, Time now);
  void book(Job& j, Time now);
  void run(Job& j, bool on);
  void settle(Job& j);
  void stand_still(Job& j, Duration stood);
  void keep(Job& j, Work work);
  void begin_anew(Job& j);
  void end(Job& j, Time now);
  void change_capacity(const Event& e);
  void note_features(Job& j, const Event& e);
  void change_contention(int by_jobs, std::int64_t by_gpus);
  [[nodiscard]] Waste& waste_of(Job& j);
  // The parts of summary().
  void add_fairness(StudySummary& s, const MetricsFold& base) const;
  void add_shares(StudySummary& s, const MetricsFold& base) const;
  void add_work(StudySummary& s, const MetricsFold& base) const;
  void add_cluster(StudySummary& s) const;
  void add_economy(StudySummary& s, const MetricsFold& base) const;
  void add_transfer(StudySummary& s) const;
  void add_features(StudySummary& s) const;
  void add_bubbles(StudySummary& s) const;
  void add_lineages(StudySummary& s, const MetricsFold& base) const;
  void add_delays(StudySummary& s, const MetricsFold& base) const;
  void add_groups(StudySummary& s, const MetricsFold& base) const;
  // Run time without disturbance from what the job started from; nothing where it is not known.
  [[nodiscard]] std::optional<double> exclusive_s(JobId id) const;
  // FLOPs of the work that the job really had, in 10^12; nothing where they or the peak are not known.
  [[nodiscard]] std::optional<double> computed_tflop(JobId id) const;
  [[nodiscard]] std::optional<double> rho(const JobNumbers& row) const;
  [[nodiscard]] double productive_gpu_s(const JobNumbers& row) const;
  [[nodiscard]] bool measures_all() const;
  [[nodiscard]] bool priced() const;
  [[nodiscard]] bool powered() const;

  std::shared_ptr<const JobTable> table_;
  StudyInputs in_;
  GpuMeter held_, running_;
  FragmentMeter fragments_;
  std::vector<Job> jobs_;
  Slots<Live> live_;
  std::vector<Group> groups_;
  std::vector<Waste> waste_;  // of the jobs that had any
  Time now_{};
  std::int64_t contending_ = 0, usable_ = 0;
  std::int64_t share_micro_ = 0;  // of each job that contends, millionths of a GPU
  std::int64_t speedup_milli_ = 0;
  bool speeds_known_ = true;
  Totals totals_{}, at_first_submit_{}, at_last_finish_{};
  std::int64_t restarts_ = 0, migrations_ = 0;
  std::int64_t feature_hits_ = 0, feature_misses_ = 0;
  Int128 features_saved_ = 0;  // milli-GPU x ns
  BubbleMeter bubbles_;
  Time first_submit_ = kNever, last_finish_{};
};

}  // namespace orrery

// What a policy sees: the cluster as of now, read-only and maintained incrementally (never rebuilt). Views are
// regular types, cheap to make and valid during one call of Policy::schedule.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "sim/api/feature_sets.hpp"
#include "sim/api/job_phases.hpp"
#include "sim/api/predictor.hpp"
#include "sim/core/event.hpp"
#include "sim/core/id_set.hpp"
#include "sim/core/inventory.hpp"
#include "sim/core/job.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

enum class Act : std::uint8_t { run, suspend, preempt, reject, cancel };

// A standing target: what a job should hold, until a later plan replaces it.
struct Target {
  Act act = Act::run;
  Allocation gpus{};
  RunConfig config{};
  GroupId group = kNoGroup;
  Sharing sharing = Sharing::exclusive;
  friend bool operator==(const Target&, const Target&) = default;
};

// A claim about a job's total run time on its requested allocation, the time that it stands still to save included.
struct Estimate {
  Duration total{};
};

// Speed as reported by the job itself.
struct Measured {
  Time at{};
  Rate rate{};
};

// The control plane's book-keeping for one job. Written by ClusterState only; policies see it through JobView.
struct JobRecord {
  const JobSpec* spec = nullptr;
  JobState state = JobState::submitted;
  bool known = false;  // submitted to the cluster (its submit time has come)
  bool ready = false;  // its parents allow it to run
  bool has_target = false;
  bool cancelling = false;  // to be cancelled as soon as it holds nothing
  Incarnation incarnation = 0;
  std::uint32_t restarts = 0;     // launches after the first
  std::uint32_t preemptions = 0;  // stops asked for by the policy
  std::uint32_t failures = 0;
  Incarnation anew_in = 0;  // the launch in which it last began anew (RunConfig::anew); 0 = in none
  GangId gang{};
  Time since{};              // when `state` was entered
  Duration waited_before{};  // without an allocation, before `since`
  Duration ran_before{};     // in state running, before `since`
  GpuTime attained_before{};
  Work done{};  // as of `done_at`: as it said itself, or as is believed since its speed changed
  Time done_at{};
  Work said{};  // what it said last, at `said_at`
  Time said_at{};
  Work committed{};
  std::optional<Estimate> estimate{};
  std::optional<Measured> measured{};
  // While it makes steps in a merged gang, or fills bubbles: what is believed of its speed there.
  std::optional<Rate> in_gang{};
  Duration cpu_per_sample{};  // as the job last measured it; 0 = not measured
  std::int32_t phase = 0;     // of its work, that it said last (event::Progress)
  Allocation held{};
  Sharing held_sharing = Sharing::exclusive;
  GroupId held_group = kNoGroup;
  RunConfig held_config{};
  Target target{};
};

// Thousandths of GPUs that a job holds for itself: none of a filler, whose GPUs are its host's.
[[nodiscard]] inline std::int64_t own_milli_gpus(const JobRecord& r) {
  return r.held_sharing == Sharing::filler ? 0 : r.held.milli_gpus();
}

// Of a job that runs: the speed that it reported, else what is believed of it.
[[nodiscard]] Rate believed_rate(const JobRecord& r, const Predictor& predict);

// One job as of now.
struct JobView {
  const JobSpec* spec = nullptr;
  JobState state = JobState::submitted;
  bool ready = false;
  Incarnation incarnation = 0;
  std::uint32_t restarts = 0;
  Duration waited{};   // total time without an allocation
  Duration ran{};      // total time in state running
  GpuTime attained{};  // GPU-time in state running
  Work done{};         // reported, extrapolated at the believed rate while running
  Rate rate{};         // of a job that runs: measured, else predicted for what it holds and who is merged with it
  Work committed{};    // safe in a checkpoint
  std::optional<Estimate> estimate{};
  const Allocation* held = nullptr;    // null when it holds nothing
  const Target* target = nullptr;      // null when none stands
  const Measured* measured = nullptr;  // null before the first report
  // CPU time of one core that loading and preprocessing a sample takes (c_cpu of a loader's stall, samples * c_cpu
  // / cores in a step), as the job itself last measured it; 0 = not measured, as in every simulation.
  Duration cpu_per_sample{};
  std::int32_t phase = 0;  // of spec->phases: the one that it makes, or made last, its steps in

  [[nodiscard]] JobId id() const { return spec->id; }
  [[nodiscard]] std::int32_t gpus() const { return spec->demand.gpus; }
  // Estimated run time left on the requested allocation; kForever without an estimate. At least 1 ns for a
  // job that has outrun its estimate.
  [[nodiscard]] Duration remaining() const {
    if (!estimate) return kForever;
    if (!spec->phases.empty() && estimate->total != kForever) return rest_by_phases(*spec, estimate->total, done);
    return {estimate->total.ns > done.ns ? estimate->total.ns - done.ns : 1};
  }
  // Of a job that runs: how fast the time that is left goes by. That is its rate, where all its steps are alike.
  [[nodiscard]] Rate pace() const;
};

class ClusterView;

// Jobs in (submit, id) order; begin() is O(1) and each step O(1).
class JobRange {
 public:
  class iterator {
   public:
    using value_type = JobView;
    using difference_type = std::ptrdiff_t;
    using pointer = const JobView*;
    using reference = JobView;
    using iterator_category = std::input_iterator_tag;
    iterator() = default;
    iterator(const ClusterView* view, IdSet<JobId>::iterator at) : view_(view), at_(at) {}
    JobView operator*() const;
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++at_;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }

   private:
    const ClusterView* view_ = nullptr;
    IdSet<JobId>::iterator at_{};
  };

  JobRange() = default;
  JobRange(const ClusterView* view, const IdSet<JobId>* ids) : view_(view), ids_(ids) {}
  [[nodiscard]] iterator begin() const { return {view_, ids_->begin()}; }
  [[nodiscard]] iterator end() const { return {view_, ids_->end()}; }
  [[nodiscard]] std::size_t size() const { return ids_->size(); }
  [[nodiscard]] bool empty() const { return ids_->empty(); }
  [[nodiscard]] const IdSet<JobId>& ids() const { return *ids_; }

 private:
  const ClusterView* view_ = nullptr;
  const IdSet<JobId>* ids_ = nullptr;
};

// What a view looks at; owned by ClusterState.
struct ViewTables {
  const std::vector<JobRecord>* records = nullptr;                // [job]
  const IdSet<JobId>* pending = nullptr;                          // ready, without a standing run target
  const IdSet<JobId>* blocked = nullptr;                          // parents not ready
  const IdSet<JobId>* active = nullptr;                           // with a standing run or suspend target
  const std::vector<std::vector<Version>>* published = nullptr;   // [job]; empty where no job has parents
  const std::map<GroupId, std::vector<JobId>>* merged = nullptr;  // those that hold GPUs, in order of launch
  // [job][GPU type]: GPU-time before `since`; empty where all GPUs are of one type.
  const std::vector<std::vector<GpuTime>>* attained_on = nullptr;
  const FeatureSets* features = nullptr;
  const std::map<JobId, std::vector<JobId>>* fillers = nullptr;  // [host] those that are to fill its bubbles
};

class ClusterView {
 public:
  ClusterView() = default;
  explicit ClusterView(const ViewTables& tables) : tables_(tables) {}

  Time now{};
  std::uint64_t epoch = 0;  // counts decisions
  const Topology* topology = nullptr;
  const Inventory* physical = nullptr;   // what is free now; plans are made on PlanBuilder::free()
  std::span<const Event> since_last{};   // every event since the last decision
  const Predictor* predict = nullptr;    // believed speed
  const DemandTable* demands = nullptr;  // by JobSpec::demand_class

  // All about one job as of now, worked out; its parts below are cheaper where one of them is enough.
  [[nodiscard]] JobView job(JobId id) const;
  [[nodiscard]] const JobSpec& spec(JobId id) const { return *record(id).spec; }
  [[nodiscard]] JobState state(JobId id) const { return record(id).state; }
  // The work that is left of a job once `done` of it is done: of what its profile says, else of what is claimed;
  // nothing without either. A job that has outrun a claim has 1 ns left.
  [[nodiscard]] std::optional<Work> work_after(const JobView& job, Work done) const;
  // What is believed of `gpus` GPUs, packed, of the types that the job holds (of its own when it holds none): how
  // long all that is left of it would take there, restarts not counted, or so much work of it. kForever when nobody
  // knows.
  [[nodiscard]] Duration time_left(const JobView& job, std::int32_t gpus) const;
  [[nodiscard]] Duration time_for(const JobView& job, Work work, std::int32_t gpus) const;
  // GPU-time in state running on GPUs of one type, by its place in topology->gpu_types(): JobView::attained is the
  // sum.
  [[nodiscard]] GpuTime attained(JobId id, std::uint32_t type) const;
  // Null when it holds nothing.
  [[nodiscard]] const Allocation* held(JobId id) const {
    return holds_gpus(record(id).state) ? &record(id).held : nullptr;
  }
  // Its standing target, null when there is none.
  [[nodiscard]] const Target* target(JobId id) const { return record(id).has_target ? &record(id).target : nullptr; }
  // What the job has published so far, oldest first.
  [[nodiscard]] std::span<const Version> versions(JobId id) const {
    if (tables_.published == nullptr || tables_.published->empty()) return {};
    return (*tables_.published)[id.index()];
  }
  // Where the features are that the job would need if it started now from a version of a parent (none: from its base
  // checkpoint): whether it would read them, which takes spec(job).features.read, or compute them, which takes
  // `.time`. What it runs for on its requested allocation has the latter in it, as has what is claimed of it.
  [[nodiscard]] FeatureState features(JobId job, JobId parent, std::uint32_t version) const;
  // The same for what it would start from where nobody chooses: the newest version of the first parent that has one.
  [[nodiscard]] FeatureState features(JobId job) const;
  // The members of the merged gang that the job is in, or was in last, in order of launch; empty where there is none.
  [[nodiscard]] std::span<const JobId> gang(JobId id) const;
  // The jobs whose standing targets say that they fill bubbles of this one, in order of the plans that said so.
  [[nodiscard]] std::span<const JobId> fillers(JobId host) const;
  [[nodiscard]] JobRange pending() const { return {this, tables_.pending}; }
  [[nodiscard]] JobRange blocked() const { return {this, tables_.blocked}; }
  [[nodiscard]] JobRange active() const { return {this, tables_.active}; }

 private:
  [[nodiscard]] const JobRecord& record(JobId id) const { return (*tables_.records)[id.index()]; }

  ViewTables tables_;
};

inline JobView JobRange::iterator::operator*() const {
  return view_->job(*at_);
}

}  // namespace orrery

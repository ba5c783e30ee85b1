// How far every job is: the checker's own reckoning of progress. It follows from what the events say (where a job
// runs and when, which nodes are slow, when it stood still) and from the models' pure functions of (spec, allocation,
// config, neighbours, links); it looks at no executor. Sums are exact, while executors round down whenever they
// settle an account: what may be missing for that is the slack. O(1) per event where speed is constant between a
// start and a stop; else work follows the jobs whose speed changes. Owned by the checker.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "sim/api/bubbles.hpp"
#include "sim/control/observer.hpp"
#include "sim/core/fetch.hpp"
#include "sim/core/slots.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/cpu_shares.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

struct ProgressRule;

// The simulated world as far as progress depends on it. What is pointed to outlives the run.
struct WorldModel {
  const PerformanceModel* speed = nullptr;  // null: unit rate, wherever a job runs
  const NetworkModel* network = nullptr;    // set: running jobs share its links
  bool slow_nodes = false;                  // `slowed` events may come
  bool cpus = false;                        // jobs that decode share the CPUs of their nodes
  Duration longest_save{};                  // how long a job may stand still to save or publish
  // Stops take hold when they are asked for, and what jobs report is exact: a simulation without chaos.
  bool prompt = false;
  const ProgressRule* rule = nullptr;  // of a simulator that is emulated
  FillCost fill_cost{};                // of hosts whose bubbles are filled
};

class WorkBook {
 public:
  void begin(const RunContext& context, WorldModel world);
  [[nodiscard]] bool prompt() const { return world_.prompt; }
  [[nodiscard]] bool saves_take_time() const { return world_.longest_save.ns > 0; }

  void expect(JobId job) const { fetch(entries_[job.index()]); }
  // Before anything of `now` is noted: what changed at the instant before takes effect.
  void pass(Time now);
  // A launch, with what earlier ones left. `total`: what the job has to do, for models in stretches.
  void launch(JobId job, const Allocation& gpus, const RunConfig& config, Sharing sharing, GroupId group, Work from,
              Work total);
  // From now on it makes its steps in another way.
  void reconfigure(JobId job, const RunConfig& config);
  void set_total(JobId job, Work total);
  // It makes steps of another phase of its work from now on.
  void enter_phase(JobId job, std::int32_t phase);
  // The job makes steps from now on, or no longer; both do nothing when that is so already.
  void run(JobId job, Time now);
  void stand(JobId job, Time now);
  // Of its latest running time, up to now or until it ceased to run, the job stood still for so long; false when it
  // did not run for so long.
  [[nodiscard]] bool stood_still(JobId job, Duration d);
  // It has given its allocation back.
  void leave(JobId job, Time now);
  void slow(NodeId node, Slowdown slowdown);
  // Merged gangs of which a member makes steps.
  [[nodiscard]] std::size_t gangs() const { return merged_.size(); }

  struct Reckoned {
    Work done{};
    std::int64_t slack_ns = 0;  // of work; an executor may say that much less
  };
  [[nodiscard]] Reckoned done(JobId job, Time now) const;
  // How long before `now` the job, which ends now, has done `total`, as far as it is no rounding; below 0: it has
  // not.
  [[nodiscard]] Duration overdue(JobId job, Time now, Work total) const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  // Progress from `since` on, until something changes.
  struct Segment {
    Time since{};
    std::int64_t ns = 0;    // work done by then
    std::int64_t frac = 0;  // and billionths of a nanosecond
    Rate rate = kUnitRate;
    // Of models in stretches:
    Work until{};
    Duration left = kForever;
    Time end = kNever;
  };
  struct Entry {  // of a job
    Segment now{};
    std::uint32_t settled = 0;  // how often an executor may have rounded down in this launch
    std::uint32_t slot = kNone;
    bool runs = false;
  };
  // What is kept of a job that holds GPUs, where its speed may change while it runs.
  struct Launch {
    JobId job{};
    Allocation gpus;
    RunConfig config{};
    Rate base = kUnitRate;
    Rate phase = kUnitRate, decodes = kUnitRate;
    std::int64_t turns = 1;
    Slowdown slowdown = kFullSpeed;
    Work total{};
    bool takes_turns = false, dirty = false, fresh = false;
    GroupId merged = kNoGroup;        // with the others of that group
    MergedPart part{};                // of one that is merged
    JobId host{};                     // whose bubbles it fills
    StageUse use{};                   // likewise: what of them fits
    std::int64_t loss_ppm = 0;        // of one whose bubbles are filled
    SmallVector<Segment, 4> history;  // before the present one, where saves take time
  };
  using Launches = Slots<Launch, std::deque<Launch>>;

  [[nodiscard]] bool in_stretches() const { return world_.speed != nullptr && world_.speed->in_stretches(); }
  [[nodiscard]] const JobSpec& spec(JobId job) const { return *(*context_.records)[job.index()].spec; }
  void advance(const Launch* l, Segment& s, Time to) const;
  void begin_stretch(const Launch& l, Segment& s) const;
  [[nodiscard]] bool rounds_ends() const;
  void resolve();
  void refresh(Entry& e, Launch& l);
  void remember(Entry& e, Launch& l);
  void mark(Launch& l);
  void meet(const Launch& l, bool comes);
  void fill(const Launch& filler, bool comes);
  [[nodiscard]] Rate in_bubbles(const Launch& l, Rate rate) const;
  void find_rate(Launch& l);
  [[nodiscard]] Rate present_rate(const Launch& l) const;
  void in_phase(Launch& l, std::int32_t phase, bool runs);
  [[nodiscard]] Launch* launch_of(const Entry& e) { return e.slot == kNone ? nullptr : &launches_[e.slot]; }
  [[nodiscard]] const Launch* launch_of(const Entry& e) const {
    return e.slot == kNone ? nullptr : &launches_[e.slot];
  }
  template <class Do>
  void for_places(const Allocation& gpus, Do act);

  // What each event takes (ProgressRule::toll), and what all of them together have left of the time so far.
  struct Pause {
    Duration takes{};
    std::int64_t left_ns = 0, last_ns = 0;
  };
  void pause(Time now);

  RunContext context_{};
  WorldModel world_{};
  Time now_{};
  std::vector<Entry> entries_;  // [job]
  Launches launches_;           // by slot; those that exist stay where they are
  std::vector<std::uint32_t> dirty_;
  std::optional<NetworkContention> links_;
  std::optional<CpuShares> cpus_;
  std::vector<Slowdown> slowdown_;                 // [node]
  std::vector<std::vector<std::uint32_t>> there_;  // [node] launches, where nodes are slow
  std::vector<std::size_t> first_gpu_;             // [node]
  std::vector<std::size_t> place_of_;              // [GPU]; empty: one of its own
  std::vector<SmallVector<JobId, 2>> on_place_;
  std::vector<JobId> with_;
  std::map<GroupId, std::vector<std::uint32_t>> merged_;    // launches that run, by the group that they are merged in
  std::map<JobId, std::map<JobId, std::int64_t>> fillers_;  // [host][filler that runs] loss of the host's
  std::vector<Pause> pauses_;
  std::vector<std::uint32_t> pause_of_;  // [job]
  Duration last_dt_{};
};

}  // namespace orrery

// Plans: what a policy wants changed. A plan sets standing targets ("job 7 should hold these GPUs"), never
// steps to get there; the reconciler reaches them. PlanBuilder is what a policy writes a plan with: an
// overlay on the planned inventory with a journal, so that trying something and taking it back costs only
// what was tried.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/api/placement.hpp"
#include "sim/api/view.hpp"

namespace orrery {

struct Reason {
  JobId job{};
  ReasonCode code = ReasonCode::none;
  std::int64_t argument = 0;
  JobId about{};               // valid: the other job that it is about
  std::int32_t per_mille = 0;  // held: of that job's work
  friend bool operator==(const Reason&, const Reason&) = default;
};

// Advisory, for explain; nothing enforces it.
struct Reservation {
  JobId job{};
  Time start{};
  friend bool operator==(const Reservation&, const Reservation&) = default;
};

struct Command {
  // fill: a filler that runs uses as much of its host's bubbles as config.fill_per_mille says, from now on; verdict
  // `reconfigured`.
  enum class Kind : std::uint8_t { publish, checkpoint, reconfigure, fill };
  JobId job{};
  Kind kind = Kind::checkpoint;
  RunConfig config{};
  friend bool operator==(const Command&, const Command&) = default;
};

struct Plan {
  std::vector<std::pair<JobId, Target>> targets;  // each replaces that job's standing target; others stand
  std::vector<Command> commands;
  std::optional<Time> wake_at;  // replaces the previous one; none clears it
  std::vector<Reason> reasons;
  std::vector<Reservation> reservations;
  friend bool operator==(const Plan&, const Plan&) = default;
  void clear();
};

// The demand with `gpus` GPUs instead; CPUs and memory in proportion, rounded up.
[[nodiscard]] Demand resized(const Demand& demand, std::int32_t gpus);

// What a job is to be started with where that is not what it asks for itself.
struct Ask {
  std::int32_t gpus = 0;  // 0 = as many as it asks for; else CPUs and memory are in proportion, rounded up
  GpuTypeMask types = 0;  // GPUs of these types only; 0 = of those that it may use
  RunConfig config{};
};

class PlanBuilder {
 public:
  // `planned` is what would be free if all standing targets were reached; the builder changes it in place and
  // keeps a journal. One builder serves a whole run: begin() starts a plan, finish() ends it.
  PlanBuilder(const std::vector<JobRecord>& records, const DemandTable& demands, Inventory& planned);

  void begin(Time now);
  // The plan, with changes that lead back to the standing target dropped. Valid until the next begin().
  [[nodiscard]] Plan& finish();

  // ---- for policies
  // Places the job and sets its target to run there. False when it does not fit by `placement`; the answer is
  // remembered, for all jobs that ask for the same, until something is released. It must hold nothing under the plan.
  bool start(JobId job, Placement& placement);
  bool start(JobId job, Placement& placement, const Ask& ask);
  // Sets the target to run on exactly `gpus`, which must be free once the job's own planned GPUs are released
  // (false and no change otherwise).
  bool run(JobId job, const Allocation& gpus, const RunConfig& config = {}, Sharing sharing = Sharing::exclusive,
           GroupId group = kNoGroup);
  // Of a job that is to hold GPUs under the plan: it is to run so; what it holds stays.
  void configure(JobId job, const RunConfig& config);
  void preempt(JobId job) { end(job, Act::preempt); }
  void suspend(JobId job);
  void reject(JobId job) { end(job, Act::reject); }
  void cancel(JobId job) { end(job, Act::cancel); }
  void command(const Command& c) { plan_.commands.push_back(c); }
  void wake_at(Time t);  // the earliest of all calls counts
  void reason(JobId job, ReasonCode code, std::int64_t argument = 0) {
    plan_.reasons.push_back({job, code, argument});
  }
  void reason(const Reason& r) { plan_.reasons.push_back(r); }
  void reserve(JobId job, Time start) { plan_.reservations.push_back({job, start}); }

  // Free capacity under the plan so far.
  [[nodiscard]] const Inventory& free() const { return *planned_; }
  // The job's target under the plan so far, or null; valid until its next change.
  [[nodiscard]] const Target* target(JobId job) const { return current(job); }
  // The allocation the job would hold under the plan so far, or null.
  [[nodiscard]] const Allocation* planned(JobId job) const;

  // Tentative changes: everything since the mark is undone by rollback.
  struct Mark {
    std::size_t journal = 0;
  };
  [[nodiscard]] Mark mark() const { return {journal_.size()}; }
  void rollback(Mark m);

 private:
  struct Entry {  // one job's target under this plan
    JobId job;
    bool has_target = false;
    Target target;
  };
  struct Undo {
    JobId job;
    std::size_t entry = 0;
    bool fresh = false;       // the entry was created by this step
    bool had_target = false;  // which is the last one in before_
  };

  void end(JobId job, Act act);
  void release(JobId job, const Target& t);
  bool place(JobId job, Placement& placement, std::size_t asked, const Demand& demand, const RunConfig& config);
  [[nodiscard]] std::size_t asked(DemandClass demand, std::int32_t gpus, GpuTypeMask types);
  [[nodiscard]] std::optional<std::size_t> find(JobId job) const;
  [[nodiscard]] const Target* current(JobId job) const;
  void set(JobId job, Target&& t);

  const std::vector<JobRecord>* records_;
  const DemandTable* demands_;
  Inventory* planned_;
  Plan plan_;
  std::vector<Entry> entries_;
  std::vector<Undo> journal_;
  std::vector<Target> before_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> slot_;  // [job] -> (plan number, entry)
  // What was asked for, other than demands as they are: those come first, a class each.
  std::map<std::tuple<DemandClass, std::int32_t, GpuTypeMask>, std::size_t> asked_;
  std::vector<std::uint64_t> misfit_;  // [what was asked for] -> generation in which it did not fit
  const Placement* misfit_placement_ = nullptr;
  std::uint64_t plan_number_ = 0;
  std::uint64_t generation_ = 0;  // grows whenever capacity is released
  Allocation scratch_;
};

}  // namespace orrery

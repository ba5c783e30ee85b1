// The invariant checker: an observer that keeps its own book of physical state, from launches and ends only, and
// of what the plans promise, and reports everything that cannot be: an overbooked GPU, an illegal move, a job that
// ends twice or never. O(1) amortised per event (O(GPUs' nodes) for launches). On in every test and by default in
// runs. Where it is told what the world is like it also reckons how far every job must be, see work_book.hpp. Rules
// (the names in Violation::rule):
//   time, unknown-job, illegal-move, ended-twice, record-mismatch, stale-incarnation, incarnation, clairvoyant,
//   bounds, overbooked, sharing, down-node, demand, off-target, work, plan-duplicate, plan-bounds, plan-overbooked,
//   plan-sharing, filler, left-over, unfinished
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/control/observer.hpp"
#include "sim/observe/check/ledger.hpp"
#include "sim/observe/check/work_book.hpp"

namespace orrery {

struct Emulation;

struct Violation {
  Time at{};
  JobId job{};
  std::string rule;  // one of the names above
  std::string text;
};

struct InvariantOptions {
  bool fatal = false;                  // assert at the first violation instead of collecting
  bool allow_unfinished = false;       // a run that was cut short
  const Emulation* emulate = nullptr;  // whose simulator's policies may give jobs GPUs that these cannot use
  std::size_t keep = 100;              // violations kept with their text; all are counted
  // A job's true work in a simulated run; nothing when this cannot be said of the job. What jobs commit is checked
  // against what they can have done, and at its finish a job must have done all of it, and not before.
  std::function<std::optional<Work>(JobId)> true_work;
  // How fast jobs are: needed with `true_work` unless all of them run at unit rate.
  WorldModel world{};
};

class InvariantChecker : public Observer {
 public:
  explicit InvariantChecker(InvariantOptions options = {});
  InvariantChecker(const InvariantChecker&) = default;
  InvariantChecker(InvariantChecker&&) = default;
  InvariantChecker& operator=(const InvariantChecker&) = default;
  InvariantChecker& operator=(InvariantChecker&&) = default;
  ~InvariantChecker() override;

  // Before the run begins.
  void watch_work(std::function<std::optional<Work>(JobId)> true_work, WorldModel world);

  void on_begin(const RunContext& context) override;
  void expect(JobId job) const override;
  void on_event(const Event& e) override;
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override;
  void on_batch_end(Time now) override;
  void on_end(Time now) override;

  [[nodiscard]] bool ok() const { return count_ == 0; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Job {
    JobState state = JobState::submitted;
    bool known = false;
    bool touched = false;
    Incarnation incarnation = 0;
    std::uint32_t held = kNone;     // slot of what it holds
    std::uint32_t planned = kNone;  // slot of what its standing target holds
    Work committed{};               // what it would keep, as it last said
    Work saved{};                   // what it inherited, and features that it found, spare it
    JobId host{};                   // whose bubbles it fills
  };
  struct Booking {
    Allocation gpus;
    Sharing sharing = Sharing::exclusive;
    GroupId group = kNoGroup;
    bool booked = false;  // false: refused by the ledger, so nothing to give back
  };

  void report(Time at, JobId job, const char* rule, std::string text);
  void touch(JobId id);
  void move(const Event& e, JobState to);
  void launch(const Event& e);
  void check_demand(const Event& e, const Allocation& gpus);
  void release(const Event& e);
  // Fillers, in invariants_fillers.cpp.
  void begin_fill(const Event& e, const Allocation& gpus);
  void end_fill(JobId job);
  void check_hosts(Time now);
  void end(const Event& e, JobState to);
  void check_sharing(const Event& e, const Ledger& ledger, const Allocation& gpus, Sharing sharing, GroupId group,
                     const char* rule);
  // Work, in invariants_work.cpp.
  void note_work(const Event& e);
  [[nodiscard]] std::optional<Work> total(JobId job) const;
  void check_most(const Event& e, Work work, const char* what);
  void check_left(const Event& e, Work left, Duration broken_off);
  void check_saved(const Event& e);
  void check_broken_save(const Event& e, Duration stood);
  void check_progress(const Event& e);
  void check_phase(const Event& e, Work done, std::int32_t phase);
  void check_finish(const Event& e);
  void settle_touched(Time now);
  void drop_planned(Job& j);
  std::uint32_t book(Ledger& ledger, const Allocation& a, Sharing sharing, GroupId group, std::string& why);
  void unbook(Ledger& ledger, std::uint32_t slot);

  InvariantOptions options_;
  RunContext context_{};
  std::vector<Job> jobs_;
  std::vector<Booking> bookings_;
  std::vector<std::uint32_t> free_bookings_;
  std::optional<Ledger> physical_;
  std::optional<Ledger> planned_;
  WorkBook work_;
  std::map<JobId, std::vector<JobId>> fillers_;  // [host] that hold its GPUs
  std::vector<JobId> touched_;
  std::vector<Violation> violations_;
  std::uint64_t count_ = 0;
  Time now_{};
};

}  // namespace orrery

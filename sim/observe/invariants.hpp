// The invariant checker: an observer that keeps its own book of physical state, from launches and ends only, and
// of what the plans promise, and reports everything that cannot be: an overbooked GPU, an illegal move, a job that
// ends twice or never. O(1) amortised per event (O(GPUs' nodes) for launches). On in every test and by default in
// runs. Rules (the names in Violation::rule):
//   time, unknown-job, illegal-move, ended-twice, record-mismatch, stale-incarnation, incarnation, clairvoyant,
//   bounds, overbooked, down-node, demand, off-target, work, plan-duplicate, plan-bounds, plan-overbooked,
//   left-over, unfinished
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/control/observer.hpp"
#include "sim/observe/ledger.hpp"

namespace orrery {

struct Violation {
  Time at{};
  JobId job{};
  std::string rule;  // one of the names above
  std::string text;
};

struct InvariantOptions {
  bool fatal = false;             // assert at the first violation instead of collecting
  bool allow_unfinished = false;  // a run that was cut short
  bool any_size = false;          // jobs may get more GPUs than they can use: an emulated simulator does that
  std::size_t keep = 100;         // violations kept with their text; all are counted
  // A job's true work in a simulated run at unit rate; nothing when this cannot be said of the job. At its finish
  // the work committed before its last launch plus the time it ran since must equal it.
  std::function<std::optional<Work>(JobId)> true_work;
  // Where nodes may be slow: how many millionths of the time on a node at full speed the work may take at most.
  std::int64_t slowest = 1'000'000;
};

class InvariantChecker : public Observer {
 public:
  explicit InvariantChecker(InvariantOptions options = {}) : options_(std::move(options)) {}

  void on_begin(const RunContext& context) override;
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
    Time since{};                   // running since
    Duration ran{};                 // of this incarnation, before `since`
    bool progressing = false;
    Work committed{};
    Work saved{};  // what it inherited spares it
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
  void check_demand(const Event& e);
  void release(const Event& e);
  void end(const Event& e, JobState to);
  void progress_stops(Job& j, Time now);
  void check_committed(const Event& e);
  void check_checkpoint(const Event& e);
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
  std::vector<JobId> touched_;
  std::vector<Violation> violations_;
  std::uint64_t count_ = 0;
  Time now_{};
};

}  // namespace orrery

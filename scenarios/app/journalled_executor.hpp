// The seam of a live run with a journal: what comes up is written to disk before the controller sees it. A run that
// is resumed first hears what the journal holds, while nothing that it asks for reaches anybody; then that every gang
// of the controller that died is gone; then the world goes on.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "backend/live/journal.hpp"
#include "sim/control/executor.hpp"
#include "sim/control/observer.hpp"
#include "sim/exec/replay_executor.hpp"

namespace orrery::app {

// A journal that cannot be written ends the run.
struct JournalFailed {
  Error error;
};

class JournalledExecutor final : public Executor {
 public:
  // `inner` begins at the time of the journal's last batch. `committed` says what a job has in its checkpoints now.
  // All references must outlive this; every batch, replayed ones too, is added to `recording`.
  JournalledExecutor(Executor& inner, live::JournalWriter& journal, std::vector<live::JournalBatch> past,
                     std::function<Work(JobId)> committed, Recording& recording);

  [[nodiscard]] Time now() const override { return replaying() || !met_ ? now_ : inner_->now(); }
  [[nodiscard]] const Topology& describe() override { return inner_->describe(); }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, Incarnation incarnation, StopHow how, Duration grace) override;
  void resume(GangId gang, Incarnation incarnation) override;
  void command(GangId gang, Incarnation incarnation, const Command& c) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;

 private:
  // A gang of the controller that died.
  struct Lost {
    GangId gang{};
    Incarnation incarnation = 0;
    NodeId node{};
    bool started = false, stopping = false;
  };
  [[nodiscard]] bool replaying() const { return !met_; }
  void follow(const Event& e);
  void bury(Time now);

  Executor* inner_;
  live::JournalWriter* journal_;
  std::vector<live::JournalBatch> past_;
  std::function<Work(JobId)> committed_;
  Recording* recording_;
  std::size_t next_ = 0;
  bool met_ = false;  // the world: everything replayed, the lost gangs reported
  Time now_{};
  std::map<JobId, Lost> lost_{};
  std::vector<Event> batch_{};
};

// Writes the digest of every decision; of one that the journal holds already, it must be equal.
class PlanJournal final : public Observer {
 public:
  PlanJournal(live::JournalWriter& journal, std::vector<std::uint32_t> past)
      : journal_(&journal), past_(std::move(past)) {}
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override;
  [[nodiscard]] std::uint64_t replayed() const { return replayed_; }

 private:
  live::JournalWriter* journal_;
  std::vector<std::uint32_t> past_;
  std::uint64_t replayed_ = 0;
};

}  // namespace orrery::app

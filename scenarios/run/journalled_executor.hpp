// The seam of a live run with a journal: what comes up is written to disk before the controller sees it. A run
// that is resumed first hears what the journal holds, while nothing that it asks for reaches anybody; then that
// every gang of the controller that died is gone, at the moment at which the world stood still; then the world
// goes on from there, or, where the outage counts, from its end, before which every node is down.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "backend/live/journal.hpp"
#include "sim/control/executor.hpp"
#include "sim/control/observer.hpp"
#include "sim/control/replay_executor.hpp"

namespace orrery::app {

// A journal that cannot be written ends the run.
struct JournalFailed {
  Error error;
};

// When the world of a controller that died stood still, and how a resumed run goes on.
struct Standstill {
  Time stood{};  // at the latest by what is known of its clock; work that was saved may say later
  std::optional<Duration> counted{};  // how much of the run's time the outage takes; nothing: the clock stands still
  // How fast a gang works, where that is known: what it saved took it some time.
  std::function<std::optional<Rate>(const LaunchRequest&)> rate{};
  // Told of every launch that the journal has in which a job began anew: what it had done before is void.
  std::function<void(JobId, Incarnation)> began_anew{};
  // Told when the world goes on, before anything is asked of it.
  std::function<void(Time)> goes_on{};
};

class JournalledExecutor final : public Executor {
 public:
  // `committed` says what a job has in its checkpoints now. All references must outlive this; every batch, replayed
  // ones too, is added to `recording`. `outage` is that of a run that is resumed.
  JournalledExecutor(Executor& inner, live::JournalWriter& journal, std::vector<live::JournalBatch> past,
                     std::function<Work(JobId)> committed, Recording& recording,
                     std::optional<Standstill> outage = {});

  [[nodiscard]] Time now() const override { return phase_ == Phase::live ? inner_->now() : now_; }
  [[nodiscard]] const Topology& describe() override { return inner_->describe(); }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, const Member& member, StopHow how, Duration grace) override;
  void resume(GangId gang, const Member& member) override;
  void command(GangId gang, const Member& member, const Command& c) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] std::string_view broken() const override { return inner_->broken(); }

 private:
  enum class Phase : std::uint8_t {
    replaying,  // what the journal holds
    unheard,    // told what the world did at once and the controller did not live to hear; then who is gone
    down,       // the outage counts and is not over
    live
  };
  // A member of a gang of the controller that died.
  struct Lost {
    GangId gang{};
    Incarnation incarnation = 0;
    NodeId node{};
    bool started = false, stopping = false, suspended = false;
    std::optional<Rate> rate{};
    Time since{};                             // running since
    Duration ran{};                           // before that, in this launch
    Work at_start{};                          // committed when it was launched
    std::optional<event::Payload> unheard{};  // a verdict that was on its way: suspended or resumed
  };
  [[nodiscard]] bool replaying() const { return phase_ != Phase::live; }
  void follow(const Event& e);
  void tell(const event::Payload& what, JobId job, const Lost& l);
  void hear();
  void bury();
  [[nodiscard]] Time stood_still() const;
  void capacity(bool up);
  void go_live();
  [[nodiscard]] std::span<const Event> write(Time deadline);

  Executor* inner_;
  live::JournalWriter* journal_;
  std::vector<live::JournalBatch> past_;
  std::function<Work(JobId)> committed_;
  Recording* recording_;
  Standstill outage_;
  std::size_t next_ = 0;
  Phase phase_ = Phase::live;
  Time now_{};
  std::map<JobId, Lost> lost_{};
  std::map<JobId, Work> saved_{};  // as the journal knows
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

// Decision replay: what an executor said is recorded batch by batch and played back to a fresh controller, cluster
// state and policy, which must then decide the same. A replay needs no truth: estimates are in the job source's
// submit events, everything else in the batches. The live journal is this same record, on disk.
#pragma once

#include <vector>

#include "sim/control/executor.hpp"

namespace orrery {

struct Recording {
  struct Batch {
    Time now{};
    std::vector<Event> events;
    Time deadline = kNever;  // of the wait; a live batch may come later than that
  };
  std::vector<Batch> batches;  // one per wait, also those that ended at their deadline with nothing
};

// Passes everything through and writes down what comes up.
class RecordingExecutor final : public Executor {
 public:
  // `inner` and `recording` must outlive this.
  RecordingExecutor(Executor& inner, Recording& recording) : inner_(&inner), recording_(&recording) {}

  [[nodiscard]] Time now() const override { return inner_->now(); }
  [[nodiscard]] const Topology& describe() override { return inner_->describe(); }
  void launch(const LaunchRequest& request) override { inner_->launch(request); }
  void stop(GangId gang, const Member& member, StopHow how, Duration grace) override {
    inner_->stop(gang, member, how, grace);
  }
  void resume(GangId gang, const Member& member) override { inner_->resume(gang, member); }
  void command(GangId gang, const Member& member, const Command& c) override { inner_->command(gang, member, c); }
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] std::string_view broken() const override { return inner_->broken(); }

 private:
  Executor* inner_;
  Recording* recording_;
};

// Plays a recording back; what it is told to do has no effect.
class ReplayExecutor final : public Executor {
 public:
  ReplayExecutor(const Topology& topology, const Recording& recording)
      : topology_(&topology), recording_(&recording) {}

  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] const Topology& describe() override { return *topology_; }
  void launch(const LaunchRequest&) override {}
  void stop(GangId, const Member&, StopHow, Duration) override {}
  void resume(GangId, const Member&) override {}
  void command(GangId, const Member&, const Command&) override {}
  // After the last batch nothing happens any more. Asserts when the controller waits until another time than it did
  // then: it has decided otherwise.
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;

 private:
  const Topology* topology_;
  const Recording* recording_;
  std::size_t next_ = 0;
  Time now_{};
};

}  // namespace orrery

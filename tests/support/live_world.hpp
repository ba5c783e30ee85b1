// A small world of real processes: the workload, the engine whose gangs things happen to, the diary of what was seen.
// A second of wall clock is 20 s of the run.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/live/live_executor.hpp"
#include "orrery_paths.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace orrery::test {

using live::Engine;
using live::EngineEvent;
using live::GangHandle;

// An engine to whose gangs something happens: `see` is shown every event before anybody else.
class WatchedEngine final : public Engine {
 public:
  using See = std::function<void(Engine&, const EngineEvent&)>;
  WatchedEngine(live::LocalEngineOptions options, See see) : inner_(options), see_(std::move(see)) {}
  [[nodiscard]] int slots() const override { return inner_.slots(); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }
  void launch(GangHandle gang, const live::GangSpec& spec) override { inner_.launch(gang, spec); }
  [[nodiscard]] std::vector<live::ProcessId> processes(GangHandle gang) const override {
    return inner_.processes(gang);
  }
  void say(GangHandle gang, const live::ToWorker& message) override { inner_.say(gang, message); }
  void stop(GangHandle gang, Duration grace) override { inner_.stop(gang, grace); }
  void kill(GangHandle gang) override { inner_.kill(gang); }
  void freeze(GangHandle gang) override { inner_.freeze(gang); }
  void thaw(GangHandle gang) override { inner_.thaw(gang); }
  [[nodiscard]] std::span<const EngineEvent> poll(std::int64_t deadline_ns) override {
    const auto events = inner_.poll(deadline_ns);
    copy_.assign(events.begin(), events.end());
    if (see_)
      for (const EngineEvent& e : copy_) see_(inner_, e);
    return copy_;
  }
  void wake() override { inner_.wake(); }

 private:
  live::LocalEngine inner_;
  See see_;
  std::vector<EngineEvent> copy_;
};

class Diary final : public Observer {
 public:
  void on_event(const Event& e) override {
    events.push_back(e);
    if (e.kind() == EventKind::launch) events.back().what = event::Launch{};  // its GPUs are not kept
  }
  void on_plan(Time now, std::uint64_t, const Plan& plan) override { plans.emplace_back(now, plan); }
  [[nodiscard]] int count(EventKind kind, int job = -1) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [=](const Event& e) {
      return e.kind() == kind && (job < 0 || e.job == JobId(static_cast<std::uint32_t>(job)));
    }));
  }
  [[nodiscard]] double when(EventKind kind, std::uint32_t job) const {
    for (const Event& e : events)
      if (e.kind() == kind && e.job == JobId(job)) return to_seconds(e.at);
    return -1;
  }
  std::vector<Event> events{};
  std::vector<std::pair<Time, Plan>> plans{};
};

struct LiveWorld {
  std::vector<NodeGroup> groups = cluster(1, 4);
  Workload workload;
  PolicyChoice policy{"fifo"};
  WatchedEngine::See see{};
  std::vector<std::string> worker{ORRERY_PACED};
  OverheadModel overheads{};
  CheckpointModel checkpoints{};
  std::uint32_t retry_budget = 3;
  TempFolder folder{};
};

// The executor of that world, 20 ms a step.
inline std::unique_ptr<live::LiveExecutor> live_executor(const LiveWorld& world, const Topology& topology,
                                                         const PerformanceModel& model) {
  live::LocalEngineOptions engine;
  engine.slots = static_cast<int>(topology.total_gpus());
  live::LiveOptions options;
  options.folder = world.folder.path();
  options.worker = world.worker;
  options.time_scale = 20;
  options.step = milliseconds(20);
  options.overheads = world.overheads;
  options.checkpoints = world.checkpoints;
  return std::make_unique<live::LiveExecutor>(topology, world.workload, model,
                                              std::make_unique<WatchedEngine>(engine, world.see), options);
}

inline bool is_ready(const EngineEvent& e) {
  return e.kind == EngineEvent::Kind::said && std::holds_alternative<live::Ready>(e.message);
}

}  // namespace orrery::test

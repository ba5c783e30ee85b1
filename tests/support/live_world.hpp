// A small world of real processes: the workload, the engine whose gangs things happen to, the diary of what was seen.
// A second of wall clock is 20 s of the run.
#pragma once

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/live/live_executor.hpp"
#include "orrery_paths.hpp"
#include "sim/observe/metrics/fold.hpp"
#include "tests/support/kill_rank.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

namespace orrery::test {

using live::Engine;
using live::EngineEvent;
using live::GangHandle;

// An engine to whose gangs something happens: `see` is shown every event before anybody else, and may have something
// done a while later.
class WatchedEngine final : public Engine {
 public:
  using See = std::function<void(WatchedEngine&, const EngineEvent&)>;
  WatchedEngine(live::EngineOptions options, See see) : inner_(std::move(options)), see_(std::move(see)) {}
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }
  void launch(GangHandle gang, const live::GangSpec& spec) override { inner_.launch(gang, spec); }
  [[nodiscard]] std::vector<live::ProcessHandle> processes(GangHandle gang) const override {
    return inner_.processes(gang);
  }
  void say(GangHandle gang, const live::ToWorker& message) override { inner_.say(gang, message); }
  void stop(GangHandle gang, Duration grace) override { inner_.stop(gang, grace); }
  void kill(GangHandle gang) override { inner_.kill(gang); }
  void freeze(GangHandle gang) override { inner_.freeze(gang); }
  void thaw(GangHandle gang) override { inner_.thaw(gang); }
  [[nodiscard]] std::span<const EngineEvent> poll(std::int64_t deadline_ns) override {
    const auto events = inner_.poll(std::min(deadline_ns, due_ns_));
    copy_.assign(events.begin(), events.end());
    if (live::monotonic_ns() >= due_ns_) {
      due_ns_ = kNever.ns;
      deed_();
    }
    if (see_)
      for (const EngineEvent& e : copy_) see_(*this, e);
    return copy_;
  }
  // Of several, only the last is done.
  void after(Duration wait, std::function<void()> deed) {
    due_ns_ = live::monotonic_ns() + wait.ns;
    deed_ = std::move(deed);
  }
  void wake() override { inner_.wake(); }

 private:
  live::LocalEngine inner_;
  See see_;
  std::vector<EngineEvent> copy_;
  std::int64_t due_ns_ = kNever.ns;
  std::function<void()> deed_{};
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

// A script says who runs, and where.
inline void use_script(LiveWorld& w, const std::string& script, const std::vector<TinyJob>& jobs) {
  std::ofstream(w.folder.file("script")) << script;
  w.workload = make_workload(jobs);
  w.policy = {"scripted", "count", {{"file", w.folder.file("script")}}};
}

inline std::unique_ptr<Engine> live_engine(const LiveWorld& world, const Topology& topology) {
  live::EngineOptions engine;
  engine.nodes = gpus_by_node(topology);
  return std::make_unique<WatchedEngine>(engine, world.see);
}

// 20 ms a step.
inline live::LiveOptions live_options(const LiveWorld& world) {
  live::LiveOptions options;
  options.folder = world.folder.path();
  options.worker = world.worker;
  options.time_scale = 20;
  options.step = milliseconds(20);
  options.overheads = world.overheads;
  options.checkpoints = world.checkpoints;
  return options;
}

inline std::unique_ptr<live::LiveExecutor> live_executor(const LiveWorld& world, const Topology& topology,
                                                         const PerformanceModel& model) {
  return std::make_unique<live::LiveExecutor>(topology, world.workload, model, live_engine(world, topology),
                                              live_options(world));
}

inline bool is_ready(const EngineEvent& e) {
  return e.kind == EngineEvent::Kind::said && std::holds_alternative<live::Ready>(e.message);
}

}  // namespace orrery::test

// The simulated world: gangs that start after an overhead, progress at a model's rate, save their work now and then
// and finish when their true work is done; nodes that fail and come back, or are slow for a while. Knows the truth;
// nothing above it does.
// Work that is not saved is lost when a gang is killed or its node fails. Single-threaded, one per run. This is the
// life of a gang; how fast it runs, what its nodes do, what it publishes and how it saves are parts of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/control/cluster_state.hpp"
#include "sim/control/executor.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/lifecycle/feature_store.hpp"
#include "sim/models/lifecycle/first_epoch.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/world/sim_faults.hpp"
#include "sim/world/sim_features.hpp"
#include "sim/world/sim_phases.hpp"
#include "sim/world/sim_saves.hpp"
#include "sim/world/sim_speed.hpp"
#include "sim/world/sim_versions.hpp"

namespace orrery {

struct ProgressRule;

struct SimOptions {
  OverheadModel overheads;
  FailureModel failures;
  CheckpointModel checkpoints;
  PublishModel publishes{};
  AssessModel assess{};
  FeatureStoreModel features{};
  FillCost fill_cost{};  // of hosts whose bubbles are filled
  Duration bubble_report =
      seconds(120);   // cadence of `progress` events of jobs with bubbles, where there is no other
  bool cpus = false;  // jobs that decode share the CPUs of their nodes
  const NetworkModel* network = nullptr;  // set: running jobs share its links; outlives the executor
  Duration progress_every{};              // cadence of `progress` events of running jobs; 0 = none
  const ProgressRule* rule = nullptr;     // of a simulator that is emulated; outlives the executor
};

class SimExecutor : public Executor {
 public:
  // `topology`, `workload` and `model` must outlive the executor. It is a value: a copy of it, between two calls of
  // wait_until(), goes on as it does.
  SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model, SimOptions options);
  // In the middle of a run, of what the control plane knows of it (WorldState): jobs go on with the work that they
  // are believed to have done, nodes fail by chance as they would have; saves by the clock begin anew, spells of slow
  // nodes are forgotten.
  SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model, SimOptions options,
              const ClusterState& known, Time now);
  SimExecutor(const SimExecutor&) = default;
  SimExecutor(SimExecutor&&) = default;
  SimExecutor& operator=(const SimExecutor&) = default;
  SimExecutor& operator=(SimExecutor&&) = default;
  ~SimExecutor() override;

  [[nodiscard]] Time now() const override { return table_.now; }
  [[nodiscard]] const Topology& describe() override { return *topology_; }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, const Member& member, StopHow how, Duration grace) override;
  void resume(GangId gang, const Member& member) override;
  void command(GangId gang, const Member& member, const Command& command) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] JobId upcoming() const override;
  [[nodiscard]] std::string_view broken() const override { return table_.broken; }

 private:
  using What = Due::What;
  using Phase = SimGang::Phase;

  void make_tolls();
  void take_up(const ClusterView& view, const JobRecord& r, const ClusterState& known);  // in sim_start.cpp
  void launch(const LaunchRequest& request, const Member& member);
  void run_from_now(SimGang& g);
  void cease(SimGang& g);  // to make steps: whatever was to come of it is off
  void leave(SimGang& g);
  void happen(const Due& due);
  void happen_to(SimGang& g, const Due& due);
  void finish(SimGang& g);
  void fail(SimGang& g, NodeId node);
  void save(SimGang& g, What what);
  void reconfigure(SimGang& g, const Due& due);
  void plan_at(SimGang& g, DueQueue::Handle& planned, std::optional<Work> done, What what);
  void plan_publication(SimGang& g);
  void plan_assessment(SimGang& g);
  void plan_feature_pass(SimGang& g);
  void plan_report(SimGang& g);
  void plan_phase(SimGang& g);
  void enter_phase(SimGang& g);
  bool enter_due_phase(SimGang& g);
  void change_rates();
  void change_rate(SimGang& g, Rate healthy, std::int64_t turns);
  void plan_anew(SimGang& g);
  [[nodiscard]] Refusal refusal(const SimGang& g, const Command& command) const;
  void take_tolls(Duration elapsed);

  const Topology* topology_;
  const Workload* workload_;
  const PerformanceModel* model_;
  SimOptions options_;
  std::vector<Duration> tolls_;  // [job] see ProgressRule; empty without
  SimTable table_;
  SimSpeed speed_;
  SimFaults faults_;
  SimVersions versions_;
  SimFeatures features_;
  SimPhases phases_;
  SimSaves saves_;
};

}  // namespace orrery

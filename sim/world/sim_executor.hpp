// The simulated world: gangs that start after an overhead, progress at a model's rate, save their work now and then
// and finish when their true work is done; nodes that fail and come back, or are slow for a while. Knows the truth;
// nothing above it does.
// Work that is not saved is lost when a gang is killed or its node fails. Single-threaded, one per run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/control/cluster_state.hpp"
#include "sim/control/executor.hpp"
#include "sim/core/event_queue.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/performance.hpp"
#include "sim/world/neighbours.hpp"

namespace orrery {

struct ProgressRule;

struct SimOptions {
  OverheadModel overheads;
  FailureModel failures;
  CheckpointModel checkpoints;
  PublishModel publishes{};
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
  // are believed to have done, saves by the clock and chance begin anew, spells of slow nodes are forgotten.
  SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model, SimOptions options,
              const ClusterState& known, Time now);

  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] const Topology& describe() override { return *topology_; }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, Incarnation incarnation, StopHow how, Duration grace) override;
  void resume(GangId gang, Incarnation incarnation) override;
  void command(GangId gang, Incarnation incarnation, const Command& command) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] std::string_view broken() const override { return broken_; }

 private:
  enum class Phase : std::uint8_t { idle, starting, running, suspended, stopping };
  // Order of simultaneous events, by reason: ends free capacity before anything new begins.
  enum Class : std::uint8_t { kProgressClass = 0, kFinishClass = 1, kStopClass = 2, kStartClass = 3, kNodeClass = 4 };
  // What is due at a time to come; an event is made of it then, unless it concerns only the executor. Of a gang, by
  // its job and incarnation, up to `refusal`; of a node from there on.
  struct Due {
    enum class What : std::uint8_t {
      start,
      resumption,
      finish,
      suspension,
      stop,
      report,
      stretch_end,  // speed changes: it reports
      checkpoint,   // by the clock: begins, or ends
      saved,        // a checkpoint that it was told to make
      publication,  // begins, or ends
      refusal,      // of a command
      node_down,
      node_up,
      slow_spell,
      spell_end
    };
    What what = What::start;
    bool by_chance = false;  // of nodes: what comes next is drawn when this has come
    JobId job{};
    Incarnation incarnation = 0;
    NodeId node{};
    Work work{};                     // stop, saved: what is kept
    Duration stood_still{};          // suspension, stop: for a save that is broken off
    Slowdown slowdown = kFullSpeed;  // slow_spell, spell_end
  };
  using What = Due::What;
  using Queue = EventQueue<Due>;
  struct Gang {
    JobId job{};
    GangId id{};
    Incarnation incarnation = 0;
    Phase phase = Phase::idle;
    Rate rate{};                           // where speed comes in stretches: the share of theirs
    Rate healthy{};                        // what `rate` is, or would be, on nodes at full speed, nobody taking turns
    std::int64_t turns = 1;                // jobs that take turns on one of its GPUs, itself included
    Slowdown slowdown = kFullSpeed;        // of the slowest of its nodes
    Time since{};                          // running: progress counted up to here; saving: since then
    Work done{};                           // of the job, kept between its gangs
    Work committed{};                      // what survives a failure
    Work total{};                          // until it finishes: of a child, from the version it starts from
    JobId heir_of{};                       // starting: inherits from this job
    bool saving = false;                   // stands still for a checkpoint or a publication
    bool publishes_now = false;            // asked for at this instant: another save must not push it aside
    Duration broken_save{};                // stopping: how long it had stood still for one when it was asked to
    bool in_group = false;                 // others of its group may be on its GPUs; the model knows nothing of it
    Allocation gpus;                       // kept where nodes fail, links or GPUs are shared, or in stretches
    RunConfig config{};                    // kept where speed comes in stretches
    PerformanceModel::Stretch stretch{};   // the present one: `left` counts from `since`
    Queue::Handle next = Queue::kNone;     // its start, finish or stop
    Queue::Handle report = Queue::kNone;   // its next progress report
    Queue::Handle save = Queue::kNone;     // begin or end of its next checkpoint
    Queue::Handle publish = Queue::kNone;  // begin or end of its next publication
  };

  void make_parts();
  void plan_failures(const Inventory* known);
  void take_up(const JobRecord& r, Work done);  // in sim_start.cpp
  [[nodiscard]] Gang* find(GangId gang, Incarnation incarnation);
  void run_from_now(Gang& g);
  void plan_end(Gang& g);
  void begin_stretch(Gang& g);
  [[nodiscard]] Duration time_to(const Gang& g, Work at) const;
  void end_stretch(Gang& g);
  void settle(Gang& g);
  void cancel_pending(Gang& g);
  // Saves, in sim_saves.cpp.
  void plan_checkpoint(Gang& g);
  void begin_save(Gang& g, What what);  // checkpoint or publication
  void checkpoint(Gang& g);
  // Publishing and inheriting, in sim_versions.cpp.
  void inherit(Gang& g, const RunConfig& config);
  void tell_inheritance(Gang& g);
  void plan_publication(Gang& g);
  void publish(Gang& g);
  void publish_last(const Gang& g);
  void change_node(const Due& due);
  void fail_gangs_on(NodeId node);
  void leave_nodes(const Gang& g);
  Queue::Handle schedule(const Gang& g, Time at, Class event_class, What what, Work work = {},
                         Duration stood_still = {});
  void happen(const Due& due);
  void say(const Gang& g, const event::Payload& what);
  void take_tolls(Duration elapsed);
  void change_rates();
  [[nodiscard]] Duration stood_still(const Gang& g) const;
  void change_rate(Gang& g, Rate healthy, std::int64_t turns);
  [[nodiscard]] Rate speed_of(const Gang& g, const Allocation& gpus, const RunConfig& config,
                              std::span<const JobId> with = {});
  [[nodiscard]] static Rate present_rate(const Gang& g);
  // Slow nodes, in sim_rates.cpp.
  void plan_slow_spells();
  void plan_onset(NodeId node);
  void change_speed(const Due& due);
  [[nodiscard]] Slowdown slowest_node(const Gang& g) const;

  const Topology* topology_;
  const Workload* workload_;
  const PerformanceModel* model_;
  SimOptions options_;
  bool in_stretches_;
  Time now_{};
  Queue queue_;
  std::vector<Gang> gangs_;         // [job]: the job's present or last gang
  std::vector<JobId> job_of_gang_;  // [gang]
  std::vector<Duration> tolls_;     // [job] see ProgressRule; empty without
  std::vector<Event> batch_;
  std::string broken_;                               // see Executor::broken()
  std::vector<std::vector<std::int32_t>> points_;    // [job] where it publishes; empty where no job has parents
  std::vector<std::vector<std::int32_t>> versions_;  // [job] progress of each, per mille; likewise
  std::optional<NetworkContention> contention_;
  std::optional<Neighbours> neighbours_;      // where the model minds them; else, from the first group on, of groups
  std::vector<NodeFailures> node_failures_;   // [node], where nodes fail
  std::vector<int> away_;                     // [node], where nodes fail: how many outages hold
  std::vector<std::vector<JobId>> gangs_on_;  // [node], where nodes fail or are slow: in order of launch
  struct NodeSpeed {
    SmallVector<Slowdown, 2> spells;  // that go on
    Slowdown slowdown = kFullSpeed;   // the worst of them
  };
  std::vector<NodeSpeed> node_speed_;           // [node], where nodes are slow
  std::vector<NodeSlowSpells> slow_by_chance_;  // [node], where they are so by chance
};

}  // namespace orrery

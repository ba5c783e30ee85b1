// What the parts of the simulated world share, and nothing else of each other: the clock, what is due, where every
// job is, and what has been said at this instant. The executor owns it and hands it to its parts, which keep no
// pointer to it: all of them are values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/control/gangs.hpp"
#include "sim/core/event_queue.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

// What is due at a time to come; an event is made of it then, unless it concerns only the executor. Of a gang, by its
// job and incarnation, up to `refusal`; of a node from there on.
struct Due {
  enum class What : std::uint8_t {
    start,
    resumption,
    finish,
    suspension,
    stop,
    report,
    stretch_end,   // speed changes: it reports
    checkpoint,    // by the clock: begins, or ends
    saved,         // a checkpoint that it was told to make
    publication,   // begins, or ends
    assessment,    // its first epoch is over
    feature_pass,  // ends
    phase,         // of its work: the next one begins
    reconfiguration,
    refusal,  // of a command
    node_down,
    node_up,
    slow_spell,
    spell_end
  };
  // Order of what is due at one time, by reason: ends free capacity before anything new begins.
  enum Class : std::uint8_t { kProgressClass = 0, kFinishClass = 1, kStopClass = 2, kStartClass = 3, kNodeClass = 4 };

  What what = What::start;
  bool by_chance = false;         // of nodes: what comes next is drawn when this has come
  Refusal why = Refusal::none;    // refusal
  std::int32_t accumulation = 0;  // reconfiguration
  JobId job{};
  Incarnation incarnation = 0;
  NodeId node{};
  std::int32_t fill_per_mille = 0;  // reconfiguration: of a filler, the windows that it uses; 0 = of another batch
  Work work{};                      // stop, saved: what is kept
  Duration stood_still{};           // suspension, stop: for a save that is broken off
  Slowdown slowdown = kFullSpeed;   // slow_spell, spell_end
  std::int64_t batch = 0;           // reconfiguration
};
using DueQueue = EventQueue<Due>;

// A job in its gang, simulated.
struct SimGang : GangMember {
  enum class Phase : std::uint8_t { idle, starting, running, suspended, stopping };
  Phase phase = Phase::idle;
  bool saving = false;         // stands still for a checkpoint or a publication
  bool publishes_now = false;  // asked for at this instant: another save must not push it aside
  bool assessed = false;       // its first epoch was told of, since it began with a version of `source`
  bool fills = false;          // the bubbles of config.host
  bool has_bubbles = false;    // that others may fill
  bool in_group = false;       // others of its group may be on its GPUs; the model knows nothing of it
  Rate rate{};                 // where speed comes in stretches: the share of theirs
  Rate healthy{};              // what `rate` is, or would be, on nodes at full speed, nobody taking turns
  std::int32_t stage = -1;     // fills: of its host; -1 = of none
  Rate at_speed = kUnitRate;   // of its phase, over its model's
  Rate decodes = kUnitRate;    // of the CPUs that it gets, over that of all that it wants
  std::int32_t in_phase = 0;   // of its work, and the one that it said last
  std::int32_t said_phase = 0;
  std::int64_t turns = 1;                        // jobs that take turns on one of its GPUs, itself included
  Slowdown slowdown = kFullSpeed;                // of the slowest of its nodes
  Time since{};                                  // running: progress counted up to here; saving: since then
  Work total{};                                  // until it finishes: of a child, from the version it starts from
  Work spared{};                                 // not in `total`: features that it found spare it that
  JobId heir_of{};                               // starting: inherits from this job
  JobId source{};                                // what it has done began with a version of this job
  Duration broken_save{};                        // stopping: how long it had stood still for one when it was asked to
  Allocation gpus;                               // kept where something depends on them: see SimSpeed, SimFaults
  RunConfig config{};                            // likewise
  PerformanceModel::Stretch stretch{};           // the present one: `left` counts from `since`
  DueQueue::Handle next = DueQueue::kNone;       // its start, finish or stop
  DueQueue::Handle report = DueQueue::kNone;     // its next progress report
  DueQueue::Handle save = DueQueue::kNone;       // begin or end of its next checkpoint
  DueQueue::Handle publish = DueQueue::kNone;    // begin or end of its next publication
  DueQueue::Handle assess = DueQueue::kNone;     // end of its first epoch
  DueQueue::Handle features = DueQueue::kNone;   // end of its pass for features
  DueQueue::Handle phase_end = DueQueue::kNone;  // of its present phase

  [[nodiscard]] bool there() const { return phase != Phase::idle; }
};

struct SimTable {
  explicit SimTable(std::size_t jobs) : gangs(jobs) {}

  Time now{};
  DueQueue queue;
  Gangs<SimGang> gangs;
  std::vector<Event> batch;
  std::string broken;  // see Executor::broken()

  DueQueue::Handle schedule(const SimGang& g, Time at, Due::Class in_order, Due due) {
    due.job = g.job;
    due.incarnation = g.incarnation;
    return queue.push(at, in_order, due);
  }
  void cancel(DueQueue::Handle& h) {
    if (h != DueQueue::kNone) queue.cancel(h);
    h = DueQueue::kNone;
  }
  void say(const SimGang& g, const event::Payload& what) { batch.push_back(g.says(now, what)); }
};

}  // namespace orrery

// When nodes break and how long they are away, when they are slow, and how often jobs save their work
// (docs/formulas.md). Node failures are a renewal process per node: exponential time between a repair and the next
// failure, exponential repair. Slow spells begin by a Poisson process per node and last exponentially long; every
// step of a job takes as long as on its slowest node. Each node has its own random streams ("faults/node/17",
// "faults/slow/17", "faults/lemon/17"), so that policies face the same faults (common random numbers), and a larger
// cluster has those of a smaller one.
#pragma once

#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/random.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// A failure that is known: the node is away in [from, to).
struct Outage {
  NodeId node{};
  Time from{};
  Time to{};
};

// The same outages with none that overlap or touch on one node: a node is away while any of them holds. In the order
// in which the first of each was listed.
[[nodiscard]] std::vector<Outage> merged(const std::vector<Outage>& outages);

// How much longer a step takes on a slow node, in millionths: 1'250'000 makes 4 s into 5 s.
using Slowdown = std::int64_t;
inline constexpr Slowdown kFullSpeed = 1'000'000;
// At a rate on nodes that are that slow, rounded down.
[[nodiscard]] constexpr Rate slowed(Rate rate, Slowdown by) {
  if (by == kFullSpeed) return rate;
  return {static_cast<std::int64_t>(static_cast<Int128>(rate.per_billion) * kFullSpeed / by)};
}

// A slow spell that is known: in [from, to).
struct SlowSpell {
  NodeId node{};
  Time from{};
  Time to{};
  Slowdown slowdown = kFullSpeed;  // >= kFullSpeed
};

struct Stragglers {
  Duration node_mtbs{};            // mean time between two onsets on one node; 0 = none by chance
  Duration lasts = seconds(7200);  // mean
  // Uniform between the two, a new one for each spell.
  Slowdown least = 1'050'000, most = 1'300'000;
  std::vector<SlowSpell> spells{};  // besides the random ones
  [[nodiscard]] bool active() const { return node_mtbs.ns > 0 || !spells.empty(); }
  [[nodiscard]] Slowdown slowest() const;  // kFullSpeed when not active
};

// Nodes that are worse than the others: by chance, each with this probability, failures and slow spells come so many
// times as often.
struct Lemons {
  std::int64_t share = 0;          // millionths
  std::int64_t rate = kFullSpeed;  // millionths, > 0
  [[nodiscard]] bool is_lemon(std::uint64_t seed, std::uint32_t node) const;
  // A mean time between faults of that node.
  [[nodiscard]] Duration mean(Duration usual, std::uint64_t seed, std::uint32_t node) const;
};

struct FailureModel {
  Duration node_mtbf{};  // mean time from coming up to failing; 0 = nodes never fail
  Duration repair{};     // mean time from failing to coming up, at least 1 ns each
  std::uint64_t seed = 1;
  std::vector<Outage> outages{};  // besides the random ones
  Stragglers stragglers{};
  Lemons lemons{};
  [[nodiscard]] bool active() const { return node_mtbf.ns > 0 || !outages.empty() || stragglers.active(); }
};

struct CheckpointModel {
  Duration every{};               // running time between checkpoints; 0 = a job saves only when it is asked to stop
  Duration cost{};                // how long it stands still for one
  std::vector<Duration> costs{};  // [job], where it depends on the bytes of its checkpoint; empty: `cost` for all
  [[nodiscard]] Duration cost_of(JobId job) const { return costs.empty() ? cost : costs[job.index()]; }
};

// The failures of one node, alternating: time up, time down, time up, ...
class NodeFailures {
 public:
  NodeFailures(const FailureModel& model, std::uint32_t node);
  // How long the node stays in its present condition; the first call says how long it is up.
  [[nodiscard]] Duration next();

 private:
  RandomStream rng_;
  Duration mean_[2];
  bool down_ = false;
};

// The slow spells of one node by chance, in order of their onsets; they may overlap.
class NodeSlowSpells {
 public:
  NodeSlowSpells(const FailureModel& model, std::uint32_t node);
  struct Spell {
    Duration after{};  // the onset before it, or the start
    Duration lasts{};
    Slowdown slowdown = kFullSpeed;
  };
  [[nodiscard]] Spell next();

 private:
  RandomStream rng_;
  Duration between_, lasts_;
  Slowdown least_, most_;
};

}  // namespace orrery

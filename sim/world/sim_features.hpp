// The simulated world's store of features: a probe that finds those that it needs reads them, another computes them,
// which is part of its work, and they are there from then on. Bounded by size: what was used longest ago goes first,
// but nothing that somebody is reading. Does nothing where the store is off.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sim/api/view.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/feature_store.hpp"
#include "sim/world/sim_table.hpp"
#include "sim/world/sim_versions.hpp"

namespace orrery {

class SimFeatures {
 public:
  // `workload` must outlive this.
  SimFeatures(const FeatureStoreModel& model, const Workload& workload);

  [[nodiscard]] bool empty() const { return jobs_.empty(); }
  // A launch, of a job that starts from there unless it has work of its own.
  void enter(const SimGang& g, StartsFrom from);
  // As it starts: it looks whether its features are there. What it says of that before it starts; a hit has spared it
  // work.
  [[nodiscard]] std::optional<event::Features> begin(SimGang& g, Time now);
  // What it has done when it has computed its features; nothing where it does not.
  [[nodiscard]] std::optional<Work> pass_end(const SimGang& g) const;
  // It has: what has to go for them, and what became of them.
  void keep(SimTable& table, const SimGang& g);
  // It gives its GPUs back.
  void leave(const SimGang& g);

  // In the middle of a run, of what the control plane knows: what is there, and whether a job that has been launched
  // computes some now.
  void know(const FeatureSets& sets);
  void know(const SimGang& g, const FeatureSets& sets);

 private:
  struct Own {  // of a job
    FeatureKey key{};
    enum class State : std::uint8_t { open, computing, has } state = State::open;
  };
  struct Entry {
    std::int64_t bytes = 0;
    std::uint64_t used = 0;  // a number that grows with each use
    Time busy_until{};       // somebody reads it
  };
  using Entries = std::map<FeatureKey, Entry>;

  [[nodiscard]] const FeaturePass& pass_of(const SimGang& g) const;
  void use(Entries::iterator entry, Time until);
  [[nodiscard]] bool make_room(std::int64_t bytes, Time now, std::vector<FeatureKey>& gone);

  const Workload* workload_;
  std::int64_t limit_ = 0, bytes_ = 0;
  std::vector<Own> jobs_;  // [job]; empty where nobody needs features that are shared
  Entries entries_{};
  std::map<std::uint64_t, FeatureKey> by_use_{};
  std::uint64_t uses_ = 0;
};

}  // namespace orrery

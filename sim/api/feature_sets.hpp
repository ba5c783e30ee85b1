// Which features the store of a run has, and who computes some: folded from `features` events, in either world.
// Small: an entry for each set and version that is there or under way.
#pragma once

#include <compare>
#include <cstdint>
#include <map>

#include "sim/core/event.hpp"
#include "sim/core/job.hpp"

namespace orrery {

// What features are of: a set of samples (FeaturePass::set) and the backbone, a version of a parent; no parent: the
// base checkpoint.
struct FeatureKey {
  std::uint32_t set = 0;
  JobId parent{};
  std::uint32_t version = 0;
  friend auto operator<=>(const FeatureKey&, const FeatureKey&) = default;
};

enum class FeatureState : std::uint8_t {
  none,       // no features of that kind are shared
  absent,     // whoever starts with them computes them
  computing,  // somebody does so now, and nobody has them yet
  stored
};

class FeatureSets {
 public:
  struct Entry {
    bool stored = false;
    std::uint32_t computing = 0;  // jobs that compute them
    std::int64_t bytes = 0;       // where they are stored
    Time used{};                  // likewise: when they were stored, or read last
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // `spec`: of the event's job, null where it has none.
  void note(const Event& e, const JobSpec* spec);
  // The job gives its GPUs back: it computes nothing any more.
  void leave(JobId job);

  [[nodiscard]] FeatureState state(const FeatureKey& key) const;
  [[nodiscard]] const std::map<FeatureKey, Entry>& entries() const { return entries_; }
  // What a job computes now; null: nothing.
  [[nodiscard]] const FeatureKey* computed_by(JobId job) const;
  friend bool operator==(const FeatureSets&, const FeatureSets&) = default;

 private:
  std::map<FeatureKey, Entry> entries_{};
  std::map<JobId, FeatureKey> computing_{};
};

}  // namespace orrery

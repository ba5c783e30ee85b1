#include "sim/api/feature_sets.hpp"

#include <algorithm>

namespace orrery {

void FeatureSets::note(const Event& e, const JobSpec* spec) {
  const event::Features& says = e.get<event::Features>();
  const FeatureKey key{says.set, says.parent, says.version};
  if (says.use == FeatureUse::stored || says.use == FeatureUse::unkept) leave(e.job);
  Entry& entry = entries_[key];
  switch (says.use) {
    case FeatureUse::miss:
      if (!e.job.valid() || computing_.contains(e.job)) break;
      computing_[e.job] = key;
      ++entry.computing;
      break;
    case FeatureUse::stored:
      if (spec != nullptr) entry.bytes = spec->features.bytes;
      [[fallthrough]];
    case FeatureUse::hit:
      entry.stored = true;
      entry.used = std::max(entry.used, e.at);
      break;
    case FeatureUse::dropped: entry.stored = false; break;
    case FeatureUse::unkept: break;
  }
  if (!entry.stored && entry.computing == 0) entries_.erase(key);
}

void FeatureSets::leave(JobId job) {
  const auto of = computing_.find(job);
  if (of == computing_.end()) return;
  const auto entry = entries_.find(of->second);
  if (--entry->second.computing == 0 && !entry->second.stored) entries_.erase(entry);
  computing_.erase(of);
}

FeatureState FeatureSets::state(const FeatureKey& key) const {
  if (key.set == 0) return FeatureState::none;
  const auto at = entries_.find(key);
  if (at == entries_.end()) return FeatureState::absent;
  return at->second.stored ? FeatureState::stored : FeatureState::computing;
}

const FeatureKey* FeatureSets::computed_by(JobId job) const {
  const auto of = computing_.find(job);
  return of == computing_.end() ? nullptr : &of->second;
}

}  // namespace orrery

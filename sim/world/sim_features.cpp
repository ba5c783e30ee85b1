#include "sim/world/sim_features.hpp"

#include <algorithm>

namespace orrery {

SimFeatures::SimFeatures(const FeatureStoreModel& model, const Workload& workload)
    : workload_(&workload), limit_(model.limit_bytes) {
  const auto needs = [](const JobSpec& spec) { return spec.features.set != 0; };
  if (model.on && std::any_of(workload.specs.begin(), workload.specs.end(), needs))
    jobs_.resize(workload.specs.size());
}

const FeaturePass& SimFeatures::pass_of(const SimGang& g) const {
  return workload_->specs[g.job.index()].features;
}

void SimFeatures::enter(const SimGang& g, StartsFrom from) {
  if (empty() || g.done.ns != 0) return;
  jobs_[g.job.index()] = {{pass_of(g).set, from.parent, from.version}, Own::State::open};
}

void SimFeatures::use(Entries::iterator entry, Time until) {
  auto& [key, e] = *entry;
  by_use_.erase(e.used);
  e.used = ++uses_;
  e.busy_until = std::max(e.busy_until, until);
  by_use_.emplace(e.used, key);
}

std::optional<event::Features> SimFeatures::begin(SimGang& g, Time now) {
  if (empty() || pass_of(g).set == 0) return std::nullopt;
  Own& own = jobs_[g.job.index()];
  const FeaturePass& pass = pass_of(g);
  if (own.state != Own::State::open) return std::nullopt;
  // What is left of the pass, where it was broken off before.
  const Work left{std::min(pass.time.ns - g.done.ns, g.total.ns - g.done.ns - 1)};
  if (left.ns <= 0) {
    own.state = Own::State::has;
    return std::nullopt;
  }
  event::Features says{FeatureUse::miss, own.key.set, own.key.parent, own.key.version, Duration{left.ns}};
  own.state = Own::State::computing;
  const auto there = entries_.find(own.key);
  if (there == entries_.end() || pass.read.ns >= left.ns) return says;
  own.state = Own::State::has;
  use(there, now + pass.read);
  says.use = FeatureUse::hit;
  says.time = Duration{left.ns - pass.read.ns};
  g.spared = g.spared + Work{says.time.ns};
  g.total = g.total - Work{says.time.ns};
  return says;
}

std::optional<Work> SimFeatures::pass_end(const SimGang& g) const {
  if (empty() || jobs_[g.job.index()].state != Own::State::computing) return std::nullopt;
  return Work{std::min(pass_of(g).time.ns, g.total.ns - 1)};
}

// Nothing goes unless enough can.
bool SimFeatures::make_room(std::int64_t bytes, Time now, std::vector<FeatureKey>& gone) {
  std::int64_t left = bytes_ + bytes;
  for (auto at = by_use_.begin(); left > limit_ && at != by_use_.end(); ++at) {
    const Entry& entry = entries_.at(at->second);
    if (entry.busy_until > now) continue;
    left -= entry.bytes;
    gone.push_back(at->second);
  }
  if (left > limit_) gone.clear();
  for (const FeatureKey& key : gone) {
    const auto entry = entries_.find(key);
    bytes_ -= entry->second.bytes;
    by_use_.erase(entry->second.used);
    entries_.erase(entry);
  }
  return left <= limit_;
}

void SimFeatures::keep(SimTable& table, const SimGang& g) {
  Own& own = jobs_[g.job.index()];
  own.state = Own::State::has;
  const FeaturePass& pass = pass_of(g);
  event::Features says{FeatureUse::stored, own.key.set, own.key.parent, own.key.version, pass.time};
  const auto there = entries_.find(own.key);
  std::vector<FeatureKey> gone;
  if (there != entries_.end()) {
    use(there, {});
  } else if (make_room(pass.bytes, table.now, gone)) {
    bytes_ += pass.bytes;
    use(entries_.try_emplace(own.key, Entry{pass.bytes, 0, {}}).first, {});
  } else {
    says.use = FeatureUse::unkept;
  }
  for (const FeatureKey& key : gone)
    table.batch.push_back(
        Event{.at = table.now, .what = event::Features{FeatureUse::dropped, key.set, key.parent, key.version, {}}});
  table.say(g, says);
}

void SimFeatures::leave(const SimGang& g) {
  if (empty()) return;
  Own& own = jobs_[g.job.index()];
  if (own.state == Own::State::computing) own.state = Own::State::open;
}

void SimFeatures::know(const FeatureSets& sets) {
  if (empty()) return;
  std::vector<std::pair<Time, FeatureKey>> there;
  for (const auto& [key, entry] : sets.entries())
    if (entry.stored) there.emplace_back(entry.used, key);
  std::sort(there.begin(), there.end());
  for (const auto& [used, key] : there) {
    const std::int64_t bytes = sets.entries().at(key).bytes;
    bytes_ += bytes;
    use(entries_.try_emplace(key, Entry{bytes, 0, {}}).first, {});
  }
}

void SimFeatures::know(const SimGang& g, const FeatureSets& sets) {
  if (empty()) return;
  Own& own = jobs_[g.job.index()];
  const FeatureKey* const computes = sets.computed_by(g.job);
  own.state = computes != nullptr ? Own::State::computing : Own::State::has;
  if (computes != nullptr) own.key = *computes;
}

}  // namespace orrery

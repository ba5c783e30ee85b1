// The table that live runs and `orrery live calibrate` write (traces/profiles/profile_table.hpp) as throughputs.
#include <map>
#include <tuple>

#include "traces/profiles/profile_table.hpp"
#include "traces/profiles/profiles.hpp"

namespace orrery {

Expected<ThroughputSet> read_calibrated_throughputs(const std::string& path) {
  const auto rows = read_profile(path);
  if (!rows) return tl::make_unexpected(rows.error());
  return throughputs_of(path, *rows);
}

ThroughputSet throughputs_of(const std::string& name, const std::vector<ProfileRow>& rows) {
  ThroughputSet set;
  set.name = name;
  using Key = std::tuple<std::string, std::string, std::string, std::int32_t, std::int64_t>;
  std::map<Key, double> alone;
  const auto key = [](const ProfileRow& r) { return Key{r.model, r.mode, r.gpu, r.world, r.local_batch}; };
  const auto config = [](const ProfileRow& r) {
    return TrainingConfig{r.model, r.mode, r.local_batch * r.world, r.world};
  };
  for (const ProfileRow& r : rows) {
    if (r.corunners != 1) continue;
    alone[key(r)] = to_seconds(r.step);
    set.alone.push_back({config(r), r.gpu, false, 1 / to_seconds(r.step)});
  }
  for (const ProfileRow& r : rows) {
    const auto at = r.corunners == 1 ? alone.end() : alone.find(key(r));
    if (at != alone.end()) set.crowds.push_back({config(r), r.gpu, r.corunners, at->second / to_seconds(r.step)});
  }
  return set;
}

}  // namespace orrery

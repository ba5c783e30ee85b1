#include "sim/world/chaos.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

constexpr double kActive = 0.25;

struct SiteInfo {
  std::string_view name;
  double fires;  // probability, when active
};
constexpr std::array<SiteInfo, kChaosSites> kSites{{{"launch_fails", 0.1},
                                                    {"start_delayed", 0.3},
                                                    {"stop_ignored", 0.2},
                                                    {"finish_races_stop", 0.5},
                                                    {"checkpoint_lost", 0.3},
                                                    {"progress_late", 0.2},
                                                    {"progress_dropped", 0.2},
                                                    {"node_down", 0.5},
                                                    {"node_flaps", 0.3},
                                                    {"straggler", 0.2}}};

}  // namespace

std::string_view to_string(ChaosSite s) {
  return kSites[static_cast<std::size_t>(s)].name;
}

Chaos::Chaos(std::uint64_t seed) {
  for (const SiteInfo& info : kSites) {
    Site site{stream(seed, fmt::format("chaos/{}", info.name))};
    site.active = uniform01(site.rng) < kActive;
    sites_.push_back(site);
  }
}

bool Chaos::would_fire(ChaosSite s) {
  Site& site = sites_[static_cast<std::size_t>(s)];
  return site.active && uniform01(site.rng) < kSites[static_cast<std::size_t>(s)].fires;
}

bool Chaos::fires(ChaosSite s) {
  const bool now = would_fire(s);
  if (now) count(s);
  return now;
}

Duration Chaos::delay(ChaosSite s, Duration mean) {
  const double ns = exponential(sites_[static_cast<std::size_t>(s)].rng, static_cast<double>(mean.ns));
  return Duration{std::max<std::int64_t>(1, static_cast<std::int64_t>(ns))};
}

std::uint64_t Chaos::pick(ChaosSite s, std::uint64_t bound) {
  return uniform_below(sites_[static_cast<std::size_t>(s)].rng, bound);
}

Speed StragglerModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const {
  if (spec.id.index() >= slow_.size()) slow_.resize(2 * spec.id.index() + 1, -1);
  signed char& slow = slow_[spec.id.index()];
  if (slow < 0) slow = chaos_->fires(ChaosSite::straggler) ? 1 : 0;
  const Speed full = model_->speed(spec, shape, config, neighbours);
  return slow == 1 ? Speed{Rate{full.rate.per_billion / 2}, full.known} : full;
}

}  // namespace orrery

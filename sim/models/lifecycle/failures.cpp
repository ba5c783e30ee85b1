#include "sim/models/lifecycle/failures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace orrery {

namespace {

// At least 1 ns.
Duration exponential_time(RandomStream& rng, Duration mean) {
  const double ns = exponential(rng, static_cast<double>(std::max<std::int64_t>(mean.ns, 1)));
  constexpr double kLongest = 4e18;  // 127 years
  return Duration{std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(ns, kLongest)))};
}

}  // namespace

std::vector<Outage> merged(const std::vector<Outage>& outages) {
  std::vector<std::size_t> order(outages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&outages](std::size_t a, std::size_t b) {
    return std::tuple(outages[a].node, outages[a].from, a) < std::tuple(outages[b].node, outages[b].from, b);
  });
  std::vector<std::pair<std::size_t, Outage>> joined;  // with the place of the first of those that it is made of
  for (const std::size_t i : order) {
    const Outage& o = outages[i];
    if (o.from >= o.to) continue;
    if (joined.empty() || joined.back().second.node != o.node || joined.back().second.to < o.from) {
      joined.emplace_back(i, o);
      continue;
    }
    joined.back().first = std::min(joined.back().first, i);
    joined.back().second.to = std::max(joined.back().second.to, o.to);
  }
  std::sort(joined.begin(), joined.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Outage> out;
  for (const auto& [place, o] : joined) out.push_back(o);
  return out;
}

Slowdown Stragglers::slowest() const {
  Slowdown slowest = node_mtbs.ns > 0 ? most : kFullSpeed;
  for (const SlowSpell& s : spells) slowest = std::max(slowest, s.slowdown);
  return slowest;
}

bool Lemons::is_lemon(std::uint64_t seed, std::uint32_t node) const {
  if (share <= 0) return false;
  RandomStream rng = stream(seed, fmt::format("faults/lemon/{}", node));
  return static_cast<std::int64_t>(uniform_below(rng, 1'000'000)) < share;
}

Duration Lemons::mean(Duration usual, std::uint64_t seed, std::uint32_t node) const {
  if (!is_lemon(seed, node)) return usual;
  return Duration{static_cast<std::int64_t>(static_cast<Int128>(usual.ns) * 1'000'000 / rate)};
}

NodeFailures::NodeFailures(const FailureModel& model, std::uint32_t node)
    : rng_(stream(model.seed, fmt::format("faults/node/{}", node))),
      mean_{model.lemons.mean(model.node_mtbf, model.seed, node), model.repair} {}

Duration NodeFailures::next() {
  const Duration mean = mean_[down_ ? 1 : 0];
  down_ = !down_;
  return exponential_time(rng_, mean);
}

NodeSlowSpells::NodeSlowSpells(const FailureModel& model, std::uint32_t node)
    : rng_(stream(model.seed, fmt::format("faults/slow/{}", node))),
      between_(model.lemons.mean(model.stragglers.node_mtbs, model.seed, node)),
      lasts_(model.stragglers.lasts),
      least_(model.stragglers.least),
      most_(model.stragglers.most) {}

NodeSlowSpells::Spell NodeSlowSpells::next() {
  Spell s;
  s.after = exponential_time(rng_, between_);
  s.lasts = exponential_time(rng_, lasts_);
  s.slowdown = least_ + static_cast<Slowdown>(uniform_below(rng_, static_cast<std::uint64_t>(most_ - least_) + 1));
  return s;
}

}  // namespace orrery

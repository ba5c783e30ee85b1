// Dense integer identities. Each is its own type, so that a node is never passed where a job is wanted.
// A JobId is the job's rank in (submit, trace row) order, which makes "by id" mean "by arrival".
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace orrery {

template <class Tag>
struct Id {
  std::uint32_t value = std::numeric_limits<std::uint32_t>::max();
  constexpr Id() = default;
  constexpr explicit Id(std::uint32_t v) : value(v) {}
  [[nodiscard]] constexpr bool valid() const { return value != std::numeric_limits<std::uint32_t>::max(); }
  [[nodiscard]] constexpr std::size_t index() const { return value; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

using JobId = Id<struct JobTag>;
using NodeId = Id<struct NodeTag>;
using GroupId = Id<struct GroupTag>;       // jobs that may over-subscribe the same GPUs
using GangId = Id<struct GangTag>;         // what an executor launched: one gang of ranks
using DemandClass = Id<struct DemandTag>;  // interned Demand: equal demands, equal class
using Incarnation = std::uint32_t;         // counts the launches of a job; 0 = never launched

inline constexpr GroupId kNoGroup{};

}  // namespace orrery

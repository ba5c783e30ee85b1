// Placement: where a job goes once it has been chosen. A function from (demand, free capacity) to an
// allocation; the implementations are in policies/placement.
#pragma once

#include <string_view>

#include "sim/core/inventory.hpp"

namespace orrery {

class Placement {
 public:
  virtual ~Placement() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Fills `out` and returns true, or returns false when the demand does not fit by this placement's rules.
  // Must be monotone: what does not fit does not fit either after more has been taken.
  virtual bool place(const Demand& demand, const Inventory& free, Allocation& out) = 0;
  // A hash of the state of its random stream, for determinism tests; 0 when it has none.
  [[nodiscard]] virtual std::uint64_t stream_state() const { return 0; }
  // True when a plain demand fits exactly if as many GPUs are free anywhere: policies may then count.
  [[nodiscard]] virtual bool counting() const { return false; }
};

}  // namespace orrery

// Placement: where a job goes once it has been chosen. A function from (demand, free capacity) to an
// allocation; the implementations are in policies/placement.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "sim/core/inventory.hpp"

namespace orrery {

class Placement {
 public:
  virtual ~Placement() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Fills `out` and returns true, or returns false when the demand does not fit by this placement's rules.
  // Must be monotone: what does not fit does not fit either after more has been taken.
  virtual bool place(const Demand& demand, const Inventory& free, Allocation& out) = 0;
  // Another one in the same state, that of its random stream included.
  [[nodiscard]] virtual std::unique_ptr<Placement> clone() const = 0;
  // A hash of the state of its random stream, for determinism tests; 0 when it has none.
  [[nodiscard]] virtual std::uint64_t stream_state() const { return 0; }
  // True when a plain demand fits exactly if as many GPUs are free anywhere: policies may then count.
  [[nodiscard]] virtual bool counting() const { return false; }
};

// A placement that belongs to its holder: a copy of the holder has one of its own, in the same state. What policies
// keep theirs in, so that they can be copied (Policy::clone()).
class OwnPlacement {
 public:
  OwnPlacement(std::unique_ptr<Placement> placement) : placement_(std::move(placement)) {}
  OwnPlacement(const OwnPlacement& other) : placement_(other.placement_ ? other.placement_->clone() : nullptr) {}
  OwnPlacement(OwnPlacement&&) = default;
  OwnPlacement& operator=(OwnPlacement other) {
    placement_ = std::move(other.placement_);
    return *this;
  }
  [[nodiscard]] Placement& operator*() const { return *placement_; }
  [[nodiscard]] Placement* operator->() const { return placement_.get(); }

 private:
  std::unique_ptr<Placement> placement_;
};

}  // namespace orrery

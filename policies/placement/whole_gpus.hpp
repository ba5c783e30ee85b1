// What all placements share: where CPU-only jobs and fractions of a GPU go, and that a job that does not fit leaves
// nothing behind. Subclasses place whole GPUs.
#pragma once

#include "sim/api/placement.hpp"

namespace orrery {

class WholeGpus : public Placement {
 public:
  bool place(const Demand& d, const Inventory& free, Allocation& out) final;

 protected:
  // At least as many GPUs are free as the demand wants; what `out` holds after a refusal is thrown away.
  virtual bool place_whole(const Demand& d, const Inventory& free, Allocation& out) = 0;
};

// A placement that visits nodes in some order and takes what it needs from each.
class CountingGpus : public WholeGpus {
 public:
  [[nodiscard]] bool counting() const final { return true; }
};

}  // namespace orrery

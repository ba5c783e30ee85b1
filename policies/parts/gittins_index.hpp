// The Gittins index of a job of which only the age (attained service) is known, from samples of total service
// (Gittins 1979; as used by Tiresias, NSDI'19): the chance to finish within a quantum over the expected service
// spent for it,   P(S <= a + D | S > a) / E[min(S - a, D) | S > a].   Larger goes first. Integers throughout.
#pragma once

#include <vector>

#include "sim/core/units.hpp"

namespace orrery {

class GittinsIndex {
 public:
  // Samples of total service in ns (of GPU-time or of time); any order.
  explicit GittinsIndex(std::vector<std::int64_t> samples_ns);
  [[nodiscard]] std::size_t size() const { return sorted_.size(); }

  // In 10^-9 per second of service; 0 when no sample is longer than the age.
  [[nodiscard]] std::int64_t at(std::int64_t age_ns, std::int64_t quantum_ns) const;
  // The largest over all quanta.
  [[nodiscard]] std::int64_t sup_at(std::int64_t age_ns) const;

 private:
  std::vector<std::int64_t> sorted_;
  std::vector<Int128> prefix_;  // sums of the first k samples
};

}  // namespace orrery

#include "policies/parts/gittins_index.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr Int128 kScale = Int128{1'000'000'000} * 1'000'000'000;  // per ns -> 10^-9 per s

}  // namespace

GittinsIndex::GittinsIndex(std::vector<std::int64_t> samples_ns) : sorted_(std::move(samples_ns)) {
  std::sort(sorted_.begin(), sorted_.end());
  prefix_.push_back(0);
  for (const std::int64_t s : sorted_) prefix_.push_back(prefix_.back() + s);
}

std::int64_t GittinsIndex::at(std::int64_t age_ns, std::int64_t quantum_ns) const {
  const auto first =
      static_cast<std::size_t>(std::upper_bound(sorted_.begin(), sorted_.end(), age_ns) - sorted_.begin());
  const std::int64_t end_ns = add_ns(age_ns, quantum_ns);
  const auto last =
      static_cast<std::size_t>(std::upper_bound(sorted_.begin(), sorted_.end(), end_ns) - sorted_.begin());
  if (first == sorted_.size() || last == first) return 0;
  const auto finish = static_cast<Int128>(last - first);
  const auto go_on = static_cast<Int128>(sorted_.size() - last);
  const Int128 spent = prefix_[last] - prefix_[first] - finish * age_ns + go_on * quantum_ns;
  return static_cast<std::int64_t>((finish * kScale + spent / 2) / spent);
}

std::int64_t GittinsIndex::sup_at(std::int64_t age_ns) const {
  std::int64_t best = 0;
  // The ratio can only peak where a sample is included, so only quanta that end at one matter.
  for (auto it = std::upper_bound(sorted_.begin(), sorted_.end(), age_ns); it != sorted_.end(); ++it)
    best = std::max(best, at(age_ns, *it - age_ns));
  return best;
}

}  // namespace orrery

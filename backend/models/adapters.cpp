#include "backend/models/adapters.hpp"

#include <algorithm>

namespace orrery::models {

// Put side by side, not added in place, and cut at once, not slice by slice: the backward pass of a sum hands its
// gradient on as it is and that of one cut is one concatenation; a write into a slice, or a slice by itself, would
// cost the whole batch's gradient once per model.
at::Tensor AdapterGroup::added(const at::Tensor& y, const at::Tensor& x) const {
  const auto own = [this](const Slice& s) { return adapters_.find(s.model); };
  if (std::none_of(slices_->begin(), slices_->end(), [&](const Slice& s) { return own(s) != adapters_.end(); }))
    return y;
  std::vector<std::int64_t> counts;
  for (const Slice& s : *slices_) counts.push_back(s.count);
  const std::vector<at::Tensor> parts = x.split_with_sizes(counts, 0);
  std::vector<at::Tensor> updates;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (const auto at = own((*slices_)[i]); at != adapters_.end()) {
      updates.push_back(at::linear(at::linear(parts[i], at->second.a), at->second.b) * at->second.scale);
    } else {
      std::vector<std::int64_t> shape = y.sizes().vec();
      shape.front() = counts[i];
      updates.push_back(at::zeros(shape, y.options().requires_grad(false)));
    }
  }
  return y + (updates.size() == 1 ? updates.front() : at::cat(updates, 0));
}

}  // namespace orrery::models

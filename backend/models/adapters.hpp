// The low-rank updates (LoRA) of several models on one linear map that they share. In a batch of several models each
// has rows of its own; the map itself runs once on all of them, and each model's update is added to its rows alone
// (the grouping of mLoRA's executor). No row sees another model's parameters.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace orrery::models {

// The rows of one model in the batch that is under way; those of several follow each other.
struct Slice {
  std::size_t model = 0;  // its number, given once
  std::int64_t count = 0;
};

struct Adapter {
  at::Tensor a, b;  // [rank, in], [out, rank]
  double scale = 0;
};

class AdapterGroup {
 public:
  // `slices`: written anew before each pass; they cover its batch.
  explicit AdapterGroup(std::shared_ptr<const std::vector<Slice>> slices) : slices_(std::move(slices)) {}

  void set(std::size_t model, Adapter adapter) { adapters_[model] = std::move(adapter); }
  void erase(std::size_t model) { adapters_.erase(model); }

  // The map on x [B, ..., in] with every model's update on its rows: [B, ..., out]. Map and bias are frozen.
  [[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;

 private:
  [[nodiscard]] at::Tensor added(const at::Tensor& y, const at::Tensor& x) const;
  std::shared_ptr<const std::vector<Slice>> slices_;
  std::map<std::size_t, Adapter> adapters_{};
};

}  // namespace orrery::models

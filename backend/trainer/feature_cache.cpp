#include "backend/trainer/feature_cache.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery::trainer {
namespace {

at::Tensor index_of(const std::vector<std::int64_t>& samples, at::Device device) {
  return at::tensor(samples, at::TensorOptions().dtype(at::kLong)).to(device);
}

}  // namespace

std::vector<std::int64_t> FeatureCache::missing(const std::vector<std::int64_t>& samples) const {
  std::vector<std::int64_t> out;
  for (const std::int64_t s : samples)
    if (!known_[static_cast<std::size_t>(s)] && std::find(out.begin(), out.end(), s) == out.end()) out.push_back(s);
  return out;
}

void FeatureCache::put(const std::vector<std::int64_t>& samples, const at::Tensor& features,
                       const at::Tensor& label) {
  if (samples.empty()) return;
  const c10::NoGradGuard no_gradients;
  const at::Tensor own = features.detach().to(at::kFloat);
  if (!features_.defined()) {
    const auto size = static_cast<std::int64_t>(known_.size());
    features_ = at::zeros({size, own.size(1)}, own.options());
    labels_ = at::zeros({size}, label.options());
  }
  const at::Tensor index = index_of(samples, own.device());
  features_.index_copy_(0, index, own);
  labels_.index_copy_(0, index, label);
  for (const std::int64_t s : samples) {
    if (!known_[static_cast<std::size_t>(s)]) ++size_;
    known_[static_cast<std::size_t>(s)] = true;
  }
}

void FeatureCache::put_all(const at::Tensor& features, const at::Tensor& label) {
  ORRERY_ASSERT(features.size(0) == static_cast<std::int64_t>(known_.size()), "features of {} samples, of {}",
                features.size(0), known_.size());
  features_ = features;
  labels_ = label;
  known_.assign(known_.size(), true);
  size_ = known_.size();
}

FeatureCache::Rows FeatureCache::rows(const std::vector<std::int64_t>& samples) const {
  ORRERY_ASSERT(features_.defined() && missing(samples).empty(), "features of {} samples were not computed",
                samples.size());
  const at::Tensor index = index_of(samples, features_.device());
  return {features_.index_select(0, index), labels_.index_select(0, index)};
}

}  // namespace orrery::trainer

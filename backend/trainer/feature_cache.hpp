// Features of the samples of a frozen model, computed when they are first asked for: what a probe trains on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace orrery::trainer {

class FeatureCache {
 public:
  // Of a data set of `samples` samples.
  explicit FeatureCache(std::uint64_t samples) : known_(samples, false) {}

  // Those of `samples` that are not there, each once, in their order.
  [[nodiscard]] std::vector<std::int64_t> missing(const std::vector<std::int64_t>& samples) const;
  // The features [n, d] and labels [n] of `samples`.
  void put(const std::vector<std::int64_t>& samples, const at::Tensor& features, const at::Tensor& label);
  // Those of all samples, in their order.
  void put_all(const at::Tensor& features, const at::Tensor& label);
  // How many samples are there.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  struct Rows {
    at::Tensor features, label;
  };
  // All of `samples` are there.
  [[nodiscard]] Rows rows(const std::vector<std::int64_t>& samples) const;
  // Of all samples; zeros of those that are not there.
  [[nodiscard]] const at::Tensor& features() const { return features_; }
  [[nodiscard]] const at::Tensor& labels() const { return labels_; }

 private:
  std::vector<bool> known_;
  std::uint64_t size_ = 0;
  at::Tensor features_{}, labels_{};
};

}  // namespace orrery::trainer

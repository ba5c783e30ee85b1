// See flat.hpp.
#include "backend/trainer/flat.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/variable.h>

#include <utility>

#include "sim/core/assert.hpp"

namespace orrery::trainer {
namespace {

constexpr std::int64_t kAlign = 16;  // elements: every parameter begins on a cache line

}  // namespace

FlatParameters::FlatParameters(std::vector<Named> named) : named_(std::move(named)) {
  std::int64_t size = 0;
  at::TensorOptions options = at::TensorOptions().dtype(at::kFloat);
  for (std::size_t i = named_.size(); i-- > 0;) {
    const at::Tensor& t = named_[i].tensor;
    if (!t.requires_grad()) continue;
    ORRERY_ASSERT(t.is_leaf() && t.scalar_type() == at::kFloat, "parameter {} is no fp32 leaf", named_[i].name);
    options = t.options();
    pieces_.push_back({i, size, t.numel(), named_[i].decay});
    size += (t.numel() + kAlign - 1) / kAlign * kAlign;
  }
  const at::NoGradGuard no_grad;
  values_ = at::zeros({size}, options.requires_grad(false));
  gradients_ = at::zeros({size}, options.requires_grad(false));
  for (const Piece& p : pieces_) {
    at::Tensor t = named_[p.index].tensor;
    at::Tensor place = view(values_, p);
    place.copy_(t.detach());
    t.set_data(place);
  }
  zero();
}

at::Tensor FlatParameters::view(const at::Tensor& flat, const Piece& piece) const {
  return flat.narrow(0, piece.at, piece.size).view(named_[piece.index].tensor.sizes());
}

void FlatParameters::zero() {
  gradients_.zero_();
  for (const Piece& p : pieces_) {
    const at::Tensor& t = named_[p.index].tensor;
    if (!t.grad().defined() || t.grad().data_ptr() != gradients_.data_ptr<float>() + p.at)
      t.mutable_grad() = view(gradients_, p);
  }
}

}  // namespace orrery::trainer

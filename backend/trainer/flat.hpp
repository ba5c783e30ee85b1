// All trained parameters in one buffer, their gradients in another: what the optimiser, the gradient buckets and the
// norm work on. The parameters of the task become views of the buffer (set_data), their gradients are preset views
// that backward adds into, so nothing is copied at any step. Laid out in reverse order of parameters, which is
// roughly the order in which backward finishes them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "backend/trainer/task.hpp"

namespace orrery::trainer {

class FlatParameters {
 public:
  struct Piece {
    std::size_t index = 0;  // in named()
    std::int64_t at = 0, size = 0;
    bool decay = true;
  };

  // Takes the trained ones of `named` (leaves with requires_grad, fp32, on one device); the others stay as they are.
  explicit FlatParameters(std::vector<Named> named);

  [[nodiscard]] const std::vector<Named>& named() const { return named_; }
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] const at::Tensor& gradients() const { return gradients_; }
  // The part of a flat tensor that belongs to a piece, in the parameter's shape.
  [[nodiscard]] at::Tensor view(const at::Tensor& flat, const Piece& piece) const;
  // Zeroes the gradients, and presets them again should somebody have taken them away.
  void zero();

 private:
  std::vector<Named> named_;
  std::vector<Piece> pieces_{};
  at::Tensor values_{}, gradients_{};
};

}  // namespace orrery::trainer

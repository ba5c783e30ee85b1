// The named parameters of a model, in the order in which its layers made them: what the optimiser trains, checkpoints
// hold and ranks exchange. Layers keep handles to the same storage. A parameter's first value depends on the seed and
// its name only, so neither the order of construction nor the world size changes a model.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::models {

struct Parameter {
  std::string name;  // "image.blocks.0.attn.qkv.weight"
  at::Tensor value;  // fp32 leaf
  bool trainable = true;
  bool decay = true;  // weight decay applies: matrices, not biases, norms and scalars
};

// First values: zeros, ones, a constant, or normal with a standard deviation.
struct Init {
  enum class Kind : std::uint8_t { constant, normal } kind = Kind::constant;
  double value = 0;  // the constant, or the standard deviation
};
inline constexpr Init kZeros{Init::Kind::constant, 0};
inline constexpr Init kOnes{Init::Kind::constant, 1};
[[nodiscard]] constexpr Init normal(double deviation) {
  return {Init::Kind::normal, deviation};
}

class ParameterSet {
 public:
  explicit ParameterSet(std::uint64_t seed, at::Device device = at::kCPU) : seed_(seed), device_(device) {}

  // Makes a parameter; names are unique. Decay defaults to what its number of dimensions suggests.
  at::Tensor add(std::string name, at::IntArrayRef shape, Init init);

  [[nodiscard]] const std::vector<Parameter>& all() const { return all_; }
  [[nodiscard]] std::vector<Parameter> trainable() const;
  [[nodiscard]] const Parameter* find(std::string_view name) const;

  // Parameters for which `keep` is false stop training: no gradient, no optimiser state.
  template <class Predicate>
  void freeze_unless(Predicate keep) {
    for (Parameter& p : all_) {
      p.trainable = keep(p);
      p.value.set_requires_grad(p.trainable);
    }
  }

 private:
  std::uint64_t seed_;
  at::Device device_;
  std::vector<Parameter> all_;
};

}  // namespace orrery::models

// The layers every tower is made of, on at:: operators: linear maps with optional low-rank updates (LoRA), layer
// norm, attention over scaled_dot_product_attention, and the pre-norm Transformer block
//   x += attention(norm1(x));  x += mlp(norm2(x))            (Vaswani et al. 2017, in the order of Xiong et al. 2020)
// A layer holds handles to parameters of a ParameterSet and no other state; there is no dropout, so a step is a
// function of parameters and batch.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/models/adapters.hpp"
#include "backend/models/parameters.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::models {

// What layers are built with.
struct Builder {
  ParameterSet& parameters;
  std::optional<TransferConfig> lora;  // set: linear maps inside blocks get low-rank updates
};

struct Linear {
  at::Tensor weight, bias;    // [out, in], [out]
  at::Tensor lora_a, lora_b;  // [rank, in], [out, rank]; undefined without LoRA
  double lora_scale = 0;
  std::shared_ptr<const AdapterGroup> group{};  // of a map that several models share; null: it is one model's
  // [..., in] -> [..., out]
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;
};
// `gain` scales the usual deviation sqrt(2 / (in + out)); `inside_block` maps take part in LoRA.
[[nodiscard]] Linear make_linear(Builder& b, const std::string& name, std::int64_t in, std::int64_t out,
                                 double gain = 1, bool inside_block = false);

struct Norm {
  at::Tensor weight, bias;
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;
};
[[nodiscard]] Norm make_norm(Builder& b, const std::string& name, std::int64_t width);

// softmax(q k^T / sqrt(d / heads)) v over heads: q [B, Lq, d], k and v [B, Lk, d] -> [B, Lq, d]. `valid` [B, Lk] bool
// says which keys count; undefined = all.
[[nodiscard]] at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                                const at::Tensor& valid);

struct Block {
  Norm norm1, norm2;
  Linear qkv, out, up, down;
  std::int64_t heads = 1;
  [[nodiscard]] at::Tensor operator()(at::Tensor x, const at::Tensor& valid) const;
};

// Blocks and a final norm.
struct Stack {
  std::vector<Block> blocks;
  Norm norm;
  [[nodiscard]] at::Tensor operator()(at::Tensor x, const at::Tensor& valid) const;
};
[[nodiscard]] Stack make_stack(Builder& b, const std::string& name, const StackConfig& config);

// A block whose queries come from one modality and whose keys and values come from the others.
struct CrossBlock {
  Norm norm1, norm_context, norm2;
  Linear q, kv, out, up, down;
  std::int64_t heads = 1;
  [[nodiscard]] at::Tensor operator()(at::Tensor x, const at::Tensor& context, const at::Tensor& valid) const;
};
[[nodiscard]] CrossBlock make_cross_block(Builder& b, const std::string& name, const StackConfig& config);

// The mean of x [B, L, d] over the positions that are valid [B, L]; undefined = all. [B, d]
[[nodiscard]] at::Tensor pooled(const at::Tensor& x, const at::Tensor& valid);

}  // namespace orrery::models

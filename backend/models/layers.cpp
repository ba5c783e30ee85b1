#include "backend/models/layers.hpp"

#include <fmt/format.h>

#include <cmath>

namespace orrery::models {

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (group) return group->linear(x, weight, bias);
  at::Tensor y = at::linear(x, weight, bias);
  if (lora_a.defined()) y = y + at::linear(at::linear(x, lora_a), lora_b) * lora_scale;
  return y;
}

Linear make_linear(Builder& b, const std::string& name, std::int64_t in, std::int64_t out, double gain,
                   bool inside_block) {
  Linear l;
  const double deviation = gain * std::sqrt(2.0 / static_cast<double>(in + out));
  l.weight = b.parameters.add(name + ".weight", {out, in}, normal(deviation));
  l.bias = b.parameters.add(name + ".bias", {out}, kZeros);
  if (b.lora && inside_block) {
    // B starts at zero, so that training begins at the pretrained model.
    l.lora_a = b.parameters.add(name + ".lora_a", {b.lora->rank, in}, normal(1 / std::sqrt(static_cast<double>(in))));
    l.lora_b = b.parameters.add(name + ".lora_b", {out, b.lora->rank}, kZeros);
    l.lora_scale = b.lora->alpha / static_cast<double>(b.lora->rank);
  }
  return l;
}

at::Tensor Norm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {weight.size(0)}, weight, bias, 1e-5);
}

Norm make_norm(Builder& b, const std::string& name, std::int64_t width) {
  return {b.parameters.add(name + ".weight", {width}, kOnes), b.parameters.add(name + ".bias", {width}, kZeros)};
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                  const at::Tensor& valid) {
  const auto split = [heads](const at::Tensor& x) {
    return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
  };
  std::optional<at::Tensor> mask;
  if (valid.defined()) mask = valid.view({valid.size(0), 1, 1, valid.size(1)});
  const at::Tensor y = at::scaled_dot_product_attention(split(q), split(k), split(v), mask);
  return y.transpose(1, 2).reshape({q.size(0), q.size(1), q.size(2)});
}

namespace {

// The last maps of both residual branches start small, by the depth of the stack (as GPT-2 does).
double residual_gain(const StackConfig& c) {
  return 1 / std::sqrt(2.0 * static_cast<double>(c.layers));
}

at::Tensor feed_forward(const Linear& up, const Linear& down, const at::Tensor& x) {
  return down(at::gelu(up(x)));
}

}  // namespace

at::Tensor Block::operator()(at::Tensor x, const at::Tensor& valid) const {
  const std::vector<at::Tensor> parts = qkv(norm1(x)).chunk(3, -1);
  x = x + out(attend(parts[0], parts[1], parts[2], heads, valid));
  return x + feed_forward(up, down, norm2(x));
}

at::Tensor Stack::operator()(at::Tensor x, const at::Tensor& valid) const {
  for (const Block& block : blocks) x = block(std::move(x), valid);
  return norm(x);
}

Stack make_stack(Builder& b, const std::string& name, const StackConfig& c) {
  Stack s;
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string at = fmt::format("{}.blocks.{}", name, i);
    Block k;
    k.heads = c.heads;
    k.norm1 = make_norm(b, at + ".norm1", c.width);
    k.qkv = make_linear(b, at + ".attn.qkv", c.width, 3 * c.width, 1, true);
    k.out = make_linear(b, at + ".attn.out", c.width, c.width, residual_gain(c), true);
    k.norm2 = make_norm(b, at + ".norm2", c.width);
    k.up = make_linear(b, at + ".mlp.up", c.width, c.mlp * c.width, 1, true);
    k.down = make_linear(b, at + ".mlp.down", c.mlp * c.width, c.width, residual_gain(c), true);
    s.blocks.push_back(std::move(k));
  }
  s.norm = make_norm(b, name + ".norm", c.width);
  return s;
}

at::Tensor CrossBlock::operator()(at::Tensor x, const at::Tensor& context, const at::Tensor& valid) const {
  const std::vector<at::Tensor> parts = kv(norm_context(context)).chunk(2, -1);
  x = x + out(attend(q(norm1(x)), parts[0], parts[1], heads, valid));
  return x + feed_forward(up, down, norm2(x));
}

CrossBlock make_cross_block(Builder& b, const std::string& name, const StackConfig& c) {
  CrossBlock k;
  k.heads = c.heads;
  k.norm1 = make_norm(b, name + ".norm1", c.width);
  k.norm_context = make_norm(b, name + ".norm_context", c.width);
  k.q = make_linear(b, name + ".attn.q", c.width, c.width, 1, true);
  k.kv = make_linear(b, name + ".attn.kv", c.width, 2 * c.width, 1, true);
  k.out = make_linear(b, name + ".attn.out", c.width, c.width, residual_gain(c), true);
  k.norm2 = make_norm(b, name + ".norm2", c.width);
  k.up = make_linear(b, name + ".mlp.up", c.width, c.mlp * c.width, 1, true);
  k.down = make_linear(b, name + ".mlp.down", c.mlp * c.width, c.width, residual_gain(c), true);
  return k;
}

at::Tensor pooled(const at::Tensor& x, const at::Tensor& valid) {
  if (!valid.defined()) return x.mean(1);
  const at::Tensor weight = valid.to(x.scalar_type()).unsqueeze(-1);
  return (x * weight).sum(1) / weight.sum(1);
}

}  // namespace orrery::models

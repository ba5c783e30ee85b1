#include "backend/models/fusion.hpp"

#include <fmt/format.h>

namespace orrery::models {
namespace {

// Which tokens of `parts` count, side by side, leaving out the part `except`; undefined when all do.
at::Tensor joint_valid(const std::vector<Features>& parts, std::size_t except) {
  bool any = false;
  for (std::size_t m = 0; m < parts.size(); ++m) any = any || (m != except && parts[m].valid.defined());
  if (!any) return {};
  std::vector<at::Tensor> valid;
  for (std::size_t m = 0; m < parts.size(); ++m) {
    if (m == except) continue;
    const at::Tensor& x = parts[m].tokens;
    valid.push_back(parts[m].valid.defined() ? parts[m].valid
                                             : at::ones({x.size(0), x.size(1)}, x.options().dtype(at::kBool)));
  }
  return at::cat(valid, 1);
}

at::Tensor joint_tokens(const std::vector<Features>& parts, std::size_t except) {
  std::vector<at::Tensor> tokens;
  for (std::size_t m = 0; m < parts.size(); ++m)
    if (m != except) tokens.push_back(parts[m].tokens);
  return tokens.size() == 1 ? tokens.front() : at::cat(tokens, 1);
}

}  // namespace

Fusion::Fusion(Builder& b, const FusionConfig& config, const std::vector<std::string>& names,
               const std::vector<std::int64_t>& widths)
    : config_(config) {
  const std::int64_t width = config.stack.width;
  const auto count = static_cast<std::int64_t>(names.size());
  for (std::size_t m = 0; m < names.size(); ++m) {
    in_.push_back(make_linear(b, fmt::format("fusion.{}.in", names[m]), widths[m], width));
    if (config.kind == FusionKind::concatenation)
      kind_.push_back(b.parameters.add(fmt::format("fusion.{}.kind", names[m]), {width}, normal(0.02)));
    else
      norm_.push_back(make_norm(b, fmt::format("fusion.{}.norm", names[m]), width));
  }
  if (config.kind == FusionKind::concatenation) joint_ = make_stack(b, "fusion", config.stack);
  if (config.kind == FusionKind::gated) {
    gate_ = make_linear(b, "fusion.gate", count * width, count * width);
    pooled_norm_ = make_norm(b, "fusion.norm", width);
  }
  if (config.kind == FusionKind::cross_attention)
    for (std::int64_t i = 0; i < config.stack.layers; ++i) {
      cross_.emplace_back();
      for (const std::string& name : names)
        cross_.back().push_back(make_cross_block(b, fmt::format("fusion.{}.blocks.{}", name, i), config.stack));
    }
}

Fused Fusion::operator()(const std::vector<Features>& given, std::size_t only) const {
  std::vector<Features> parts;
  for (std::size_t m = 0; m < given.size(); ++m) parts.push_back({in_[m](given[m].tokens), given[m].valid});
  switch (config_.kind) {
    case FusionKind::concatenation: return concatenated(parts);
    case FusionKind::gated: return gated(parts);
    default: return crossed(std::move(parts), only);
  }
}

Fused Fusion::concatenated(const std::vector<Features>& given) const {
  std::vector<Features> parts = given;
  for (std::size_t m = 0; m < parts.size(); ++m) parts[m].tokens = parts[m].tokens + kind_[m];
  const at::Tensor valid = joint_valid(parts, parts.size());
  const at::Tensor x = joint_(joint_tokens(parts, parts.size()), valid);
  std::int64_t first = 0;
  for (Features& part : parts) {
    const std::int64_t n = part.tokens.size(1);
    part.tokens = x.narrow(1, first, n);
    first += n;
  }
  return {std::move(parts), pooled(x, valid)};
}

Fused Fusion::gated(const std::vector<Features>& given) const {
  std::vector<at::Tensor> features;
  for (const Features& part : given) features.push_back(pooled(part.tokens, part.valid));
  const at::Tensor all = at::cat(features, 1);  // [B, M d]
  const at::Tensor weighted = at::sigmoid(gate_(all)) * all;
  const at::Tensor sum = weighted.view({all.size(0), static_cast<std::int64_t>(given.size()), -1}).sum(1);
  std::vector<Features> parts = given;
  for (std::size_t m = 0; m < parts.size(); ++m) parts[m].tokens = norm_[m](parts[m].tokens + sum.unsqueeze(1));
  return {std::move(parts), pooled_norm_(sum)};
}

Fused Fusion::crossed(std::vector<Features> parts, std::size_t only) const {
  for (std::size_t i = 0; i < cross_.size(); ++i) {
    std::vector<Features> next = parts;
    for (std::size_t m = 0; m < parts.size(); ++m)
      if (only == kAll || only == m || i + 1 < cross_.size())
        next[m].tokens = cross_[i][m](parts[m].tokens, joint_tokens(parts, m), joint_valid(parts, m));
    parts = std::move(next);
  }
  Fused fused;
  fused.parts.resize(parts.size());
  for (std::size_t m = 0; m < parts.size(); ++m)
    if (only == kAll || only == m) fused.parts[m] = {norm_[m](parts[m].tokens), parts[m].valid};
  if (only != kAll) return fused;
  std::vector<at::Tensor> means;
  for (const Features& part : fused.parts) means.push_back(pooled(part.tokens, part.valid));
  fused.pooled = at::stack(means).mean(0);
  return fused;
}

}  // namespace orrery::models

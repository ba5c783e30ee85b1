// See adamw.hpp.
#include "backend/trainer/adamw.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace orrery::trainer {

double rate_at(const OptimizerConfig& c, std::int64_t step, std::int64_t steps) {
  if (step < c.warmup) return c.lr * static_cast<double>(step + 1) / static_cast<double>(c.warmup);
  if (!c.cosine) return c.lr;
  const double span = static_cast<double>(std::max<std::int64_t>(1, steps - c.warmup));
  const double t = std::min(1.0, static_cast<double>(step - c.warmup) / span);
  return c.lr * (c.min_lr_ratio + (1 - c.min_lr_ratio) * (1 + std::cos(std::numbers::pi * t)) / 2);
}

AdamW::AdamW(FlatParameters& flat, const OptimizerConfig& config)
    : flat_(&flat),
      config_(config),
      mean_(at::zeros_like(flat.values())),
      square_(at::zeros_like(flat.values())),
      count_(at::zeros({}, flat.values().options())) {
  const auto& pieces = flat.pieces();
  for (std::size_t i = 0; i < pieces.size();) {
    std::size_t end = i + 1;
    while (end < pieces.size() && pieces[end].decay == pieces[i].decay) ++end;
    const std::int64_t at = pieces[i].at, size = pieces[end - 1].at + pieces[end - 1].size - at;
    Run& run = pieces[i].decay ? decayed_ : plain_;
    run.values.push_back(flat.values().narrow(0, at, size));
    run.gradients.push_back(flat.gradients().narrow(0, at, size));
    run.means.push_back(mean_.narrow(0, at, size));
    run.squares.push_back(square_.narrow(0, at, size));
    run.steps.push_back(count_);
    i = end;
  }
}

at::Tensor AdamW::step(std::int64_t update, std::int64_t scheduled, std::int64_t steps) {
  const at::NoGradGuard no_grad;
  const at::Tensor gradients = flat_->gradients();
  const at::Tensor norm = at::linalg_vector_norm(gradients);
  if (config_.clip > 0) gradients.mul_((config_.clip / (norm + 1e-6)).clamp_max(1.0));
  count_.fill_(update + 1);
  const double rate = rate_at(config_, scheduled, steps);
  for (Run* run : {&decayed_, &plain_}) {
    if (run->values.empty()) continue;
    at::_fused_adamw_(run->values, run->gradients, run->means, run->squares, {}, run->steps, rate, config_.beta1,
                      config_.beta2, run == &decayed_ ? config_.weight_decay : 0.0, config_.eps, false, false);
  }
  return norm;
}

}  // namespace orrery::trainer

#include "backend/models/objectives.hpp"

namespace orrery::models {

at::Tensor rows_at(const at::Tensor& x, const at::Tensor& positions) {
  return x.gather(1, positions.unsqueeze(-1).expand({positions.size(0), positions.size(1), x.size(2)}));
}

at::Tensor TextFiller::loss(const at::Tensor& features, const Batch& batch, const at::Tensor& embedding) const {
  const at::Tensor hidden = norm(at::gelu(dense(rows_at(features, batch.text_positions))));
  const at::Tensor logits = at::linear(hidden, embedding, bias).to(at::kFloat);
  const at::Tensor each = at::cross_entropy_loss(logits.view({-1, logits.size(-1)}), batch.text_targets.reshape(-1),
                                                 {}, at::Reduction::None);
  return (each * batch.text_weights.reshape(-1)).sum();
}

TextFiller make_text_filler(Builder& b, std::int64_t width, const TextConfig& text) {
  TextFiller f;
  f.dense = make_linear(b, "mlm.dense", width, text.stack.width);
  f.norm = make_norm(b, "mlm.norm", text.stack.width);
  f.bias = b.parameters.add("mlm.bias", {text.vocabulary}, kZeros);
  return f;
}

at::Tensor ImageFiller::loss(const at::Tensor& features, const at::Tensor& patches, const Batch& batch) const {
  const at::Tensor guess = out(rows_at(features, batch.image_positions)).to(at::kFloat);
  const double values_a_sample = static_cast<double>(guess.size(1) * guess.size(2));
  return at::mse_loss(guess, rows_at(patches, batch.image_positions), at::Reduction::Sum) / values_a_sample;
}

ImageFiller make_image_filler(Builder& b, std::int64_t width, const ImageConfig& image) {
  return {make_linear(b, "mim.out", width, image.patch_values())};
}

at::Tensor unit(const at::Tensor& x) {
  return x / x.norm(2, {-1}, true).clamp_min(1e-12);
}

at::Tensor contrastive_loss(const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale,
                            const Negatives& negatives) {
  const at::Tensor ua = unit(a.to(at::kFloat)), ub = unit(b.to(at::kFloat));
  const at::Tensor all_a = negatives.all ? negatives.all(ua) : ua, all_b = negatives.all ? negatives.all(ub) : ub;
  const at::Tensor factor = scale.clamp_max(4.6052).exp();  // at most 100, as CLIP has it
  const at::Tensor own = at::arange(negatives.first, negatives.first + a.size(0),
                                    at::TensorOptions().dtype(at::kLong).device(a.device()));
  const at::Tensor from_a = at::cross_entropy_loss(factor * at::matmul(ua, all_b.t()), own, {}, at::Reduction::Sum);
  const at::Tensor from_b = at::cross_entropy_loss(factor * at::matmul(ub, all_a.t()), own, {}, at::Reduction::Sum);
  return (from_a + from_b) * 0.5;
}

}  // namespace orrery::models

#include "backend/models/multimodal.hpp"

#include <ATen/record_function.h>

#include <cmath>

#include "backend/models/autocast.hpp"
#include "sim/core/assert.hpp"

namespace orrery::models {

bool is_head(std::string_view name) {
  return name.starts_with("head.") || name.starts_with("contrast.") || name.starts_with("mlm.") ||
         name.starts_with("mim.");
}

MultimodalModel::MultimodalModel(const ModelConfig& config, std::uint64_t seed, at::Device device)
    : config_(config), passes_(passes(config)), parameters_(seed, device) {
  const std::string why = why_invalid(config);
  ORRERY_ASSERT(why.empty(), "{}", why);
  build();
  if (!config.transfer || config.transfer->method == TransferMethod::full) return;
  const bool lora = config.transfer->method == TransferMethod::lora;
  parameters_.freeze_unless([lora](const Parameter& p) {
    return is_head(p.name) || (lora && (p.name.ends_with(".lora_a") || p.name.ends_with(".lora_b")));
  });
}

void MultimodalModel::build() {
  Builder b{parameters_, {}};
  if (config_.transfer && config_.transfer->method == TransferMethod::lora) b.lora = config_.transfer;
  const ObjectiveConfig& o = config_.objectives;
  const bool fused = passes_.fusion > 0;
  const std::int64_t fused_width = config_.fusion.stack.width;
  backbone_ = Backbone(b, config_, passes_);

  if (config_.head) {
    std::int64_t in = fused_width;
    if (config_.head->input == HeadInput::text) in = config_.text->stack.width;
    if (config_.head->input == HeadInput::image) in = config_.image->stack.width;
    if (config_.head->input == HeadInput::audio) in = config_.audio->stack.width;
    head_ = make_linear(b, "head", in, config_.head->classes);
    return;
  }
  if (o.masked_text > 0)
    text_filler_ = make_text_filler(b, fused ? fused_width : config_.text->stack.width, *config_.text);
  if (o.masked_image > 0)
    image_filler_ = make_image_filler(b, fused ? fused_width : config_.image->stack.width, *config_.image);
  if (o.contrastive > 0) {
    if (config_.text) to_text_ = make_linear(b, "contrast.text", config_.text->stack.width, config_.embedding);
    if (config_.image) to_image_ = make_linear(b, "contrast.image", config_.image->stack.width, config_.embedding);
    if (config_.audio) to_audio_ = make_linear(b, "contrast.audio", config_.audio->stack.width, config_.embedding);
    scale_ = parameters_.add("contrast.scale", {}, {Init::Kind::constant, std::log(1 / 0.07)});
  }
}

Embeddings MultimodalModel::project(const CleanPass& t) const {
  Embeddings e;
  if (t.text.tokens.defined()) e.text = to_text_(pooled(t.text.tokens, t.text.valid));
  if (t.image.tokens.defined()) e.image = to_image_(pooled(t.image.tokens, t.image.valid));
  if (t.audio.tokens.defined()) e.audio = to_audio_(pooled(t.audio.tokens, t.audio.valid));
  return e;
}

Embeddings MultimodalModel::embeddings(const Batch& batch) const {
  const Autocast autocast(config_.precision == Precision::bf16, parameters_.all().front().value.device().type());
  Embeddings e = project(backbone_.towers(batch));
  for (at::Tensor* t : {&e.text, &e.image, &e.audio})
    if (t->defined()) *t = unit(t->to(at::kFloat));
  return e;
}

Losses MultimodalModel::loss(const Batch& batch, const Negatives& negatives) const {
  if (config_.head) return head_loss(head_features(batch), batch.label);
  return pretraining_loss(batch, negatives);
}

// Of all pairs of the anchor (the text, without it the image) with another modality.
at::Tensor MultimodalModel::contrastive(const CleanPass& t, const Negatives& negatives) const {
  RECORD_USER_SCOPE("contrastive");
  const Embeddings e = project(t);
  const at::Tensor& anchor = e.text.defined() ? e.text : e.image;
  at::Tensor sum;
  for (const at::Tensor* other : {&e.image, &e.audio}) {
    if (!other->defined() || other->is_same(anchor)) continue;
    const at::Tensor pair = contrastive_loss(anchor, *other, scale_, negatives);
    sum = sum.defined() ? sum + pair : pair;
  }
  return sum;
}

Losses MultimodalModel::loss(const CleanPass& pass, const Batch& batch, const Negatives& negatives) const {
  ORRERY_ASSERT(config_.head || (config_.objectives.masked_text == 0 && config_.objectives.masked_image == 0),
                "a masked objective sees inputs of its own");
  if (config_.head) return head_loss(head_features(pass), batch.label);
  const Autocast autocast(config_.precision == Precision::bf16, parameters_.all().front().value.device().type());
  Losses losses;
  losses.contrastive = contrastive(pass, negatives);
  losses.total = losses.contrastive * config_.objectives.contrastive;
  return losses;
}

Losses MultimodalModel::pretraining_loss(const Batch& batch, const Negatives& negatives) const {
  const ObjectiveConfig& o = config_.objectives;
  const bool fused = passes_.fusion > 0;
  const at::Device device = parameters_.all().front().value.device();
  const Autocast autocast(config_.precision == Precision::bf16, device.type());

  // Clean features are shared by the contrastive objective and by both fillers as context.
  const bool contrast = o.contrastive > 0;
  at::Tensor patches;
  if (passes_.image > 0) patches = image_patches(batch.image, *config_.image);
  CleanPass t;
  if (passes_.text > 0 && (contrast || (fused && o.masked_image > 0)))
    t.text = backbone_.text_features(batch.tokens, batch.text_valid);
  if (passes_.image > 0 && (contrast || (fused && o.masked_text > 0))) t.image = backbone_.image_features(patches);
  if (passes_.audio > 0) t.audio = backbone_.audio_features(batch.audio);

  Losses losses;
  const auto add = [&losses](at::Tensor& slot, const at::Tensor& value, double weight) {
    slot = value;
    losses.total = losses.total.defined() ? losses.total + value * weight : value * weight;
  };
  if (contrast) add(losses.contrastive, contrastive(t, negatives), o.contrastive);
  if (o.masked_text > 0) {
    CleanPass with_holes = t;
    with_holes.text = backbone_.text_features(batch.masked_tokens, batch.text_valid);
    const Features holes =
        fused ? backbone_.fuse(with_holes, &with_holes.text.tokens).parts.front() : with_holes.text;
    RECORD_USER_SCOPE("masked_text");
    add(losses.masked_text, text_filler_.loss(holes.tokens, batch, backbone_.text.embedding), o.masked_text);
  }
  if (o.masked_image > 0) {
    CleanPass with_holes = t;
    with_holes.image = backbone_.image_features(patches, batch.image_positions);
    const std::size_t at = t.text.tokens.defined() ? 1 : 0;
    const Features holes = fused ? backbone_.fuse(with_holes, &with_holes.image.tokens).parts[at] : with_holes.image;
    RECORD_USER_SCOPE("masked_image");
    add(losses.masked_image, image_filler_.loss(holes.tokens, patches, batch), o.masked_image);
  }
  return losses;
}

at::Tensor MultimodalModel::head_features(const Batch& batch) const {
  const at::Device device = parameters_.all().front().value.device();
  const Autocast autocast(config_.precision == Precision::bf16, device.type());
  CleanPass t = backbone_.towers(batch);
  if (config_.head->input == HeadInput::fused) t.fused = backbone_.fuse(t).pooled;
  return head_features(t);
}

at::Tensor MultimodalModel::head_features(const CleanPass& pass) const {
  const Autocast autocast(config_.precision == Precision::bf16, parameters_.all().front().value.device().type());
  switch (config_.head->input) {
    case HeadInput::text: return pooled(pass.text.tokens, pass.text.valid);
    case HeadInput::image: return pooled(pass.image.tokens, pass.image.valid);
    case HeadInput::audio: return pooled(pass.audio.tokens, pass.audio.valid);
    case HeadInput::fused: break;
  }
  return pass.fused;
}

at::Tensor MultimodalModel::logits(const at::Tensor& features) const {
  return head_(features.to(at::kFloat));
}

Losses MultimodalModel::head_loss(const at::Tensor& features, const at::Tensor& label) const {
  RECORD_USER_SCOPE("head");
  Losses losses;
  losses.head = at::cross_entropy_loss(logits(features), label, {}, at::Reduction::Sum);
  losses.total = losses.head;
  return losses;
}

}  // namespace orrery::models

#include "backend/models/multimodal.hpp"

#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>

#include <cmath>

#include "sim/core/assert.hpp"

namespace orrery::models {
namespace {

// Matrix products in bf16 while it lives.
class Autocast {
 public:
  Autocast(bool on, c10::DeviceType device) : on_(on), device_(device) {
    if (!on_) return;
    before_ = at::autocast::is_autocast_enabled(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, before_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_, before_ = false;
  c10::DeviceType device_;
};

}  // namespace

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

  std::vector<std::string> names;
  std::vector<std::int64_t> widths;
  const auto meets = [&](const char* name, const StackConfig& stack) {
    names.emplace_back(name);
    widths.push_back(stack.width);
  };
  if (passes_.text > 0) {
    text_ = make_text_tower(b, *config_.text);
    meets("text", config_.text->stack);
  }
  if (passes_.image > 0) {
    image_ = make_image_tower(b, *config_.image, !config_.head && o.masked_image > 0);
    meets("image", config_.image->stack);
  }
  if (passes_.audio > 0) {
    audio_ = make_audio_tower(b, *config_.audio);
    meets("audio", config_.audio->stack);
  }
  if (fused) fusion_ = Fusion(b, config_.fusion, names, widths);

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

// The parts are scopes of torch's profilers, by the names of sim/models/training/multimodal_cost.hpp and in the order
// of its phases; they cost nothing when nobody looks.
Features MultimodalModel::text_features(const at::Tensor& tokens, const at::Tensor& valid) const {
  RECORD_USER_SCOPE("text");
  return text_(tokens, valid);
}

Features MultimodalModel::image_features(const at::Tensor& patches, const at::Tensor& holes) const {
  RECORD_USER_SCOPE("image");
  return image_(patches, holes);
}

Features MultimodalModel::audio_features(const Batch& batch) const {
  RECORD_USER_SCOPE("audio");
  return audio_(audio_patches(batch.audio, *config_.audio));
}

MultimodalModel::Towers MultimodalModel::clean(const Batch& batch) const {
  Towers t;
  if (passes_.text > 0) t.text = text_features(batch.tokens, batch.text_valid);
  if (passes_.image > 0) t.image = image_features(image_patches(batch.image, *config_.image));
  if (passes_.audio > 0) t.audio = audio_features(batch);
  return t;
}

// `only` points at the tokens in `t` whose modality is wanted.
Fused MultimodalModel::fuse(const Towers& t, const at::Tensor* only) const {
  RECORD_USER_SCOPE("fusion");
  std::vector<Features> parts;
  std::size_t index = Fusion::kAll;
  for (const Features* f : {&t.text, &t.image, &t.audio}) {
    if (!f->tokens.defined()) continue;
    if (&f->tokens == only) index = parts.size();
    parts.push_back(*f);
  }
  return fusion_(parts, index);
}

Embeddings MultimodalModel::project(const Towers& t) const {
  Embeddings e;
  if (t.text.tokens.defined()) e.text = to_text_(pooled(t.text.tokens, t.text.valid));
  if (t.image.tokens.defined()) e.image = to_image_(pooled(t.image.tokens, t.image.valid));
  if (t.audio.tokens.defined()) e.audio = to_audio_(pooled(t.audio.tokens, t.audio.valid));
  return e;
}

Embeddings MultimodalModel::embeddings(const Batch& batch) const {
  const Autocast autocast(config_.precision == Precision::bf16, parameters_.all().front().value.device().type());
  Embeddings e = project(clean(batch));
  for (at::Tensor* t : {&e.text, &e.image, &e.audio})
    if (t->defined()) *t = unit(t->to(at::kFloat));
  return e;
}

Losses MultimodalModel::loss(const Batch& batch, const Negatives& negatives) const {
  if (config_.head) return head_loss(head_features(batch), batch.label);
  return pretraining_loss(batch, negatives);
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
  Towers t;
  if (passes_.text > 0 && (contrast || (fused && o.masked_image > 0)))
    t.text = text_features(batch.tokens, batch.text_valid);
  if (passes_.image > 0 && (contrast || (fused && o.masked_text > 0))) t.image = image_features(patches);
  if (passes_.audio > 0) t.audio = audio_features(batch);

  Losses losses;
  const auto add = [&losses](at::Tensor& slot, const at::Tensor& value, double weight) {
    slot = value;
    losses.total = losses.total.defined() ? losses.total + value * weight : value * weight;
  };
  if (contrast) {
    RECORD_USER_SCOPE("contrastive");
    const Embeddings e = project(t);
    const at::Tensor& anchor = e.text.defined() ? e.text : e.image;
    at::Tensor sum;
    for (const at::Tensor* other : {&e.image, &e.audio}) {
      if (!other->defined() || other->is_same(anchor)) continue;
      const at::Tensor pair = contrastive_loss(anchor, *other, scale_, negatives);
      sum = sum.defined() ? sum + pair : pair;
    }
    add(losses.contrastive, sum, o.contrastive);
  }
  if (o.masked_text > 0) {
    Towers with_holes = t;
    with_holes.text = text_features(batch.masked_tokens, batch.text_valid);
    const Features holes = fused ? fuse(with_holes, &with_holes.text.tokens).parts.front() : with_holes.text;
    RECORD_USER_SCOPE("masked_text");
    add(losses.masked_text, text_filler_.loss(holes.tokens, batch, text_.embedding), o.masked_text);
  }
  if (o.masked_image > 0) {
    Towers with_holes = t;
    with_holes.image = image_features(patches, batch.image_positions);
    const std::size_t at = t.text.tokens.defined() ? 1 : 0;
    const Features holes = fused ? fuse(with_holes, &with_holes.image.tokens).parts[at] : with_holes.image;
    RECORD_USER_SCOPE("masked_image");
    add(losses.masked_image, image_filler_.loss(holes.tokens, patches, batch), o.masked_image);
  }
  return losses;
}

at::Tensor MultimodalModel::head_features(const Batch& batch) const {
  const at::Device device = parameters_.all().front().value.device();
  const Autocast autocast(config_.precision == Precision::bf16, device.type());
  const Towers t = clean(batch);
  switch (config_.head->input) {
    case HeadInput::text: return pooled(t.text.tokens, t.text.valid);
    case HeadInput::image: return pooled(t.image.tokens, t.image.valid);
    case HeadInput::audio: return pooled(t.audio.tokens, t.audio.valid);
    case HeadInput::fused: break;
  }
  return fuse(t).pooled;
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

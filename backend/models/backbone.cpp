#include "backend/models/backbone.hpp"

#include <ATen/record_function.h>

namespace orrery::models {

Backbone::Backbone(Builder& b, const ModelConfig& model, const Passes& passes)
    : config(model),
      has_text(passes.text > 0),
      has_image(passes.image > 0),
      has_audio(passes.audio > 0),
      has_fusion(passes.fusion > 0) {
  std::vector<std::string> names;
  std::vector<std::int64_t> widths;
  const auto meets = [&](const char* name, const StackConfig& stack) {
    names.emplace_back(name);
    widths.push_back(stack.width);
  };
  if (has_text) {
    text = make_text_tower(b, *config.text);
    meets("text", config.text->stack);
  }
  if (has_image) {
    image = make_image_tower(b, *config.image, !config.head && config.objectives.masked_image > 0);
    meets("image", config.image->stack);
  }
  if (has_audio) {
    audio = make_audio_tower(b, *config.audio);
    meets("audio", config.audio->stack);
  }
  if (has_fusion) fusion = Fusion(b, config.fusion, names, widths);
}

// The parts are scopes of torch's profilers, by the names of sim/models/training/multimodal_cost.hpp and in the order
// of its phases; they cost nothing when nobody looks.
Features Backbone::text_features(const at::Tensor& tokens, const at::Tensor& valid) const {
  RECORD_USER_SCOPE("text");
  return text(tokens, valid);
}

Features Backbone::image_features(const at::Tensor& patches, const at::Tensor& holes) const {
  RECORD_USER_SCOPE("image");
  return image(patches, holes);
}

Features Backbone::audio_features(const at::Tensor& audio_input) const {
  RECORD_USER_SCOPE("audio");
  return audio(audio_patches(audio_input, *config.audio));
}

Fused Backbone::fuse(const CleanPass& t, const at::Tensor* only) const {
  RECORD_USER_SCOPE("fusion");
  std::vector<Features> parts;
  std::size_t index = Fusion::kAll;
  for (const Features* f : {&t.text, &t.image, &t.audio}) {
    if (!f->tokens.defined()) continue;
    if (&f->tokens == only) index = parts.size();
    parts.push_back(*f);
  }
  return fusion(parts, index);
}

CleanPass Backbone::towers(const Batch& batch) const {
  CleanPass t;
  if (has_text) t.text = text_features(batch.tokens, batch.text_valid);
  if (has_image) t.image = image_features(image_patches(batch.image, *config.image));
  if (has_audio) t.audio = audio_features(batch.audio);
  return t;
}

std::string_view part_of(std::string_view parameter) {
  for (const std::string_view part : {"text", "image", "audio", "fusion"})
    if (parameter.starts_with(part) && parameter.substr(part.size()).starts_with(".")) return part;
  return {};
}

std::vector<Linear*> block_maps(Stack& stack) {
  std::vector<Linear*> maps;
  for (Block& b : stack.blocks) maps.insert(maps.end(), {&b.qkv, &b.out, &b.up, &b.down});
  return maps;
}

std::vector<Linear*> block_maps(Fusion& fusion) {
  std::vector<Linear*> maps = block_maps(fusion.joint());
  for (std::vector<CrossBlock>& layer : fusion.crosses())
    for (CrossBlock& b : layer) maps.insert(maps.end(), {&b.q, &b.kv, &b.out, &b.up, &b.down});
  return maps;
}

}  // namespace orrery::models

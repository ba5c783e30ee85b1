#include "backend/models/towers.hpp"

namespace orrery::models {

Features TextTower::operator()(const at::Tensor& tokens, const at::Tensor& valid) const {
  return {stack(at::embedding(embedding, tokens) + position, valid), valid};
}

TextTower make_text_tower(Builder& b, const TextConfig& c) {
  TextTower t;
  t.embedding = b.parameters.add("text.embedding", {c.vocabulary, c.stack.width}, normal(0.02));
  t.position = b.parameters.add("text.position", {c.length, c.stack.width}, normal(0.02));
  t.stack = make_stack(b, "text", c.stack);
  return t;
}

Features PatchTower::operator()(const at::Tensor& patches, const at::Tensor& holes) const {
  at::Tensor x = patch(patches);
  if (holes.defined()) {
    const at::Tensor masked =
        at::zeros({x.size(0), x.size(1)}, holes.options().dtype(at::kBool)).scatter(1, holes, true);
    x = at::where(masked.unsqueeze(-1), hole.to(x.scalar_type()), x);
  }
  return {stack(x + position, {}), {}};
}

namespace {

PatchTower make_patch_tower(Builder& b, const std::string& name, std::int64_t values, std::int64_t tokens,
                            const StackConfig& stack) {
  PatchTower t;
  t.patch = make_linear(b, name + ".patch", values, stack.width);
  t.position = b.parameters.add(name + ".position", {tokens, stack.width}, normal(0.02));
  t.stack = make_stack(b, name, stack);
  return t;
}

}  // namespace

PatchTower make_image_tower(Builder& b, const ImageConfig& c, bool masks) {
  PatchTower t = make_patch_tower(b, "image", c.patch_values(), c.tokens(), c.stack);
  if (masks) t.hole = b.parameters.add("image.hole", {c.stack.width}, normal(0.02));
  return t;
}

PatchTower make_audio_tower(Builder& b, const AudioConfig& c) {
  return make_patch_tower(b, "audio", c.patch_values(), c.tokens(), c.stack);
}

at::Tensor image_patches(const at::Tensor& image, const ImageConfig& c) {
  const std::int64_t n = image.size(0), side = c.size / c.patch;
  return image.view({n, c.channels, side, c.patch, side, c.patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({n, c.tokens(), c.patch_values()});
}

at::Tensor audio_patches(const at::Tensor& audio, const AudioConfig& c) {
  const std::int64_t n = audio.size(0);
  return audio.view({n, c.mels / c.patch_mels, c.patch_mels, c.frames / c.patch_frames, c.patch_frames})
      .permute({0, 1, 3, 2, 4})
      .reshape({n, c.tokens(), c.patch_values()});
}

}  // namespace orrery::models

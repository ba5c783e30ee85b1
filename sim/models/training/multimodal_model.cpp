#include "sim/models/training/multimodal_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "sim/models/training/multimodal_cost.hpp"

namespace orrery {
namespace {

std::string why_invalid(const char* name, const StackConfig& s) {
  if (s.width < 1 || s.layers < 0 || s.heads < 1 || s.mlp < 1) return fmt::format("{}: a size is not positive", name);
  if (s.width % s.heads != 0) return fmt::format("{}: {} heads do not divide the width {}", name, s.heads, s.width);
  return {};
}

bool uses(const ModelConfig& m, HeadInput input) {
  return m.head && (m.head->input == input || m.head->input == HeadInput::fused);
}

std::string why_no_objective(const ModelConfig& m) {
  const ObjectiveConfig& o = m.objectives;
  const int modalities = m.text.has_value() + m.image.has_value() + m.audio.has_value();
  if (m.head) {
    if (m.head->classes < 2) return "the head has fewer than 2 classes";
    if (m.head->input == HeadInput::fused && (m.fusion.kind == FusionKind::none || modalities < 2))
      return "the head reads fused features, but there is no fusion of two modalities";
    if ((m.head->input == HeadInput::text && !m.text) || (m.head->input == HeadInput::image && !m.image) ||
        (m.head->input == HeadInput::audio && !m.audio))
      return "the head reads a modality that the model does not have";
    return {};
  }
  if (o.contrastive < 0 || o.masked_text < 0 || o.masked_image < 0) return "the weight of an objective is negative";
  if (o.contrastive + o.masked_text + o.masked_image <= 0) return "there is neither an objective nor a head";
  if (o.contrastive > 0 && modalities < 2) return "the contrastive objective needs two modalities";
  if (o.masked_text > 0 && !m.text) return "masked text needs the text modality";
  if (o.masked_image > 0 && !m.image) return "masked image needs the image modality";
  if (!(o.text_ratio > 0 && o.text_ratio < 1) || !(o.image_ratio > 0 && o.image_ratio < 1))
    return "a masked ratio is not between 0 and 1";
  return {};
}

}  // namespace

std::string why_invalid(const ModelConfig& m) {
  std::string why;
  const auto check = [&why](bool holds, std::string text) {
    if (why.empty() && !holds) why = std::move(text);
  };
  const auto adopt = [&why](std::string text) {
    if (why.empty()) why = std::move(text);
  };
  if (m.text) {
    adopt(why_invalid("text", m.text->stack));
    check(m.text->vocabulary >= 8 && m.text->length >= 2, "text: a vocabulary below 8 or a length below 2");
  }
  if (m.image) {
    adopt(why_invalid("image", m.image->stack));
    check(m.image->size > 0 && m.image->patch > 0 && m.image->size % m.image->patch == 0,
          fmt::format("image: patches of {} do not tile {} pixels", m.image->patch, m.image->size));
    check(m.image->channels == 1 || m.image->channels == 3, "image: channels are neither 1 nor 3");
  }
  if (m.audio) {
    const AudioConfig& a = *m.audio;
    adopt(why_invalid("audio", a.stack));
    check(
        a.patch_mels > 0 && a.patch_frames > 0 && a.mels > 0 && a.frames > 0 && a.mels % a.patch_mels == 0 &&
            a.frames % a.patch_frames == 0,
        fmt::format("audio: patches of {} x {} do not tile {} x {}", a.patch_mels, a.patch_frames, a.mels, a.frames));
  }
  if (m.fusion.kind != FusionKind::none) adopt(why_invalid("fusion", m.fusion.stack));
  check(m.fusion.kind != FusionKind::cross_attention || m.fusion.stack.layers > 0, "fusion: no layers");
  check(m.embedding > 0, "embedding: not positive");
  check(!m.transfer || (m.transfer->rank > 0 && m.transfer->alpha > 0), "transfer: rank or alpha is not positive");
  adopt(why_no_objective(m));
  if (why.empty()) {
    const Passes p = passes(m);
    check(m.head || ((!m.text || p.text > 0) && (!m.image || p.image > 0) && (!m.audio || p.audio > 0)),
          "a modality is used by no objective");
    check(p.fusion == 0 || p.modalities() > 1, "fusion needs two modalities");
  }
  return why;
}

std::int64_t masked_count(std::int64_t of, double ratio) {
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(of) * ratio), 1, of);
}

Passes passes(const ModelConfig& m) {
  Passes p;
  if (m.head) {
    p.text = m.text && uses(m, HeadInput::text);
    p.image = m.image && uses(m, HeadInput::image);
    p.audio = m.audio && uses(m, HeadInput::audio);
    p.fusion = m.head->input == HeadInput::fused;
    return p;
  }
  const ObjectiveConfig& o = m.objectives;
  const bool contrast = o.contrastive > 0, text = o.masked_text > 0, image = o.masked_image > 0;
  const bool fused = m.fusion.kind != FusionKind::none && (text || image);
  p.text = m.text ? (contrast || (fused && image)) + text : 0;
  p.image = m.image ? (contrast || (fused && text)) + image : 0;
  p.audio = m.audio && (contrast || fused);
  p.fusion = fused ? text + image : 0;
  return p;
}

ParameterCount parameter_count(const ModelConfig& m) {
  return walk_cost(m, 1, 1, false).parameters;
}

StepFlops step_flops(const ModelConfig& m, std::int64_t batch, std::int64_t world, bool cached_features) {
  return walk_cost(m, batch, world, cached_features).flops;
}

MemoryBytes step_memory(const ModelConfig& m, std::int64_t batch, std::int64_t world) {
  const ModelCost c = walk_cost(m, batch, world, false);
  return {4 * c.parameters.total, 4 * c.parameters.trainable, 8 * c.parameters.trainable, c.kept_bytes};
}

std::int64_t gradient_bytes(const ModelConfig& m) {
  return 4 * parameter_count(m).trainable;
}

}  // namespace orrery

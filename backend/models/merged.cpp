#include "backend/models/merged.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backend/models/autocast.hpp"
#include "sim/core/assert.hpp"

namespace orrery::models {
namespace {

bool has_part(const Backbone& b, std::string_view part) {
  return part == "text" ? b.has_text : part == "image" ? b.has_image : part == "audio" ? b.has_audio : b.has_fusion;
}

constexpr std::array<std::string_view, 4> kPartNames{"text", "image", "audio", "fusion"};

// Its block maps in order; LoRA's parameters are theirs.
std::vector<Linear*> maps_of(Backbone& b, std::string_view part) {
  if (part == "text") return block_maps(b.text.stack);
  if (part == "image") return block_maps(b.image.stack);
  if (part == "audio") return block_maps(b.audio.stack);
  return block_maps(b.fusion);
}

}  // namespace

bool MergedTrunk::has(Part part) const {
  return has_part(backbone_, kPartNames[part]);
}

const MergedTrunk::Entry& MergedTrunk::entry(const MultimodalModel* model) const {
  const auto at = std::find_if(models_.begin(), models_.end(), [&](const Entry& e) { return e.model == model; });
  ORRERY_ASSERT(at != models_.end(), "the model is none of the {} merged ones", models_.size());
  return *at;
}

std::string MergedTrunk::why_other(const MultimodalModel& model) const {
  const ModelConfig& c = model.config();
  if (!c.transfer || c.transfer->method == TransferMethod::full)
    return "it trains its backbone: only LoRA jobs and probes can share one";
  if (!c.head && (c.objectives.masked_text > 0 || c.objectives.masked_image > 0))
    return "its masked objectives see inputs of their own: only heads and the contrastive objective are merged";
  if (models_.empty()) return {};
  const ModelConfig& other = models_.front().model->config();
  if (c.precision != other.precision) return "its precision is not the others'";
  const auto device = [](const MultimodalModel& m) { return m.parameters().all().front().value.device(); };
  if (device(model) != device(*models_.front().model)) return "it is on another device than the others";
  const Backbone &a = backbone_, &b = model.backbone();
  for (const auto& [part, same] :
       {std::pair{"text", a.config.text == b.config.text}, std::pair{"image", a.config.image == b.config.image},
        std::pair{"audio", a.config.audio == b.config.audio},
        std::pair{"fusion", a.config.fusion == b.config.fusion}})
    if (has_part(a, part) && has_part(b, part) && !same)
      return fmt::format("its {} has another shape than the others'", part);
  for (const Entry& e : models_)
    for (const char* const part : {"text", "image", "audio"})
      if (b.has_fusion && e.model->backbone().has_fusion && has_part(e.model->backbone(), part) != has_part(b, part))
        return "its fusion is of other modalities than the others'";
  for (const Parameter& p : model.parameters().all()) {
    if (p.trainable) continue;
    const auto at = frozen_.find(p.name);
    if (at != frozen_.end() && !at->second.equal(p.value))
      return fmt::format("its backbone is another version than the others': `{}` differs", p.name);
  }
  return {};
}

std::string MergedTrunk::add(MultimodalModel& model) {
  if (std::string why = why_other(model); !why.empty()) return why;
  models_.push_back({numbers_++, &model});
  const at::NoGradGuard no_gradients;
  for (const Parameter& p : model.parameters().all()) {
    if (p.trainable) continue;
    const auto [at, fresh] = frozen_.emplace(p.name, p.value);
    at::Tensor own = p.value;
    if (!fresh) own.set_data(at->second);
  }
  Backbone own = model.backbone();  // handles to the same parameters
  for (const Part part : {kText, kImage, kAudio, kFusion}) {
    if (!has_part(own, kPartNames[part])) continue;
    if (!has(part)) adopt(part, model);
    const std::vector<Linear*> maps = maps_of(own, kPartNames[part]);
    for (std::size_t i = 0; i < maps.size(); ++i)
      if (maps[i]->lora_a.defined())
        shared_[part].groups[i]->set(models_.back().number, {maps[i]->lora_a, maps[i]->lora_b, maps[i]->lora_scale});
  }
  return {};
}

// The part of a model that nobody has yet becomes everybody's.
void MergedTrunk::adopt(Part part, const MultimodalModel& model) {
  Backbone own = model.backbone();
  Shared& s = shared_[part];
  s.groups.clear();
  for (Linear* map : maps_of(own, kPartNames[part])) {
    s.groups.push_back(std::make_shared<AdapterGroup>(s.slices));
    map->lora_a = map->lora_b = at::Tensor();
    map->group = s.groups.back();
  }
  switch (part) {
    case kText:
      backbone_.has_text = true;
      backbone_.text = std::move(own.text);
      backbone_.config.text = own.config.text;
      break;
    case kImage:
      backbone_.has_image = true;
      backbone_.image = std::move(own.image);
      backbone_.config.image = own.config.image;
      break;
    case kAudio:
      backbone_.has_audio = true;
      backbone_.audio = std::move(own.audio);
      backbone_.config.audio = own.config.audio;
      break;
    default:
      backbone_.has_fusion = true;
      backbone_.fusion = std::move(own.fusion);
      backbone_.config.fusion = own.config.fusion;
  }
}

void MergedTrunk::remove(const MultimodalModel& model) {
  const std::size_t number = entry(&model).number;
  std::erase_if(models_, [&](const Entry& e) { return e.model == &model; });
  for (Shared& s : shared_)
    for (const auto& group : s.groups) group->erase(number);
  drop_unused();
}

void MergedTrunk::drop_unused() {
  const auto used = [&](std::string_view part) {
    return std::any_of(models_.begin(), models_.end(),
                       [&](const Entry& e) { return has_part(e.model->backbone(), part); });
  };
  if (!used("text")) backbone_.has_text = false, backbone_.text = {};
  if (!used("image")) backbone_.has_image = false, backbone_.image = {};
  if (!used("audio")) backbone_.has_audio = false, backbone_.audio = {};
  if (!used("fusion")) backbone_.has_fusion = false, backbone_.fusion = {};
  std::erase_if(frozen_, [&](const auto& named) { return !used(part_of(named.first)); });
}

// Which rows of a part's batch are whose.
void MergedTrunk::lay_out(Part part, std::span<const Asked> asked) {
  std::vector<Slice>& slices = *shared_[part].slices;
  slices.clear();
  for (const Asked& a : asked)
    if (has_part(a.model->backbone(), kPartNames[part])) slices.push_back({entry(a.model).number, a.batch->size()});
}

// What the part made of the batch, model by model in the order of its slices.
std::vector<at::Tensor> MergedTrunk::cut(Part part, const at::Tensor& rows) const {
  std::vector<std::int64_t> counts;
  for (const Slice& s : *shared_[part].slices) counts.push_back(s.count);
  return rows.split_with_sizes(counts, 0);
}

Features MergedTrunk::tower(Part part, std::span<const Asked> asked) {
  std::vector<at::Tensor> inputs, valid;
  for (const Asked& a : asked) {
    if (!has_part(a.model->backbone(), kPartNames[part])) continue;
    inputs.push_back(part == kText ? a.batch->tokens : part == kImage ? a.batch->image : a.batch->audio);
    if (part == kText) valid.push_back(a.batch->text_valid);
  }
  if (inputs.empty()) return {};
  lay_out(part, asked);
  const at::Tensor input = inputs.size() == 1 ? inputs.front() : at::cat(inputs, 0);
  if (part == kText) return backbone_.text_features(input, valid.size() == 1 ? valid.front() : at::cat(valid, 0));
  if (part == kImage) return backbone_.image_features(image_patches(input, *backbone_.config.image));
  return backbone_.audio_features(input);
}

// Of those that read fused features, in one pass.
void MergedTrunk::fuse(std::span<const Asked> asked, std::vector<CleanPass>& out) {
  std::vector<const CleanPass*> parts;
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (asked[i].model->backbone().has_fusion) parts.push_back(&out[i]);
  if (parts.empty()) return;
  lay_out(kFusion, asked);
  const auto joined = [&](Features CleanPass::*which) {
    Features f;
    std::vector<at::Tensor> tokens, valid;
    for (const CleanPass* p : parts) {
      if ((p->*which).tokens.defined()) tokens.push_back((p->*which).tokens);
      if ((p->*which).valid.defined()) valid.push_back((p->*which).valid);
    }
    if (!tokens.empty()) f.tokens = at::cat(tokens, 0);
    if (!valid.empty()) f.valid = at::cat(valid, 0);
    return f;
  };
  const CleanPass all{joined(&CleanPass::text), joined(&CleanPass::image), joined(&CleanPass::audio), {}};
  const std::vector<at::Tensor> pooled = cut(kFusion, backbone_.fuse(all).pooled);
  std::size_t next = 0;
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (asked[i].model->backbone().has_fusion) out[i].fused = pooled[next++];
}

std::vector<CleanPass> MergedTrunk::forward(std::span<const Asked> asked) {
  std::vector<CleanPass> out(asked.size());
  if (asked.empty()) return out;
  ++passes_;
  const MultimodalModel& any = *asked.front().model;
  const Autocast autocast(any.config().precision == Precision::bf16,
                          any.parameters().all().front().value.device().type());
  for (const auto& [part, field] : {std::pair{kText, &CleanPass::text}, std::pair{kImage, &CleanPass::image},
                                    std::pair{kAudio, &CleanPass::audio}}) {
    const Features all = tower(part, asked);
    if (!all.tokens.defined()) continue;
    const std::vector<at::Tensor> tokens = cut(part, all.tokens);
    std::vector<at::Tensor> valid;
    if (all.valid.defined()) valid = cut(part, all.valid);
    std::size_t next = 0;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (!has_part(asked[i].model->backbone(), kPartNames[part])) continue;
      out[i].*field = {tokens[next], valid.empty() ? at::Tensor() : valid[next]};
      ++next;
    }
  }
  fuse(asked, out);
  // A probe trains nothing of the backbone: its gradients end where its rows were cut off.
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (asked[i].model->config().transfer->method == TransferMethod::probe)
      for (at::Tensor* t : {&out[i].text.tokens, &out[i].image.tokens, &out[i].audio.tokens, &out[i].fused})
        if (t->defined()) *t = t->detach();
  return out;
}

}  // namespace orrery::models

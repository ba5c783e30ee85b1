#include "backend/trainer/collate.hpp"

#include <algorithm>

namespace orrery::trainer {
namespace {

// Rows of one field of all samples, [n, row...]; undefined when the field is empty.
template <class Out, class In>
at::Tensor rows(std::span<const data::Prepared> samples, std::vector<In> data::Prepared::*field,
                std::vector<std::int64_t> row, at::ScalarType type) {
  if (samples.empty() || (samples.front().*field).empty()) return {};
  row.insert(row.begin(), static_cast<std::int64_t>(samples.size()));
  at::Tensor out = at::empty(row, at::TensorOptions().dtype(type));
  Out* to = out.mutable_data_ptr<Out>();
  for (const data::Prepared& s : samples) to = std::copy((s.*field).begin(), (s.*field).end(), to);
  return out;
}

}  // namespace

models::Batch collate(std::span<const data::Prepared> samples, const ModelConfig& m, at::Device device) {
  using data::Prepared;
  models::Batch b;
  const auto ids = [&](std::vector<std::int32_t> Prepared::*field) {
    const std::int64_t width = samples.empty() ? 0 : static_cast<std::int64_t>((samples.front().*field).size());
    return rows<std::int64_t>(samples, field, {width}, at::kLong);
  };
  if (m.text) {
    b.tokens = ids(&Prepared::tokens);
    if (b.tokens.defined()) b.text_valid = b.tokens != data::kPad;
    b.masked_tokens = ids(&Prepared::masked_tokens);
    b.text_positions = ids(&Prepared::text_positions);
    if (b.text_positions.defined()) {
      b.text_targets = b.tokens.gather(1, b.text_positions);
      b.text_weights = rows<float>(samples, &Prepared::text_weights, {b.text_positions.size(1)}, at::kFloat);
    }
  }
  if (m.image) {
    b.image = rows<float>(samples, &Prepared::image, {m.image->channels, m.image->size, m.image->size}, at::kFloat);
    b.image_positions = ids(&Prepared::image_positions);
  }
  if (m.audio) b.audio = rows<float>(samples, &Prepared::audio, {m.audio->mels, m.audio->frames}, at::kFloat);
  std::vector<std::int64_t> labels;
  for (const Prepared& s : samples) labels.push_back(s.label);
  b.label = at::tensor(labels, at::TensorOptions().dtype(at::kLong));
  for (at::Tensor* t : {&b.tokens, &b.text_valid, &b.image, &b.audio, &b.label, &b.masked_tokens, &b.text_positions,
                        &b.text_targets, &b.text_weights, &b.image_positions})
    if (t->defined()) *t = t->to(device);
  return b;
}

}  // namespace orrery::trainer

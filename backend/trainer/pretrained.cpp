#include "backend/trainer/pretrained.hpp"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/models/multimodal.hpp"
#include "backend/trainer/safetensors.hpp"

namespace orrery::trainer {

Expected<std::int64_t> copy_pretrained(const std::map<std::string, at::Tensor>& from,
                                       const models::ParameterSet& into) {
  const c10::NoGradGuard no_gradients;
  std::int64_t copied = 0;
  std::vector<std::string> missing, other_shape;
  for (const models::Parameter& p : into.all()) {
    auto at = from.find("model." + p.name);
    if (at == from.end()) at = from.find(p.name);
    const bool fresh = models::is_head(p.name) || p.name.ends_with(".lora_a") || p.name.ends_with(".lora_b");
    if (at == from.end()) {
      if (!fresh) missing.push_back(p.name);
    } else if (at->second.sizes() != p.value.sizes()) {
      // A head of another number of classes is another head.
      if (!fresh) other_shape.push_back(p.name);
    } else {
      at::Tensor value = p.value;
      value.copy_(at->second);
      ++copied;
    }
  }
  if (missing.empty() && other_shape.empty()) return copied;
  Diagnostic d{"the checkpoint to start from is of another model"};
  if (!missing.empty()) d.notes.push_back(fmt::format("it lacks: {}", fmt::join(missing, ", ")));
  if (!other_shape.empty()) d.notes.push_back(fmt::format("of other shapes: {}", fmt::join(other_shape, ", ")));
  return fail(std::move(d));
}

Expected<std::int64_t> load_pretrained(const std::string& checkpoints, const models::ParameterSet& into) {
  const auto model = load_model(checkpoints);
  if (!model) return tl::make_unexpected(model.error());
  return copy_pretrained(*model, into);
}

}  // namespace orrery::trainer

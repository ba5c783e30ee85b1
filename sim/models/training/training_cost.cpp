#include "sim/models/training/training_cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/core/assert.hpp"
#include "sim/models/network/collectives.hpp"
#include "sim/models/training/roofline.hpp"

namespace orrery {
namespace {

constexpr double kLaunchS = 1e-3;
constexpr double kHopInsideS = 5e-6, kHopBetweenS = 10e-6;
constexpr std::int64_t kMostWidth = 16384, kMostLayers = 512, kMostMlp = 16, kMostTokens = 32768;
constexpr std::int64_t kMostPatchValues = 4'000'000;
constexpr double kMostFlops = 4e18;  // of a micro-batch; an int64 holds 9.2e18

double all_reduce_s(int gpus, double bytes, const TrainingDevice& d) {
  const int each = std::min(gpus, std::max(1, d.gpus_per_node));
  const int nodes = (gpus + each - 1) / each;
  const HopCost inside{kHopInsideS, d.nvlink_bytes_per_s};
  if (nodes == 1) return ring_all_reduce_s(gpus, bytes, inside);
  return hierarchical_all_reduce_s(each, nodes, bytes, inside, {kHopBetweenS, d.nic_bytes_per_s / each});
}

bool is_probe(const ModelConfig& m) {
  return m.head && m.transfer && m.transfer->method == TransferMethod::probe;
}

bool tame(const StackConfig& s) {
  return s.width <= kMostWidth && s.layers <= kMostLayers && s.mlp <= kMostMlp;
}

// An upper bound of a sample's operations in a step, forward and backward, as a product of decimals.
double most_flops_of_sample(const ModelConfig& m) {
  double tokens = 0, width = 1, layers = 0, edges = 0;
  const auto add = [&](std::int64_t n, const StackConfig& s, double edge) {
    tokens += static_cast<double>(n);
    width = std::max(width, static_cast<double>(s.width));
    layers += static_cast<double>(s.layers + 2);
    edges += static_cast<double>(n) * edge * static_cast<double>(s.width);
  };
  if (m.text) add(m.text->length, m.text->stack, static_cast<double>(m.text->vocabulary));
  if (m.image) add(m.image->tokens(), m.image->stack, static_cast<double>(m.image->patch_values()));
  if (m.audio) add(m.audio->tokens(), m.audio->stack, static_cast<double>(m.audio->patch_values()));
  add(0, m.fusion.stack, 0);
  const double block = tokens * width * (2 * width * (8 + 2.0 * kMostMlp) + 4 * tokens);
  return 6 * (3 * layers * block + 2 * edges);  // 3 of forward and backward, 2 passes; cross-attention's maps
}

}  // namespace

TrainingCost training_cost(const TrainingRun& run, int gpus, const TrainingDevice& device) {
  ORRERY_ASSERT(gpus >= 1 && device.peak_flops > 0 && run.utilisation > 0, "{} GPUs of {} FLOP/s", gpus,
                device.peak_flops);
  const Device speed{device.peak_flops, 0, kLaunchS, run.utilisation, 0};
  const std::int64_t share = std::max<std::int64_t>(1, (run.global_batch + gpus - 1) / gpus);
  const std::int64_t micro = run.micro_batch > 0 ? std::min(run.micro_batch, share) : share;
  const std::int64_t whole = share / micro, rest = share % micro;
  const bool probe = is_probe(run.model);
  const auto flops_of = [&](std::int64_t batch) {
    return static_cast<double>(step_flops(run.model, batch, gpus, probe).total());
  };
  TrainingCost c;
  const double full = flops_of(micro), last = rest > 0 ? flops_of(rest) : 0;
  c.compute_s = static_cast<double>(whole) * roofline_s(full, 0, 1, speed) + roofline_s(last, 0, 1, speed);
  c.launch_s = static_cast<double>(whole + (rest > 0 ? 1 : 0)) * kLaunchS;
  c.communication_s = all_reduce_s(gpus, static_cast<double>(gradient_bytes(run.model)), device);
  c.step_flops = gpus * (static_cast<double>(whole) * full + last);
  if (probe) {
    c.once_flops = static_cast<double>(step_flops(run.model, 1).forward) * static_cast<double>(run.samples);
    c.once_s = c.once_flops / gpus / (device.peak_flops * run.utilisation);
  }
  const MemoryBytes memory = step_memory(run.model, micro, gpus);
  c.state_bytes = static_cast<double>(memory.parameters + memory.gradients + memory.optimiser);
  c.activation_bytes = static_cast<double>(memory.activations);
  return c;
}

std::int64_t feature_bytes(const TrainingRun& run) {
  const ModelConfig& m = run.model;
  if (!is_probe(m)) return 0;
  const auto width = [&m] {
    switch (m.head->input) {
      case HeadInput::text: return m.text->stack.width;
      case HeadInput::image: return m.image->stack.width;
      case HeadInput::audio: return m.audio->stack.width;
      case HeadInput::fused: break;
    }
    return m.fusion.stack.width;
  };
  return run.samples * (4 * width() + 8);
}

std::string why_too_large(const TrainingRun& run) {
  const ModelConfig& m = run.model;
  const auto is = [](const char* what, const StackConfig& s) {
    if (tame(s)) return std::string();
    return fmt::format("{}: at most a width of {}, {} layers and {} times the width in the feed-forward part", what,
                       kMostWidth, kMostLayers, kMostMlp);
  };
  if (m.text)
    if (std::string why = is("text", m.text->stack); !why.empty()) return why;
  if (m.image)
    if (std::string why = is("image", m.image->stack); !why.empty()) return why;
  if (m.audio)
    if (std::string why = is("audio", m.audio->stack); !why.empty()) return why;
  if (std::string why = is("fusion", m.fusion.stack); !why.empty()) return why;
  const std::int64_t tokens =
      std::max({m.text ? m.text->length : 0, m.image ? m.image->tokens() : 0, m.audio ? m.audio->tokens() : 0});
  if (tokens > kMostTokens) return fmt::format("{} tokens of one modality; at most {}", tokens, kMostTokens);
  const std::int64_t values = std::max(m.image ? m.image->patch_values() : 0, m.audio ? m.audio->patch_values() : 0);
  if (values > kMostPatchValues) return fmt::format("{} values in a patch; at most {}", values, kMostPatchValues);
  if (m.embedding > kMostWidth) return fmt::format("embedding: at most {} features", kMostWidth);
  const auto batch =
      static_cast<double>(run.micro_batch > 0 ? std::min(run.micro_batch, run.global_batch) : run.global_batch);
  const double logits = 36 * batch * static_cast<double>(run.global_batch) * static_cast<double>(m.embedding);
  if (batch * most_flops_of_sample(m) + logits > kMostFlops)
    return "a micro-batch of more than 10^18 operations; a smaller `micro_batch` has fewer";
  return {};
}

std::string why_no_child(const ModelConfig& parent, const ModelConfig& child) {
  const Passes uses = passes(child), has = passes(parent);
  const auto lacks = [](const char* what) { return fmt::format("the parent has no {}", what); };
  const auto differs = [](const char* what) {
    return fmt::format("its {} has another shape than the parent's", what);
  };
  if (uses.text > 0 && has.text == 0) return lacks("text tower");
  if (uses.image > 0 && has.image == 0) return lacks("image tower");
  if (uses.audio > 0 && has.audio == 0) return lacks("audio tower");
  if (uses.fusion > 0 && has.fusion == 0) return lacks("fusion");
  if (uses.text > 0 && parent.text != child.text) return differs("text tower");
  if (uses.image > 0 && parent.image != child.image) return differs("image tower");
  if (uses.audio > 0 && parent.audio != child.audio) return differs("audio tower");
  if (uses.fusion > 0 && parent.fusion != child.fusion) return differs("fusion");
  return {};
}

std::string why_other_architecture(const ModelConfig& one, const ModelConfig& other) {
  const auto on = [](double weight) { return weight > 0; };
  const ObjectiveConfig &a = one.objectives, &b = other.objectives;
  if (one.text.has_value() != other.text.has_value() || one.image.has_value() != other.image.has_value() ||
      one.audio.has_value() != other.audio.has_value())
    return "it has other towers";
  if (one.fusion.kind != other.fusion.kind) return "its towers are fused in another way";
  if (on(a.contrastive) != on(b.contrastive) || on(a.masked_text) != on(b.masked_text) ||
      on(a.masked_image) != on(b.masked_image))
    return "it has other objectives";
  if (one.head.has_value() != other.head.has_value() || (one.head && one.head->input != other.head->input))
    return "its head reads something else";
  if (one.transfer.has_value() != other.transfer.has_value() ||
      (one.transfer && one.transfer->method != other.transfer->method))
    return "it transfers in another way";
  return {};
}

}  // namespace orrery

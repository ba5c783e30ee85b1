#include "sim/models/training/merged_step.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace orrery {
namespace {

constexpr std::size_t kSharedParts = 4;  // text, image, audio, fusion: the first ones of ModelPart

// What several members do of a part: each one's, or that of one pass on the rows of all.
struct SharedPass {
  DeviceWork rows{};  // grows with the rows
  DeviceWork once{};  // weights and calls, as of one member
  void add(const DeviceWork& work) {
    rows += {work.flops, 0, work.attention_flops, work.values, 0};
    once.weights = std::max(once.weights, work.weights);
    once.calls = std::max(once.calls, work.calls);
  }
  [[nodiscard]] DeviceWork whole() const {
    DeviceWork w = rows;
    return w += once;
  }
};

// A member's walk; where `goes_back`, as if it had updates of its own, so that its rows go back through the backbone.
ModelCost walk_of(const MergedMember& m, bool goes_back) {
  ModelConfig model = m.model;
  if (goes_back) model.transfer->method = TransferMethod::lora;
  return walk_cost(model, m.batch, 1, m.cached_features);
}

bool is_lora(const MergedMember& m) {
  return m.model.transfer && m.model.transfer->method == TransferMethod::lora;
}

}  // namespace

MergedStepTime merged_step_time(std::span<const MergedMember> members, const TrainerDevice& device) {
  // Parts through which somebody's gradients go: all that a LoRA job has.
  std::array<bool, kSharedParts> goes_back{};
  const auto each_part = [](const ModelCost& cost, const auto& act) {
    for (const ModelPhase& p : cost.phases)
      if (static_cast<std::size_t>(p.part) < kSharedParts) act(p, static_cast<std::size_t>(p.part));
  };
  for (const MergedMember& m : members)
    if (is_lora(m))
      each_part(walk_of(m, false), [&](const ModelPhase&, std::size_t part) { goes_back[part] = true; });

  std::array<SharedPass, kSharedParts> forward{}, backward{};
  MergedStepTime t;
  std::int64_t torn_down = 0;  // operators of the backbone whose graph is taken down, once for all
  for (const MergedMember& m : members) {
    const ModelCost cost = walk_of(m, false);
    const ModelCost through = is_lora(m) ? cost : walk_of(m, true);
    each_part(cost, [&](const ModelPhase& p, std::size_t part) { forward[part].add(p.forward - p.own_forward); });
    each_part(through, [&](const ModelPhase& p, std::size_t part) {
      if (goes_back[part]) backward[part].add(p.backward - p.own_backward);
    });
    DeviceWork data = data_work(m.model, cost, m.batch);
    for (const ModelPhase& p : cost.phases) {
      const bool shared = static_cast<std::size_t>(p.part) < kSharedParts;
      t.own_s += device.forward.seconds(shared ? p.own_forward : p.forward);
      t.own_s += device.backward.seconds(shared ? p.own_backward : p.backward);
      if (shared) data.calls -= p.forward.calls - p.own_forward.calls;
    }
    t.own_s += device.data.seconds(data);
    t.own_s += device.optimiser.seconds(
        optimiser_work(cost.parameters.trainable, static_cast<std::int64_t>(cost.pieces.size())));
  }
  for (std::size_t part = 0; part < kSharedParts; ++part) {
    t.base_s += device.forward.seconds(forward[part].whole()) + device.backward.seconds(backward[part].whole());
    torn_down += forward[part].once.calls;
  }
  t.base_s += device.data.seconds({0, 0, 0, 0, torn_down});
  return t;
}

double merged_gamma(const MergedMember& member, const TrainerDevice& device) {
  const std::array<MergedMember, 2> two{member, member};
  const double alone = merged_step_time(std::span(two).first(1), device).seconds();
  return alone > 0 ? 2 - merged_step_time(two, device).seconds() / alone : 0;
}

}  // namespace orrery

// One step of a merged gang of training jobs that share a frozen backbone, as `orrery-trainer` runs it:
//   t = t_base(sum of rows, longest row) + sum over members of t_own
// (mLoRA's executor). The backbone runs once on the rows of all members: its products and what is element-wise grow
// with the rows, but its weights are read and its operators called once. Each member's own part is what its job alone
// has besides: low-rank updates, head and loss, data, optimiser. A row is a sample's tokens; those of a tower are
// padded to the tower's length in every job, so members of one tower waste nothing beyond what each wastes alone.
#pragma once

#include <cstdint>
#include <span>

#include "sim/models/training/trainer_step.hpp"

namespace orrery {

struct MergedMember {
  ModelConfig model{};
  std::int64_t batch = 1;        // samples of its step, in one micro-batch
  bool cached_features = false;  // a probe whose samples are all known: it asks nothing of the backbone
};

struct MergedStepTime {
  double base_s = 0, own_s = 0;
  [[nodiscard]] double seconds() const { return base_s + own_s; }
};

// On one rank of `device`. The members' towers and fusion are of the same shapes where two of them have one. Masked
// objectives, which the trainer does not merge, are nobody's here. Where one member needs gradients through a part,
// the rows of all that go through it are in its backward pass.
[[nodiscard]] MergedStepTime merged_step_time(std::span<const MergedMember> members, const TrainerDevice& device);

// How much of a step alike members share: gamma of the law t(k) / t(1) = gamma + (1 - gamma) k, which is exact for
// members that are alike. Two members at least; 0 where nothing is shared.
[[nodiscard]] double merged_gamma(const MergedMember& member, const TrainerDevice& device);

}  // namespace orrery

// What training a Transformer needs of a GPU's memory, in bytes: model states by how they are sharded (Rajbhandari et
// al., ZeRO, SC 2020; Megatron-LM's distributed optimiser), activations by how much is recomputed (Korthikanti et
// al., MLSys 2023), the logits of a contrastive loss. For models of the live families the exact count is
// step_memory() of their configuration; this is for jobs of which only sizes are known. Pure functions.
#pragma once

#include <cstdint>

#include "sim/models/network/collectives.hpp"

namespace orrery {

// 16-bit training with Adam: weights 2, gradients 2, master weights and two moments 12 bytes per parameter, of which
// ZeRO-1 shards the 12 over n ranks, ZeRO-2 the gradients too, ZeRO-3 everything: 16, 4 + 12/n, 2 + 14/n, 16/n.
[[nodiscard]] double model_state_bytes(double parameters, Sharding sharding, int ranks);
// Megatron-LM with bf16 and its distributed optimiser (gradients in 32 bits): 6 + 12/d.
[[nodiscard]] double megatron_state_bytes(double parameters, int data_parallel);
// Frozen backbone (2 bytes per parameter, about 0.55 when quantised to 4 bits) + 16 per trained parameter.
[[nodiscard]] double adapter_state_bytes(double frozen, double trained, bool four_bit = false);

struct LayerShape {
  double sequence = 0;  // tokens
  double batch = 0;     // sequences of a micro-batch
  double width = 0;
  double heads = 1;
};
enum class Recompute : std::uint8_t {
  none,       // s b h (34 + 5 a s / h)
  attention,  // 34 s b h: scores are made again, or never stored (flash attention)
  all,        // 2 s b h: only the layer's input
};
// Bytes that one layer keeps for its backward pass, 16-bit activations; tensor parallelism t with sequence
// parallelism divides all of it by t. Layers with nothing trained before or in them keep nothing; leave them out.
[[nodiscard]] double layer_activation_bytes(const LayerShape& shape, Recompute recompute, int tensor_parallel = 1);

// Logits of a contrastive loss over a global batch, 4 bytes each: B x B, or b x B where each rank has its own rows.
[[nodiscard]] double contrastive_logit_bytes(double global_batch, double rows);

// What the driver and the collectives library take, and what fragmentation adds.
inline constexpr double kReservedBytes = 1.5e9;
inline constexpr double kFragmentation = 1.08;
[[nodiscard]] bool fits_memory(double state_bytes, double activation_bytes, double memory_bytes);

}  // namespace orrery

// From operations to time: published FLOP counts of Transformers, a device as a roofline, and the step of a
// multimodal model whose samples have different numbers of tokens on different ranks. For models of the live families
// the operations come from step_flops() of their configuration; the closed forms here are for jobs known by size
// only. Sources: Vaswani et al. 2017; Narayanan et al., SC 2021 (per iteration); Williams et al., CACM 2009
// (roofline); Chowdhery et al., PaLM, 2022 (model FLOPs utilisation). Seconds, bytes, FLOPs (a multiply-add is two).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace orrery {

struct Transformer {
  double tokens = 0;
  double width = 0;
  double layers = 0;
  bool causal = false;
};
// Forward pass of one sequence: layers (24 n h^2 + 4 n^2 h), causal attention half of the second term.
[[nodiscard]] double forward_flops(const Transformer& t);
// Of a vision tower's patches of `values` inputs each (3 P^2): 2 n values h.
[[nodiscard]] double patch_flops(double patches, double values, double width);
// Megatron-LM, one iteration, forward and backward: 72 B s L h^2 (1 + s / 6h + V / 12 L h).
[[nodiscard]] double megatron_iteration_flops(double batch, double sequence, double layers, double width,
                                              double vocabulary);
// One layer of n_q queries over n_k keys: 4 n_q h^2 + 4 n_k h^2 + 4 n_q n_k h, and its feed-forward 16 n_q h^2.
[[nodiscard]] double cross_attention_flops(double queries, double keys, double width);

// Times the forward pass of a training step: full 3; LoRA 2 (no weight gradients of the frozen maps); the last k of L
// layers 1 + 2 k / L; a probe 1 in its first pass over the data, 0 with cached features; recomputation 1 more.
enum class Trained : std::uint8_t { full, lora, top_layers, probe, cached_probe, frozen };
[[nodiscard]] double training_factor(Trained what, double top_share = 1, bool recompute = false);

struct Device {
  double peak_flops = 0;          // per second, at the precision used
  double memory_bytes_per_s = 0;  // 0 = never the limit
  double launch_s = 0;            // per micro-batch: kernel launches
  double efficiency = 1;          // of peak, of large inputs
  double half_batch = 0;          // inputs at which half of it is reached: eff(b) = efficiency b / (b + half)
};
// max(flops / (eff peak), bytes / bandwidth) + launch
[[nodiscard]] double roofline_s(double flops, double bytes, double inputs, const Device& device);

// Model FLOPs utilisation: what the model needs over what the devices could have done.
[[nodiscard]] double model_flops_utilisation(double flops, double seconds, double devices, double peak_flops);
// Energy of a device: idle power, and more with utilisation 0..1; watts and seconds to joules.
[[nodiscard]] double energy_joules(double idle_w, double full_w, double utilisation, double seconds);
// Time of a step that also loads data: hidden behind the computation when prefetched, else added.
[[nodiscard]] double with_loading_s(double compute_s, double bytes, double bytes_per_s, double core_seconds,
                                    double cores, bool prefetched);

// One modality's encoder, or the joint model ("llm") that runs on all tokens together.
struct TowerShape {
  std::string name;
  double width = 0;
  double layers = 0;
  Trained trained = Trained::full;
  double tokens_out = 1;  // tokens that go on to the joint model per token in (a projector may merge some)
};
// Tokens of one sample by tower, in the order of `towers`; 0 where it lacks the modality.
using SampleTokens = std::vector<double>;

struct MultimodalStep {
  double step_s = 0;       // of the slowest rank, with the synchronisation
  double mean_rank_s = 0;  // computation only
  double slowest_rank_s = 0;
  double flops = 0;  // of all ranks
  [[nodiscard]] double imbalance() const { return mean_rank_s > 0 ? slowest_rank_s / mean_rank_s : 1; }
};
// Data-parallel step over given samples: max over ranks of the sum over its micro-batches, + sync_s. Each sample goes
// through its towers, then its tokens together through `joint`. `ranks[r][b]` = the samples of a micro-batch.
[[nodiscard]] MultimodalStep multimodal_step(std::span<const TowerShape> towers, const TowerShape& joint,
                                             std::span<const std::vector<std::vector<SampleTokens>>> ranks,
                                             const Device& device, double sync_s);

}  // namespace orrery

#include "sim/models/training/roofline.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

double forward_flops(const Transformer& t) {
  const double attention = 4 * t.tokens * t.tokens * t.width * (t.causal ? 0.5 : 1);
  return t.layers * (24 * t.tokens * t.width * t.width + attention);
}

double patch_flops(double patches, double values, double width) {
  return 2 * patches * values * width;
}

double megatron_iteration_flops(double batch, double sequence, double layers, double width, double vocabulary) {
  return 72 * batch * sequence * layers * width * width *
         (1 + sequence / (6 * width) + vocabulary / (12 * layers * width));
}

double cross_attention_flops(double queries, double keys, double width) {
  return 4 * queries * width * width + 4 * keys * width * width + 4 * queries * keys * width +
         16 * queries * width * width;
}

double training_factor(Trained what, double top_share, bool recompute) {
  const double again = recompute ? 1 : 0;
  switch (what) {
    case Trained::full: return 3 + again;
    case Trained::lora: return 2 + again;
    case Trained::top_layers: return 1 + (2 + again) * top_share;
    case Trained::probe:
    case Trained::frozen: return 1;
    case Trained::cached_probe: return 0;
  }
  return 0;
}

double roofline_s(double flops, double bytes, double inputs, const Device& device) {
  ORRERY_ASSERT(device.peak_flops > 0 && device.efficiency > 0, "a device of {} FLOP/s", device.peak_flops);
  if (flops <= 0 && bytes <= 0) return 0;
  const double saturation = device.half_batch > 0 ? inputs / (inputs + device.half_batch) : 1;
  const double compute = flops / (device.peak_flops * device.efficiency * saturation);
  const double memory = device.memory_bytes_per_s > 0 ? bytes / device.memory_bytes_per_s : 0;
  return std::max(compute, memory) + device.launch_s;
}

double model_flops_utilisation(double flops, double seconds, double devices, double peak_flops) {
  return flops / (seconds * devices * peak_flops);
}

double energy_joules(double idle_w, double full_w, double utilisation, double seconds) {
  return (idle_w + (full_w - idle_w) * utilisation) * seconds;
}

double with_loading_s(double compute_s, double bytes, double bytes_per_s, double core_seconds, double cores,
                      bool prefetched) {
  const double load = bytes_per_s > 0 ? bytes / bytes_per_s : 0, prepare = cores > 0 ? core_seconds / cores : 0;
  return prefetched ? std::max({compute_s, load, prepare}) : compute_s + load + prepare;
}

MultimodalStep multimodal_step(std::span<const TowerShape> towers, const TowerShape& joint,
                               std::span<const std::vector<std::vector<SampleTokens>>> ranks, const Device& device,
                               double sync_s) {
  MultimodalStep out;
  for (const auto& rank : ranks) {
    double busy = 0;
    for (const auto& micro_batch : rank) {
      double flops = 0;
      for (const SampleTokens& sample : micro_batch) {
        ORRERY_ASSERT(sample.size() == towers.size(), "{} token counts for {} towers", sample.size(), towers.size());
        double together = 0;
        for (std::size_t t = 0; t < towers.size(); ++t) {
          flops += training_factor(towers[t].trained) * forward_flops({sample[t], towers[t].width, towers[t].layers});
          together += sample[t] * towers[t].tokens_out;
        }
        flops += training_factor(joint.trained) * forward_flops({together, joint.width, joint.layers});
      }
      busy += roofline_s(flops, 0, static_cast<double>(micro_batch.size()), device);
      out.flops += flops;
    }
    out.slowest_rank_s = std::max(out.slowest_rank_s, busy);
    out.mean_rank_s += busy / static_cast<double>(ranks.size());
  }
  out.step_s = out.slowest_rank_s + sync_s;
  return out;
}

}  // namespace orrery

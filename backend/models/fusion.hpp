// Fusion: token features of several modalities become features that know of each other, in one width. Three kinds
// (FusionKind): concatenation runs joint blocks over all tokens; gated weighs pooled features by learnt gates
// sigma(G [h_1 .. h_M]) and adds their sum to every token; cross-attention lets each modality's tokens attend to all
// tokens of the others.
#pragma once

#include <vector>

#include "backend/models/towers.hpp"

namespace orrery::models {

struct Fused {
  std::vector<Features> parts;  // as given, in the fusion's width
  at::Tensor pooled;            // [B, width]
};

class Fusion {
 public:
  Fusion() = default;
  // `names` and `widths` of the modalities, in the order in which they will be given; at least two.
  Fusion(Builder& b, const FusionConfig& config, const std::vector<std::string>& names,
         const std::vector<std::int64_t>& widths);
  // `only`: the one modality whose tokens are wanted; the others' and the pooled features may be left undefined.
  [[nodiscard]] Fused operator()(const std::vector<Features>& parts, std::size_t only = kAll) const;
  static constexpr std::size_t kAll = static_cast<std::size_t>(-1);
  // Its blocks: of concatenation, of cross-attention; empty otherwise.
  [[nodiscard]] Stack& joint() { return joint_; }
  [[nodiscard]] std::vector<std::vector<CrossBlock>>& crosses() { return cross_; }

 private:
  [[nodiscard]] Fused concatenated(const std::vector<Features>& parts) const;
  [[nodiscard]] Fused gated(const std::vector<Features>& parts) const;
  [[nodiscard]] Fused crossed(std::vector<Features> parts, std::size_t only) const;

  FusionConfig config_;
  std::vector<Linear> in_;                      // [modality]
  std::vector<at::Tensor> kind_;                // [modality]: concatenation, a vector added to its tokens
  Stack joint_;                                 // concatenation
  Linear gate_;                                 // gated
  std::vector<Norm> norm_;                      // [modality]: gated, cross-attention
  Norm pooled_norm_;                            // gated
  std::vector<std::vector<CrossBlock>> cross_;  // [layer][modality]
};

}  // namespace orrery::models

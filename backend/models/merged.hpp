// The trunk of a merged gang: one frozen backbone, held once, that the models of several jobs go through together.
// A pass puts the models' inputs one below the other, runs every tower (and the fusion) once on all of them, adds
// each LoRA model's low-rank updates to its own rows (AdapterGroup), and hands each model its rows. What trains is
// every model's own: adapters, heads, projections. So gradients, and what is not a number, stay in their rows.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/models/multimodal.hpp"

namespace orrery::models {

class MergedTrunk {
 public:
  // Takes a model in: from now on its frozen parameters lie where those of the others do. Why not, in one sentence;
  // then nothing has changed. Asked for are a frozen backbone (LoRA or a probe), no masked objective (it sees inputs
  // of its own), the others' device and precision, and of each tower that others have, too, the same shape and the
  // same frozen parameters, bit for bit: the same version of the same parent. The model outlives its membership.
  [[nodiscard]] std::string add(MultimodalModel& model);
  // Lets it go. Its frozen parameters stay where they are; what only it used is given up.
  void remove(const MultimodalModel& model);

  // The inputs of one model, at least one sample.
  struct Asked {
    const MultimodalModel* model = nullptr;
    const Batch* batch = nullptr;
  };
  // What the backbone makes of each, in order. Every model at most once.
  [[nodiscard]] std::vector<CleanPass> forward(std::span<const Asked> asked);
  // How often forward() has run the backbone.
  [[nodiscard]] std::int64_t passes() const { return passes_; }
  [[nodiscard]] std::size_t size() const { return models_.size(); }

 private:
  enum Part : std::size_t { kText, kImage, kAudio, kFusion, kParts };
  // A part of the backbone that is shared.
  struct Shared {
    std::shared_ptr<std::vector<Slice>> slices = std::make_shared<std::vector<Slice>>();  // of the pass under way
    std::vector<std::shared_ptr<AdapterGroup>> groups{};  // of its block maps, in order
  };
  struct Entry {
    std::size_t number = 0;
    const MultimodalModel* model = nullptr;
  };

  [[nodiscard]] std::string why_other(const MultimodalModel& model) const;
  void adopt(Part part, const MultimodalModel& model);
  void drop_unused();
  [[nodiscard]] bool has(Part part) const;
  [[nodiscard]] const Entry& entry(const MultimodalModel* model) const;
  void lay_out(Part part, std::span<const Asked> asked);
  [[nodiscard]] std::vector<at::Tensor> cut(Part part, const at::Tensor& rows) const;
  [[nodiscard]] Features tower(Part part, std::span<const Asked> asked);
  void fuse(std::span<const Asked> asked, std::vector<CleanPass>& out);

  Backbone backbone_{};  // its block maps carry groups instead of one model's updates
  std::array<Shared, kParts> shared_{};
  std::map<std::string, at::Tensor, std::less<>> frozen_{};  // by name
  std::vector<Entry> models_{};
  std::size_t numbers_ = 0;
  std::int64_t passes_ = 0;
};

}  // namespace orrery::models

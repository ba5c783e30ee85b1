// A task whose frozen part can be run for it, together with other tasks' (merged.hpp): what it has to see for a share
// of a step, and the share's loss from what the frozen part made of that. The two, with the frozen part between them,
// are the task's forward().
#pragma once

#include <optional>

#include "backend/models/multimodal.hpp"
#include "backend/trainer/task.hpp"

namespace orrery::trainer {

class SharedForward {
 public:
  [[nodiscard]] virtual models::MultimodalModel& model() = 0;
  // Inputs of at least one sample; nothing: the share asks nothing of the frozen part (it is empty, or its features
  // are known). Throws what forward() throws of its data.
  [[nodiscard]] virtual std::optional<models::Batch> inputs(const Share& share) = 0;
  // Of the share that inputs() was asked for last. `pass` is of `batch`; both are empty where that gave nothing.
  [[nodiscard]] virtual StepLoss loss(const Share& share, const models::Batch& batch,
                                      const models::CleanPass& pass) = 0;

 protected:
  ~SharedForward() = default;
};

}  // namespace orrery::trainer

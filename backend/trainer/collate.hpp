// Prepared samples of backend/data as one batch of backend/models: the only place where the two meet.
#pragma once

#include <span>

#include "backend/data/preprocess.hpp"
#include "backend/models/batch.hpp"

namespace orrery::trainer {

// All samples were prepared with the same options; `model` says their shapes. None: tensors of zero rows.
[[nodiscard]] models::Batch collate(std::span<const data::Prepared> samples, const ModelConfig& model,
                                    at::Device device = at::kCPU);

}  // namespace orrery::trainer

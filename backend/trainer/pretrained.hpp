// Weights of a pretraining checkpoint into the parameters of a model that goes on from them.
#pragma once

#include <map>
#include <string>

#include "backend/models/parameters.hpp"
#include "sim/core/error.hpp"

namespace orrery::trainer {

// Copies `from` (names with or without the prefix "model.") into the parameters of the same name. What is new in a
// transfer keeps its first values: heads and LoRA. Fails when anything else is missing or has another shape, and says
// which. The number of parameters copied.
[[nodiscard]] Expected<std::int64_t> copy_pretrained(const std::map<std::string, at::Tensor>& from,
                                                     const models::ParameterSet& into);

// The same from the newest whole checkpoint of a folder.
[[nodiscard]] Expected<std::int64_t> load_pretrained(const std::string& checkpoints,
                                                     const models::ParameterSet& into);

}  // namespace orrery::trainer

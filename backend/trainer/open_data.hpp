// The data sets that a job's configuration names, made where they are to be made and not there.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/data/loader.hpp"
#include "backend/trainer/task.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::trainer {

// Null where there is none.
struct OpenData {
  std::unique_ptr<data::Loader> loader{};
  std::string folder{};
};

// A loader for the data set that the section `key` of the config describes. Fails with what is wrong with the section
// or with the data.
[[nodiscard]] Expected<OpenData> open_data(const nlohmann::json& config, const char* key, const ModelConfig& model,
                                           const TaskContext& context, bool training, bool shuffle);

}  // namespace orrery::trainer

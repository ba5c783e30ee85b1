// The task that the trainer is there for: pretraining a multimodal model on shards, or transferring it to a labelled
// task from a pretraining checkpoint. Glue between backend/data, backend/models and the training loop.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "backend/trainer/task.hpp"
#include "sim/models/training/multimodal_model.hpp"

namespace orrery::trainer {

// Keys of `config`: `model` (sim/models/training/multimodal_config.hpp), `data` {folder | make, augment}, `evaluate`
// {folder | make, samples}, `precision`. `make` (backend/data/maker.hpp) renders the set first when it is not there.
// Relative folders lie beside the job's own; without one, a set that is made gets a name of its options. With
// model.head the samples need labels and evaluate() gives `accuracy`; a contrastive model gives `recall_at_1` and
// `recall_at_5` of the samples' captions (without text: sounds) by their images, others the `loss`. A probe of a head
// computes the features of a sample once.
[[nodiscard]] Expected<std::unique_ptr<Task>> make_multimodal_task(const nlohmann::json& config,
                                                                   const TaskContext& context);

}  // namespace orrery::trainer

// One training job by itself on this machine: a gang of its own, whose checkpoints are gone on from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "backend/engine/engine.hpp"
#include "scenarios/spec/job_file.hpp"

namespace orrery::app {

struct TrainingRun {
  JobFile job;
  std::string folder{};  // absolute
  bool gpus = false;
  // Made by prepare_training().
  std::string launch{}, task{};
  std::int64_t incarnation = 1;

  [[nodiscard]] std::string checkpoints() const { return folder + "/checkpoints"; }
};

// Removes the run's folder; an error where it is anything but one of a run of this kind.
[[nodiscard]] Expected<void> remove_training(const TrainingRun& run);
// The newest checkpoint, where all steps are done; nothing where there are some to take.
[[nodiscard]] std::optional<std::string> trained_already(const TrainingRun& run);
// Chooses the launch and writes what the trainer is to do.
[[nodiscard]] Expected<void> prepare_training(TrainingRun& run);

enum class TrainingEnd { done, stopped, failed };
// Runs it with that program until it ends, or has stopped with a checkpoint after a signal. `tell` hears everything
// that the engine says.
[[nodiscard]] TrainingEnd train_alone(const TrainingRun& run, const std::string& trainer,
                                      const std::function<void(const live::EngineEvent&)>& tell);

}  // namespace orrery::app

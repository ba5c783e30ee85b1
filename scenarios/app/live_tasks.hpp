// What the jobs of a live run really train: the job files that `live.models` or the catalogue name, as the JSON files
// that trainers read, with the parent's checkpoints filled in.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backend/live/live_executor.hpp"
#include "scenarios/app/job_file.hpp"
#include "scenarios/app/simulate.hpp"

namespace orrery::app {

// Whether jobs of the scenario may really train: it has `live.models` or `workload.catalogue`.
[[nodiscard]] bool may_train(const Prepared& prepared);
// What a job of this model trains: as `live.models` says, else as the catalogue does at size `live`; nothing where
// neither names it, and the job is paced.
[[nodiscard]] Expected<std::optional<JobFile>> trained_job(const Prepared& prepared, const std::string& model);

// [job]; empty when the scenario names no models. Writes <folder>/jobs/N/task.json for every job of a named model.
// `seed` is added to each job's own. Fails on job files that cannot be read, and where there is no trainer.
[[nodiscard]] Expected<std::vector<live::LiveTask>> live_tasks(const Prepared& prepared, const std::string& folder,
                                                               std::uint64_t seed);

// orrery-trainer (or -cuda) beside this program; an error that says how to get it.
[[nodiscard]] Expected<std::string> find_trainer(bool gpus);

// Writes what a trainer reads: the file's config with `from` as the folder of checkpoints, and the seed.
[[nodiscard]] Expected<std::string> write_task(const nlohmann::json& config, const std::string& from,
                                               const std::string& folder);

}  // namespace orrery::app

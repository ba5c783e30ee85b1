// What the jobs of a live run really train: the job files that `live.models` or the catalogue name, as the JSON files
// that trainers read, with the parent's checkpoints filled in.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/live/live_executor.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/job_file.hpp"

namespace orrery::app {

// Whether the scenario says what models train: it has `live.models` or `workload.catalogue`.
[[nodiscard]] bool names_models(const Prepared& prepared);
// Whether jobs of the scenario really train, so that the trainer is needed; so it seems where that cannot be known.
[[nodiscard]] bool may_train(const Prepared& prepared);
// What a job of this model trains: as `live.models` says, else as the catalogue does at size `live`; nothing where
// `live.models` says `paced`, and where no model trains, of a job without one. A model that nobody names is an error,
// and so is none where others train: such a job would be paced in silence.
[[nodiscard]] Expected<std::optional<JobFile>> trained_job(const Prepared& prepared, const JobSpec& job);
// The same of a model alone.
[[nodiscard]] Expected<std::optional<JobFile>> trained_job(const Prepared& prepared, const std::string& model);

// What the job of a model trains that is its `number`th in the trace, from 0 on, where the catalogue says that jobs
// of this model are a grid (`live.grid`): its members in turn. nullptr: they are none.
[[nodiscard]] const JobFile* grid_member(const Prepared& prepared, const std::string& model, std::size_t number);

// What keeps the scenario's jobs from being run on this machine, found before anything starts: a cluster of more
// nodes than there are, models that nobody names, folders of data that are not there. Relative ones are beside the
// jobs' own folders, in `beside`.
[[nodiscard]] Expected<void> check_live(const Prepared& prepared, const std::string& beside);
// That every data set the job reads is there or will be made; relative folders are `beside` its own. `made` has the
// folders that other jobs make.
[[nodiscard]] Expected<void> check_data(const JobFile& job, const std::string& beside,
                                        const std::set<std::string>& made = {});
// The worker program; for jobs that really train the trainer has to be there as well.
[[nodiscard]] Expected<std::string> workers_of(const Prepared& prepared, const std::string& named);

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

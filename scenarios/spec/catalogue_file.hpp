// A catalogue of jobs (scenarios/jobs/catalogue.yaml): each kind of job of the lineage scenarios once, for the
// simulator and for live runs. An entry names the job file that orrery-trainer reads; the sizes `live` and `cluster`
// say which of its keys have other values there. The keys are in docs/lineage.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scenarios/spec/job_file.hpp"
#include "sim/core/topology.hpp"
#include "traces/format/canonical.hpp"
#include "traces/synth/catalogue.hpp"

namespace orrery::app {

struct CatalogueFile {
  Catalogue catalogue;
  std::map<std::string, JobFile>
      live;  // [name] what a trainer reads at size `live`; the file's path, its keys merged
  std::map<std::string, std::vector<JobFile>> grids{};  // [name] the same of the members of its grid, in order
};

using JobLoader = std::function<Expected<JobFile>(const std::string& path)>;

// Every error with its place in the catalogue, or in the job file that has it. With a device, what does not fit its
// memory is one, too.
[[nodiscard]] Expected<std::shared_ptr<const CatalogueFile>> read_catalogue(const std::string& path,
                                                                            const TrainingDevice* device = nullptr);
// The same from text; `load` reads the job files, whose paths are relative to the catalogue `file`.
[[nodiscard]] Expected<std::shared_ptr<const CatalogueFile>> read_catalogue_text(
    const std::string& file, const std::string& text, const JobLoader& load, const TrainingDevice* device = nullptr);

// What generated jobs run on: the first group that has GPUs.
[[nodiscard]] TrainingDevice training_device(const std::vector<NodeGroup>& groups);

// Gives the jobs of a recorded trace what they leave out: kind, steps, and run time, which is that of the catalogue's
// steps at this size. Errors name the row (`file` is the trace's name): a model that the catalogue has not, a kind
// that it has otherwise, a run time that cannot be known.
[[nodiscard]] Expected<void> apply_catalogue(const Catalogue& catalogue, SizeName size, const TrainingDevice& device,
                                             const std::string& file, Trace& trace);
// An edge that the catalogue does not know is an error that names both jobs.
[[nodiscard]] Expected<void> check_parents(const Catalogue& catalogue, const Workload& workload);

}  // namespace orrery::app

// A job file (scenarios/jobs/*.yaml): what one training job is, for people in YAML, for orrery-trainer in JSON. The
// keys are the trainer's (docs/training.md); `name` and `ranks` are read here.
#pragma once

#include <string>

#include "sim/core/error.hpp"
#include "sim/core/json_box.hpp"

namespace YAML {
class Node;
}

namespace orrery::app {

struct JobFile {
  std::string path;        // as given
  std::string name;        // `name`, default: the file's stem
  int ranks = 1;           // `ranks`
  std::int64_t steps = 0;  // `steps`, required
  std::int64_t global_batch = 0;
  std::string from{};  // `from`: a path, the name of another job, `parent` (in a scenario), or empty
  JsonBox config{};    // everything, as the trainer reads it
};

// The text of a YAML document as JSON: quoted scalars are strings; plain ones are numbers, true, false, null or
// strings. Fails with the line where the document is none.
[[nodiscard]] Expected<nlohmann::json> yaml_to_json(const std::string& text, const std::string& file);

// The same of a part of a document; `file` is its name in messages.
[[nodiscard]] Expected<nlohmann::json> yaml_to_json(const YAML::Node& node, const std::string& file);

// Checks every key (sim/models/training/job_schema.hpp); whether the data is there is for the trainer. `path` names
// the file in messages, and the job.
[[nodiscard]] Expected<JobFile> job_of(JsonBox config, const std::string& path);
// The same of a document, so that errors have their line and column.
[[nodiscard]] Expected<JobFile> read_job_text(const std::string& text, const std::string& path);
[[nodiscard]] Expected<JobFile> read_job_file(const std::string& path);

}  // namespace orrery::app

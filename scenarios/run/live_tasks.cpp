// See live_tasks.hpp.
#include "scenarios/run/live_tasks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "backend/protocol/files.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

}  // namespace

Expected<std::string> find_trainer(bool gpus) {
  std::error_code ignored;
  const char* const name = gpus ? "orrery-trainer-cuda" : "orrery-trainer";
  const fs::path path = fs::read_symlink("/proc/self/exe", ignored).parent_path() / name;
  if (::access(path.c_str(), X_OK) == 0) return path.string();
  Diagnostic d{fmt::format("there is no `{}`, which really trains: it is built where LibTorch is", path.string())};
  d.hint = "get both with `scripts/bootstrap --live && scripts/build`";
  return fail(std::move(d));
}

Expected<std::string> write_task(const nlohmann::json& config, const std::string& from, const std::string& folder) {
  nlohmann::json task = config;
  task.erase("from");
  if (!from.empty()) task["from"] = from;
  const std::string path = folder + "/task.json";
  if (auto ok = live::make_folders(folder); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = live::replace_file(path, json_text(task, 1) + "\n"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return path;
}

bool names_models(const Prepared& prepared) {
  return prepared.catalogue || (prepared.scenario.live && !prepared.scenario.live->models.empty());
}

bool may_train(const Prepared& prepared) {
  if (!names_models(prepared)) return false;
  std::set<std::string_view> seen;
  for (const JobSpec& spec : prepared.workload.specs) {
    if (!seen.insert(spec.model).second) continue;
    if (const auto job = trained_job(prepared, spec); !job || *job) return true;
  }
  return false;
}

Expected<std::optional<JobFile>> trained_job(const Prepared& prepared, const JobSpec& spec) {
  const std::string& model = spec.model;
  std::vector<std::string_view> known;
  bool trains = prepared.catalogue != nullptr;  // some model does
  if (const auto& live = prepared.scenario.live) {
    if (const auto named = live->models.find(model); named != live->models.end()) {
      if (named->second == kPacedModel) return std::optional<JobFile>();
      auto job = read_job_file(named->second);
      if (!job) return tl::make_unexpected(std::move(job.error()));
      return std::optional<JobFile>(*std::move(job));
    }
    for (const auto& [name, file] : live->models) {
      known.push_back(name);
      trains = trains || file != kPacedModel;
    }
  }
  if (prepared.catalogue) {
    const auto& trained = prepared.catalogue->live;
    if (const auto at = trained.find(model); at != trained.end()) return std::optional<JobFile>(at->second);
    for (const auto& [name, job] : trained) known.push_back(name);
  }
  if (known.empty() || (model.empty() && !trains)) return std::optional<JobFile>();
  Diagnostic d{model.empty() ? "the job names no model, but the scenario says what models train"
                             : fmt::format("neither `live.models` nor a catalogue names the model `{}`", model)};
  if (const auto near = closest(model, known); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
  d.notes.push_back(fmt::format("models: {}", joined(known, ", ")));
  if (d.hint.empty())
    d.hint = fmt::format("add it to `live.models`, as a job file or as `{}` for work without training", kPacedModel);
  return fail(std::move(d));
}

const JobFile* grid_member(const Prepared& prepared, const std::string& model, std::size_t number) {
  if (!prepared.catalogue || (prepared.scenario.live && prepared.scenario.live->models.contains(model)))
    return nullptr;
  const auto grid = prepared.catalogue->grids.find(model);
  return grid == prepared.catalogue->grids.end() ? nullptr : &grid->second[number % grid->second.size()];
}

Expected<std::optional<JobFile>> trained_job(const Prepared& prepared, const std::string& model) {
  JobSpec spec;
  spec.model = model;
  return trained_job(prepared, spec);
}

Expected<std::vector<live::LiveTask>> live_tasks(const Prepared& prepared, const std::string& folder,
                                                 std::uint64_t seed) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  std::vector<live::LiveTask> tasks;
  if (!may_train(prepared)) return tasks;
  auto trainer = find_trainer(config.gpus);
  if (!trainer) return tl::make_unexpected(std::move(trainer.error()));
  std::error_code ignored;
  const std::string root = fs::absolute(folder, ignored).string();
  const auto folder_of = [&root](JobId job) { return fmt::format("{}/jobs/{}", root, job.value); };
  tasks.resize(prepared.workload.specs.size());
  std::map<std::string, std::size_t> of_model;  // jobs so far
  for (const JobSpec& spec : prepared.workload.specs) {
    auto trained = trained_job(prepared, spec);
    if (!trained) return tl::make_unexpected(std::move(trained.error()));
    std::optional<JobFile> job = *std::move(trained);
    if (!job) continue;
    if (const JobFile* const member = grid_member(prepared, spec.model, of_model[spec.model]++)) job = *member;
    std::string from = job->from;
    if (!spec.after.empty()) {
      from.clear();  // the executor names the version at its launch
    } else if (from == "parent") {
      return fail(fmt::format("job {} of model `{}` starts from its parent, but has none", spec.name, spec.model));
    } else if (!from.empty()) {
      from = fs::absolute(from, ignored).string();
      if (!fs::is_directory(from, ignored))
        return fail(fmt::format("job {} of model `{}` starts from `{}`, but there is no such folder of checkpoints",
                                spec.name, spec.model, from));
    }
    const nlohmann::json own = job->config->value("seed", nlohmann::json(1));
    (*job->config)["seed"] =
        (own.is_number_integer() ? own.get<std::int64_t>() : 1) + static_cast<std::int64_t>(seed) - 1;
    auto path = write_task(*job->config, from, folder_of(spec.id));
    if (!path) return tl::make_unexpected(std::move(path.error()));
    live::LiveTask& task = tasks[spec.id.index()];
    task.path = *std::move(path);
    task.worker = {*trainer};
    const Work total = prepared.workload.truths[spec.id.index()].work;
    task.step_work = {std::max<std::int64_t>(1, (total.ns + job->steps - 1) / job->steps)};
  }
  return tasks;
}

}  // namespace orrery::app

// What keeps a scenario from being run live, found before anything starts; see live_tasks.hpp.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "scenarios/run/live_run.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/machine_gpus.hpp"
#include "sim/core/json.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSections[] = {"data", "evaluate"};

std::string folder_of(const nlohmann::json& section) {
  const auto at = section.find("folder");
  return at != section.end() && at->is_string() ? at->get<std::string>() : std::string();
}

bool has_shards(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".tar") return true;
  return false;
}

// The folders that the job's trainer makes where they are not there yet, as it names them.
void add_made(const JobFile& job, std::set<std::string>& made) {
  for (const char* key : kSections)
    if (const auto at = job.config->find(key); at != job.config->end() && at->is_object() && at->contains("make"))
      made.insert(folder_of(*at));
}

// One engine, one machine: its slots are the cluster's only node.
std::optional<Diagnostic> too_many_nodes(const Prepared& prepared) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  if (prepared.topology->node_count() <= 1 || config.nodes_here) return std::nullopt;
  Diagnostic d{fmt::format("the cluster has {} nodes, but `orrery live` starts processes on this machine only",
                           prepared.topology->node_count())};
  d.where.file = prepared.scenario.file;
  d.hint = "write `live: { nodes: here }` where this machine is to play them all, else a cluster of one node";
  d.notes.push_back("what crosses the network between nodes stays inside this machine then");
  return d;
}

// A run on GPUs that are not there would say that it ran on them.
std::optional<Diagnostic> too_few_gpus(const Prepared& prepared) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  if (!config.gpus) return std::nullopt;
  const std::int64_t wanted = prepared.topology->total_gpus();
  const MachineGpus found = machine_gpus();
  if (found.count >= wanted && found.driver) return std::nullopt;
  Diagnostic d{fmt::format("`live.gpus` wants the cluster's {} GPUs of this machine, which has {}{}", wanted,
                           found.count == 0 ? "none" : fmt::format("{}", found.count),
                           found.count > 0 && !found.driver ? " and no driver library" : "")};
  d.where.file = prepared.scenario.file;
  d.hint = "without `live.gpus` CPU slots play the GPUs";
  return d;
}

}  // namespace

Expected<void> check_data(const JobFile& job, const std::string& beside, const std::set<std::string>& made) {
  for (const char* key : kSections) {
    const auto at = job.config->find(key);
    if (at == job.config->end() || !at->is_object() || at->contains("make")) continue;
    const std::string folder = folder_of(*at);
    if (folder.empty() || made.contains(folder)) continue;
    const std::string path = (fs::path(beside) / folder).lexically_normal().string();
    std::error_code ignored;
    Diagnostic d{fs::is_directory(path, ignored)
                     ? fmt::format("`{}.folder`: there are no shards (*.tar) in `{}`", key, path)
                     : fmt::format("`{}.folder`: there is no folder `{}`", key, path)};
    if (fs::is_directory(path, ignored) && has_shards(path)) continue;
    d.where.file = job.path;
    d.hint = fmt::format("write where the data is, from `/` on, or say in `{}.make` what is to be rendered", key);
    return fail(std::move(d));
  }
  return {};
}

Expected<std::string> workers_of(const Prepared& prepared, const std::string& named) {
  const Scenario& s = prepared.scenario;
  if (may_train(prepared))
    if (auto trainer = find_trainer(s.live && s.live->gpus); !trainer) return trainer;
  return find_worker(named);
}

Expected<void> check_live(const Prepared& prepared, const std::string& beside) {
  std::vector<Diagnostic> errors;
  if (auto nodes = too_many_nodes(prepared)) errors.push_back(*std::move(nodes));
  if (auto gpus = too_few_gpus(prepared)) errors.push_back(*std::move(gpus));
  if (names_models(prepared)) {
    std::map<std::string, std::optional<JobFile>> known;  // by model
    std::set<std::string> made;
    for (const JobSpec& spec : prepared.workload.specs) {
      if (errors.size() == kMostErrors) break;
      if (known.contains(spec.model)) continue;
      auto job = trained_job(prepared, spec);
      if (!job) {
        for (Diagnostic& d : job.error().items) {
          const bool placed = !d.where.file.empty();
          if (!placed) d.message = fmt::format("job `{}`: {}", spec.name, d.message);
          if (!placed && spec.id.index() < prepared.job_lines.size())
            d.where = {prepared.scenario.workload.trace, prepared.job_lines[spec.id.index()], 0};
          errors.push_back(std::move(d));
        }
        known[spec.model] = std::nullopt;
        continue;
      }
      if (*job) add_made(**job, made);
      known[spec.model] = *std::move(job);
    }
    for (const auto& [model, job] : known)
      if (job)
        if (auto ok = check_data(*job, beside, made); !ok)
          errors.insert(errors.end(), ok.error().items.begin(), ok.error().items.end());
  }
  if (errors.empty()) return {};
  return tl::make_unexpected(Error(std::move(errors)));
}

}  // namespace orrery::app

#include "scenarios/run/live_folder.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "backend/engine/ranks_file.hpp"
#include "backend/engine/registry.hpp"
#include "backend/live/run_clock.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/checkpoint_manifest.hpp"
#include "backend/protocol/files.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

Error no_run(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return Error(std::move(d));
}

// Whether a journal of `was` can be gone on with as `is`; what has changed, in words.
Expected<void> same_run(const std::string& was, const std::string& is, const std::string& scenario) {
  const auto then = read_json(was), now = read_json(is);
  const auto differs = [&](const char* key) {
    return !then.is_object() || !now.is_object() || !then.contains(key) || then[key] != now[key];
  };
  if (differs("config_sha256"))
    return tl::make_unexpected(no_run(fmt::format("`{}` is not the scenario that the run began with", scenario),
                                      "put it back as it was; changed, it is another run"));
  if (differs("trace_sha256"))
    return tl::make_unexpected(
        no_run("the jobs are not those that the run began with: its trace, its catalogue or "
               "what generates them has changed since",
               "put them back as they were, or begin a new run with `orrery live run`"));
  const nlohmann::json none = "";  // as in a journal of before there was this digest
  if (then.value("inputs_sha256", none) != now.value("inputs_sha256", none))
    return tl::make_unexpected(no_run(
        "files that the scenario names (profiles, capacity, a catalogue, job files) are not those that the run "
        "began with",
        "put them back as they were, or begin a new run with `orrery live run`"));
  if (differs("seed")) return fail("the run began with another seed");
  return {};
}

}  // namespace

std::string run_folder_of(const std::string& named) {
  std::string run = named;
  while (run.size() > 1 && run.back() == '/') run.pop_back();
  std::error_code ignored;
  if (run.ends_with(".live") && !fs::exists(run + ".live", ignored)) run.resize(run.size() - 5);
  return run;
}

LiveFolder::LiveFolder(const std::string& run) {
  std::error_code ignored;
  fs::path folder = fs::absolute(run, ignored).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();  // `runs/live/`
  path_ = folder.string() + ".live";
}

bool LiveFolder::exists() const {
  std::error_code ignored;
  return fs::exists(path_, ignored);
}

bool LiveFolder::resumable() const {
  std::error_code ignored;
  return fs::exists(journal(), ignored);
}

std::string LiveFolder::checkpoints_of(JobId job) const {
  return fmt::format("{}/jobs/{}/checkpoints", path_, job.value);
}

Work LiveFolder::committed(JobId job) const {
  const auto found = live::load_checkpoint(checkpoints_of(job)).newest;
  return found ? found->checkpoint.stamp.done : Work{};
}

std::optional<std::int64_t> LiveFolder::committed_at_ns(JobId job) const {
  const auto found = live::load_checkpoint(checkpoints_of(job)).newest;
  return found ? live::modified_ns(found->path + "/" + live::kManifestName) : std::nullopt;
}

std::int64_t LiveFolder::checkpoint_bytes(JobId job) const {
  const auto found = live::load_checkpoint(checkpoints_of(job)).newest;
  std::int64_t bytes = 0;
  if (found)
    for (const live::CheckpointFile& f : found->checkpoint.files) bytes += static_cast<std::int64_t>(f.bytes.size());
  return bytes;
}

std::vector<live::ProcessHandle> LiveFolder::processes() const {
  std::vector<live::ProcessHandle> all;
  std::error_code ignored;
  // jobs/JOB/launch-N/ranks
  for (const auto& job : fs::directory_iterator(path_ + "/jobs", ignored)) {
    for (const auto& launch : fs::directory_iterator(job.path(), ignored)) {
      const std::vector<live::ProcessHandle> ranks = live::read_ranks(launch.path().string());
      all.insert(all.end(), ranks.begin(), ranks.end());
    }
  }
  return all;
}

Expected<void> LiveFolder::discard() const {
  if (!exists()) return {};
  std::error_code failed;
  if (!fs::exists(scenario(), failed) && !resumable())
    return fail(fmt::format("`{}` exists and is not of a live run: it is left as it is", path_));
  if (resumable()) {
    auto past = live::read_journal(journal());
    auto writer = live::JournalWriter::append_to(journal(), past ? *past : live::JournalContents{});
    if (!writer) return tl::make_unexpected(std::move(writer.error()));  // its controller is alive
    if (auto killed = live::wait_or_kill(processes(), Duration{}); !killed)
      return tl::make_unexpected(std::move(killed.error()));
  }
  fs::remove_all(path_, failed);
  if (failed) return fail(fmt::format("cannot remove `{}`: {}", path_, failed.message()));
  return {};
}

bool LiveFolder::forced() const {
  std::error_code ignored;
  return fs::exists(path_ + "/force", ignored);
}

Expected<live::JournalWriter> LiveFolder::create(const std::string& scenario_yaml, const std::string& identity,
                                                 bool force) const {
  std::error_code failed;
  if (exists() && (force || (fs::exists(scenario(), failed) && !resumable())))
    if (auto ok = discard(); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (exists())
    return tl::make_unexpected(no_run(fmt::format("`{}` is there: a live run that has not ended", path_),
                                      "`orrery live resume` goes on with it; or choose another folder with -o, or "
                                      "--force"));
  if (auto ok = live::make_folders(path_); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = live::replace_file(scenario(), scenario_yaml); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (force)
    if (auto ok = live::write_file(path_ + "/force", ""); !ok) return tl::make_unexpected(std::move(ok.error()));
  return live::JournalWriter::create(journal(), identity);
}

Expected<LiveFolder::Journal> LiveFolder::reopen(const std::string& identity) const {
  auto past = live::read_journal(journal());
  if (!past) return tl::make_unexpected(std::move(past.error()));
  if (auto ok = same_run(past->identity, identity, scenario()); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  auto writer = live::JournalWriter::append_to(journal(), *past);
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  return Journal{std::move(*writer), std::move(*past)};
}

Expected<live::Fence> LiveFolder::claim(live::JournalWriter& writer) const {
  auto fence = live::claim_fence(this->fence());
  if (fence) writer.guard(*fence);
  return fence;
}

Expected<Unfinished> unfinished_run(const std::string& run) {
  const LiveFolder folder(run);
  std::error_code ignored;
  if (!folder.resumable()) {
    const bool whole = is_run_folder(run);
    if (whole && fs::exists(run + "/live", ignored))
      return tl::make_unexpected(no_run(fmt::format("nothing to resume in `{}`: that run has ended", run),
                                        "`orrery live run` begins another, in a folder of its own"));
    if (whole)
      return tl::make_unexpected(
          no_run(fmt::format("nothing to resume in `{}`: it is a simulated run, and that run has ended", run), ""));
    if (folder.exists())
      return tl::make_unexpected(
          no_run(fmt::format("the run of `{}` was killed before it began: no journal is there", run),
                 "start it again with `orrery live run`"));
    return tl::make_unexpected(no_run(
        fmt::format("`{}` is no live run: there is no `{}`, which one that has not ended leaves", run, folder.path()),
        "name the folder that `orrery live run -o` was given"));
  }
  auto past = live::read_journal(folder.journal());
  if (!past) return tl::make_unexpected(std::move(past.error()));
  const auto identity = read_json(past->identity);
  if (!identity.is_object() || !identity.contains("seed") || !identity["seed"].is_number_unsigned() ||
      !identity.contains("worker") || !identity["worker"].is_string())
    return fail(fmt::format("`{}` does not say whose it is", folder.journal()));
  auto scenario = read_scenario(folder.scenario());
  if (!scenario) return tl::make_unexpected(std::move(scenario.error()));
  return Unfinished{std::move(*scenario), identity["seed"].get<std::uint64_t>(),
                    identity["worker"].get<std::string>()};
}

std::string run_identity(const Scenario& effective, const Prepared& prepared, std::uint64_t seed,
                         const std::string& worker) {
  return json_text(nlohmann::json{{"config_sha256", config_sha256(effective, {})},
                                  {"inputs_sha256", prepared.inputs_sha256},
                                  {"trace_sha256", prepared.trace_sha256},
                                  {"seed", seed},
                                  {"worker", worker}});
}

}  // namespace orrery::app

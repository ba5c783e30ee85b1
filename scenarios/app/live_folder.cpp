#include "scenarios/app/live_folder.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "backend/live/checkpoint_dir.hpp"
#include "backend/live/files.hpp"
#include "backend/live/local_engine.hpp"
#include "scenarios/app/scenario_reader.hpp"
#include "sim/observe/digest.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

Error no_run(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return Error(std::move(d));
}

}  // namespace

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

std::int64_t LiveFolder::checkpoint_bytes(JobId job) const {
  const auto found = live::load_checkpoint(checkpoints_of(job)).newest;
  std::int64_t bytes = 0;
  if (found)
    for (const live::CheckpointFile& f : found->checkpoint.files) bytes += static_cast<std::int64_t>(f.bytes.size());
  return bytes;
}

std::vector<live::ProcessId> LiveFolder::processes() const {
  std::vector<live::ProcessId> all;
  std::error_code ignored;
  // jobs/JOB/launch-N/ranks
  for (const auto& job : fs::directory_iterator(path_ + "/jobs", ignored)) {
    for (const auto& launch : fs::directory_iterator(job.path(), ignored)) {
      const std::vector<live::ProcessId> ranks = live::read_ranks(launch.path().string());
      all.insert(all.end(), ranks.begin(), ranks.end());
    }
  }
  return all;
}

Expected<live::JournalWriter> LiveFolder::create(const std::string& scenario_yaml,
                                                 const std::string& identity) const {
  std::error_code failed;
  if (exists() && fs::exists(scenario(), failed) && !resumable()) fs::remove_all(path_, failed);
  if (exists())
    return tl::make_unexpected(no_run(fmt::format("`{}` is there: a live run that has not ended", path_),
                                      "`orrery live resume` goes on with it; or choose another folder with -o"));
  if (auto ok = live::make_folders(path_); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (auto ok = live::replace_file(scenario(), scenario_yaml); !ok) return tl::make_unexpected(std::move(ok.error()));
  return live::JournalWriter::create(journal(), identity);
}

Expected<LiveFolder::Journal> LiveFolder::reopen(const std::string& identity) const {
  auto past = live::read_journal(journal());
  if (!past) return tl::make_unexpected(std::move(past.error()));
  if (past->identity != identity)
    return fail(
        fmt::format("`{}` is the journal of another run: of {}, not of {}", journal(), past->identity, identity));
  auto writer = live::JournalWriter::append_to(journal(), *past);
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  return Journal{std::move(*writer), std::move(*past)};
}

Expected<Unfinished> unfinished_run(const std::string& run) {
  const LiveFolder folder(run);
  std::error_code ignored;
  if (!folder.resumable())
    return tl::make_unexpected(no_run(fmt::format("there is no `{}`: nothing to resume", folder.journal()),
                                      fs::exists(run, ignored) ? "that run has ended" : ""));
  auto past = live::read_journal(folder.journal());
  if (!past) return tl::make_unexpected(std::move(past.error()));
  const auto identity = nlohmann::json::parse(past->identity, nullptr, false);
  if (!identity.is_object() || !identity.contains("seed") || !identity["seed"].is_number_unsigned() ||
      !identity.contains("worker") || !identity["worker"].is_string())
    return fail(fmt::format("`{}` does not say whose it is", folder.journal()));
  auto scenario = read_scenario(folder.scenario());
  if (!scenario) return tl::make_unexpected(std::move(scenario.error()));
  return Unfinished{std::move(*scenario), identity["seed"].get<std::uint64_t>(),
                    identity["worker"].get<std::string>()};
}

std::string run_identity(const Scenario& effective, const std::string& trace_sha256, std::uint64_t seed,
                         const std::string& worker) {
  return nlohmann::json{{"config_sha256", sha256_hex(config_digest_text(effective))},
                        {"trace_sha256", trace_sha256},
                        {"seed", seed},
                        {"worker", worker}}
      .dump();
}

}  // namespace orrery::app

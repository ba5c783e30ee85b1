#include "scenarios/run/output_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "backend/protocol/files.hpp"
#include "orrery_version.hpp"
#include "scenarios/run/input_digest.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kCompareManifest = "compare.manifest.json";
constexpr const char* kTables[] = {"compare.json", "compare.csv", "compare.md"};

Json json_of(const std::string& path) {
  const auto text = live::read_file(path);
  return text ? read_json(*text) : Json(nullptr);
}

std::string text_at(const Json& j, const char* key) {
  const auto at = j.is_object() ? j.find(key) : j.end();
  return j.is_object() && at != j.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Error kept(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return Error(std::move(d));
}

// What a run is of, in its run.json; empty where there is none.
std::string inputs_of(const std::string& dir) {
  const Json j = json_of(dir + "/run.json");
  if (!j.is_object() || !j.contains("seed") || !j.contains("trace") || !j.contains("versions")) return {};
  return fmt::format("{} {} {} {} {}", text_at(j, "config_sha256"), text_at(j["trace"], "sha256"),
                     json_text(j["seed"]), text_at(j["versions"], "orrery"), text_at(j["versions"], "commit"));
}

std::string inputs_of(const Prepared& prepared, const RunRequest& request) {
  Scenario effective = prepared.scenario;
  effective.policy = request.policy;
  return fmt::format("{} {} {} {} {}", config_sha256(effective, prepared.inputs_sha256), prepared.trace_sha256,
                     request.seed, kVersion, kCommit);
}

bool is_table(const std::string& name) {
  return name == kCompareManifest || std::find(std::begin(kTables), std::end(kTables), name) != std::end(kTables);
}

}  // namespace

Expected<void> claim_run_folder(const Prepared& prepared, RunRequest& request, bool named, bool force) {
  const std::string& dir = *request.folder;
  request.replace = force;
  const LiveFolder unfinished(dir);
  if (unfinished.resumable() && !force)
    return tl::make_unexpected(kept(
        fmt::format("`{}` is there: a live run that has not ended", unfinished.path()),
        fmt::format("`orrery live resume {}` goes on with it; or choose another folder with -o, or --force", dir)));
  if (force || !is_run_folder(dir)) return {};
  std::error_code ignored;
  if (named || request.live || fs::exists(dir + "/live", ignored)) return tl::make_unexpected(run_is_there(dir));
  request.replace = true;
  if (inputs_of(dir) != inputs_of(prepared, request))
    fmt::print(stderr, "note: replaces another run in {}, where runs go that have no -o of their own\n", dir);
  return {};
}

Expected<void> claim_resumed_folder(const Prepared& prepared, RunRequest& request, const LiveFolder& unfinished) {
  const std::string& dir = *request.folder;
  std::error_code ignored;
  const bool own = inputs_of(dir) == inputs_of(prepared, request) && !fs::exists(dir + "/live", ignored);
  request.replace = unfinished.forced() || own;
  if (request.replace || !is_run_folder(dir)) return {};
  return tl::make_unexpected(kept(fmt::format("`{}` has come to hold another run since this one began", dir),
                                  "rename that folder, then resume"));
}

std::string compare_digest(const std::vector<PolicyConfig>& policies, std::size_t seeds,
                           const std::vector<const Prepared*>& prepared, std::uint64_t first_seed) {
  const std::string from = first_seed == 1 ? std::string() : fmt::format(" from {}", first_seed);
  std::string text = fmt::format("{} seeds{}, orrery {}\n", seeds, from, kVersion);
  for (const PolicyConfig& policy : policies) {
    Scenario effective = prepared.front()->scenario;
    effective.policy = policy;
    text += policy_label(policy) + "\n" + config_sha256(effective, prepared.front()->inputs_sha256) + "\n";
  }
  for (const Prepared* p : prepared) text += p->trace_sha256 + "\n";
  return sha256_hex(text);
}

Expected<void> claim_compare_folder(const std::string& dir, const std::string& digest,
                                    const std::vector<std::string>& runs, bool force) {
  std::error_code error;
  const bool is_there = fs::exists(dir, error) && !(fs::is_directory(dir, error) && fs::is_empty(dir, error));
  const Json earlier = json_of(dir + "/" + kCompareManifest);
  if (is_there && text_at(earlier, "digest") != digest) {
    // Of a version that wrote no manifest: tables and nothing but runs.
    bool ours = text_at(earlier, "orrery") == "compare" || fs::exists(dir + "/compare.json", error);
    std::vector<fs::path> old;
    for (const fs::directory_entry& entry : fs::directory_iterator(dir, error)) {
      const bool run = is_run_folder(entry.path().string());
      ours = ours && (run || is_table(entry.path().filename().string()) || text_at(earlier, "orrery") == "compare");
      if (run || is_table(entry.path().filename().string())) old.push_back(entry.path());
    }
    if (!ours || error)
      return tl::make_unexpected(kept(fmt::format("`{}` exists and is not a folder of `orrery compare`", dir),
                                      "it is left as it is; choose another folder with -o"));
    if (!force)
      return tl::make_unexpected(kept(fmt::format("`{}` holds another comparison, which is kept", dir),
                                      "choose another folder with -o, or replace it with --force"));
    for (const fs::path& path : old) fs::remove_all(path, error);
  }
  if (auto ok = live::make_folders(dir); !ok) return tl::make_unexpected(std::move(ok.error()));
  const nlohmann::ordered_json manifest{{"orrery", "compare"}, {"schema", 1}, {"digest", digest}, {"runs", runs}};
  if (auto ok = live::replace_file(dir + "/" + kCompareManifest, json_text(manifest, 2) + "\n"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return {};
}

}  // namespace orrery::app

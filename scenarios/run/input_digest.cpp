#include "scenarios/run/input_digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "scenarios/spec/catalogue_file.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/observe/log/digest.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

// Lines of `what`, each file's digest and its name in the folder.
Expected<void> add_files(std::string& text, const std::string& what, const std::string& path) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path, error))
      if (entry.is_regular_file(error)) files.push_back(entry.path().lexically_relative(path));
    std::sort(files.begin(), files.end());
  } else {
    files.emplace_back();
  }
  for (const fs::path& file : files) {
    const auto digest = sha256_file(file.empty() ? path : (path / file).string());
    if (!digest) return tl::make_unexpected(digest.error());
    text += fmt::format("{} {} {}\n", what, *digest, file.generic_string());
  }
  return {};
}

}  // namespace

Expected<std::string> inputs_sha256(const Scenario& s) {
  std::string text;
  const auto add = [&](const std::string& what, const std::string& path) -> Expected<void> {
    return path.empty() ? Expected<void>() : add_files(text, what, path);
  };
  if (s.performance)
    if (auto ok = add("profiles", s.performance->profiles_resolved); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = add("capacity", s.failures.capacity_resolved); !ok) return tl::make_unexpected(ok.error());
  if (!s.workload.catalogue_resolved.empty()) {
    if (auto ok = add("catalogue", s.workload.catalogue_resolved); !ok) return tl::make_unexpected(ok.error());
    const auto catalogue = read_catalogue(s.workload.catalogue_resolved);
    if (!catalogue) return tl::make_unexpected(catalogue.error());
    for (const auto& [name, job] : (*catalogue)->live)
      if (auto ok = add("job " + name, job.path); !ok) return tl::make_unexpected(ok.error());
  }
  if (s.live)
    for (const auto& [model, file] : s.live->models)
      if (file != kPacedModel)
        if (auto ok = add("model " + model, file); !ok) return tl::make_unexpected(ok.error());
  return text.empty() ? std::string() : sha256_hex(text);
}

std::string config_sha256(const Scenario& effective, const std::string& inputs) {
  std::string text = config_digest_text(effective);
  if (!inputs.empty()) text += fmt::format("inputs {}\n", inputs);
  for (const std::string& file : files_of_policy(effective.policy))
    if (const auto digest = sha256_file(file)) text += fmt::format("policy {}\n", *digest);
  return sha256_hex(text);
}

}  // namespace orrery::app

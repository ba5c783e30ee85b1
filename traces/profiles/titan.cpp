// Profiles of TitanSched (SoCC'22): fine-tuning of foundation models on V100 and A100 nodes. One application per
// model; what it is tuned on only decides how many samples that takes.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "traces/profiles/profile_files.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlacements = "_placements.csv";

// NAME of NAME_placements.csv or NAME_placements.csv.gz; empty for other names.
std::string model_of(std::string name) {
  if (name.size() > 3 && name.compare(name.size() - 3, 3, ".gz") == 0) name.resize(name.size() - 3);
  if (name.size() <= kPlacements.size()) return {};
  const std::size_t at = name.size() - kPlacements.size();
  return name.compare(at, kPlacements.size(), kPlacements) == 0 ? name.substr(0, at) : std::string();
}

// Reads a table that may be absent; false and an error in `wrong` when it is there and wrong.
template <class T, class Read>
bool read_optional(const fs::path& file, T& to, Error& wrong, Read read) {
  const auto text = profile_text(file);
  if (!text) return true;
  Expected<T> value = *text ? read(file.string(), **text) : tl::make_unexpected(text->error());
  if (!value) {
    wrong = std::move(value.error());
    return false;
  }
  to = std::move(*value);
  return true;
}

Expected<ApplicationProfile> read_model(const fs::path& folder, const std::string& model,
                                        const std::string& hardware) {
  ApplicationProfile p;
  p.name = model;
  p.hardware = hardware;
  p.split = {.two_passes_early = false, .rounds_up = false, .nodes_by_number = true};
  p.gpu_limit = 32;
  bool there = false;
  auto exact = profile_points(folder / (model + std::string(kPlacements)), there);
  if (!exact) return tl::make_unexpected(std::move(exact.error()));
  p.exact = std::move(*exact);
  auto scaling = profile_points(folder / (model + "_scalability.csv"), there);
  if (!scaling) return tl::make_unexpected(std::move(scaling.error()));
  p.scaling = std::move(*scaling);
  const auto longest = [](const std::string& file, std::string_view text) {
    return read_longest(file, text, "time_cost");
  };
  Error wrong;
  const bool ok = read_optional(folder / (model + "_context_switch.csv"), p.start_s, wrong, longest) &&
                  read_optional(folder / (model + "_memory.csv"), p.memory, wrong, read_memory_points) &&
                  read_optional(folder / (model + "_sharing.csv"), p.shared, wrong, read_shared_steps);
  if (!ok) return tl::make_unexpected(std::move(wrong));
  return p;
}

}  // namespace

std::vector<std::string> titan_hardware(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string titan_table(const std::string& folder, const std::string& application, const std::string& hardware) {
  return (fs::path(folder) / hardware / (application + std::string(kPlacements))).string();
}

Expected<ProfileSet> read_titan_profiles(const std::string& folder, const std::string& hardware) {
  std::vector<std::string> models;
  std::error_code error;
  const fs::path dir = fs::path(folder) / hardware;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir, error))
    if (std::string model = model_of(entry.path().filename().string()); !model.empty())
      models.push_back(std::move(model));
  std::sort(models.begin(), models.end());
  ProfileSet set;
  for (const std::string& model : models) {
    auto p = read_model(dir, model, hardware);
    if (!p) return tl::make_unexpected(std::move(p.error()));
    set.push_back(std::move(*p));
  }
  if (set.empty()) {
    Diagnostic d{fmt::format("{} holds no profiles for `{}`", folder, hardware)};
    d.hint = "it wants a folder " + hardware + " with tables called MODEL_placements.csv";
    return fail(std::move(d));
  }
  return set;
}

}  // namespace orrery

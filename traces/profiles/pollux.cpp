// Profiles of Pollux (OSDI'21) and Sia (SOSP'23): measured on T4 (aws), RTX, A100 (dgx) and Quadro nodes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "traces/format/text_file.hpp"
#include "traces/profiles/profile_files.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

// What the published simulators fix by hand.
void set_limits(ApplicationProfile& p) {
  if (p.name == "yolov3") p.max_local_batch = 8;  // more does not fit the smallest GPUs
  if (p.name == "ncf") p.most_gpus = 1;           // too short to be worth distributing
}

std::string placements_name(const std::string& hardware) {
  return fmt::format("placements-{}.csv", hardware);
}

// BATCH of validation-BATCH.csv; 0 for other names.
std::int64_t validated_batch(const std::string& name) {
  constexpr std::string_view kBefore = "validation-", kAfter = ".csv";
  if (name.size() <= kBefore.size() || name.compare(0, kBefore.size(), kBefore) != 0) return 0;
  std::int64_t batch = 0;
  const char* from = name.data() + kBefore.size();
  const auto [end, error] = std::from_chars(from, name.data() + name.size(), batch);
  const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
  return error == std::errc{} && (rest == kAfter || rest == ".csv.gz") ? batch : 0;
}

// HW of placements-HW.csv, or of the same packed; empty for other names.
std::string hardware_of(const std::string& file) {
  constexpr std::string_view kBefore = "placements-", kAfter = ".csv";
  const std::size_t end = file.rfind(kAfter);
  if (end == std::string::npos || (file.substr(end) != kAfter && file.substr(end) != ".csv.gz") ||
      file.compare(0, kBefore.size(), kBefore) != 0 || end <= kBefore.size())
    return {};
  return file.substr(kBefore.size(), end - kBefore.size());
}

Expected<ApplicationProfile> read_application(const fs::path& folder, const std::string& hardware, bool& there) {
  ApplicationProfile p;
  p.name = folder.filename().string();
  p.hardware = hardware;
  auto exact = profile_points(folder / placements_name(hardware), there);
  if (!exact) return tl::make_unexpected(std::move(exact.error()));
  if (!there) return p;
  p.exact = std::move(*exact);
  bool scales = false;
  auto scaling = profile_points(folder / fmt::format("scalability-{}.csv", hardware), scales);
  if (!scaling) return tl::make_unexpected(std::move(scaling.error()));
  p.scaling = std::move(*scaling);
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::int64_t batch = validated_batch(entry.path().filename().string());
    if (batch <= 0) continue;
    const auto text = read_text_file(entry.path().string());
    if (!text) return tl::make_unexpected(text.error());
    auto epochs = read_epoch_stats(entry.path().string(), *text);
    if (!epochs) return tl::make_unexpected(std::move(epochs.error()));
    p.batches.push_back({batch, std::move(*epochs)});
  }
  if (p.batches.empty()) return fail(fmt::format("{} has no validation-BATCH.csv", folder.string()));
  set_limits(p);
  return p;
}

}  // namespace

std::vector<std::string> pollux_hardware(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& application : fs::directory_iterator(folder, error))
    for (const fs::directory_entry& table : fs::directory_iterator(application.path(), error))
      if (std::string name = hardware_of(table.path().filename().string()); !name.empty())
        names.insert(std::move(name));
  return {names.begin(), names.end()};
}

std::string pollux_table(const std::string& folder, const std::string& application, const std::string& hardware) {
  return (fs::path(folder) / application / placements_name(hardware)).string();
}

Expected<ProfileSet> read_pollux_profiles(const std::string& folder, const std::string& hardware) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  ProfileSet set;
  for (const fs::path& f : folders) {
    bool there = false;
    auto p = read_application(f, hardware, there);
    if (!p) return tl::make_unexpected(std::move(p.error()));
    if (there) set.push_back(std::move(*p));
  }
  if (set.empty()) {
    Diagnostic d{fmt::format("{} holds no profiles for `{}`", folder, hardware)};
    d.hint = "it wants folders, one per application, with a placements-" + hardware + ".csv in each";
    return fail(std::move(d));
  }
  return set;
}

}  // namespace orrery

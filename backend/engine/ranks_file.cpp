#include "backend/engine/ranks_file.hpp"

#include <filesystem>
#include <fstream>

namespace orrery::live {
namespace {

std::string ranks_path(const std::string& run_folder) {
  return run_folder + "/ranks";
}

}  // namespace

Expected<Ok> write_ranks(const std::string& run_folder, std::span<const ProcessHandle> ranks) {
  std::string text = run_folder + "\n";
  for (const ProcessHandle& r : ranks) text += r.text + "\n";
  return write_file(ranks_path(run_folder), text);
}

std::vector<ProcessHandle> read_ranks(const std::string& run_folder) {
  std::vector<ProcessHandle> ranks;
  std::ifstream in(ranks_path(run_folder));
  std::string line;
  if (!std::getline(in, line)) return ranks;
  std::error_code ignored;
  const bool copied =
      std::filesystem::exists(line, ignored) && !std::filesystem::equivalent(line, run_folder, ignored);
  if (copied) return ranks;
  while (std::getline(in, line)) ranks.push_back({line});
  return ranks;
}

}  // namespace orrery::live

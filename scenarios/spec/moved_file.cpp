#include "scenarios/spec/moved_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> rooms_of(const fs::path& house) {
  std::vector<fs::path> rooms;
  std::error_code error;
  for (fs::directory_iterator it(house.empty() ? "." : house, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error)) rooms.push_back(house / it->path().filename());
  std::sort(rooms.begin(), rooms.end());
  return rooms;
}

}  // namespace

std::string where_now(const std::string& path) {
  std::error_code error;
  const fs::path wanted(path);
  if (path.empty() || fs::exists(wanted, error)) return "";
  const fs::path folder = wanted.parent_path();
  std::vector<fs::path> houses{folder};
  if (!folder.empty()) houses.push_back(folder.parent_path());
  for (const fs::path& house : houses) {
    if (fs::is_regular_file(house / wanted.filename(), error)) return (house / wanted.filename()).string();
    for (const fs::path& room : rooms_of(house))
      if (fs::is_regular_file(room / wanted.filename(), error)) return (room / wanted.filename()).string();
  }
  return "";
}

Error with_place(Error error, const std::string& path) {
  const std::string place = where_now(path);
  if (!place.empty() && !error.items.empty())
    error.items.front().notes.push_back(fmt::format("it is at `{}`", place));
  return error;
}

}  // namespace orrery::app

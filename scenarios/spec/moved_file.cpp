#include "scenarios/spec/moved_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
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

// The file beside one that is not there whose name is closest; "" where none is close.
std::string near_file(const fs::path& wanted) {
  std::error_code error;
  if (wanted.empty() || fs::exists(wanted, error)) return "";
  const fs::path folder = wanted.parent_path();
  std::vector<std::string> files;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end; it.increment(error))
    if (it->is_regular_file(error)) files.push_back(it->path().filename().string());
  std::sort(files.begin(), files.end());
  const std::string_view near = closest(wanted.filename().string(), {files.begin(), files.end()});
  return near.empty() ? "" : (folder / near).string();
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
  if (error.items.empty()) return error;
  if (const std::string place = where_now(path); !place.empty())
    error.items.front().notes.push_back(fmt::format("it is at `{}`", place));
  else if (const std::string near = near_file(path); !near.empty())
    error.items.front().hint = fmt::format("did you mean `{}`?", near);
  return error;
}

}  // namespace orrery::app

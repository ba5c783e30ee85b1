#include "sim/observe/log/aside_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace orrery {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kRunFiles[] = {"jobs.csv", "samples.csv",      "summary.json",          "scenario.yaml",
                                          "run.json", "events.jsonl.zst", "conversation.jsonl.zst"};

bool digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// NAME.tmp-PID-N
bool is_aside(std::string_view name) {
  const std::size_t tmp = name.rfind(".tmp-");
  if (tmp == std::string_view::npos || tmp == 0) return false;
  const std::string_view rest = name.substr(tmp + 5);
  const std::size_t dash = rest.find('-');
  return dash != std::string_view::npos && digits(rest.substr(0, dash)) && digits(rest.substr(dash + 1));
}

bool only_run_files(const fs::path& folder) {
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (std::find(std::begin(kRunFiles), std::end(kRunFiles), name) == std::end(kRunFiles)) return false;
  }
  return !failed;
}

}  // namespace

int lock_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

void remove_leftovers(const std::string& parent) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, ignored)) {
    const bool folder = entry.symlink_status(ignored).type() == fs::file_type::directory;
    if (folder && is_aside(entry.path().filename().string())) found.push_back(entry.path());
  }
  for (const fs::path& folder : found) {
    if (!only_run_files(folder)) continue;
    const int lock = lock_folder(folder.string());
    if (lock < 0) continue;
    fs::remove_all(folder, ignored);
    ::close(lock);
  }
}

}  // namespace orrery

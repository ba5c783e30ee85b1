// A folder of a test's own that goes with it.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace orrery::test {

class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> made = 0;
    path_ = std::filesystem::temp_directory_path() / fmt::format("orrery-test-{}-{}", ::getpid(), made++);
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace orrery::test

// Files whose contents survive a crash: written, synced, renamed. Thin wrappers of the system calls, whose failures
// come back as errors that name the path and the reason. Ours, because the standard library cannot sync.
#pragma once

#include <string>
#include <string_view>

#include "sim/core/error.hpp"

namespace orrery::live {

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// What a function that can only fail returns.
struct Ok {};

// Fails with "cannot WHAT PATH: REASON" from errno.
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view what, const std::string& path);

// Creates the folder and those above it.
[[nodiscard]] Expected<Ok> make_folders(const std::string& path);
// Creates or truncates the file and writes all bytes; does not sync.
[[nodiscard]] Expected<Ok> write_file(const std::string& path, std::string_view bytes);
// Syncs a file or a folder; a file system that cannot sync folders is no error.
[[nodiscard]] Expected<Ok> sync_path(const std::string& path);
[[nodiscard]] Expected<std::string> read_file(const std::string& path);
// The file appears under its name with all its bytes or not at all; synced.
[[nodiscard]] Expected<Ok> replace_file(const std::string& path, std::string_view bytes);

}  // namespace orrery::live

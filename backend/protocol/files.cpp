// See files.hpp.
#include "backend/protocol/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace orrery::live {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() {
  return std::exchange(fd_, -1);
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

tl::unexpected<Error> fail_errno(std::string_view what, const std::string& path) {
  const int error = errno;
  return fail(fmt::format("cannot {} `{}`: {}", what, path, std::generic_category().message(error)));
}

Expected<Ok> make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(fmt::format("cannot create the folder `{}`: {}", path, error.message()));
  return Ok{};
}

Expected<Ok> write_file(const std::string& path, std::string_view bytes) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return fail_errno("create", path);
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Ok{};
}

Expected<Ok> sync_path(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno("open", path);
  if (::fsync(file.get()) != 0 && errno != EINVAL) return fail_errno("sync", path);
  return Ok{};
}

Expected<std::string> read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno("open", path);
  std::string bytes;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", path);
    if (n == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Expected<Ok> replace_file(const std::string& path, std::string_view bytes) {
  const std::string aside = path + ".tmp";
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (auto ok = write_file(aside, bytes); !ok) return ok;
  if (auto ok = sync_path(aside); !ok) return ok;
  if (std::rename(aside.c_str(), path.c_str()) != 0) return fail_errno("rename a file to", path);
  return sync_path(parent.empty() ? "." : parent.string());
}

}  // namespace orrery::live

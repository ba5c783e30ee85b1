#include "backend/protocol/feature_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "backend/protocol/feature_entry.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".features";
constexpr std::string_view kAside = "tmp-";

// Another process has it open for reading, or is writing it. Locks of files end with the process that holds them.
bool in_use(const std::string& path) {
  const live::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0;
}

// Removes it unless it is in use. The lock is held until it is gone: whoever waits for it then sees that it is.
bool remove_unused(const std::string& path) {
  const live::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
}

// A file of one's own that nobody sweeps away while it is written.
Expected<live::Fd> make_aside(const std::string& path) {
  while (true) {
    live::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file) return live::fail_errno("create", path);
    if (::flock(file.get(), LOCK_EX) != 0) return live::fail_errno("lock", path);
    struct stat now {};
    if (::fstat(file.get(), &now) != 0) return live::fail_errno("look at", path);
    if (now.st_nlink > 0) return file;  // else it was swept away before it was locked
  }
}

Expected<live::Ok> write_all(const live::Fd& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return live::fail_errno("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) != 0) return live::fail_errno("sync", path);
  return live::Ok{};
}

}  // namespace

std::string FeatureStore::path_of(const std::string& key) const {
  return fmt::format("{}/{}{}", folder_, key, kEnding);
}

FeatureStore::Read FeatureStore::read(const std::string& key) const {
  const std::string path = path_of(key);
  const live::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  ::flock(file.get(), LOCK_SH | LOCK_NB);  // at most somebody looks whether it is in use: it then may go
  const auto bytes = live::read_file(path);
  if (!bytes) return {};
  const auto entry = parse_feature_entry(*bytes);
  std::string why = !entry ? entry.error() : entry->key != key ? std::string("it is of another key") : std::string();
  if (why.empty()) {
    ::futimens(file.get(), nullptr);
    return {*bytes, {}};
  }
  ::unlink(path.c_str());
  return {{}, fmt::format("`{}` is damaged: {}", path, why)};
}

// Least recently used first.
std::vector<FeatureStore::Entry> FeatureStore::entries() const {
  std::vector<Entry> all;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    struct stat is {};
    if (!name.ends_with(kEnding) || name.starts_with(kAside) || ::stat(at->path().c_str(), &is) != 0) continue;
    all.push_back({name.substr(0, name.size() - kEnding.size()), is.st_size,
                   is.st_mtim.tv_sec * 1'000'000'000 + is.st_mtim.tv_nsec});
  }
  std::sort(all.begin(), all.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.used_ns, a.key) < std::tie(b.used_ns, b.key); });
  return all;
}

// All entries but `except` and so many bytes fit: now, or when others are gone, none of which goes unless enough can.
bool FeatureStore::make_room(std::int64_t bytes, const std::string& except, std::vector<std::string>& dropped) const {
  const std::vector<Entry> all = entries();
  std::int64_t left = bytes;
  for (const Entry& e : all) left += e.key == except ? 0 : e.bytes;
  std::vector<const Entry*> go;
  for (const Entry& e : all) {
    if (left <= limit_bytes_) break;
    if (e.key == except || in_use(path_of(e.key))) continue;
    left -= e.bytes;
    go.push_back(&e);
  }
  if (left > limit_bytes_) return false;
  for (const Entry* e : go) {
    if (remove_unused(path_of(e->key)))
      dropped.push_back(e->key);
    else
      left += ::access(path_of(e->key).c_str(), F_OK) == 0 ? e->bytes : 0;  // somebody has begun to read it
  }
  return left <= limit_bytes_;
}

// What killed processes left half written.
void FeatureStore::sweep() const {
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    if (at->path().filename().string().starts_with(kAside)) (void)remove_unused(path);
  }
}

Expected<FeatureStore::Written> FeatureStore::write(const std::string& key, std::string_view bytes,
                                                    const Hook& hook) const {
  static std::atomic<std::uint64_t> number = 0;
  const auto next = [&hook](std::string_view call) {
    if (hook) hook(call);
  };
  Written out;
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size > limit_bytes_) return out;
  if (auto ok = live::make_folders(folder_); !ok) return tl::make_unexpected(ok.error());
  next("sweep");
  sweep();
  next("make room");
  if (!make_room(size, key, out.dropped)) return out;
  const std::string aside = fmt::format("{}/{}{}-{}{}", folder_, kAside, ::getpid(), ++number, kEnding);
  next("create");
  auto file = make_aside(aside);
  if (!file) return tl::make_unexpected(file.error());
  next("write");
  if (auto ok = write_all(*file, bytes, aside); !ok) {
    ::unlink(aside.c_str());
    return tl::make_unexpected(ok.error());
  }
  next("rename");
  if (std::rename(aside.c_str(), path_of(key).c_str()) != 0) {
    const auto failed = live::fail_errno("rename a file to", path_of(key));
    ::unlink(aside.c_str());
    return failed;
  }
  next("sync folder");
  if (auto ok = live::sync_path(folder_); !ok) return tl::make_unexpected(ok.error());
  out.kept = true;
  (void)make_room(size, key, out.dropped);  // others may have written meanwhile
  return out;
}

}  // namespace orrery::worker

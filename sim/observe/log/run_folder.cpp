#include "sim/observe/log/run_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/aside_folder.hpp"
#include "sim/observe/log/digest.hpp"

namespace orrery {
namespace fs = std::filesystem;
namespace {

constexpr const char* kManifest = "run.json";

tl::unexpected<Error> failed(std::string_view what, const std::string& path, int error) {
  return fail(fmt::format("cannot {} `{}`: {}", what, path, std::strerror(error)));
}

nlohmann::ordered_json number_or_null(const std::optional<double>& v) {
  return v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr);
}

// 0 or errno.
int sync_path(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error == EINVAL ? 0 : error;  // a file system without fsync for folders
}

std::string parent_of(const std::string& dir) {
  const fs::path parent = fs::path(dir).parent_path();
  return parent.empty() ? "." : parent.string();
}

// Puts `aside` in the place of `dir`; exchanging the two names leaves no moment without a folder where the file
// system can do it.
int replace(const std::string& aside, const std::string& dir) {
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, dir.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) return errno;
  std::error_code ignored;
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, dir.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(aside, ignored);
    return 0;
  }
  const std::string old = aside + ".old";
  const bool had_old = ::rename(dir.c_str(), old.c_str()) == 0;
  if (!had_old && errno != ENOENT) return errno;
  if (::rename(aside.c_str(), dir.c_str()) != 0) {
    const int error = errno;
    if (had_old) (void)std::rename(old.c_str(), dir.c_str());
    return error;
  }
  fs::remove_all(old, ignored);
  return 0;
}

// Gives `aside` the name `dir`, which nobody must have but an empty folder.
int name(const std::string& aside, const std::string& dir) {
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, dir.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) return errno;
  return ::rename(aside.c_str(), dir.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Error run_is_there(const std::string& dir) {
  Diagnostic d{fmt::format("`{}` holds a finished run, which is kept", dir)};
  d.hint = "choose another folder with -o, or replace it with --force";
  return Error(std::move(d));
}

std::string result_digest(std::string_view jobs_sha256, std::string_view samples_sha256,
                          std::string_view events_sha256) {
  std::string text = fmt::format("{}  jobs.csv\n{}  samples.csv\n", jobs_sha256, samples_sha256);
  if (!events_sha256.empty()) text += fmt::format("{}  events.jsonl\n", events_sha256);
  return sha256_hex(text);
}

std::string manifest_json(const RunManifest& m) {
  nlohmann::ordered_json j;
  j["orrery"] = "run";
  j["schema"] = 1;
  j["command"] = m.command;
  j["config_sha256"] = m.config_sha256;
  j["trace"] = {{"file", m.trace_file}, {"sha256", m.trace_sha256}};
  j["seed"] = m.seed;
  j["policy"] = {{"name", m.policy}, {"placement", m.placement}, {"options", m.policy_options}};
  j["versions"] = {{"orrery", m.versions.version},
                   {"commit", m.versions.commit},
                   {"compiler", m.versions.compiler},
                   {"build_type", m.versions.build_type}};
  j["jobs"] = {{"submitted", m.summary.jobs},
               {"finished", m.summary.finished},
               {"rejected", m.summary.rejected},
               {"failed", m.summary.failed},
               {"cancelled", m.summary.cancelled}};
  j["result_digest"] = m.result_digest;
  const RunMeasured& r = m.measured;
  const double rate = r.wall_s > 0 ? static_cast<double>(r.events) / r.wall_s : 0;
  j["measured"] = {{"host", r.host},
                   {"date", r.date},
                   {"wall_s", r.wall_s},
                   {"decision_s", r.decision_s},
                   {"decision_p50_s", number_or_null(r.decision_p50_s)},
                   {"decision_p99_s", number_or_null(r.decision_p99_s)},
                   {"events", r.events},
                   {"events_per_s", rate},
                   {"peak_rss_bytes", r.peak_rss_bytes}};
  j["finished"] = true;
  return json_text(j, 2) + "\n";
}

bool is_run_folder(const std::string& dir) {
  std::ifstream in(fs::path(dir) / kManifest, std::ios::binary);
  if (!in) return false;
  const auto j = read_json(std::string(std::istreambuf_iterator<char>(in), {}));
  if (!j.is_object()) return false;
  const auto at = j.find("orrery");
  return at != j.end() && at->is_string() && *at == "run";
}

Expected<RunFolder> RunFolder::create(const std::string& wanted, bool replace) {
  std::string dir = fs::path(wanted).lexically_normal().string();
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  if (dir.empty() || dir == "." || dir == ".." || dir == "/")
    return fail(fmt::format("`{}` cannot be a run folder", wanted));
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  if (fs::exists(status)) {
    const bool empty = fs::is_directory(status) && fs::is_empty(dir, error) && !error;
    if (!empty && !is_run_folder(dir)) {
      Diagnostic d;
      d.message = fmt::format("`{}` exists and is not the folder of an orrery run", wanted);
      d.notes = {"it is left as it is; choose another folder with -o"};
      return fail(std::move(d));
    }
    if (!empty && !replace) return tl::make_unexpected(run_is_there(dir));
  }
  fs::create_directories(parent_of(dir), error);
  if (error) return failed("create", parent_of(dir), error.value());
  remove_leftovers(parent_of(dir));
  static std::atomic<unsigned> number{0};
  for (int tries = 0;; ++tries) {
    std::string aside = fmt::format("{}.tmp-{}-{}", dir, ::getpid(), number++);
    fs::remove_all(aside, error);  // of an earlier process of this number
    if (!fs::create_directory(aside, error)) return failed("create", aside, error.value());
    const int lock = lock_folder(aside);
    // Somebody who was cleaning up has taken it for a leftover before it was locked: another one.
    const bool taken = (lock < 0 && (errno == EWOULDBLOCK || errno == ENOENT)) || !fs::exists(aside, error);
    if (!taken || tries == 100) return RunFolder(std::move(dir), std::move(aside), lock, replace);
    if (lock >= 0) ::close(lock);
  }
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : dir_(std::move(other.dir_)),
      aside_(std::move(other.aside_)),
      lock_(std::exchange(other.lock_, -1)),
      replace_(other.replace_) {
  other.aside_.clear();
}

RunFolder::~RunFolder() {
  std::error_code ignored;
  if (!aside_.empty()) fs::remove_all(aside_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

std::string RunFolder::path(std::string_view file) const {
  return (fs::path(aside_) / file).string();
}

Expected<std::string> RunFolder::write(std::string_view file, const std::function<void(const TextSink&)>& writer) {
  const std::string name = path(file);
  std::FILE* out = std::fopen(name.c_str(), "wb");
  if (out == nullptr) return failed("write", name, errno);
  Sha256 hash;
  int error = 0;
  writer([&](std::string_view piece) {
    hash.update(piece);
    errno = 0;
    if (std::fwrite(piece.data(), 1, piece.size(), out) != piece.size() && error == 0)
      error = errno != 0 ? errno : EIO;
  });
  if (std::fclose(out) != 0 && error == 0) error = errno;
  if (error != 0) return failed("write", name, error);
  return hash.finish();
}

Expected<std::string> RunFolder::write(std::string_view file, std::string_view text) {
  return write(file, [text](const TextSink& sink) { sink(text); });
}

Expected<void> RunFolder::commit(const RunManifest& manifest) {
  if (auto written = write(kManifest, manifest_json(manifest)); !written)
    return tl::make_unexpected(std::move(written.error()));
  std::error_code listing;
  for (const fs::directory_entry& entry : fs::directory_iterator(aside_, listing))
    if (const int error = sync_path(entry.path().string()); error != 0)
      return failed("write", entry.path().string(), error);
  if (listing) return failed("read", aside_, listing.value());
  if (const int error = sync_path(aside_); error != 0) return failed("write", aside_, error);
  const int error = replace_ ? replace(aside_, dir_) : name(aside_, dir_);
  if (error == EEXIST || error == ENOTEMPTY) return tl::make_unexpected(run_is_there(dir_));
  if (error != 0) return failed("create", dir_, error);
  aside_.clear();
  (void)sync_path(parent_of(dir_));
  return {};
}

}  // namespace orrery

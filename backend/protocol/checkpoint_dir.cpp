// See checkpoint_dir.hpp. Everything that changes the disk goes through `Commit`, so that the order is in one place.
#include "backend/protocol/checkpoint_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <tuple>
#include <utility>

#include "backend/protocol/checkpoint_manifest.hpp"
#include "backend/protocol/crc32c.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::live {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStep = "step-";
constexpr std::string_view kVersion = "version-";
constexpr std::size_t kKeep = 2;

// The N of the entries `<prefix>N` of a folder, highest first; none when it cannot be read.
std::vector<std::int64_t> numbered(const std::string& dir, std::string_view prefix) {
  std::vector<std::int64_t> found;
  std::error_code error;
  for (fs::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const char* const from = name.data() + prefix.size();
    const char* const to = name.data() + name.size();
    std::int64_t n = 0;
    const auto [stop, code] = std::from_chars(from, to, n);
    if (code == std::errc() && stop == to && n >= 0 && name == fmt::format("{}{}", prefix, n)) found.push_back(n);
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

std::string step_path(const std::string& dir, std::int64_t step) {
  return fmt::format("{}/{}{}", dir, kStep, step);
}

tl::expected<CheckpointManifest, std::string> read_manifest(const std::string& path) {
  const auto text = read_file(path + "/" + kManifestName);
  if (!text) return tl::make_unexpected(text.error().items.at(0).message);
  return parse_manifest(*text);
}

tl::expected<Checkpoint, std::string> read_whole(const std::string& path) {
  auto manifest = read_manifest(path);
  if (!manifest) return tl::make_unexpected(manifest.error());
  Checkpoint c;
  c.stamp = std::move(manifest->stamp);
  for (const ManifestFile& file : manifest->files) {
    auto bytes = read_file(path + "/" + file.name);
    if (!bytes) return tl::make_unexpected(bytes.error().items.at(0).message);
    if (bytes->size() != file.bytes)
      return tl::make_unexpected(fmt::format("`{}` has {} bytes, not {}", file.name, bytes->size(), file.bytes));
    if (crc32c(*bytes) != file.crc)
      return tl::make_unexpected(fmt::format("`{}` does not match its checksum", file.name));
    c.files.push_back({file.name, *std::move(bytes)});
  }
  return c;
}

Error not_committed(const std::string& path) {
  return Error(Diagnostic{fmt::format("`{}` is not committed: {}", path, kFencedOff)});
}

// One commit of a folder `name` in `dir`, by way of `tmp`.
struct Commit {
  const std::string& dir;
  const CommitHook& hook;
  std::string tmp;
  const Fence& fence;

  void next(std::string_view call) const {
    if (hook) hook(call);
  }

  [[nodiscard]] Expected<Ok> write(const std::string& name, std::string_view bytes) const {
    const std::string path = tmp + "/" + name;
    next("write");
    if (auto ok = write_file(path, bytes); !ok) return ok;
    next("sync file");
    return sync_path(path);
  }

  [[nodiscard]] Expected<Ok> prepare(const Checkpoint& c) const {
    next("clear tmp");
    std::error_code error;
    fs::remove_all(tmp, error);
    next("make tmp");
    if (auto ok = make_folders(tmp); !ok) return ok;
    for (const CheckpointFile& file : c.files) {
      if (!is_plain_name(file.name)) return fail(fmt::format("`{}` cannot be a file of a checkpoint", file.name));
      if (auto ok = write(file.name, file.bytes); !ok) return ok;
    }
    if (auto ok = write(kManifestName, manifest_text(c)); !ok) return ok;
    next("sync tmp");
    return sync_path(tmp);
  }

  // The rename. A folder of that name is there only when it was damaged or belongs to a fresh start: the two change
  // places, and the old one goes with the next clearing of tmp.
  [[nodiscard]] Expected<Ok> rename_to(const std::string& path) const {
    next("rename");
    if (!fence.holds()) return tl::make_unexpected(not_committed(path));
    if (std::rename(tmp.c_str(), path.c_str()) != 0) {
      const bool there = errno == ENOTEMPTY || errno == EEXIST;
      if (!there || ::renameat2(AT_FDCWD, tmp.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0)
        return fail_errno("rename a checkpoint to", path);
    }
    next("sync parent");
    return sync_path(dir);
  }

  // Best effort: what cannot be removed costs space, not correctness. `keep` are the steps that stay.
  void clean(const std::vector<std::int64_t>& all, const std::vector<std::int64_t>& keep) const {
    std::error_code error;
    for (const std::int64_t step : all) {
      if (std::find(keep.begin(), keep.end(), step) != keep.end()) continue;
      // Renamed first: a folder half removed must not look like a damaged checkpoint.
      const std::string aside = fmt::format("{}-old", tmp);
      fs::remove_all(aside, error);  // what a crash has left there would keep the step from being renamed
      next("set an old step aside");
      fs::rename(step_path(dir, step), aside, error);
      next("remove an old step");
      fs::remove_all(aside, error);
    }
    next("remove tmp");
    for (fs::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (at->path().filename().string().starts_with("tmp-")) fs::remove_all(at->path(), ignored);
    }
  }
};

std::string tmp_of(const std::string& dir, const Checkpoint& c) {
  return fmt::format("{}/tmp-{}-{}", dir, c.stamp.incarnation, c.stamp.generation);
}

auto age(const CheckpointStamp& s) {
  return std::tuple(s.incarnation, s.generation);
}

}  // namespace

Expected<std::string> save_checkpoint(const std::string& dir, const Checkpoint& c, const CommitHook& hook) {
  if (!c.fence.holds()) return tl::make_unexpected(not_committed(step_path(dir, c.stamp.step)));
  if (auto ok = make_folders(dir); !ok) return tl::make_unexpected(ok.error());
  // Steps beyond this one were abandoned when an earlier one was restored, unless a later gang made them.
  for (const std::int64_t step : numbered(dir, kStep)) {
    const auto other = read_manifest(step_path(dir, step));
    if (other && age(other->stamp) > age(c.stamp))
      return fail(fmt::format("`{}` is of incarnation {}, generation {}: this gang ({}, {}) has been replaced",
                              step_path(dir, step), other->stamp.incarnation, other->stamp.generation,
                              c.stamp.incarnation, c.stamp.generation));
  }
  const Commit commit{dir, hook, tmp_of(dir, c), c.fence};
  const std::string path = step_path(dir, c.stamp.step);
  if (auto ok = commit.prepare(c); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = commit.rename_to(path); !ok) return tl::make_unexpected(ok.error());

  const std::vector<std::int64_t> all = numbered(dir, kStep);
  std::vector<std::int64_t> keep;
  for (const std::int64_t step : all)
    if (step <= c.stamp.step && keep.size() < kKeep && read_manifest(step_path(dir, step))) keep.push_back(step);
  commit.clean(all, keep);
  return path;
}

CheckpointSearch load_checkpoint(const std::string& dir) {
  CheckpointSearch search;
  for (const std::int64_t step : numbered(dir, kStep)) {
    const std::string path = step_path(dir, step);
    auto checkpoint = read_whole(path);
    if (checkpoint && checkpoint->stamp.step == step) {
      search.newest = LoadedCheckpoint{*std::move(checkpoint), path};
      return search;
    }
    search.passed_over.push_back(path + ": " + (checkpoint ? "it is of another step" : checkpoint.error()));
  }
  return search;
}

tl::expected<Checkpoint, std::string> load_checkpoint_at(const std::string& path) {
  return read_whole(path);
}

Expected<Ok> lay_checkpoints_aside(const std::string& dir, std::int64_t incarnation) {
  const std::string aside = dir + "/aside";
  bool first = true;
  for (const std::int64_t step : numbered(dir, kStep)) {
    const std::string path = step_path(dir, step);
    if (const auto manifest = read_manifest(path); manifest && manifest->stamp.incarnation >= incarnation) continue;
    if (std::exchange(first, false)) {
      remove_laid_aside(dir);
      if (auto ok = make_folders(aside); !ok) return ok;
    }
    if (std::rename(path.c_str(), step_path(aside, step).c_str()) != 0) return fail_errno("lay aside", path);
  }
  return first ? Ok{} : sync_path(dir);
}

void remove_laid_aside(const std::string& dir) {
  std::error_code ignored;
  fs::remove_all(dir + "/aside", ignored);
}

Expected<PublishedVersion> publish_version(const std::string& dir, const Checkpoint& c) {
  if (!c.fence.holds()) return tl::make_unexpected(not_committed(dir));
  if (auto ok = make_folders(dir); !ok) return tl::make_unexpected(ok.error());
  const std::vector<std::int64_t> versions = numbered(dir, kVersion);
  const std::int64_t version = versions.empty() ? 1 : versions.front() + 1;
  const CommitHook nothing;
  const Commit commit{dir, nothing, tmp_of(dir, c), c.fence};
  const std::string path = fmt::format("{}/{}{}", dir, kVersion, version);
  if (auto ok = commit.prepare(c); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = commit.rename_to(path); !ok) return tl::make_unexpected(ok.error());
  return PublishedVersion{version, path};
}

std::vector<std::string> published_versions(const std::string& dir) {
  std::vector<std::string> paths;
  for (const std::int64_t version : numbered(dir, kVersion))
    paths.push_back(fmt::format("{}/{}{}", dir, kVersion, version));
  std::reverse(paths.begin(), paths.end());
  return paths;
}

}  // namespace orrery::live

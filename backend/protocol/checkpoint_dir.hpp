// Small checkpoints on disk that survive a crash at any moment. A folder `step-N` holds a few files and
// MANIFEST.json, which names each with its size and CRC32C and carries a checksum of its own. Committing is one
// rename:
//   tmp-G/ (files, then the manifest), each synced; tmp-G synced; rename to step-N; parent synced; older ones
//   removed.
// So whatever a crash leaves is either `tmp-...`, which nobody reads, or whole. A reader takes the newest step that
// is whole and says which it passed over. Generations fence, and so does the controller's token: a gang that was
// replaced, or whose controller was, cannot commit any more.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/protocol/fence.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/error.hpp"
#include "sim/core/units.hpp"

namespace orrery::live {

// Whose checkpoint it is, and of what.
struct CheckpointStamp {
  std::string job;
  std::int64_t incarnation = 1, generation = 0;
  std::int64_t step = 0;
  Work done;
  friend bool operator==(const CheckpointStamp&, const CheckpointStamp&) = default;
};

struct CheckpointFile {
  std::string name;  // a plain file name other than MANIFEST.json
  std::string bytes;
  friend bool operator==(const CheckpointFile&, const CheckpointFile&) = default;
};

struct Checkpoint {
  CheckpointStamp stamp;
  std::vector<CheckpointFile> files;
  Fence fence{};  // of whoever commits it; not written
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// Called between every two system calls that change the disk, with the name of the one to come; for tests that crash.
using CommitHook = std::function<void(std::string_view next)>;

// Writes and commits `checkpoint` as DIR/step-N; keeps the newest two and removes what is left of earlier crashes.
// The path. Fails when a system call fails (nothing is committed then), when DIR holds a step of a later
// incarnation or generation, or when the fence does not hold.
[[nodiscard]] Expected<std::string> save_checkpoint(const std::string& dir, const Checkpoint& checkpoint,
                                                    const CommitHook& hook = {});

struct LoadedCheckpoint {
  Checkpoint checkpoint;
  std::string path;
};
struct CheckpointSearch {
  std::optional<LoadedCheckpoint> newest;  // nothing: there is no whole checkpoint
  std::vector<std::string> passed_over;    // damaged ones, newest first: "PATH: what is wrong"
};

// The newest whole checkpoint of DIR, every file verified. A folder that does not exist holds none.
[[nodiscard]] CheckpointSearch load_checkpoint(const std::string& dir);

// The checkpoint whose folder is `path` itself (a step or a published version), or what is wrong with it.
[[nodiscard]] tl::expected<Checkpoint, std::string> load_checkpoint_at(const std::string& path);

// Of a job that begins anew in the launch `incarnation`: the steps that earlier launches committed are moved to
// DIR/aside, where nobody looks for one; what lay there before goes. Doing it twice does nothing.
[[nodiscard]] Expected<Ok> lay_checkpoints_aside(const std::string& dir, std::int64_t incarnation);
// Once a step has been committed in their place.
void remove_laid_aside(const std::string& dir);

// Commits the same files as DIR/version-K, K one more than the highest there, by the same steps; versions are never
// removed. {K, path}.
struct PublishedVersion {
  std::int64_t version = 0;
  std::string path;
};
[[nodiscard]] Expected<PublishedVersion> publish_version(const std::string& dir, const Checkpoint& checkpoint);

// The folders of the versions in DIR, oldest first.
[[nodiscard]] std::vector<std::string> published_versions(const std::string& dir);

}  // namespace orrery::live

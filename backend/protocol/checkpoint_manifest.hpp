// MANIFEST.json of a checkpoint: what belongs to it, how long it is and its checksums. Part of checkpoint_dir.hpp.
#pragma once

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "backend/protocol/checkpoint_dir.hpp"

namespace orrery::live {

inline constexpr const char* kManifestName = "MANIFEST.json";

struct ManifestFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};
struct CheckpointManifest {
  CheckpointStamp stamp;
  std::vector<ManifestFile> files;
};

[[nodiscard]] std::string manifest_text(const Checkpoint& checkpoint);
// The manifest, or why the text is none: its own checksum is verified, and that the names are plain.
[[nodiscard]] tl::expected<CheckpointManifest, std::string> parse_manifest(const std::string& text);

// Whether `name` can be a file of a checkpoint.
[[nodiscard]] bool is_plain_name(std::string_view name);

}  // namespace orrery::live

// A trace file as text: plain, gzip or zstd, told apart by their first bytes and never by name. A file that
// was cut off, damaged or is not text is one clear error; zlib and zstd are called directly because a truncated
// stream must not pass for a short one.
#pragma once

#include <string>

#include "sim/core/error.hpp"

namespace orrery {

// The whole file, unpacked (at most 16 GiB), checked to be UTF-8 text, without a byte-order mark.
[[nodiscard]] Expected<std::string> read_text_file(const std::string& path);

// What read_text_file() makes of a file's bytes; `path` is the name in messages.
[[nodiscard]] Expected<std::string> decode_text(const std::string& path, std::string bytes);

// Writes a whole file, packed when its name ends in .gz or .zst; written aside, synced and renamed, so that a name
// never stands for half a file. Equal text gives equal bytes.
[[nodiscard]] Expected<void> write_text_file(const std::string& path, const std::string& text);

}  // namespace orrery

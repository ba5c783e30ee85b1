// Tar archives, ustar with pax extensions (POSIX.1-2001, section pax): what WebDataset shards are. The reader walks
// an archive in memory and yields regular files; long names and sizes come from pax headers or GNU `L` entries. The
// writer makes plain ustar, with a pax header where a name does not fit, and the same bytes from the same entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::data {

struct TarEntry {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes in the archive
  std::uint64_t size = 0;
  friend bool operator==(const TarEntry&, const TarEntry&) = default;
};

struct TarIndex {
  std::vector<TarEntry> entries;  // regular files, in the order of the archive
  std::string cut_off;            // why reading ended before the end of the archive; empty = it did not
};

// The files of the archive `bytes`. Fails when it does not begin as one does (`file` names it in the message); damage
// further on ends the index and is told in cut_off, since what lies before it is whole.
[[nodiscard]] Expected<TarIndex> index_tar(std::string_view file, std::string_view bytes);

class TarWriter {
 public:
  // Appends a regular file. Names are relative, without `..`.
  void add(std::string_view name, std::string_view bytes);
  // The archive, ended by two empty blocks.
  [[nodiscard]] std::string finish();
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  void header(std::string_view name, std::uint64_t size, char kind);
  void padded(std::string_view bytes);
  std::string bytes_;
};

}  // namespace orrery::data

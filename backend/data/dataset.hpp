// A data set: a folder of shards (*.tar, WebDataset layout), a tokenizer.json and, for raw pictures, a raw.json.
// Opening maps the shards into memory and indexes them; samples are numbered in the order of file names and archives,
// 0 to size - 1, and are read in any order, from any thread. A shard that is no tar is an error; a sample that cannot
// be decoded is an error of that sample, which the loader counts and steps over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/data/codecs.hpp"
#include "backend/data/sample.hpp"
#include "backend/data/tar.hpp"
#include "backend/data/tokenizer.hpp"
#include "sim/core/error.hpp"

namespace orrery::data {

// The name of an entry up to the first dot after the last slash, and what follows the dot.
struct KeyAndKind {
  std::string_view key, kind;
};
[[nodiscard]] KeyAndKind split_key(std::string_view entry);

class Dataset {
 public:
  // Fails when the folder has no shards, when one is no tar, or when there is not one sample.
  [[nodiscard]] static Expected<Dataset> open(const std::string& folder);
  Dataset(Dataset&& other) noexcept = default;
  Dataset& operator=(Dataset&& other) noexcept;
  ~Dataset();

  [[nodiscard]] std::uint64_t size() const { return samples_.size(); }
  [[nodiscard]] Expected<Sample> read(std::uint64_t index) const;
  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  // Shards that ended early: "PATH: why". Their whole samples are used.
  [[nodiscard]] const std::vector<std::string>& damage() const { return damage_; }

 private:
  struct Shard {
    std::string path;
    const char* bytes = nullptr;  // mapped
    std::size_t size = 0;
  };
  struct Place {
    std::uint32_t shard = 0;
    std::vector<TarEntry> files;
  };
  Dataset() = default;
  [[nodiscard]] Expected<void> add_shard(const std::string& path);
  void unmap();

  std::vector<Shard> shards_;
  std::vector<Place> samples_;
  std::vector<std::string> damage_;
  Tokenizer tokenizer_;
  RawShape raw_;
};

// A sample from its files' kinds ("ppm", "txt", ...) and bytes; kinds that are not ours are left out.
[[nodiscard]] Expected<void> decode_file(std::string_view kind, std::string_view bytes, Sample& into,
                                         const RawShape& raw = {});

}  // namespace orrery::data

// An entry of the store of features, as bytes: "ORRFEAT1", the CRC32C of all that follows and the length of the rest
// (8 and 8 bytes, little-endian), then a safetensors file with
//   features  F32 [samples, width]
//   label     I64 [samples]
//   corrupt   I64 [any]            samples that could not be read, for which another one stands
// and, as metadata, `key` (of the store) and `compute_ns` (wall time that computing them took). Strict: what was cut
// off, or is damaged in a single bit, is found before a number of it is used. No torch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "sim/core/time.hpp"

namespace orrery::worker {

// What is kept of a data set by a frozen model. Not more than is there: views into the bytes that were parsed.
struct FeatureEntry {
  std::string key;
  Duration compute{};
  std::int64_t samples = 0, width = 0;
  std::string_view features, label;     // raw values, row after row
  std::vector<std::int64_t> corrupt{};  // ascending, below `samples`
};

[[nodiscard]] std::string feature_entry_text(const FeatureEntry& entry);
// The inverse, or what is wrong.
[[nodiscard]] tl::expected<FeatureEntry, std::string> parse_feature_entry(std::string_view bytes);

}  // namespace orrery::worker

// The header of a safetensors file: names, types, shapes and places of tensors, as JSON before the raw bytes. Layout:
// 8 bytes little-endian length of the header, the header padded with spaces to a multiple of 8, the data; offsets
// count from the data's beginning and cover it without gaps. Strict, because such files come from anywhere. No torch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace orrery::worker {

struct TensorEntry {
  std::string name;
  std::string dtype;  // "F32", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // in the data
  friend bool operator==(const TensorEntry&, const TensorEntry&) = default;
};

struct TensorHeader {
  std::vector<TensorEntry> tensors;             // in order of their place in the data
  std::map<std::string, std::string> metadata;  // `__metadata__`
  std::uint64_t data_at = 0;                    // where the data begins in the file
  friend bool operator==(const TensorHeader&, const TensorHeader&) = default;
};

// Bytes of one element; 0 for a type that is not known.
[[nodiscard]] std::uint64_t element_bytes(std::string_view dtype);

// The header of the file `bytes`, or what is wrong: too short, not JSON, a key that is missing or of a wrong type, an
// unknown type, a shape that does not fit its bytes, overlaps, gaps, data that is too short or too long.
[[nodiscard]] tl::expected<TensorHeader, std::string> parse_tensor_header(std::string_view bytes);

// The first bytes of a file with these tensors (begin and end set by the caller, gapless from 0).
[[nodiscard]] std::string tensor_header_text(const TensorHeader& header);

}  // namespace orrery::worker

// Byte-level byte-pair encoding (Sennrich et al. 2016; over bytes as in GPT-2): trained on captions by us, written
// and read as `tokenizer.json` in the layout of Hugging Face's tokenizers. Every text has an encoding, and decoding
// gives it back. Ids: 0 <pad>, 1 <bos>, 2 <mask>, 3 to 258 the bytes, then one id per merge, in the order of
// training.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::data {

inline constexpr std::int32_t kPad = 0, kBegin = 1, kMask = 2, kFirstByte = 3, kFirstMerge = 259;

class Tokenizer {
 public:
  // The bytes alone, no merges.
  Tokenizer();

  // Merges the most frequent pair again and again until there are `vocabulary` ids or nothing occurs twice; among
  // equals the pair of lowest ids. vocabulary >= 259. Words (with the blank before them) are never merged together.
  [[nodiscard]] static Tokenizer train(const std::vector<std::string>& texts, std::int32_t vocabulary);

  [[nodiscard]] static Expected<Tokenizer> from_json(std::string_view file, std::string_view text);
  [[nodiscard]] std::string to_json() const;

  [[nodiscard]] std::int32_t vocabulary() const { return static_cast<std::int32_t>(pieces_.size()); }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  // Special and unknown ids are left out.
  [[nodiscard]] std::string decode(const std::vector<std::int32_t>& ids) const;
  // <bos> and the text, cut or padded to `length` ids.
  [[nodiscard]] std::vector<std::int32_t> encode_padded(std::string_view text, std::size_t length) const;

 private:
  void add_merge(std::int32_t a, std::int32_t b);
  void merge_word(std::vector<std::int32_t>& word) const;

  std::vector<std::string> pieces_;                            // [id] its bytes; special ids: empty
  std::vector<std::pair<std::int32_t, std::int32_t>> merges_;  // id kFirstMerge + k = merges_[k]
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> merged_;
};

}  // namespace orrery::data

#include "backend/data/tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::data {
namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;

enum class Kind : std::uint8_t { letter, digit, blank, other };

Kind kind_of(char c) {
  const auto u = static_cast<unsigned char>(c);
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || u >= 0x80) return Kind::letter;
  if (c >= '0' && c <= '9') return Kind::digit;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return Kind::blank;
  return Kind::other;
}

// Runs of one kind; a single blank goes with the run after it.
std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    if (text[at] == ' ' && at + 1 < text.size() && kind_of(text[at + 1]) != Kind::blank) ++end;
    const Kind kind = kind_of(text[end]);
    while (end < text.size() && kind_of(text[end]) == kind) {
      // Of several blanks the last one belongs to the word that follows.
      if (kind == Kind::blank && end > at && text[end] == ' ' && end + 1 < text.size() &&
          kind_of(text[end + 1]) != Kind::blank)
        break;
      ++end;
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::int32_t> bytes_of(std::string_view word) {
  std::vector<std::int32_t> ids;
  ids.reserve(word.size());
  for (const char c : word) ids.push_back(kFirstByte + static_cast<unsigned char>(c));
  return ids;
}

// GPT-2's printable stand-in for every byte: visible Latin-1 characters are themselves, the others 256, 257, ...
const std::array<std::string, 256>& byte_letters() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> t;
    unsigned next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool visible = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      const unsigned code = visible ? b : next++;
      if (code < 0x80) {
        t[b] = std::string(1, static_cast<char>(code));
      } else {
        t[b] = {static_cast<char>(0xc0U | code >> 6U), static_cast<char>(0x80U | (code & 0x3fU))};
      }
    }
    return t;
  }();
  return table;
}

std::string letters(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += byte_letters()[static_cast<unsigned char>(c)];
  return out;
}

void merge_pair(std::vector<std::int32_t>& word, Pair pair, std::int32_t id) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < word.size(); ++i, ++out) {
    if (i + 1 < word.size() && word[i] == pair.first && word[i + 1] == pair.second) {
      word[out] = id;
      ++i;
    } else {
      word[out] = word[i];
    }
  }
  word.resize(out);
}

}  // namespace

Tokenizer::Tokenizer() : pieces_(kFirstMerge) {
  for (int b = 0; b < 256; ++b)
    pieces_[static_cast<std::size_t>(kFirstByte + b)] = std::string(1, static_cast<char>(b));
}

void Tokenizer::add_merge(std::int32_t a, std::int32_t b) {
  merged_[{a, b}] = vocabulary();
  merges_.emplace_back(a, b);
  pieces_.push_back(pieces_[static_cast<std::size_t>(a)] + pieces_[static_cast<std::size_t>(b)]);
}

Tokenizer Tokenizer::train(const std::vector<std::string>& texts, std::int32_t vocabulary) {
  std::map<std::string_view, std::int64_t> counts;
  for (const std::string& text : texts)
    for (const std::string_view word : split_words(text)) ++counts[word];
  std::vector<std::pair<std::vector<std::int32_t>, std::int64_t>> words;
  for (const auto& [word, count] : counts) words.emplace_back(bytes_of(word), count);

  Tokenizer t;
  while (t.vocabulary() < vocabulary) {
    std::map<Pair, std::int64_t> pairs;
    for (const auto& [ids, count] : words)
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) pairs[{ids[i], ids[i + 1]}] += count;
    const auto best = std::max_element(pairs.begin(), pairs.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == pairs.end() || best->second < 2) break;
    const Pair pair = best->first;
    t.add_merge(pair.first, pair.second);
    for (auto& [ids, count] : words) merge_pair(ids, pair, t.vocabulary() - 1);
  }
  return t;
}

void Tokenizer::merge_word(std::vector<std::int32_t>& word) const {
  while (word.size() > 1) {
    std::optional<std::pair<std::int32_t, Pair>> first;  // the earliest merge that applies
    for (std::size_t i = 0; i + 1 < word.size(); ++i) {
      const auto at = merged_.find({word[i], word[i + 1]});
      if (at != merged_.end() && (!first || at->second < first->first)) first = {at->second, at->first};
    }
    if (!first) return;
    merge_pair(word, first->second, first->first);
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  for (const std::string_view piece : split_words(text)) {
    std::vector<std::int32_t> word = bytes_of(piece);
    merge_word(word);
    ids.insert(ids.end(), word.begin(), word.end());
  }
  return ids;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids) const {
  std::string text;
  for (const std::int32_t id : ids)
    if (id >= kFirstByte && id < vocabulary()) text += pieces_[static_cast<std::size_t>(id)];
  return text;
}

std::vector<std::int32_t> Tokenizer::encode_padded(std::string_view text, std::size_t length) const {
  std::vector<std::int32_t> ids{kBegin};
  const std::vector<std::int32_t> body = encode(text);
  ids.insert(ids.end(), body.begin(), body.end());
  ids.resize(length, kPad);
  return ids;
}

std::string Tokenizer::to_json() const {
  nlohmann::ordered_json vocab, merges = nlohmann::ordered_json::array(), added = nlohmann::ordered_json::array();
  const std::array<const char*, 3> special{"<pad>", "<bos>", "<mask>"};
  for (std::int32_t id = 0; id < vocabulary(); ++id) {
    const bool is_special = id < kFirstByte;
    const std::string piece =
        is_special ? special[static_cast<std::size_t>(id)] : letters(pieces_[static_cast<std::size_t>(id)]);
    vocab[piece] = id;
    if (is_special) added.push_back({{"id", id}, {"content", piece}, {"special", true}});
  }
  for (const auto& [a, b] : merges_)
    merges.push_back(letters(pieces_[static_cast<std::size_t>(a)]) + " " +
                     letters(pieces_[static_cast<std::size_t>(b)]));
  const nlohmann::ordered_json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return json_text(nlohmann::ordered_json{{"version", "1.0"},
                                          {"added_tokens", added},
                                          {"pre_tokenizer", byte_level},
                                          {"decoder", byte_level},
                                          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}},
                   1) +
         "\n";
}

Expected<Tokenizer> Tokenizer::from_json(std::string_view file, std::string_view text) {
  const auto bad = [file](std::string_view why) {
    Diagnostic d{fmt::format("`{}` is no tokenizer of ours: {}", file, why)};
    d.where.file = std::string(file);
    return fail(std::move(d));
  };
  const nlohmann::json j = read_json(text);
  if (!j.is_object() || !j.contains("model") || !j["model"].is_object())
    return bad("it is no JSON with a key `model`");
  const nlohmann::json& model = j["model"];
  if (!model.contains("vocab") || !model["vocab"].is_object() || !model.contains("merges") ||
      !model["merges"].is_array())
    return bad("`model` has no `vocab` and `merges`");
  if (model["merges"].size() > 1'000'000) return bad("more than a million merges");

  Tokenizer t;
  std::map<std::string, std::int32_t> ids;
  for (std::int32_t b = 0; b < 256; ++b) ids[byte_letters()[static_cast<std::size_t>(b)]] = kFirstByte + b;
  for (const nlohmann::json& entry : model["merges"]) {
    std::string left, right;
    if (entry.is_string()) {
      const std::string both = entry;
      const std::size_t blank = both.find(' ');
      if (blank == std::string::npos) return bad("a merge is not two pieces");
      left = both.substr(0, blank);
      right = both.substr(blank + 1);
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      left = entry[0];
      right = entry[1];
    } else {
      return bad("a merge is not two pieces");
    }
    const auto a = ids.find(left), b = ids.find(right);
    if (a == ids.end() || b == ids.end()) return bad("a merge of a piece that no earlier one makes");
    if (left.size() + right.size() > 4096 || !ids.emplace(left + right, t.vocabulary()).second)
      return bad("a piece is made twice");
    t.add_merge(a->second, b->second);
  }
  for (const auto& [piece, id] : ids) {
    const auto at = model["vocab"].find(piece);
    if (at == model["vocab"].end() || !at->is_number_integer() || *at != id)
      return bad(fmt::format("the id of a piece is not {}, as the order of merges has it", id));
  }
  return t;
}

}  // namespace orrery::data

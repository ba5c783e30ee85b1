#include "backend/protocol/feature_entry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "backend/protocol/crc32c.hpp"
#include "backend/protocol/safetensors_header.hpp"

namespace orrery::worker {
namespace {

constexpr std::string_view kMagic = "ORRFEAT1";
constexpr std::size_t kHead = 24;
constexpr std::size_t kKeyDigits = 64;

void put(std::string& out, std::uint64_t v) {
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(v >> (8 * i) & 0xff));
}

std::uint64_t take(std::string_view bytes) {
  std::uint64_t v = 0;
  for (unsigned i = 0; i < 8; ++i) v |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return v;
}

bool is_key(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == kKeyDigits && std::all_of(text.begin(), text.end(), digit);
}

const TensorEntry* find(const TensorHeader& header, std::string_view name) {
  const auto at = std::find_if(header.tensors.begin(), header.tensors.end(),
                               [name](const TensorEntry& t) { return t.name == name; });
  return at == header.tensors.end() ? nullptr : &*at;
}

// What the header says, with views into `data`; the empty text: nothing is wrong.
std::string read_tensors(const TensorHeader& header, std::string_view data, FeatureEntry& entry) {
  const TensorEntry* const features = find(header, "features");
  const TensorEntry* const label = find(header, "label");
  const TensorEntry* const corrupt = find(header, "corrupt");
  if (features == nullptr || label == nullptr || corrupt == nullptr || header.tensors.size() != 3)
    return "it has other tensors than `features`, `label` and `corrupt`";
  if (features->dtype != "F32" || features->shape.size() != 2 || features->shape[0] < 1 || features->shape[1] < 1)
    return "`features` is no matrix of F32";
  if (label->dtype != "I64" || label->shape != std::vector{features->shape[0]}) return "`label` is not one I64 a row";
  if (corrupt->dtype != "I64" || corrupt->shape.size() != 1) return "`corrupt` is no list of I64";
  const auto of = [&](const TensorEntry& t) { return data.substr(t.begin, t.end - t.begin); };
  entry.samples = features->shape[0];
  entry.width = features->shape[1];
  entry.features = of(*features);
  entry.label = of(*label);
  for (std::string_view left = of(*corrupt); !left.empty(); left.remove_prefix(8))
    entry.corrupt.push_back(static_cast<std::int64_t>(take(left)));
  const bool ascending =
      std::adjacent_find(entry.corrupt.begin(), entry.corrupt.end(), std::greater_equal<>()) == entry.corrupt.end();
  if (!ascending || (!entry.corrupt.empty() && (entry.corrupt.front() < 0 || entry.corrupt.back() >= entry.samples)))
    return "`corrupt` names samples that are none";
  return {};
}

std::string read_metadata(const TensorHeader& header, FeatureEntry& entry) {
  const auto key = header.metadata.find("key"), compute = header.metadata.find("compute_ns");
  if (key == header.metadata.end() || compute == header.metadata.end() || header.metadata.size() != 2)
    return "it has other metadata than `key` and `compute_ns`";
  if (!is_key(key->second)) return "`key` is not of 64 digits";
  const std::string& digits = compute->second;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), entry.compute.ns);
  if (error != std::errc() || end != digits.data() + digits.size() || entry.compute.ns < 0)
    return "`compute_ns` is no time";
  entry.key = key->second;
  return {};
}

}  // namespace

std::string feature_entry_text(const FeatureEntry& entry) {
  std::string corrupt;
  for (const std::int64_t s : entry.corrupt) put(corrupt, static_cast<std::uint64_t>(s));
  TensorHeader header;
  header.metadata = {{"key", entry.key}, {"compute_ns", fmt::format("{}", entry.compute.ns)}};
  std::uint64_t at = 0;
  const auto add = [&](const char* name, const char* dtype, std::vector<std::int64_t> shape, std::size_t bytes) {
    header.tensors.push_back({name, dtype, std::move(shape), at, at + bytes});
    at += bytes;
  };
  add("features", "F32", {entry.samples, entry.width}, entry.features.size());
  add("label", "I64", {entry.samples}, entry.label.size());
  add("corrupt", "I64", {static_cast<std::int64_t>(entry.corrupt.size())}, corrupt.size());
  std::string rest;
  const std::string head = tensor_header_text(header);
  rest.reserve(8 + head.size() + at);
  put(rest, head.size() + at);
  rest += head;
  rest += entry.features;
  rest += entry.label;
  rest += corrupt;
  std::string out(kMagic);
  out.reserve(kHead - 8 + rest.size());
  put(out, live::crc32c(rest));
  out += rest;
  return out;
}

tl::expected<FeatureEntry, std::string> parse_feature_entry(std::string_view bytes) {
  const auto wrong = [](std::string why) { return tl::make_unexpected(std::move(why)); };
  if (bytes.size() < kHead || bytes.substr(0, kMagic.size()) != kMagic) return wrong("it is no entry of features");
  if (take(bytes.substr(16)) != bytes.size() - kHead)
    return wrong(fmt::format("it has {} bytes, not as many as it says", bytes.size()));
  if (take(bytes.substr(8)) != live::crc32c(bytes.substr(16))) return wrong("it does not match its checksum");
  const std::string_view file = bytes.substr(kHead);
  const auto header = parse_tensor_header(file);
  if (!header) return wrong(header.error());
  FeatureEntry entry;
  if (std::string why = read_tensors(*header, file.substr(header->data_at), entry); !why.empty()) return wrong(why);
  if (std::string why = read_metadata(*header, entry); !why.empty()) return wrong(why);
  return entry;
}

}  // namespace orrery::worker

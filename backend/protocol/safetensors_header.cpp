// See safetensors_header.hpp.
#include "backend/protocol/safetensors_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::worker {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostHeader = 100'000'000;
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 48;
constexpr std::string_view kMetadata = "__metadata__";

tl::unexpected<std::string> bad(std::string why) {
  return tl::make_unexpected(std::move(why));
}

tl::expected<TensorEntry, std::string> entry_from(const std::string& name, const Json& json) {
  TensorEntry e;
  e.name = name;
  if (!json.is_object()) return bad(fmt::format("tensor `{}` is not an object", name));
  const auto dtype = json.find("dtype"), shape = json.find("shape"), offsets = json.find("data_offsets");
  if (dtype == json.end() || shape == json.end() || offsets == json.end())
    return bad(fmt::format("tensor `{}` lacks dtype, shape or data_offsets", name));
  if (!dtype->is_string()) return bad(fmt::format("the dtype of tensor `{}` is not a string", name));
  e.dtype = dtype->get<std::string>();
  std::uint64_t elements = 1;
  if (element_bytes(e.dtype) == 0) return bad(fmt::format("tensor `{}` has an unknown dtype", name));
  if (!shape->is_array()) return bad(fmt::format("the shape of tensor `{}` is not a list", name));
  for (const Json& n : *shape) {
    if (!n.is_number_unsigned() || n.get<std::uint64_t>() > kMostElements)
      return bad(fmt::format("the shape of tensor `{}` is none", name));
    e.shape.push_back(n.get<std::int64_t>());
    elements *= n.get<std::uint64_t>();
    if (elements > kMostElements) return bad(fmt::format("the shape of tensor `{}` is too large", name));
  }
  if (!offsets->is_array() || offsets->size() != 2 || !(*offsets)[0].is_number_unsigned() ||
      !(*offsets)[1].is_number_unsigned())
    return bad(fmt::format("the data_offsets of tensor `{}` are not two numbers", name));
  e.begin = (*offsets)[0].get<std::uint64_t>();
  e.end = (*offsets)[1].get<std::uint64_t>();
  if (e.end < e.begin || e.end - e.begin != elements * element_bytes(e.dtype))
    return bad(fmt::format("the data_offsets of tensor `{}` do not fit its shape", name));
  return e;
}

}  // namespace

std::uint64_t element_bytes(std::string_view dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32" || dtype == "I32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16") return 2;
  return dtype == "U8" || dtype == "I8" || dtype == "BOOL" ? 1 : 0;
}

tl::expected<TensorHeader, std::string> parse_tensor_header(std::string_view bytes) {
  if (bytes.size() < 8) return bad("shorter than the length of a header");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<std::uint8_t>(bytes[i]);
  if (length > kMostHeader) return bad(fmt::format("a header of {} bytes", length));
  if (length > bytes.size() - 8) return bad("shorter than its header");
  const std::string_view text = bytes.substr(8, length);
  const Json json = read_json(text);
  if (!json.is_object()) return bad("the header is not a JSON object");
  TensorHeader h;
  h.data_at = 8 + length;
  for (const auto& [name, value] : json.items()) {
    if (name == kMetadata) {
      if (!value.is_object()) return bad("`__metadata__` is not an object");
      for (const auto& [key, text_of_key] : value.items()) {
        if (!text_of_key.is_string()) return bad("`__metadata__` holds what is not a string");
        h.metadata[key] = text_of_key.get<std::string>();
      }
      continue;
    }
    auto entry = entry_from(name, value);
    if (!entry) return tl::make_unexpected(entry.error());
    h.tensors.push_back(*std::move(entry));
  }
  const auto place = [](const TensorEntry& e) { return std::pair(e.begin, e.end); };
  std::stable_sort(h.tensors.begin(), h.tensors.end(),
                   [&](const TensorEntry& a, const TensorEntry& b) { return place(a) < place(b); });
  std::uint64_t at = 0;
  for (const TensorEntry& e : h.tensors) {
    if (e.begin != at) return bad(fmt::format("tensor `{}` overlaps another one or leaves a gap", e.name));
    at = e.end;
  }
  if (bytes.size() - h.data_at != at)
    return bad(fmt::format("{} bytes of data, {} in the header", bytes.size() - h.data_at, at));
  return h;
}

std::string tensor_header_text(const TensorHeader& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json[std::string(kMetadata)] = header.metadata;
  for (const TensorEntry& e : header.tensors)
    json[e.name] = {{"dtype", e.dtype}, {"shape", e.shape}, {"data_offsets", {e.begin, e.end}}};
  std::string text = json_text(json);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i) & 0xff);
  return out + text;
}

}  // namespace orrery::worker

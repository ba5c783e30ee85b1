// The manifest's own checksum is over its JSON without that key, as the library prints it (keys in order), so the
// file stays plain JSON for every other reader.
#include "backend/protocol/checkpoint_manifest.hpp"

#include <fmt/format.h>

#include "backend/protocol/crc32c.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::live {
namespace {

using Json = nlohmann::json;

std::string dump(const Json& json) {
  return json_line(json);
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name != kManifestName &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::string manifest_text(const Checkpoint& checkpoint) {
  const CheckpointStamp& stamp = checkpoint.stamp;
  Json files = Json::array();
  for (const CheckpointFile& file : checkpoint.files)
    files.push_back({{"name", file.name}, {"bytes", file.bytes.size()}, {"crc32c", crc32c(file.bytes)}});
  Json json = {{"orrery", "checkpoint"},
               {"schema", 1},
               {"job", stamp.job},
               {"incarnation", stamp.incarnation},
               {"generation", stamp.generation},
               {"step", stamp.step},
               {"done_work_ns", stamp.done.ns},
               {"files", files}};
  json["crc32c"] = crc32c(dump(json));
  return dump(json) + "\n";
}

tl::expected<CheckpointManifest, std::string> parse_manifest(const std::string& text) {
  const auto bad = [](const char* why) { return tl::make_unexpected(std::string(why)); };
  Json json = read_json(text);
  if (!json.is_object()) return bad("the manifest is not a JSON object");
  if (dump(json) + "\n" != text) return bad("the manifest is not as it was written");
  try {
    const auto crc = json.at("crc32c").get<std::uint32_t>();
    json.erase("crc32c");
    if (crc32c(dump(json)) != crc) return bad("the manifest does not match its checksum");
    if (json.at("orrery") != "checkpoint" || json.at("schema") != 1) return bad("the manifest is of another kind");
    CheckpointManifest m;
    m.stamp.job = json.at("job").get<std::string>();
    m.stamp.incarnation = json.at("incarnation").get<std::int64_t>();
    m.stamp.generation = json.at("generation").get<std::int64_t>();
    m.stamp.step = json.at("step").get<std::int64_t>();
    m.stamp.done = {json.at("done_work_ns").get<std::int64_t>()};
    for (const Json& file : json.at("files")) {
      m.files.push_back({file.at("name").get<std::string>(), file.at("bytes").get<std::uint64_t>(),
                         file.at("crc32c").get<std::uint32_t>()});
      if (!is_plain_name(m.files.back().name)) return bad("the manifest names a file outside its folder");
    }
    return m;
  } catch (const Json::exception&) {
    return bad("the manifest lacks a key or has one of the wrong type");
  }
}

}  // namespace orrery::live

// Reads and writes the JSON of `start` key by key. A table would be shorter by a few lines, but could not say what
// range each value has.
#include "backend/protocol/start_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::live {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// Takes keys out of an object one by one; keeps the first complaint.
class Keys {
 public:
  Keys(const Json& object, std::string prefix) : object_(&object), prefix_(std::move(prefix)) {}

  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high = kMax) {
    const Json* value = find(key);
    if (value == nullptr) return low;
    if (!value->is_number_integer()) return complain(key, "is not an integer"), low;
    const bool fits = !value->is_number_unsigned() || value->get<std::uint64_t>() <= static_cast<std::uint64_t>(kMax);
    const std::int64_t n = fits ? value->get<std::int64_t>() : kMax;
    if (!fits || n < low || n > high) return complain(key, fmt::format("is not within {} to {}", low, high)), low;
    return n;
  }

  bool boolean(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return complain(key, "is neither true nor false"), false;
    return value->get<bool>();
  }

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return complain(key, "is not a string"), std::string();
    std::string text = value->get<std::string>();
    const auto control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
    if (text.empty()) complain(key, "is empty");
    if (std::any_of(text.begin(), text.end(), control)) complain(key, "holds a control character");
    return text;
  }

  bool has(const char* key) const { return object_->contains(key); }

  const Json* object(const char* key) {
    const Json* value = find(key);
    if (value != nullptr && !value->is_object()) complain(key, "is not an object");
    return error.empty() ? value : nullptr;
  }

  void complain(const char* key, std::string_view what) {
    if (error.empty()) error = fmt::format("`{}{}` {}", prefix_, key, what);
  }

  // To be called last: whatever has not been asked for is unknown.
  void finish() {
    for (const auto& [key, value] : object_->items())
      if (!seen_.contains(key)) complain(key.c_str(), "is not a key of `start`");
  }

  std::string error{};

 private:
  const Json* find(const char* key) {
    seen_.insert(key);
    const auto at = object_->find(key);
    if (at != object_->end()) return &*at;
    complain(key, "is missing");
    return nullptr;
  }

  const Json* object_;
  std::string prefix_;
  std::set<std::string> seen_{};
};

// The parsed object, or null with the complaint. The library keeps the last of two equal keys; here that is an error.
Json parse_object(std::string_view text, std::string& error) {
  std::vector<std::set<std::string>> open;
  const auto look = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second && error.empty())
      error = fmt::format("`{}` is there twice", value.get<std::string>());
    return true;
  };
  Json json = Json::parse(text.begin(), text.end(), look, false);
  if (error.empty() && json.is_discarded()) error = "what follows `start` is not JSON";
  if (error.empty() && !json.is_object()) error = "what follows `start` is not a JSON object";
  return json;
}

// A section of the object, where there is one: `read` takes its keys.
template <class T, class Read>
T section_from(const Json* json, std::string_view path, std::string& error, Read read) {
  T section;
  if (json == nullptr) return section;
  Keys keys(*json, std::string(path));
  read(keys, section);
  keys.finish();
  if (error.empty()) error = keys.error;
  return section;
}

PacedCosts costs_from(const Json* json, std::string& error) {
  return section_from<PacedCosts>(json, "costs.", error, [](Keys& keys, PacedCosts& costs) {
    costs.start = {keys.integer("start_ns", 0)};
    costs.restore = {keys.integer("restore_ns", 0)};
    costs.save = {keys.integer("save_ns", 0)};
    costs.stop = {keys.integer("stop_ns", 0)};
  });
}

Fence fence_from(const Json* json, std::string& error) {
  return section_from<Fence>(json, "fence.", error, [](Keys& keys, Fence& fence) {
    fence.path = keys.text("path");
    fence.token = keys.integer("token", 1);
  });
}

FeatureFolder features_from(const Json* json, std::string& error) {
  return section_from<FeatureFolder>(json, "features.", error, [](Keys& keys, FeatureFolder& f) {
    f.path = keys.text("path");
    f.limit_bytes = keys.integer("limit_bytes", 1);
    f.bytes_per_s = keys.integer("bytes_per_s", 1);
    f.readers_per_mille = keys.integer("readers_per_mille", 1);
  });
}

}  // namespace

tl::expected<Start, std::string> start_from_json(std::string_view text) {
  std::string error;
  const Json json = parse_object(text, error);
  if (!error.empty()) return tl::make_unexpected(error);
  Keys keys(json, "");
  Start s;
  const std::int64_t version = keys.integer("protocol", 0);
  if (keys.error.empty() && version != kProtocolVersion)
    return tl::make_unexpected(
        fmt::format("this controller speaks protocol {}, this worker speaks {}", version, kProtocolVersion));
  s.job = keys.text("job");
  if (s.job == "." || s.job == ".." || s.job.find('/') != std::string::npos || s.job.size() > 200)
    keys.complain("job", "cannot be the name of a folder");
  s.incarnation = keys.integer("incarnation", 1);
  s.generation = keys.integer("generation", 0);
  s.world = keys.integer("world", 1, kMaxWorld);
  s.run_folder = keys.text("run_folder");
  s.checkpoint_dir = keys.text("checkpoint_dir");
  s.restore = keys.boolean("restore");
  s.total_work = {keys.integer("total_work_ns", 0)};
  s.step_time = {keys.integer("step_ns", 1)};
  s.step_work = {keys.integer("step_work_ns", 1)};
  s.save_every_steps = keys.integer("save_every_steps", 0);
  s.report_every_steps = keys.integer("report_every_steps", 0);
  s.lease_s = keys.integer("lease_s", 0, kMaxLeaseSeconds);
  if (keys.has("task")) s.task = keys.text("task");
  if (keys.has("from")) s.from = keys.text("from");
  if (keys.has("fence")) s.fence = fence_from(keys.object("fence"), keys.error);
  if (keys.has("batch")) s.batch = keys.integer("batch", 1);
  if (keys.has("accumulation")) s.accumulation = keys.integer("accumulation", 1);
  if (keys.has("features")) s.features = features_from(keys.object("features"), keys.error);
  if (keys.has("fill")) s.fill = keys.integer("fill", 0, kFillAlways);
  s.costs = costs_from(keys.object("costs"), keys.error);
  keys.finish();
  if (!keys.error.empty()) return tl::make_unexpected(keys.error);
  return s;
}

std::string start_to_json(const Start& s) {
  nlohmann::ordered_json json;
  json["protocol"] = kProtocolVersion;
  json["job"] = s.job;
  json["incarnation"] = s.incarnation;
  json["generation"] = s.generation;
  json["world"] = s.world;
  json["run_folder"] = s.run_folder;
  json["checkpoint_dir"] = s.checkpoint_dir;
  json["restore"] = s.restore;
  json["total_work_ns"] = s.total_work.ns;
  json["step_ns"] = s.step_time.ns;
  json["step_work_ns"] = s.step_work.ns;
  json["save_every_steps"] = s.save_every_steps;
  json["report_every_steps"] = s.report_every_steps;
  json["costs"] = {{"start_ns", s.costs.start.ns},
                   {"restore_ns", s.costs.restore.ns},
                   {"save_ns", s.costs.save.ns},
                   {"stop_ns", s.costs.stop.ns}};
  json["lease_s"] = s.lease_s;
  if (!s.task.empty()) json["task"] = s.task;
  if (!s.from.empty()) json["from"] = s.from;
  if (!s.fence.path.empty()) json["fence"] = {{"path", s.fence.path}, {"token", s.fence.token}};
  if (s.batch > 0) json["batch"] = s.batch;
  if (s.accumulation > 0) json["accumulation"] = s.accumulation;
  if (!s.features.path.empty())
    json["features"] = {{"path", s.features.path},
                        {"limit_bytes", s.features.limit_bytes},
                        {"bytes_per_s", s.features.bytes_per_s},
                        {"readers_per_mille", s.features.readers_per_mille}};
  if (s.fill) json["fill"] = *s.fill;
  return json_line(json);
}

}  // namespace orrery::live

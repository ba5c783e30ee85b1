// See job_file.hpp.
#include "scenarios/app/job_file.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <set>

#include "backend/live/files.hpp"

namespace orrery::app {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 32;

tl::unexpected<Error> fail_at(const std::string& file, const YAML::Mark& mark, std::string message) {
  Diagnostic d{std::move(message)};
  d.where = {file, mark.line + 1, mark.column + 1};
  return fail(std::move(d));
}

Json scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "false") return text == "true";
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [stop, code] = std::from_chars(text.data(), end, whole); code == std::errc() && stop == end)
    return whole;
  double real = 0;
  if (const auto [stop, code] = std::from_chars(text.data(), end, real); code == std::errc() && stop == end)
    return real;
  return text;
}

Expected<Json> convert(const YAML::Node& node, const std::string& file, int depth) {
  if (depth > kDeepest) return fail_at(file, node.Mark(), "nested too deeply");
  if (node.IsMap()) {
    Json out = Json::object();
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) return fail_at(file, pair.first.Mark(), "a key is not a word");
      const std::string key = pair.first.Scalar();
      if (out.contains(key)) return fail_at(file, pair.first.Mark(), fmt::format("`{}` is there twice", key));
      auto value = convert(pair.second, file, depth + 1);
      if (!value) return value;
      out[key] = *std::move(value);
    }
    return out;
  }
  if (node.IsSequence()) {
    Json out = Json::array();
    for (const auto& item : node) {
      auto value = convert(item, file, depth + 1);
      if (!value) return value;
      out.push_back(*std::move(value));
    }
    return out;
  }
  return node.IsScalar() ? scalar(node) : Json(nullptr);
}

// A whole number of at least `low`, where the key is there.
bool take(const Json& config, const char* key, std::int64_t low, std::int64_t& value) {
  const auto at = config.find(key);
  if (at == config.end()) return true;
  if (!at->is_number_integer() || at->get<std::int64_t>() < low) return false;
  value = at->get<std::int64_t>();
  return true;
}

}  // namespace

Expected<Json> yaml_to_json(const std::string& text, const std::string& file) {
  try {
    return convert(YAML::Load(text), file, 0);
  } catch (const YAML::Exception& e) {
    return fail_at(file, e.mark, e.msg);
  }
}

Expected<Json> yaml_to_json(const YAML::Node& node, const std::string& file) {
  return convert(node, file, 0);
}

Expected<JobFile> read_job_file(const std::string& path) {
  const auto text = live::read_file(path);
  if (!text) return tl::make_unexpected(text.error());
  auto json = yaml_to_json(*text, path);
  if (!json) return tl::make_unexpected(std::move(json.error()));
  return job_of(*std::move(json), path);
}

Expected<JobFile> job_of(Json config, const std::string& path) {
  JobFile job;
  job.path = path;
  job.config = std::move(config);
  const auto bad = [&](std::string why) { return fail_at(path, YAML::Mark::null_mark(), std::move(why)); };
  if (!job.config.is_object()) return bad("a job file is a mapping");
  if (!job.config.contains("task") || !job.config["task"].is_string())
    return bad("a job file has a key `task`: what kind of training it is");
  if (job.config.contains("name") && !job.config["name"].is_string()) return bad("`name` is a word");
  job.name = job.config.value("name", std::filesystem::path(path).stem().string());
  std::int64_t ranks = 1;
  if (!take(job.config, "ranks", 1, ranks) || ranks > 1024) return bad("`ranks` is a number from 1 to 1024");
  job.ranks = static_cast<int>(ranks);
  job.global_batch = 16;  // the trainer's default
  if (!job.config.contains("steps") || !take(job.config, "steps", 1, job.steps))
    return bad("a job file has a key `steps` of at least 1");
  if (!take(job.config, "global_batch", 1, job.global_batch)) return bad("`global_batch` is a number of at least 1");
  if (const auto from = job.config.find("from"); from != job.config.end() && !from->is_null()) {
    if (!from->is_string()) return bad("`from` is a path or a name");
    job.from = from->get<std::string>();
  }
  return job;
}

}  // namespace orrery::app

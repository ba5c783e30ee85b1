// See job_file.hpp.
#include "scenarios/spec/job_file.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "backend/protocol/files.hpp"
#include "scenarios/spec/moved_file.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/job_schema.hpp"

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

std::string line_of(const std::string& text, int line) {
  std::istringstream in(text);
  std::string out;
  for (int i = 0; i < line && std::getline(in, out); ++i) continue;
  return out;
}

// Gives an error that names a key by its path ("data.make.sampls") the place of that key in the document, or of the
// innermost section of the path that is there.
void place(Diagnostic& d, const YAML::Node& root, const std::string& text) {
  if (d.where.line > 0) return;
  YAML::Node section = root;
  std::istringstream path(named_path(d));
  for (std::string name; section.IsMap() && std::getline(path, name, '.');) {
    const YAML::Node in = section;
    for (const auto& pair : in) {
      if (!pair.first.IsScalar() || pair.first.Scalar() != name) continue;
      d.where.line = pair.first.Mark().line + 1;
      d.where.column = pair.first.Mark().column + 1;
      d.width = static_cast<int>(name.size());
      section.reset(pair.second);
    }
    if (section.is(in)) break;
  }
  if (d.where.line > 0) d.line_text = line_of(text, d.where.line);
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
  if (!text) return tl::make_unexpected(with_place(text.error(), path));
  return read_job_text(*text, path);
}

Expected<JobFile> read_job_text(const std::string& text, const std::string& path) {
  auto json = yaml_to_json(text, path);
  if (!json) return tl::make_unexpected(std::move(json.error()));
  auto job = job_of(*std::move(json), path);
  if (job) return job;
  const YAML::Node root = YAML::Load(text);
  std::vector<Diagnostic>& items = job.error().items;
  for (Diagnostic& d : items) place(d, root, text);
  std::stable_sort(items.begin(), items.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.where.line < b.where.line; });
  return job;
}

Expected<JobFile> job_of(JsonBox config, const std::string& path) {
  JobFile job;
  job.path = path;
  job.config = std::move(config);
  const auto bad = [&](std::string why) { return fail_at(path, YAML::Mark::null_mark(), std::move(why)); };
  if (!job.config->is_object()) return bad("a job file is a mapping");
  if (std::vector<Diagnostic> faults = job_faults(*job.config); !faults.empty()) {
    for (Diagnostic& d : faults) d.where.file = path;
    return tl::make_unexpected(Error(std::move(faults)));
  }
  if (!job.config->contains("task")) return bad("a job file has a key `task`: what kind of training it is");
  if (!job.config->contains("steps")) return bad("a job file has a key `steps` of at least 1");
  job.name = job.config->value("name", std::filesystem::path(path).stem().string());
  job.ranks = job.config->value("ranks", 1);
  job.steps = (*job.config)["steps"].get<std::int64_t>();
  job.global_batch = job.config->value("global_batch", std::int64_t{16});  // the trainer's default
  if (const auto from = job.config->find("from"); from != job.config->end() && !from->is_null())
    job.from = from->get<std::string>();
  return job;
}

}  // namespace orrery::app

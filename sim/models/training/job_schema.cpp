#include "sim/models/training/job_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/models/training/multimodal_config.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

struct Key;
using Keys = std::vector<Key>;

struct Key {
  enum class Kind : std::uint8_t { whole, number, flag, text, choice, betas, keys, elsewhere };
  std::string_view name;
  Kind kind = Kind::elsewhere;  // elsewhere: whoever reads it checks it
  double least = 0, most = std::numeric_limits<double>::max();
  std::vector<std::string_view> words{};  // of a choice
  Keys inside{};                          // of keys
};
using Kind = Key::Kind;

// Of data.make and evaluate.make; what `kind` and `combinations` may be the maker knows (backend/data/maker.hpp).
const Keys& make_keys() {
  static const Keys keys{{"kind", Kind::text},
                         {"samples", Kind::whole, 1},
                         {"size", Kind::whole, 8, 1024},
                         {"sound", Kind::flag},
                         {"seed", Kind::whole},
                         {"combinations", Kind::text},
                         {"useless_captions", Kind::flag},
                         {"vocabulary", Kind::whole, 1},
                         {"shard_samples", Kind::whole, 1}};
  return keys;
}

Key section(std::string_view name, Keys inside) {
  return {name, Kind::keys, 0, 0, {}, std::move(inside)};
}

const Keys& optimizer_keys() {
  static const Keys keys{{"lr", Kind::number},
                         {"betas", Kind::betas},
                         {"eps", Kind::number},
                         {"weight_decay", Kind::number},
                         {"warmup", Kind::whole},
                         {"schedule", Kind::choice, 0, 0, {"constant", "cosine"}},
                         {"min_lr_ratio", Kind::number, 0, 1},
                         {"clip", Kind::number}};
  return keys;
}

// What every job has.
const Keys& loop_keys() {
  static const Keys keys{{"task", Kind::text},
                         {"name", Kind::text},
                         {"ranks", Kind::whole, 1, 1024},
                         {"steps", Kind::whole, 1},
                         {"global_batch", Kind::whole, 1},
                         {"micro_batch", Kind::whole},
                         {"seed", Kind::whole},
                         {"precision", Kind::choice, 0, 0, {"fp32", "bf16"}},
                         {"threads", Kind::whole, 1},
                         {"save_every", Kind::whole},
                         {"report_every", Kind::whole},
                         {"evaluate_every", Kind::whole},
                         {"bucket_bytes", Kind::whole},
                         {"from"},
                         section("optimizer", optimizer_keys())};
  return keys;
}

Keys with(Keys keys, const Keys& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

// The loop's and the task's keys; null for a task that is not known here.
const Keys* keys_of(const Json& task) {
  static const Key folder{"folder", Kind::text}, make = section("make", make_keys());
  static const Keys multimodal = with(loop_keys(), {{"model"},
                                                    section("data", {folder, make, {"augment", Kind::flag}}),
                                                    section("evaluate", {folder, make, {"samples", Kind::whole, 1}}),
                                                    {"assess", Kind::flag}});
  static const Keys toy = with(loop_keys(), {section("model", {{"width", Kind::whole, 1},
                                                               {"dropout", Kind::number, 0, 1},
                                                               {"branch", Kind::flag},
                                                               {"pause_ms", Kind::whole}})});
  if (task == "multimodal") return &multimodal;
  return task == "toy" ? &toy : nullptr;
}

// For messages; what is no UTF-8 is shown as the replacement character.
std::string shown(const Json& j) {
  return json_line(j);
}

bool between(const Json& j, double least, double most) {
  return j.is_number() && j.get<double>() >= least && j.get<double>() <= most;
}

bool good_betas(const Json& j) {
  const auto good = [](const Json& b) { return b.is_number() && b.get<double>() >= 0 && b.get<double>() < 1; };
  return j.is_array() && j.size() == 2 && good(j[0]) && good(j[1]);
}

// What is wanted where `j` is not it; "" where it is.
std::string wanted(const Json& j, const Key& key) {
  const bool bounded = key.most != std::numeric_limits<double>::max();
  const std::string range =
      bounded ? fmt::format("from {} to {}", key.least, key.most) : fmt::format("of at least {}", key.least);
  switch (key.kind) {
    case Kind::whole:
      return j.is_number_integer() && between(j, key.least, key.most) ? "" : "a whole number " + range;
    case Kind::number: return between(j, key.least, key.most) ? "" : "a number " + range;
    case Kind::flag: return j.is_boolean() ? "" : "true or false";
    case Kind::text: return j.is_string() ? "" : "a word";
    case Kind::choice: {
      const bool known = std::any_of(key.words.begin(), key.words.end(), [&](const auto w) { return j == w; });
      return known ? "" : fmt::format("`{}`", joined(key.words, "` or `"));
    }
    case Kind::betas: return good_betas(j) ? "" : "a list of two numbers from 0 to below 1";
    case Kind::keys: return j.is_object() ? "" : "a set of keys";
    case Kind::elsewhere: break;
  }
  return {};
}

void check(const Json& json, const std::string& prefix, const Keys& keys, bool only_known,
           std::vector<Diagnostic>& faults) {
  std::vector<std::string_view> names;
  for (const Key& key : keys) names.push_back(key.name);
  for (const auto& [name, value] : json.items()) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      if (!only_known) continue;
      Diagnostic d{fmt::format("unknown key `{}{}`", prefix, name)};
      const std::string_view near = closest(name, names);
      if (!near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
      d.notes = {fmt::format("keys here: {}", joined(names, ", "))};
      faults.push_back(std::move(d));
      continue;
    }
    const Key& key = keys[static_cast<std::size_t>(at - names.begin())];
    if (const std::string want = wanted(value, key); !want.empty())
      faults.emplace_back(fmt::format("`{}{}` is `{}`; {} is wanted", prefix, name, shown(value), want));
    else if (key.kind == Kind::keys)
      check(value, prefix + name + ".", key.inside, true, faults);
  }
}

}  // namespace

std::vector<Diagnostic> job_faults(const Json& job) {
  if (!job.is_object()) return {Diagnostic{"a job is a set of keys (task, steps, model, data, ...)"}};
  std::vector<Diagnostic> faults;
  const Json task = job.value("task", Json());
  const Keys* const keys = keys_of(task);
  check(job, "", keys != nullptr ? *keys : loop_keys(), keys != nullptr, faults);
  const auto from = job.find("from");
  if (from != job.end() && !from->is_null() && !from->is_string())
    faults.emplace_back(fmt::format("`from` is `{}`; a path or a name is wanted", shown(*from)));
  if (task == "multimodal" && job.contains("model"))
    if (const auto model = read_model_config(job["model"]); !model)
      faults.insert(faults.end(), model.error().items.begin(), model.error().items.end());
  return faults;
}

std::string named_path(const Diagnostic& d) {
  const std::size_t open = d.message.find('`');
  const std::size_t close = open == std::string::npos ? open : d.message.find('`', open + 1);
  return close == std::string::npos ? std::string() : d.message.substr(open + 1, close - open - 1);
}

}  // namespace orrery

#include "policies/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::optional<std::int64_t> parse_integer(std::string_view s) {
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return v;
}

// "3250GPUs", "2GPUh", "30m": a whole number and a unit.
std::optional<Duration> parse_gpu_time(std::string_view s) {
  std::size_t digits = 0;
  while (digits < s.size() && s[digits] >= '0' && s[digits] <= '9') ++digits;
  const auto number = parse_integer(s.substr(0, digits));
  std::string_view unit = trim(s.substr(digits));
  if (!number || *number > 1'000'000'000) return std::nullopt;
  if (unit.substr(0, 3) == "GPU" || unit.substr(0, 3) == "gpu") unit = trim(unit.substr(3));
  if (unit == "s") return seconds(*number);
  if (unit == "m" || unit == "min") return seconds(*number * 60);
  if (unit == "h") return seconds(*number * 3600);
  if (unit == "d") return seconds(*number * 86400);
  return std::nullopt;
}

}  // namespace

OptionReader::OptionReader(std::string owner, std::map<std::string, std::string> given,
                           std::map<std::string, SourcePos> where, const std::vector<OptionSpec>& specs)
    : owner_(std::move(owner)), given_(std::move(given)), where_(std::move(where)), specs_(&specs) {
  std::vector<std::string_view> names;
  std::string list;
  for (const OptionSpec& s : specs) {
    names.emplace_back(s.name);
    list += (list.empty() ? "" : ", ") + s.name;
  }
  for (const auto& [name, text] : given_) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    Diagnostic d;
    d.message = fmt::format("policy `{}` has no option `{}`", owner_, name);
    if (const auto at = where_.find(name); at != where_.end()) d.where = at->second;
    if (const std::string_view near = closest(name, names); !near.empty())
      d.hint = fmt::format("did you mean `{}`?", near);
    d.notes.push_back(specs.empty() ? fmt::format("`{}` has no options besides placement", owner_)
                                    : fmt::format("options of {}: {}", owner_, list));
    errors_.push_back(std::move(d));
  }
}

const OptionSpec& OptionReader::spec(std::string_view name) const {
  const auto it =
      std::find_if(specs_->begin(), specs_->end(), [name](const OptionSpec& s) { return s.name == name; });
  ORRERY_ASSERT(it != specs_->end(), "policy {} reads option {}, which is not in its table", owner_, name);
  return *it;
}

OptionReader::Value OptionReader::value(std::string_view name) const {
  const OptionSpec& s = spec(name);
  const auto it = given_.find(s.name);
  if (it == given_.end()) return {s.default_value, {}};
  const auto at = where_.find(s.name);
  return {it->second, at == where_.end() ? SourcePos{} : at->second};
}

void OptionReader::complain(std::string_view name, const Value& v, std::string message, std::string hint) {
  Diagnostic d;
  d.message = fmt::format("option `{}` of policy `{}` is `{}`, {}", name, owner_, v.text, message);
  d.where = v.where;
  d.hint = std::move(hint);
  errors_.push_back(std::move(d));
}

std::int64_t OptionReader::integer(std::string_view name) {
  const Value v = value(name);
  if (const auto n = parse_integer(trim(v.text)); n && *n >= 0) return *n;
  complain(name, v, "must be a whole number >= 0", "");
  return 0;
}

bool OptionReader::boolean(std::string_view name) {
  const Value v = value(name);
  const std::string_view t = trim(v.text);
  if (t == "true" || t == "yes" || t == "on") return true;
  if (t != "false" && t != "no" && t != "off") complain(name, v, "must be true or false", "");
  return false;
}

std::string OptionReader::choice(std::string_view name) {
  const Value v = value(name);
  const OptionSpec& s = spec(name);
  if (std::find(s.choices.begin(), s.choices.end(), v.text) != s.choices.end()) return v.text;
  std::vector<std::string_view> names(s.choices.begin(), s.choices.end());
  const std::string_view near = closest(v.text, names);
  complain(name, v, fmt::format("must be one of {}", fmt::join(s.choices, ", ")),
           near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  return s.default_value;
}

std::vector<Duration> OptionReader::gpu_time_list(std::string_view name) {
  const Value v = value(name);
  std::string_view text = trim(v.text);
  if (!text.empty() && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  std::vector<Duration> out;
  while (!trim(text).empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto d = parse_gpu_time(item);
    if (!d) {
      complain(name, v, fmt::format("and `{}` in it is no GPU time", item),
               "write 3250GPUs or 2GPUh (30m for plain time)");
      return {};
    }
    if (!out.empty() && *d <= out.back()) {
      complain(name, v, "but limits must increase", "");
      return {};
    }
    out.push_back(*d);
  }
  return out;
}

std::string OptionReader::path(std::string_view name) {
  const Value v = value(name);
  if (v.where.line == 0) return v.text;  // of the command line
  const std::string_view folder = std::string_view(v.where.file).substr(0, v.where.file.rfind('/') + 1);
  if (v.text.empty() || v.text.front() == '/') return v.text;
  return std::string(folder) + v.text;
}

void OptionReader::refuse(std::string_view name, std::string message, std::string hint) {
  complain(name, value(name), std::move(message), std::move(hint));
}

void OptionReader::refuse(Error error) {
  for (Diagnostic& d : error.items) errors_.push_back(std::move(d));
}

Expected<void> OptionReader::finish() const {
  if (errors_.empty()) return {};
  return tl::make_unexpected(Error(errors_));
}

}  // namespace orrery

#include "sim/api/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sim/core/assert.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/quantity.hpp"

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

// "2", "0.25": in thousandths.
std::optional<std::int64_t> parse_thousandths(std::string_view s) {
  const std::size_t point = s.find('.');
  const std::string_view whole = s.substr(0, point);
  std::string decimals(point == std::string_view::npos ? "0" : s.substr(point + 1));
  if (decimals.empty() || decimals.size() > 3 || s.find_first_of("+-") != s.npos) return std::nullopt;
  decimals.resize(3, '0');
  const auto units = parse_integer(whole);
  const auto rest = parse_integer(decimals);
  constexpr std::int64_t kMost = 1'000'000'000'000;
  if (!units || !rest || *units > kMost) return std::nullopt;
  return *units * 1000 + *rest;
}

bool parse_boolean(std::string_view t, bool& out) {
  out = t == "true" || t == "yes" || t == "on";
  return out || t == "false" || t == "no" || t == "off";
}

// "3250GPUs", "2GPUh", "30m": a number and a unit; GPU-time where that is wanted.
std::optional<Duration> parse_time(std::string_view s, bool gpu_time) {
  std::string plain(s);
  for (const std::string_view gpu : {"GPU", "gpu"})
    if (const std::size_t at = plain.find(gpu); gpu_time && at != std::string::npos) {
      plain.erase(at, gpu.size());
      break;
    }
  const auto d = parse_duration(plain);
  return d ? std::optional(*d) : std::nullopt;
}

// The parts of "[a, b]", or of "a, b".
std::vector<std::string_view> items_of(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = trim(text.substr(1, text.size() - 2));
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    out.push_back(trim(text.substr(0, comma)));
    text = comma == std::string_view::npos ? std::string_view{} : trim(text.substr(comma + 1));
  }
  return out;
}

bool within(const OptionSpec& s, Duration d) {
  return d >= seconds(s.least) && d <= seconds(s.most);
}

bool is_time(const OptionSpec& s) {
  return s.type == "time" || s.type == "gpu_time" || s.type == "gpu_time_list";
}

}  // namespace

std::string_view how_many(const OptionSpec& s) {
  return s.type == "choices" ? "some of" : "one of";
}

std::string range_text(const OptionSpec& s) {
  if (s.type == "integer") return fmt::format("from {} to {}", s.least, s.most);
  if (s.type == "decimal") return fmt::format("from {} to {}", s.least, s.most);
  if (!is_time(s)) return "";
  return fmt::format("from {} to {}", format_duration(seconds(s.least)), format_duration(seconds(s.most)));
}

OptionReader::OptionReader(std::string owner, std::map<std::string, std::string> given,
                           std::map<std::string, SourcePos> where, const std::vector<OptionSpec>& specs)
    : owner_(std::move(owner)), given_(std::move(given)), where_(std::move(where)), specs_(&specs) {
  for (const auto& [name, text] : given_) {
    if (const OptionSpec* s = find(name))
      check(*s, value(name));
    else
      unknown(name);
  }
}

void OptionReader::unknown(const std::string& name) {
  std::vector<std::string_view> names;
  std::string list;
  for (const OptionSpec& s : *specs_) {
    names.emplace_back(s.name);
    list += (list.empty() ? "" : ", ") + s.name;
  }
  Diagnostic d;
  d.message = fmt::format("policy `{}` has no option `{}`", owner_, name);
  if (const auto at = where_.find(name); at != where_.end()) d.where = at->second;
  d.width = static_cast<int>(name.size());
  if (const std::string_view near = closest(name, names); !near.empty())
    d.hint = fmt::format("did you mean `{}`?", near);
  d.notes.push_back(specs_->empty() ? fmt::format("`{}` has no options besides placement", owner_)
                                    : fmt::format("options of {}: {}", owner_, list));
  errors_.push_back(std::move(d));
}

// What is wrong with a value that is given, by the table.
void OptionReader::check(const OptionSpec& s, const Value& v) {
  const std::string_view text = trim(v.text);
  if (s.type == "integer") {
    const auto n = parse_integer(text);
    if (!n || *n < s.least || *n > s.most)
      complain(s.name, v, fmt::format("must be a whole number {}", range_text(s)), "");
  } else if (s.type == "decimal") {
    const auto n = parse_thousandths(text);
    if (!n || *n < s.least * 1000 || *n > s.most * 1000)
      complain(s.name, v, fmt::format("must be a number {}, with three decimals at most", range_text(s)), "");
  } else if (s.type == "boolean") {
    if (bool ignored = false; !parse_boolean(text, ignored)) complain(s.name, v, "must be true or false", "");
  } else if (s.type == "choice") {
    check_choice(s, v, v.text);
  } else if (s.type == "choices") {
    for (const std::string_view item : items_of(v.text)) check_choice(s, v, item);
  } else if (is_time(s)) {
    check_times(s, v);
  }
}

void OptionReader::check_choice(const OptionSpec& s, const Value& v, std::string_view chosen) {
  if (std::find(s.choices.begin(), s.choices.end(), chosen) != s.choices.end()) return;
  const std::string_view near = closest(chosen, {s.choices.begin(), s.choices.end()});
  complain(s.name, v, fmt::format("must be {} {}", how_many(s), joined(s.choices, ", ")),
           near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

void OptionReader::check_times(const OptionSpec& s, const Value& v) {
  const std::vector<std::string_view> items = items_of(v.text);
  const bool gpu_time = s.type != "time";
  if (s.type != "gpu_time_list" && items.size() != 1)
    return complain(s.name, v, "must be one time", gpu_time ? "write 3250GPUs or 2GPUh" : "write 90s or 5m");
  std::optional<Duration> before;
  for (const std::string_view item : items) {
    const auto d = parse_time(item, gpu_time);
    if (!d)
      return complain(s.name, v, fmt::format("and `{}` in it is no {}time", item, gpu_time ? "GPU " : ""),
                      gpu_time ? "write 3250GPUs or 2GPUh (30m for plain time)" : "write 90s or 5m");
    if (!within(s, *d))
      return complain(s.name, v, fmt::format("{}must be {}", items.size() > 1 ? "but each " : "", range_text(s)), "");
    if (before && *d <= *before) return complain(s.name, v, "but limits must increase", "");
    before = d;
  }
}

const OptionSpec* OptionReader::find(std::string_view name) const {
  const auto it =
      std::find_if(specs_->begin(), specs_->end(), [name](const OptionSpec& s) { return s.name == name; });
  return it == specs_->end() ? nullptr : &*it;
}

const OptionSpec& OptionReader::spec(std::string_view name, std::string_view type, std::string_view or_type) const {
  const OptionSpec* s = find(name);
  ORRERY_ASSERT(s != nullptr && (s->type == type || s->type == or_type),
                "policy {} reads option {} as {}, which its table does not have", owner_, name, type);
  return *s;
}

OptionReader::Value OptionReader::value(std::string_view name) const {
  const auto it = given_.find(std::string(name));
  if (it == given_.end()) return {find(name)->default_value, {}};
  const auto at = where_.find(std::string(name));
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
  const OptionSpec& s = spec(name, "integer");
  const auto n = parse_integer(trim(value(name).text));
  return n && *n >= s.least && *n <= s.most ? *n : parse_integer(s.default_value).value();
}

bool OptionReader::boolean(std::string_view name) {
  const OptionSpec& s = spec(name, "boolean");
  bool out = false;
  if (!parse_boolean(trim(value(name).text), out)) (void)parse_boolean(s.default_value, out);
  return out;
}

std::string OptionReader::choice(std::string_view name) {
  const OptionSpec& s = spec(name, "choice");
  const std::string text = value(name).text;
  return std::find(s.choices.begin(), s.choices.end(), text) != s.choices.end() ? text : s.default_value;
}

std::int64_t OptionReader::decimal(std::string_view name) {
  const OptionSpec& s = spec(name, "decimal");
  const auto n = parse_thousandths(trim(value(name).text));
  return n && *n >= s.least * 1000 && *n <= s.most * 1000 ? *n : parse_thousandths(s.default_value).value();
}

std::vector<std::string> OptionReader::choices(std::string_view name) {
  const OptionSpec& s = spec(name, "choices");
  const std::string text = value(name).text;
  std::vector<std::string> out;
  for (const std::string_view item : items_of(text))
    if (std::find(s.choices.begin(), s.choices.end(), item) != s.choices.end()) out.emplace_back(item);
  return out;
}

Duration OptionReader::time(std::string_view name) {
  return times_of(spec(name, "time", "gpu_time")).front();
}

std::vector<Duration> OptionReader::times(std::string_view name) {
  return times_of(spec(name, "gpu_time_list"));
}

std::vector<Duration> OptionReader::times_of(const OptionSpec& s) const {
  const std::string text = value(s.name).text;
  std::vector<Duration> out;
  for (const std::string_view item : items_of(text)) {
    const auto d = parse_time(item, s.type != "time");
    if (!d || !within(s, *d)) break;
    out.push_back(*d);
  }
  const bool whole = out.size() == items_of(text).size() && (s.type == "gpu_time_list" || out.size() == 1);
  return whole ? out : std::vector<Duration>{seconds(s.least)};
}

std::string OptionReader::path(std::string_view name) {
  const Value v = value(name);
  return path_from(v.text, v.where);
}

std::string path_from(const std::string& text, const SourcePos& where) {
  if (where.line == 0 || text.empty() || text.front() == '/') return text;  // of the command line, or absolute
  return where.file.substr(0, where.file.rfind('/') + 1) + text;
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

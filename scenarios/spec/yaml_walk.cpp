#include "scenarios/spec/yaml_walk.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "scenarios/spec/yaml_text.hpp"
#include "sim/core/joined.hpp"

namespace orrery::app {
namespace {

constexpr std::size_t kMaxErrors = 50;

std::string child(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

const char* kind_of(const YamlNode& n) {
  if (n.is_map()) return "a map";
  if (n.is_list()) return "a list";
  if (n.is_value()) return n.text().empty() ? "an empty one" : "a value";
  return "empty";
}

// The line of the `---` that begins a second document; 0 when there is none. (At the first column it is a marker even
// inside a block of text.)
int second_document(const std::vector<std::string>& lines) {
  bool content = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const bool marker = line == "---" || line.rfind("--- ", 0) == 0;
    if (marker && content) return static_cast<int>(i) + 1;
    const std::size_t first = line.find_first_not_of(" \t");
    content = content || (marker ? line.size() > 4 : first != std::string::npos && line[first] != '#');
  }
  return 0;
}

}  // namespace

YamlWalk::YamlWalk(std::string file, const std::string& text, std::vector<Override> overrides,
                   std::string_view wanted)
    : file_(std::move(file)), overrides_(std::move(overrides)) {
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    lines_.push_back(text.substr(from, end - from));
    if (!lines_.back().empty() && lines_.back().back() == '\r') lines_.back().pop_back();
    from = end + 1;
  }
  try {
    // Not LoadAll(): it takes a stray comma at the start of a document for ever more empty documents.
    root_ = YamlNode(YAML::Load(text));
    if (const int line = second_document(lines_); line > 0)
      add(Diagnostic{"the file holds several YAML documents; one is wanted", {file_, line, 1}});
  } catch (const YAML::Exception& e) {
    root_ = YamlNode();
    Diagnostic d{fmt::format("this is not YAML: {}", e.msg)};
    d.where = {file_, std::max(e.mark.line, 0) + 1, std::max(e.mark.column, 0) + 1};
    add(std::move(d));
    return;
  }
  if (!root_.is_map()) {
    add(Diagnostic{std::string(wanted), {file_, 1, 1}});
    root_ = YamlNode();
    return;
  }
  for (const Override& o : overrides_) apply(o);
}

std::string YamlWalk::kind_of_quantity(Quantity<Duration> (*parse)(std::string_view)) {
  return parse == parse_duration ? "time" : "quantity";
}

std::string YamlWalk::kind_of_quantity(Quantity<std::int64_t> (*parse)(std::string_view)) {
  return parse == parse_bytes       ? "size"
         : parse == parse_bandwidth ? "bandwidth"
         : parse == parse_frequency ? "rate"
                                    : "quantity";
}

// Of an item of a list: what the list holds.
void YamlWalk::takes(const Place& at, const std::string& what, bool unless_said) {
  if (!lists()) return;
  const bool item = at.path.size() > 2 && at.path.compare(at.path.size() - 2, 2, ".N") == 0;
  const std::string path = item ? at.path.substr(0, at.path.size() - 2) : at.path;
  const auto key = std::find_if(known_->rbegin(), known_->rend(), [&](const KnownKey& k) { return k.path == path; });
  if (key == known_->rend() || (unless_said && !key->takes.empty() && key->takes != "list")) return;
  key->takes = item ? "list of: " + what : what;
}

void YamlWalk::list(const Place& at, const Keys& keys,
                    const std::function<void(const std::string&, const Place&)>& other,
                    std::string_view about_other) {
  takes(at, "map");
  for (const Key& key : keys) {
    known_->push_back({child(at.path, key.name), std::string(key.about), ""});
    key.read({YamlNode(), known_->back().path});
  }
  if (!other) return;
  known_->push_back({child(at.path, "NAME"), std::string(about_other), ""});
  other("NAME", {YamlNode(), known_->back().path});
}

void YamlWalk::apply(const Override& o) {
  const auto wrong = [this, &o](const std::string& message) {
    add(Diagnostic{message, {fmt::format("--set {}={}", o.first, o.second), 0, 0}});
  };
  YAML::Node value;
  try {
    value = YAML::Load(o.second);
  } catch (const YAML::Exception& e) {
    return wrong(fmt::format("the value is not YAML: {}", e.msg));
  }
  YAML::Node at = root_.parsed();  // what is changed in it is changed in the document
  for (std::size_t from = 0;;) {
    const std::size_t dot = std::min(o.first.find('.', from), o.first.size());
    const std::string key = o.first.substr(from, dot - from);
    const bool last = dot == o.first.size();
    if (key.empty()) return wrong("a key is missing between two dots");
    if (at.IsSequence()) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
      if (error != std::errc{} || end != key.data() + key.size() || index > at.size())
        return wrong(fmt::format("`{}` is no index of a list of {}", key, at.size()));
      if (last) {
        at[index] = value;
        return;
      }
      if (index == at.size()) at.push_back(YAML::Node(YAML::NodeType::Map));
      at.reset(at[index]);
    } else {
      if (at.IsScalar()) return wrong(fmt::format("`{}` is below a plain value", key));
      if (last) {
        at[key] = value;
        return;
      }
      if (!at[key].IsDefined() || at[key].IsNull()) at[key] = YAML::Node(YAML::NodeType::Map);
      at.reset(at[key]);
    }
    from = dot + 1;
  }
}

const Override* YamlWalk::override_of(const std::string& path) const {
  for (auto it = overrides_.rbegin(); it != overrides_.rend(); ++it)
    if (path == it->first || path.rfind(it->first + ".", 0) == 0) return &*it;
  return nullptr;
}

SourcePos YamlWalk::where(const Place& at) const {
  if (const Override* o = override_of(at.path)) return {fmt::format("--set {}={}", o->first, o->second), 0, 0};
  const int line = at.node.line();
  for (const Override& o : overrides_)  // what an override made for its own key stands nowhere in the file
    if (line == 0 && o.first.rfind(at.path + ".", 0) == 0)
      return {fmt::format("--set {}={}", o.first, o.second), 0, 0};
  return line == 0 ? SourcePos{file_, 1, 1} : SourcePos{file_, line, at.node.column()};
}

std::string YamlWalk::line_text(int line) const {
  const auto i = static_cast<std::size_t>(line - 1);
  return line > 0 && i < lines_.size() ? lines_[i] : std::string();
}

void YamlWalk::add(Diagnostic d) {
  if (errors_.size() >= kMaxErrors || lists()) return;
  if (d.where.file == file_ && d.line_text.empty()) d.line_text = line_text(d.where.line);
  errors_.push_back(std::move(d));
}

void YamlWalk::version_1(const Place& at) {
  takes(at, "1");
  if (const std::string v = word(at); !v.empty() && v != "1")
    complain(at, fmt::format("version is `{}`; this orrery reads version 1", v));
}

void YamlWalk::complain(const Place& at, std::string message, std::string hint, std::vector<std::string> notes) {
  Diagnostic d = about(at, std::move(message));
  d.hint = std::move(hint);
  d.notes = std::move(notes);
  add(std::move(d));
}

void YamlWalk::complain_of(const std::string& path, std::string message) {
  const auto at = read_.find(path);
  if (at == read_.end()) return complain(root(), std::move(message));
  Diagnostic d = at->second;
  d.message = std::move(message);
  add(std::move(d));
}

Diagnostic YamlWalk::about(const Place& at, std::string message) const {
  Diagnostic d{std::move(message), where(at)};
  if (d.where.file == file_) d.line_text = line_text(d.where.line);
  if (at.node.is_value()) d.width = static_cast<int>(std::max<std::size_t>(1, at.node.text().size()));
  return d;
}

void YamlWalk::missing(const Place& section, std::string_view key, std::string_view what) {
  complain({section.node, section.path}, fmt::format("`{}` is missing: {}", child(section.path, key), what));
}

void YamlWalk::section(const Place& at, const Keys& keys,
                       const std::function<void(const std::string&, const Place&)>& other,
                       std::string_view about_other) {
  if (lists()) return list(at, keys, other, about_other);
  if (!at.node.is_map()) {
    complain(at, fmt::format("`{}` must be a map of keys, not {}", at.path.empty() ? "the file" : at.path,
                             kind_of(at.node)));
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& k : keys) names.push_back(k.name);
  std::set<std::string> seen;
  for (auto& [name_node, value_node] : at.node.entries()) {
    const Place key{name_node, at.path};
    if (!name_node.is_value()) {
      complain(key, "a key must be a plain word");
      continue;
    }
    const std::string name = name_node.text();
    if (!seen.insert(name).second) {
      complain(key, fmt::format("key `{}` appears twice in {}", name, at.path.empty() ? "the file" : at.path));
      continue;
    }
    const Place value{value_node, child(at.path, name), name_node};
    read_.emplace(value.path, about(value, ""));
    const auto known = std::find_if(keys.begin(), keys.end(), [&name](const Key& k) { return k.name == name; });
    if (known != keys.end()) {
      known->read(value);
    } else if (other) {
      other(name, value);
    } else {
      const std::string_view near = closest(name, names);
      complain(key_of(value),
               fmt::format("unknown key `{}`{}", name, at.path.empty() ? "" : fmt::format(" in {}", at.path)),
               near.empty() ? "" : fmt::format("did you mean `{}`?", near),
               {fmt::format("keys here: {}", joined(names, ", "))});
    }
  }
}

void YamlWalk::section(const Place& at, const ReadKeys& keys) {
  Keys all;
  all.reserve(keys.size());
  for (const ReadKey& k : keys) all.emplace_back(k.name, "", k.read, Writer());
  section(at, all);
}

void YamlWalk::each(const Place& list, const Handler& handler) {
  if (lists()) {
    takes(list, "list");
    return handler({YamlNode(), child(list.path, "N")});
  }
  if (!list.node.is_list()) {
    complain(list, fmt::format("`{}` must be a list, not {}", list.path, kind_of(list.node)));
    return;
  }
  std::size_t i = 0;
  for (const YamlNode& item : list.node.items()) handler({item, child(list.path, fmt::format("{}", i++))});
}

std::string YamlWalk::word(const Place& at) {
  if (lists()) {
    takes(at, "text", true);
    return {};
  }
  if (at.node.is_value() && !at.node.text().empty()) return at.node.text();
  complain(at, fmt::format("`{}` must be a plain value, not {}", at.path, kind_of(at.node)));
  return {};
}

bool YamlWalk::boolean(const Place& at) {
  takes(at, "true or false");
  const std::string text = word(at);
  if (text == "true" || text == "yes" || text == "on") return true;
  if (!text.empty() && text != "false" && text != "no" && text != "off")
    complain(at, fmt::format("`{}` is `{}`; it must be true or false", at.path, text));
  return false;
}

std::int64_t YamlWalk::integer(const Place& at, std::int64_t min, std::int64_t max) {
  const bool open = max == std::numeric_limits<std::int64_t>::max();
  const std::string wanted =
      "whole number " + (open ? fmt::format(">= {}", min) : fmt::format("from {} to {}", min, max));
  takes(at, wanted);
  const std::string text = word(at);
  if (text.empty()) return min;
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error == std::errc{} && end == text.data() + text.size() && v >= min && v <= max) return v;
  complain(at, fmt::format("`{}` is `{}`; it must be a {}", at.path, text, wanted));
  return min;
}

double YamlWalk::number(const Place& at) {
  takes(at, "number > 0");
  const std::string text = word(at);
  if (text.empty()) return 1;
  const auto v = parse_fixed(text, 9);
  if (v && *v > 0) return static_cast<double>(*v) / 1e9;
  complain(at, fmt::format("`{}` is `{}`; it must be a number > 0", at.path, text));
  return 1;
}

double YamlWalk::number(const Place& at, double least, double most) {
  if (lists()) takes(at, fmt::format("number from {} to {}", least, most));
  const std::string text = word(at);
  if (text.empty()) return least;
  const auto v = parse_fixed(text, 9);
  if (v && static_cast<double>(*v) / 1e9 >= least && static_cast<double>(*v) / 1e9 <= most)
    return static_cast<double>(*v) / 1e9;
  complain(at, fmt::format("`{}` is `{}`; it must be a number from {} to {}", at.path, text, least, most));
  return least;
}

Duration YamlWalk::at_least(const Place& at, Duration least, bool or_none) {
  const std::size_t before = errors_.size();
  const Duration d = quantity(at, parse_duration);
  if (lists()) takes(at, fmt::format("time of at least {}{}", format_duration(least), or_none ? ", or 0s" : ""));
  if (errors_.size() == before && d < least && !(or_none && d.ns == 0))
    complain(at, fmt::format("`{}` is `{}`; it must be at least {}{}", at.path, at.node.text(),
                             format_duration(least), or_none ? ", or 0s for none" : ""));
  return or_none && d.ns == 0 ? d : std::max(d, least);
}

std::string YamlWalk::choice(const Place& at, const std::vector<std::string_view>& choices) {
  if (lists()) takes(at, fmt::format("one of: {}", joined(choices, ", ")));
  std::string text = word(at);
  if (text.empty() || std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  const std::string_view near = closest(text, choices);
  complain(at, fmt::format("`{}` is `{}`; it must be one of {}", at.path, text, joined(choices, ", ")),
           near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  return std::string(choices.front());
}

std::string yaml_flow(const YamlWalk::Keys& keys, bool digest) {
  std::string out;
  for (const YamlWalk::Key& k : keys)
    if (const std::string value = k.write(digest); !value.empty())
      out += fmt::format("{} {}: {}", out.empty() ? "" : ",", k.name, value);
  return "{" + out + " }";
}

std::string yaml_block(const YamlWalk::Keys& keys, bool digest, int indent) {
  std::string out;
  for (const YamlWalk::Key& k : keys)
    if (const std::string value = k.write(digest); !value.empty()) out += yaml_line(k.name, value, indent);
  return out;
}

}  // namespace orrery::app

#include "traces/format/json_place.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery {
namespace {

constexpr std::size_t kMaxLineText = 4096;

// Walks over the tokens of a text that is known to be JSON. Whatever it is not, the walk ends inside the text.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  [[nodiscard]] std::size_t at() const { return at_; }
  // The character that is next, past blanks; 0 at the end.
  char next() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // Past `c`, if that is next.
  bool eat(char c) {
    if (next() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  // Past a string; as it is written, with its quotes.
  std::string_view string() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
    return text_.substr(begin, at_ - begin);
  }
  // Past a value, however deep it is.
  void value() {
    std::size_t depth = 0;
    do {
      const char c = next();
      if (c == '"') {
        string();
      } else if (c == '{' || c == '[') {
        ++depth, ++at_;
      } else if (c == '}' || c == ']') {
        --depth, ++at_;
      } else if (c == ',' || c == ':') {
        ++at_;
      } else {
        at_ = std::min(text_.find_first_of(" \t\r\n,:[]{}\"", at_), text_.size());
      }
    } while (depth > 0 && at_ < text_.size());
  }
  void go(std::size_t to) { at_ = to; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// Where the value of `key` begins in the object or array that is next; npos where it has none.
std::size_t find_in(Walk& walk, const std::string& key) {
  std::size_t found = std::string_view::npos;
  const bool object = walk.eat('{');
  if (!object && !walk.eat('[')) return found;
  for (std::size_t i = 0; walk.next() != (object ? '}' : ']') && walk.next() != '\0'; ++i) {
    bool is_it = !object && std::to_string(i) == key;
    if (object) {
      const auto name = read_json(walk.string());
      is_it = name.is_string() && name.get_ref<const std::string&>() == key;
      walk.eat(':');
    }
    walk.next();
    if (is_it) found = walk.at();
    if (is_it && !object) return found;
    walk.value();
    walk.eat(',');
  }
  return found;
}

}  // namespace

Diagnostic at_json_byte(const std::string& file, std::string_view text, std::size_t byte, std::string message) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  Diagnostic d{std::move(message)};
  d.where = {file, 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
             static_cast<int>(before.size() - start + 1)};
  std::string_view line = text.substr(start);
  line = line.substr(0, line.find_first_of("\r\n"));
  if (line.size() <= kMaxLineText) d.line_text = std::string(line);  // a file may be one line
  return d;
}

Diagnostic at_json_place(const std::string& file, std::string_view text, const JsonPath& path, std::string message) {
  Walk walk(text);
  walk.next();
  std::size_t place = walk.at();
  for (const std::string& key : path) {
    const std::size_t next = find_in(walk, key);
    if (next == std::string_view::npos) break;
    place = next;
    walk.go(next);
  }
  return at_json_byte(file, text, place, std::move(message));
}

}  // namespace orrery

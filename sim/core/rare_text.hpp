// A text that nearly always is empty, in large records: a pointer, where a string has 32 bytes. A value like a
// string, for what is written once and read as a whole.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace orrery {

class RareText {
 public:
  RareText() = default;
  RareText(const RareText& other) { *this = other.view(); }
  RareText(RareText&&) noexcept = default;
  ~RareText() = default;
  RareText& operator=(const RareText& other) { return *this = other.view(); }
  RareText& operator=(RareText&&) noexcept = default;
  RareText& operator=(std::string_view text) {
    std::unique_ptr<std::string> made = text.empty() ? nullptr : std::make_unique<std::string>(text);
    text_ = std::move(made);  // last: `text` may be ours
    return *this;
  }
  RareText& operator+=(std::string_view more) { return *this = str() + std::string(more); }

  [[nodiscard]] bool empty() const { return text_ == nullptr; }
  [[nodiscard]] std::string_view view() const { return text_ == nullptr ? std::string_view() : *text_; }
  [[nodiscard]] const std::string& str() const {
    static const std::string kNothing;
    return text_ == nullptr ? kNothing : *text_;
  }
  operator std::string_view() const { return view(); }
  operator const std::string&() const { return str(); }
  friend bool operator==(const RareText& a, const RareText& b) { return a.view() == b.view(); }
  friend bool operator==(const RareText& a, std::string_view b) { return a.view() == b; }
  friend std::ostream& operator<<(std::ostream& out, const RareText& text) { return out << text.view(); }

 private:
  std::unique_ptr<std::string> text_;  // null where it is empty
};

}  // namespace orrery

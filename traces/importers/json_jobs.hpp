// What importers of JSON share: where the parser is, which tells no places itself, and all errors of a file at once.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "traces/format/canonical.hpp"

namespace orrery {

// Where an object's `{` stands; both 1-based.
struct JsonPlace {
  int line = 1;
  int column = 1;
};

// How far the parser has read. It reads no further than a token's end (of a number: one character more).
struct JsonProgress {
  std::size_t read = 0;
  std::size_t line_start = 0;
  int line = 1;

  [[nodiscard]] JsonPlace place() const { return {line, static_cast<int>(read - line_start)}; }
};

// Hands the text to the parser and notes how far it has come.
struct JsonCursor {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  JsonProgress* progress = nullptr;

  reference operator*() const { return *at; }
  JsonCursor& operator++() {
    ++progress->read;
    if (*at++ == '\n') {
      ++progress->line;
      progress->line_start = progress->read;
    }
    return *this;
  }
  friend bool operator==(const JsonCursor& a, const JsonCursor& b) { return a.at == b.at; }
};

// A line of a text for a message; empty where it is too long to help.
[[nodiscard]] std::string line_of(std::string_view text, int line);

// All errors of a file, the first twenty to be shown; with skip_bad_rows, counts of what was left out.
class JsonComplaints {
 public:
  JsonComplaints(const TraceText& source, Trace& trace) : source_(source), trace_(trace) {}

  void add(JsonPlace at, std::string message, const std::string& reason);
  [[nodiscard]] Expected<void> finish();

 private:
  const TraceText& source_;
  Trace& trace_;
  std::vector<Diagnostic> errors_;
  std::size_t count_ = 0;
};

}  // namespace orrery

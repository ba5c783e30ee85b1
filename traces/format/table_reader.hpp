// A CSV (or tab-separated) text read row by row with named columns and typed fields. Every field knows its line and
// column, so that a wrong value is shown where it stands; all wrong rows of a file are counted, the first twenty
// shown. RFC 4180 quoting; CRLF; blank lines skipped; `# ` comment lines before the header. A table without a header,
// its fields apart by blanks, is read the same way with the columns' names given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/quantity.hpp"
#include "sim/core/time.hpp"

namespace orrery {

// A table that has no line of column names: fields apart by blanks and tabs, comment lines anywhere.
struct BareTable {
  std::vector<std::string> columns;
  char comment = ';';     // lines that start with it are passed over
  std::size_t wide = 0;   // a row may instead have so many fields; those beyond `columns` are read past; 0 = none may
  char separator = '\0';  // between fields, which may then be empty and hold blanks; 0 = blanks and tabs
};

class TableReader {
 public:
  static constexpr int kAbsent = -1;

  // `text` must outlive the reader. The first line that is neither blank nor a comment is the header.
  TableReader(std::string file, std::string_view text, char separator = ',');
  TableReader(std::string file, std::string_view text, const BareTable& table);

  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }
  // Index of a column or kAbsent; required() also notes an error that names the columns there are. Who asks for a
  // column is taken to read it.
  [[nodiscard]] int column(std::string_view name) const;
  int required(std::string_view name);
  // The columns that nobody asked for, in the file's order.
  [[nodiscard]] std::vector<std::string_view> unread() const;

  // Goes to the next row; false at the end, and at once when the header is wrong. A row with a wrong number of
  // fields is an error of its own and passed over.
  bool next();
  [[nodiscard]] int line() const { return line_; }
  [[nodiscard]] bool row_ok() const { return row_errors_ == 0; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  // At least as many as there are rows to come, but for one without an end of line.
  [[nodiscard]] std::size_t lines_left() const {
    return static_cast<std::size_t>(std::count(rest_.begin(), rest_.end(), '\n'));
  }
  [[nodiscard]] std::int64_t wide_rows() const { return wide_rows_; }  // with BareTable::wide fields, so far

  // Fields of the current row. A wrong value is noted and a harmless one returned; of an absent column, the fallback.
  // An empty field is wrong, but for text() and the maybe forms, which return nothing: whoever reads a cell that may
  // be empty says so. A whole number may be written as a decimal (`4.0`).
  [[nodiscard]] std::string_view text(int column) const;
  std::string_view given(int column);  // text that must not be empty
  std::int64_t integer(int column, std::int64_t fallback, std::int64_t min, std::int64_t max);
  std::int64_t fixed(int column, int digits, std::int64_t fallback, std::int64_t min);  // decimal x 10^digits
  std::optional<std::int64_t> maybe_integer(int column, std::int64_t min, std::int64_t max);
  std::optional<std::int64_t> maybe_fixed(int column, int digits, std::int64_t min);
  // The current row is wrong because of this field.
  void complain(int column, std::string wanted, std::string hint = {});

  // Bad rows are passed over and counted (by column) instead of failing the file.
  void skip_bad_rows() { skip_ = true; }
  [[nodiscard]] const std::map<std::string, std::int64_t>& skipped() const { return skipped_; }
  // Nothing, or all errors so far.
  [[nodiscard]] Expected<void> finish();

 private:
  struct Field {
    std::string_view text;
    std::uint32_t column = 1;  // 1-based byte of the line
  };
  bool split_line();
  bool split_plain();
  void split_blanks();
  [[nodiscard]] std::string wrong_size() const;
  void note(Diagnostic d);
  void end_row();
  bool is_given(int column);
  [[nodiscard]] std::string shown(std::string_view value) const;

  std::string file_;
  std::string_view rest_;
  char separator_;
  std::string_view line_text_;
  int line_ = 0;  // of the current row's first line
  int next_line_ = 1;
  std::vector<Field> fields_;
  std::deque<std::string> unquoted_;  // storage of quoted fields of the current row; growing moves nothing
  std::vector<std::string> header_;
  mutable std::vector<bool> asked_;  // of each column
  std::vector<Diagnostic> errors_;
  std::int64_t error_count_ = 0;
  int row_errors_ = 0;
  std::string row_reason_;
  std::int64_t rows_ = 0;
  std::int64_t wide_rows_ = 0;
  bool bare_ = false;  // a BareTable, with these two of its properties
  char comment_ = ';';
  char bare_separator_ = '\0';
  std::size_t wide_ = 0;
  bool header_bad_ = false;
  bool skip_ = false;
  std::map<std::string, std::int64_t> skipped_;
};

// Appends a field, quoted only where the reader would take it for something else (RFC 4180).
void append_field(std::string& out, std::string_view text);

}  // namespace orrery

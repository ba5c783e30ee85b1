#include "traces/format/table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace orrery {
namespace {

constexpr std::int64_t kShownErrors = 20;
constexpr std::size_t kMaxColumns = 4096;
constexpr std::size_t kMaxShown = 60;

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// "4" of "4.0": tables of data frames write whole numbers so.
std::string_view without_zero_fraction(std::string_view t) {
  const std::size_t point = t.find('.');
  if (point == 0 || point == t.npos || point + 1 == t.size()) return t;
  return t.find_first_not_of('0', point + 1) == t.npos ? t.substr(0, point) : t;
}

}  // namespace

TableReader::TableReader(std::string file, std::string_view text, char separator)
    : file_(std::move(file)), rest_(text), separator_(separator) {
  while (!rest_.empty()) {
    if (!split_line()) break;
    const std::string_view t = trim(line_text_);
    if (t.empty() || t.front() == '#') continue;
    for (const Field& f : fields_) header_.emplace_back(trim(f.text));
    break;
  }
  Diagnostic d;
  d.where = {file_, line_, 1};
  d.line_text = std::string(line_text_.substr(0, 200));
  if (header_.empty()) {
    d.message = "no header: the file has no line of column names";
    note(std::move(d));
    header_bad_ = true;
    return;
  }
  if (header_.size() > kMaxColumns) {
    d.message = fmt::format("{} columns; at most {} are read", header_.size(), kMaxColumns);
    note(std::move(d));
    header_bad_ = true;
    return;
  }
  for (std::size_t i = 0; i < header_.size(); ++i) {
    if (header_[i].empty() || std::find(header_.begin(), header_.begin() + static_cast<std::ptrdiff_t>(i),
                                        header_[i]) == header_.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    Diagnostic twice{fmt::format("column `{}` appears twice", header_[i])};
    twice.where = {file_, line_, static_cast<int>(fields_[i].column)};
    twice.line_text = std::string(line_text_);
    twice.width = static_cast<int>(header_[i].size());
    note(std::move(twice));
    header_bad_ = true;
  }
}

TableReader::TableReader(std::string file, std::string_view text, const BareTable& table)
    : file_(std::move(file)),
      rest_(text),
      separator_(' '),
      header_(table.columns),
      bare_(true),
      comment_(table.comment),
      bare_separator_(table.separator),
      wide_(table.wide) {}

int TableReader::column(std::string_view name) const {
  const auto it = std::find(header_.begin(), header_.end(), name);
  if (it == header_.end()) return kAbsent;
  asked_.resize(header_.size());
  asked_[static_cast<std::size_t>(it - header_.begin())] = true;
  return static_cast<int>(it - header_.begin());
}

std::vector<std::string_view> TableReader::unread() const {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < header_.size(); ++i)
    if (!header_[i].empty() && (i >= asked_.size() || !asked_[i])) names.push_back(header_[i]);
  return names;
}

int TableReader::required(std::string_view name) {
  const int c = column(name);
  if (c != kAbsent || header_.empty()) return c;
  Diagnostic d{fmt::format("column `{}` is missing", name)};
  d.where = {file_, line_, 1};
  d.line_text = std::string(line_text_);
  d.width = static_cast<int>(std::min<std::size_t>(line_text_.size(), 120));
  const std::vector<std::string_view> names(header_.begin(), header_.end());
  if (const auto near = closest(name, names); !near.empty()) d.hint = fmt::format("is it `{}`?", near);
  note(std::move(d));
  header_bad_ = true;
  return kAbsent;
}

// Takes one line without quotes off rest_, as nearly all are. False where there are some, and nothing is changed.
bool TableReader::split_plain() {
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  std::string_view line = rest_.substr(0, end);
  if (line.find('"') != std::string_view::npos) return false;
  ++next_line_;
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  line_text_ = line;
  for (std::size_t from = 0;;) {
    const std::size_t to = std::min(line.find(separator_, from), line.size());
    fields_.push_back({line.substr(from, to - from), static_cast<std::uint32_t>(from + 1)});
    if (to == line.size()) return true;
    from = to + 1;
  }
}

// Takes one row (which may span lines inside quotes) off rest_. False when its quoting is broken.
bool TableReader::split_line() {
  line_ = next_line_;
  fields_.clear();
  unquoted_.clear();
  if (split_plain()) return true;
  const std::string_view all = rest_;
  std::size_t i = 0;
  std::size_t end_of_text = 0;
  bool done = false;
  while (!done) {
    Field f;
    f.column = static_cast<std::uint32_t>(i + 1);
    if (i < all.size() && all[i] == '"') {
      std::string value;
      bool closed = false;
      ++i;
      while (i < all.size()) {
        if (all[i] == '"') {
          if (i + 1 < all.size() && all[i + 1] == '"') {
            value += '"';
            i += 2;
            continue;
          }
          closed = true;
          ++i;
          break;
        }
        if (all[i] == '\n') ++next_line_;
        value += all[i++];
      }
      const bool ends_well = i == all.size() || all[i] == separator_ || all[i] == '\n' ||
                             (all[i] == '\r' && i + 1 < all.size() && all[i + 1] == '\n');
      if (!closed || !ends_well) {
        line_text_ = all.substr(0, std::min(all.find('\n'), all.size()));
        Diagnostic d{closed ? "text after a closing quote" : "a quoted field is never closed"};
        d.where = {file_, line_, static_cast<int>(f.column)};
        d.line_text = std::string(line_text_.substr(0, 400));
        note(std::move(d));
        if (!closed) {
          rest_ = {};
        } else {
          const std::size_t nl = all.find('\n', i);
          rest_ = nl == std::string_view::npos ? std::string_view{} : all.substr(nl + 1);
          ++next_line_;
        }
        return false;
      }
      unquoted_.push_back(std::move(value));
      f.text = unquoted_.back();
    } else {
      const std::size_t start = i;
      while (i < all.size() && all[i] != separator_ && all[i] != '\n') ++i;
      std::size_t stop = i;
      if (stop > start && (i == all.size() || all[i] == '\n') && all[stop - 1] == '\r') --stop;
      f.text = all.substr(start, stop - start);
    }
    fields_.push_back(f);
    if (i < all.size() && all[i] == '\r') ++i;
    end_of_text = i;
    if (i >= all.size() || all[i] == '\n') {
      done = true;
      if (i < all.size()) ++i;
    } else {
      ++i;
    }
  }
  ++next_line_;
  line_text_ = all.substr(0, end_of_text);
  if (!line_text_.empty() && line_text_.back() == '\r') line_text_.remove_suffix(1);
  rest_ = all.substr(i);
  return true;
}

// Takes one line of a bare table off rest_; a comment has no fields.
void TableReader::split_blanks() {
  line_ = next_line_++;
  fields_.clear();
  line_text_ = rest_.substr(0, rest_.find('\n'));
  rest_.remove_prefix(std::min(rest_.size(), line_text_.size() + 1));
  constexpr std::string_view kBlank = " \t\r";
  std::size_t from = line_text_.find_first_not_of(kBlank);
  if (from != std::string_view::npos && line_text_[from] == comment_) return;
  if (bare_separator_ != '\0' && from != std::string_view::npos) {
    std::string_view rest = line_text_;
    if (rest.back() == '\r') rest.remove_suffix(1);
    for (std::size_t at = 0; at <= rest.size();) {
      const std::size_t end = std::min(rest.find(bare_separator_, at), rest.size());
      fields_.push_back({rest.substr(at, end - at), static_cast<std::uint32_t>(at + 1)});
      at = end + 1;
    }
    return;
  }
  while (from != std::string_view::npos) {
    const std::size_t end = std::min(line_text_.find_first_of(kBlank, from), line_text_.size());
    fields_.push_back({line_text_.substr(from, end - from), static_cast<std::uint32_t>(from + 1)});
    from = line_text_.find_first_not_of(kBlank, end);
  }
}

std::string TableReader::wrong_size() const {
  if (!bare_) return fmt::format("{} fields, but the header has {}", fields_.size(), header_.size());
  return fmt::format("{} fields, but a row has {}{}", fields_.size(), header_.size(),
                     wide_ > 0 ? fmt::format(" or {}", wide_) : std::string());
}

void TableReader::end_row() {
  if (row_errors_ > 0 && skip_) ++skipped_[row_reason_];
  row_errors_ = 0;
}

bool TableReader::next() {
  end_row();
  if (header_bad_) return false;
  while (!rest_.empty()) {
    if (bare_) {
      split_blanks();
      if (fields_.empty()) continue;
    } else if (!split_line()) {
      ++rows_;
      end_row();
      continue;
    }
    if (!bare_ && fields_.size() == 1 && trim(fields_[0].text).empty() && header_.size() > 1) continue;
    ++rows_;
    if (fields_.size() == header_.size()) return true;
    if (fields_.size() == wide_) {
      ++wide_rows_;
      return true;
    }
    Diagnostic d{wrong_size()};
    d.where = {file_, line_, bare_ ? static_cast<int>(fields_.front().column) : 1};
    d.line_text = std::string(line_text_.substr(0, 400));
    d.width = static_cast<int>(std::min<std::size_t>(line_text_.size(), 120));
    row_reason_ = "wrong number of fields";
    note(std::move(d));
    end_row();
  }
  return false;
}

std::string_view TableReader::text(int column) const {
  return column == kAbsent ? std::string_view{} : trim(fields_[static_cast<std::size_t>(column)].text);
}

std::string TableReader::shown(std::string_view value) const {
  return value.size() <= kMaxShown ? std::string(value) : fmt::format("{}...", value.substr(0, kMaxShown));
}

std::string_view TableReader::given(int column) {
  return is_given(column) ? text(column) : std::string_view{};
}

bool TableReader::is_given(int column) {
  if (column == kAbsent) return false;
  if (!text(column).empty()) return true;
  complain(column, "must be given");
  return false;
}

std::int64_t TableReader::integer(int column, std::int64_t fallback, std::int64_t min, std::int64_t max) {
  return is_given(column) ? maybe_integer(column, min, max).value_or(fallback) : fallback;
}

std::optional<std::int64_t> TableReader::maybe_integer(int column, std::int64_t min, std::int64_t max) {
  const std::string_view t = text(column);
  if (t.empty()) return std::nullopt;
  const std::string_view whole = without_zero_fraction(t);
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), v);
  const bool number = error == std::errc{} && end == whole.data() + whole.size();
  if (number && v >= min && v <= max) return v;
  if (error == std::errc::result_out_of_range || (number && v > max))
    complain(column, fmt::format("must be at most {}", max));
  else
    complain(column, fmt::format("must be a whole number >= {}", min));
  return std::nullopt;
}

std::int64_t TableReader::fixed(int column, int digits, std::int64_t fallback, std::int64_t min) {
  return is_given(column) ? maybe_fixed(column, digits, min).value_or(fallback) : fallback;
}

std::optional<std::int64_t> TableReader::maybe_fixed(int column, int digits, std::int64_t min) {
  const std::string_view t = text(column);
  if (t.empty()) return std::nullopt;
  if (const auto v = parse_fixed(t, digits)) {
    if (*v >= min) return *v;
    complain(column, min > 0 ? "must be > 0" : "must be >= 0");
    return std::nullopt;
  }
  // A date such as 2017-02-30 has a number's characters, too.
  const std::size_t minus = t.find('-', 1);
  const bool numeric = t.find_first_not_of("+-.0123456789eE") == std::string_view::npos &&
                       t.find_first_of("0123456789") != std::string_view::npos &&
                       (minus == std::string_view::npos || t[minus - 1] == 'e' || t[minus - 1] == 'E');
  complain(column, numeric ? "is too large" : "must be a number");
  return std::nullopt;
}

void TableReader::complain(int column, std::string wanted, std::string hint) {
  Diagnostic d;
  if (column == kAbsent) {
    d.message = wanted;
    d.where = {file_, line_, 1};
  } else {
    const Field& f = fields_[static_cast<std::size_t>(column)];
    const std::string& name = header_[static_cast<std::size_t>(column)];
    const std::string_view t = text(column);
    d.message = t.empty() ? fmt::format("`{}` is empty; it {}", name, wanted)
                          : fmt::format("`{}` is `{}`; it {}", name, shown(t), wanted);
    d.where = {file_, line_, static_cast<int>(f.column)};
    d.width = static_cast<int>(std::max<std::size_t>(1, std::min<std::size_t>(f.text.size(), 60)));
    if (row_errors_ == 0) row_reason_ = fmt::format("bad {}", name);
  }
  if (column == kAbsent && row_errors_ == 0) row_reason_ = wanted;
  d.line_text = std::string(line_text_);
  d.hint = std::move(hint);
  note(std::move(d));
}

void TableReader::note(Diagnostic d) {
  ++row_errors_;
  ++error_count_;
  if (skip_ && !header_.empty() && !header_bad_ && rows_ > 0) return;
  if (error_count_ <= kShownErrors) errors_.push_back(std::move(d));
}

Expected<void> TableReader::finish() {
  end_row();
  if (errors_.empty()) return {};
  if (error_count_ > kShownErrors)
    errors_.back().notes.push_back(fmt::format("{} more errors in this file", error_count_ - kShownErrors));
  return tl::make_unexpected(Error(errors_));
}

void append_field(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos && (text.empty() || text.front() != '#')) {
    out += text;
    return;
  }
  out += '"';
  for (const char ch : text) {
    if (ch == '"') out += '"';
    out += ch;
  }
  out += '"';
}

}  // namespace orrery

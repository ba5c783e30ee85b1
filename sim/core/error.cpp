#include "sim/core/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace orrery {
namespace {

// Levenshtein distance with transpositions of neighbours counted as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({change, previous[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    before.swap(previous);
    previous.swap(current);
  }
  return previous[b.size()];
}

// Tabs become one blank and other control bytes `?`, so that the caret stays under what it points at.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += c == '\t' ? ' ' : (byte < 0x20 || byte == 0x7f) ? '?' : c;
  }
  return out;
}

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// How many characters of UTF-8 a text has: what it takes of a line, not counting wide ones.
std::size_t characters(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues));
}

// The part of a line that fits `room` columns and has byte `at` in it, which it says where it stands there.
std::string_view part_of(std::string_view line, std::size_t at, std::size_t room, std::size_t& column) {
  at = std::min(at, line.size());
  while (at > 0 && at < line.size() && continues(line[at])) --at;
  const std::size_t before = characters(line.substr(0, at)), all = characters(line);
  std::size_t skipped = before > room / 2 && all > room ? std::min(before - room / 2, all - room) : 0;
  column = before - skipped;
  std::size_t from = 0;
  for (; skipped > 0; --skipped) do
      ++from;
    while (from < line.size() && continues(line[from]));
  std::string_view part = line.substr(from);
  for (std::size_t n = characters(part); n > room; --n) {
    while (continues(part.back())) part.remove_suffix(1);
    part.remove_suffix(1);
  }
  return part;
}

// A line with its number, and carets under what is wrong in it, within 80 columns.
std::string pointed_at(const Diagnostic& d) {
  const std::string number = fmt::format("{}", d.where.line);
  const std::string margin(number.size(), ' ');
  constexpr std::size_t kTerminal = 80;
  const std::size_t room = kTerminal - std::min(kTerminal / 2, number.size() + 4);
  const auto byte = static_cast<std::size_t>(std::max(d.where.column - 1, 0));
  std::size_t column = 0;
  const std::string_view part = part_of(d.line_text, byte, room, column);
  std::string out = fmt::format(" {} |\n {} | {}\n", margin, number, printable(part));
  if (d.where.column <= 0) return d.hint.empty() ? out : out + fmt::format(" {} = {}\n", margin, d.hint);
  const std::string_view under = std::string_view(d.line_text).substr(std::min(byte, d.line_text.size()));
  const std::size_t wanted = characters(under.substr(0, static_cast<std::size_t>(std::max(d.width, 1))));
  const std::size_t most = std::max<std::size_t>(characters(part), column + 1) - column;
  return out + fmt::format(" {} | {}{}{}\n", margin, std::string(column, ' '),
                           std::string(std::clamp<std::size_t>(wanted, 1, most), '^'),
                           d.hint.empty() ? "" : " " + d.hint);
}

}  // namespace

Diagnostic::Diagnostic(std::string says, SourcePos at, std::string line)
    : message(std::move(says)), where(std::move(at)), line_text(std::move(line)) {}
Diagnostic::Diagnostic(const Diagnostic&) = default;
Diagnostic::Diagnostic(Diagnostic&&) noexcept = default;
Diagnostic& Diagnostic::operator=(const Diagnostic&) = default;
Diagnostic& Diagnostic::operator=(Diagnostic&&) noexcept = default;
Diagnostic::~Diagnostic() = default;

Error::Error(Diagnostic d) {
  items.push_back(std::move(d));
}
Error::Error(std::vector<Diagnostic> all) : items(std::move(all)) {}
Error::Error(const Error&) = default;
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(const Error&) = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

tl::unexpected<Error> fail(Diagnostic d) {
  return tl::make_unexpected(Error(std::move(d)));
}
tl::unexpected<Error> fail(std::string message) {
  return fail(Diagnostic{std::move(message)});
}

std::string render(const Error& error) {
  std::string out;
  for (const Diagnostic& d : error.items) {
    out += fmt::format("error: {}\n", d.message);
    if (!d.where.file.empty() || d.where.line > 0) {
      out += fmt::format("  --> {}", d.where.file.empty() ? "input" : d.where.file);
      if (d.where.line > 0) out += fmt::format(":{}", d.where.line);
      if (d.where.line > 0 && d.where.column > 0) out += fmt::format(":{}", d.where.column);
      out += '\n';
    }
    if (!d.line_text.empty() && d.where.line > 0)
      out += pointed_at(d);
    else if (!d.hint.empty())
      out += fmt::format("   = {}\n", d.hint);
    for (const std::string& note : d.notes) out += fmt::format("   = {}\n", note);
  }
  return out;
}

std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace orrery

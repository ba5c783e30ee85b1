#include "sim/core/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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

}  // namespace

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
    if (!d.line_text.empty() && d.where.line > 0) {
      const std::string number = fmt::format("{}", d.where.line);
      const std::string margin(number.size(), ' ');
      constexpr std::size_t kShown = 160;  // bytes of a long line that are shown, around the caret
      const std::size_t column = d.where.column > 0 ? static_cast<std::size_t>(d.where.column - 1) : 0;
      const std::size_t from = column > kShown / 2 ? column - kShown / 2 : 0;
      const std::string text =
          from < d.line_text.size() ? printable(std::string_view(d.line_text).substr(from, kShown)) : std::string();
      out += fmt::format(" {} |\n {} | {}\n", margin, number, text);
      if (d.where.column > 0) {
        const std::size_t room = text.size() > column - from ? text.size() - (column - from) : 1;
        const std::size_t carets = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(d.width, 1)), 1, room);
        out += fmt::format(" {} | {}{}{}\n", margin, std::string(column - from, ' '), std::string(carets, '^'),
                           d.hint.empty() ? "" : " " + d.hint);
      } else if (!d.hint.empty()) {
        out += fmt::format(" {} = {}\n", margin, d.hint);
      }
    } else if (!d.hint.empty()) {
      out += fmt::format("   = {}\n", d.hint);
    }
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

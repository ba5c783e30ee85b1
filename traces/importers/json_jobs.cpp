#include "traces/importers/json_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

constexpr std::size_t kMaxJsonText = 4096;
constexpr std::size_t kShownJsonErrors = 20;

}  // namespace

std::string line_of(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, text.find('\n'));
  return text.size() <= kMaxJsonText ? std::string(text) : std::string();
}

void JsonComplaints::add(JsonPlace at, std::string message, const std::string& reason) {
  if (source_.skip_bad_rows) {
    ++trace_.report.dropped[reason];
    return;
  }
  if (++count_ > kShownJsonErrors) return;
  Diagnostic d{std::move(message)};
  d.where = {source_.file, at.line, at.column};
  d.line_text = line_of(source_.text, at.line);
  errors_.push_back(std::move(d));
}

Expected<void> JsonComplaints::finish() {
  if (errors_.empty()) return {};
  if (count_ > kShownJsonErrors)
    errors_.back().notes.push_back(fmt::format("{} more errors in this file", count_ - kShownJsonErrors));
  return tl::make_unexpected(Error(std::move(errors_)));
}

}  // namespace orrery

#include "scenarios/report/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace orrery::report {

TerminalStyle terminal_style(int fd) {
  const char* term = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  TerminalStyle style;
  style.redraws = ::isatty(fd) == 1 && term != nullptr && std::string_view(term) != "dumb";
  style.colour = style.redraws && (no_colour == nullptr || *no_colour == '\0');
  return style;
}

void Progress::advance(std::size_t done, const std::string& what) {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ += done;
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  const std::string line = fmt::format("\r\033[K  {}/{}  {}", done_, total_, what);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void Progress::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace orrery::report

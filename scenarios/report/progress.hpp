// A one-line progress display on stderr: only on a terminal that can redraw a line, never in the way of results
// on stdout. Terminal questions (TTY, NO_COLOR, TERM=dumb) are asked here and nowhere else. One Progress serves
// all threads of a command.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace orrery::report {

struct TerminalStyle {
  bool redraws = false;  // a terminal on which a line can be drawn over
  bool colour = false;
};

// Of the file descriptor (1 = stdout, 2 = stderr), obeying NO_COLOR (set and not empty) and TERM=dumb.
[[nodiscard]] TerminalStyle terminal_style(int fd);

class Progress {
 public:
  // Draws nothing unless `enabled`; give it terminal_style(2).redraws.
  Progress(std::size_t total, bool enabled) : total_(total), enabled_(enabled) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` more of the total; at most ten redraws a second.
  void advance(std::size_t done, const std::string& what);
  // Removes the line, before anything else is printed.
  void clear();

 private:
  std::mutex mutex_;
  std::size_t total_;
  std::size_t done_ = 0;
  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace orrery::report

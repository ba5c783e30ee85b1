// The lines of a stored log, plain or packed by zstd (told by its name, *.zst), one at a time. A packed log that was
// cut off ends where its data end, since a run that was killed leaves one; data that cannot be unpacked are damage.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace orrery {

class LogLines {
 public:
  explicit LogLines(const std::string& path);
  ~LogLines();
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  [[nodiscard]] bool is_open() const { return file_ != nullptr; }
  // The next line without its end; false after the last one, or where the data are damaged.
  [[nodiscard]] bool next(std::string& line);
  [[nodiscard]] bool damaged() const { return damaged_; }

 private:
  class Unpacker;
  [[nodiscard]] bool fill();

  std::FILE* file_;
  std::unique_ptr<Unpacker> unpacker_;
  std::string read_, text_{};  // what was read last; what of it, unpacked, was not handed out yet
  std::size_t at_ = 0;         // in text_
  bool damaged_ = false;
};

}  // namespace orrery

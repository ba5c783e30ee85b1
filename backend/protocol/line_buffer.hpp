// Turns whatever read() returns into lines. A pipe, a socket or srun may cut the bytes anywhere; a line ends at its
// newline and nowhere else. Memory is bounded: a line that grows beyond kMaxLineBytes is one error, and its bytes are
// dropped up to its newline. What is left without a newline at the end of the input was cut off and is never a
// message.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/protocol/protocol.hpp"
#include "sim/core/error.hpp"

namespace orrery::live {

class LineBuffer {
 public:
  // Adds what was read. Call next() until it is empty before the next append, so that no more than one line waits.
  void append(std::string_view bytes);

  // The next whole line without its newline, or the error of an overlong one (once per line); nothing when more bytes
  // are needed.
  [[nodiscard]] std::optional<Expected<std::string>> next();

  // Whether the input ended in the middle of a line.
  [[nodiscard]] bool cut_off() const { return dropping_ || from_ < bytes_.size(); }

 private:
  std::string bytes_{};
  std::size_t from_ = 0;    // what lies before has been returned
  std::size_t looked_ = 0;  // no newline between from_ and here
  bool dropping_ = false;   // inside an overlong line, which has been reported
};

}  // namespace orrery::live

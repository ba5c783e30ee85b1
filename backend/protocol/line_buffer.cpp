// See line_buffer.hpp. Every byte is looked at once, however small the pieces are.
#include "backend/protocol/line_buffer.hpp"

#include <fmt/format.h>

namespace orrery::live {

void LineBuffer::append(std::string_view bytes) {
  bytes_.erase(0, from_);
  looked_ -= from_;
  from_ = 0;
  bytes_ += bytes;
}

std::optional<Expected<std::string>> LineBuffer::next() {
  while (true) {
    const std::size_t newline = bytes_.find('\n', looked_);
    const bool whole = newline != std::string::npos;
    const std::size_t end = whole ? newline : bytes_.size();
    const std::string_view line(bytes_.data() + from_, end - from_);
    const std::size_t after = whole ? end + 1 : end;
    if (dropping_) {
      from_ = looked_ = after;
      dropping_ = !whole;
      if (!whole) return std::nullopt;
      continue;
    }
    if (line.size() > kMaxLineBytes) {
      Expected<std::string> error =
          fail(fmt::format("bad line `{}`: a line has at most {} bytes", shortened(line), kMaxLineBytes));
      from_ = looked_ = after;
      dropping_ = !whole;
      return error;
    }
    looked_ = after;
    if (!whole) return std::nullopt;
    from_ = after;
    return Expected<std::string>(std::string(line));
  }
}

}  // namespace orrery::live

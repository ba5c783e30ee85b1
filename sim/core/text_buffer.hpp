// A text that grows at its end by small pieces: what std::string does, but inlined, so that a piece of known size
// costs a few instructions. For writers of millions of lines, who empty it again and again.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace orrery {

class TextBuffer {
 public:
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] char& operator[](std::size_t i) { return bytes_[i]; }
  [[nodiscard]] char back() const { return bytes_[size_ - 1]; }  // precondition: not empty
  void clear() { size_ = 0; }
  // To its first `count` bytes, at most all of them.
  void cut(std::size_t count) { size_ = count; }

  [[gnu::always_inline]] void push_back(char c) {
    *room(1) = c;
    ++size_;
  }
  [[gnu::always_inline]] TextBuffer& operator+=(std::string_view piece) {
    std::memcpy(room(piece.size()), piece.data(), piece.size());
    size_ += piece.size();
    return *this;
  }
  void append(std::string_view piece) { *this += piece; }
  // The first `count` of N bytes that can be read at `from`: one copy of known size.
  template <std::size_t N>
  [[gnu::always_inline]] void append_of(const char* from, std::size_t count) {
    std::memcpy(room(N), from, N);
    size_ += count;
  }
  void insert(std::size_t at, std::size_t count, char c) {
    (void)room(count);
    std::memmove(bytes_.data() + at + count, bytes_.data() + at, size_ - at);
    std::memset(bytes_.data() + at, c, count);
    size_ += count;
  }
  // Where `count` bytes more may be written; add(n) takes the first n of them.
  [[gnu::always_inline]] char* room(std::size_t count) {
    if (bytes_.size() - size_ < count) [[unlikely]]
      grow(count);
    return bytes_.data() + size_;
  }
  void add(std::size_t count) { size_ += count; }

 private:
  [[gnu::noinline]] void grow(std::size_t count) { bytes_.resize(2 * bytes_.size() + count + 64); }

  std::string bytes_;  // as many as there is room for
  std::size_t size_ = 0;
};

}  // namespace orrery

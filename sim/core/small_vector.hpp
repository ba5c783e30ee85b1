// A vector that keeps its first N elements inside itself, for lists that nearly always are short: the nodes of an
// allocation, the jobs on a GPU. Of plain data only, which moves by its bytes. Boost's does more, and every file of
// ours would read a megabyte of headers for it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

namespace orrery {

template <class T, std::size_t N>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && N > 0);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() = default;
  SmallVector(const SmallVector& other) { *this = other; }
  SmallVector(SmallVector&& other) noexcept { take(other); }
  ~SmallVector() { release(); }
  SmallVector& operator=(const SmallVector& other) {
    if (this == &other) return *this;
    size_ = 0;
    reserve(other.size_);
    size_ = other.size_;
    std::copy_n(other.data(), size_, data());
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this == &other) return *this;
    release();
    take(other);
    return *this;
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* data() { return reinterpret_cast<T*>(is_inside() ? bytes_ : far()); }
  [[nodiscard]] const T* data() const { return reinterpret_cast<const T*>(is_inside() ? bytes_ : far()); }
  [[nodiscard]] iterator begin() { return data(); }
  [[nodiscard]] iterator end() { return data() + size_; }
  [[nodiscard]] const_iterator begin() const { return data(); }
  [[nodiscard]] const_iterator end() const { return data() + size_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data()[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return data()[i]; }
  [[nodiscard]] T& front() { return data()[0]; }
  [[nodiscard]] const T& front() const { return data()[0]; }
  [[nodiscard]] T& back() { return data()[size_ - 1]; }
  [[nodiscard]] const T& back() const { return data()[size_ - 1]; }

  void clear() { size_ = 0; }
  void reserve(std::size_t count) {
    if (count > capacity_) grow(count);
  }
  void push_back(T value) {
    if (size_ == capacity_) grow(std::size_t{2} * capacity_);
    std::construct_at(data() + size_, value);
    ++size_;
  }
  iterator insert(const_iterator at, T value) {
    const auto place = at - begin();
    push_back(value);
    std::rotate(begin() + place, end() - 1, end());
    return begin() + place;
  }
  iterator erase(const_iterator at) { return erase(at, at + 1); }
  iterator erase(const_iterator first, const_iterator last) {
    const auto place = begin() + (first - begin());
    std::copy(last, const_iterator(end()), place);
    size_ -= static_cast<std::uint32_t>(last - first);
    return place;
  }
  void resize(std::size_t count, T value = {}) {
    reserve(count);
    for (; size_ < count; ++size_) std::construct_at(data() + size_, value);
    size_ = static_cast<std::uint32_t>(count);
  }
  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  [[nodiscard]] bool is_inside() const { return capacity_ == N; }
  // Outside, the first bytes are the address.
  [[nodiscard]] std::byte* far() const {
    std::byte* at;
    std::memcpy(&at, bytes_, sizeof at);
    return at;
  }
  void grow(std::size_t capacity) {
    auto* const to = static_cast<std::byte*>(::operator new(capacity * sizeof(T)));
    if (size_ > 0) std::memcpy(to, static_cast<const void*>(data()), size_ * sizeof(T));
    release();
    std::memcpy(bytes_, &to, sizeof to);
    capacity_ = static_cast<std::uint32_t>(capacity);
  }
  void take(SmallVector& other) {
    size_ = other.size_;
    capacity_ = other.capacity_;
    std::memcpy(bytes_, other.bytes_, sizeof bytes_);
    other.size_ = 0;
    other.capacity_ = N;
  }
  void release() {
    if (!is_inside()) ::operator delete(far());
  }

  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = N;  // N: inside
  alignas(T) alignas(std::byte*) std::byte bytes_[std::max(N * sizeof(T), sizeof(std::byte*))] = {};
};

}  // namespace orrery

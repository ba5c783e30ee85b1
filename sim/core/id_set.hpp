// A set of dense ids kept as a 64-ary tree of bitmaps: insert, erase and "next id at or after" touch one
// word per level (four levels for 16 million ids), iteration is in id order, and begin() is O(1) levels.
// It is what keeps the pending, blocked and active lists of the cluster sorted at no cost per decision.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

namespace orrery {

class BitTree {
 public:
  static constexpr std::size_t kEnd = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool contains(std::size_t i) const {
    const std::size_t word = i >> 6;
    return !levels_.empty() && word < levels_[0].size() && ((levels_[0][word] >> (i & 63)) & 1) != 0;
  }

  // Returns false when `i` was already there.
  bool insert(std::size_t i) {
    if (contains(i)) return false;
    grow(i);
    for (auto& level : levels_) {
      std::uint64_t& word = level[i >> 6];
      const bool was_empty = word == 0;
      word |= std::uint64_t{1} << (i & 63);
      if (!was_empty) break;
      i >>= 6;
    }
    ++size_;
    return true;
  }

  // Returns false when `i` was not there.
  bool erase(std::size_t i) {
    if (!contains(i)) return false;
    for (auto& level : levels_) {
      std::uint64_t& word = level[i >> 6];
      word &= ~(std::uint64_t{1} << (i & 63));
      if (word != 0) break;
      i >>= 6;
    }
    --size_;
    return true;
  }

  // The smallest member >= i, or kEnd.
  [[nodiscard]] std::size_t next(std::size_t i) const {
    std::size_t level = 0;
    while (level < levels_.size()) {
      const std::size_t word = i >> 6;
      if (word >= levels_[level].size()) return kEnd;
      const std::uint64_t rest = levels_[level][word] & (~std::uint64_t{0} << (i & 63));
      if (rest != 0) {
        i = (word << 6) + static_cast<std::size_t>(std::countr_zero(rest));
        while (level-- > 0) i = (i << 6) + static_cast<std::size_t>(std::countr_zero(levels_[level][i]));
        return i;
      }
      i = word + 1;
      ++level;
    }
    return kEnd;
  }
  [[nodiscard]] std::size_t first() const { return next(0); }

 private:
  void grow(std::size_t i) {
    std::size_t words = (i >> 6) + 1;
    for (std::size_t level = 0;; ++level) {
      if (level == levels_.size()) {
        levels_.emplace_back();
        if (level > 0) {  // a new top level must know what is already below it
          const auto& below = levels_[level - 1];
          levels_[level].resize((below.size() >> 6) + 1);
          for (std::size_t w = 0; w < below.size(); ++w)
            if (below[w] != 0) levels_[level][w >> 6] |= std::uint64_t{1} << (w & 63);
        }
      }
      auto& l = levels_[level];
      if (l.size() < words) l.resize(words < 2 * l.size() ? 2 * l.size() : words);
      words = ((l.size() - 1) >> 6) + 1;
      if (l.size() == 1) return;
    }
  }

  std::vector<std::vector<std::uint64_t>> levels_;
  std::size_t size_ = 0;
};

// BitTree with an Id type and iterators. Erasing while iterating is safe: an iterator holds only an id.
template <class IdT>
class IdSet {
 public:
  class iterator {
   public:
    using value_type = IdT;
    using difference_type = std::ptrdiff_t;
    using pointer = const IdT*;
    using reference = IdT;
    using iterator_category = std::input_iterator_tag;
    iterator() = default;
    iterator(const BitTree* tree, std::size_t at) : tree_(tree), at_(at) {}
    IdT operator*() const { return IdT(static_cast<std::uint32_t>(at_)); }
    iterator& operator++() {
      at_ = tree_->next(at_ + 1);
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }

   private:
    const BitTree* tree_ = nullptr;
    std::size_t at_ = BitTree::kEnd;
  };

  [[nodiscard]] std::size_t size() const { return tree_.size(); }
  [[nodiscard]] bool empty() const { return tree_.empty(); }
  [[nodiscard]] bool contains(IdT id) const { return tree_.contains(id.index()); }
  bool insert(IdT id) { return tree_.insert(id.index()); }
  bool erase(IdT id) { return tree_.erase(id.index()); }
  [[nodiscard]] iterator begin() const { return {&tree_, tree_.first()}; }
  [[nodiscard]] iterator end() const { return {&tree_, BitTree::kEnd}; }
  // The first member after `id`, or an invalid id.
  [[nodiscard]] IdT after(IdT id) const {
    const std::size_t n = tree_.next(id.index() + 1);
    return n == BitTree::kEnd ? IdT{} : IdT(static_cast<std::uint32_t>(n));
  }

 private:
  BitTree tree_;
};

}  // namespace orrery

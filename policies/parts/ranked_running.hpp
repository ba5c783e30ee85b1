// Running jobs in order of rank, with the GPUs they hold. Kept as a list of short sorted blocks with their sums, so
// that inserting, erasing and "how many GPUs do jobs behind this rank hold" cost about the square root of the number
// of running jobs, and a walk that only subtracts GPUs passes over whole blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// Smaller comes first. Ties: running before waiting, then by arrival.
using Rank = Int128;

class RankedRunning {
 public:
  struct Item {
    Rank rank{};
    JobId job{};
    std::int32_t gpus = 0;
    std::uint32_t slot = 0;  // the owner's, not looked at here
    bool moved = false;      // rerank() gave it another rank
    [[nodiscard]] bool before(const Item& other) const {
      return rank != other.rank ? rank < other.rank : job < other.job;
    }
  };

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::int64_t gpus() const { return gpus_; }

  void insert(const Item& item) {
    std::size_t b = block_of(item);
    if (blocks_.empty()) blocks_.emplace_back();
    b = std::min(b, blocks_.size() - 1);
    Block& block = blocks_[b];
    block.items.insert(std::lower_bound(block.items.begin(), block.items.end(), item, order), item);
    block.gpus += item.gpus;
    gpus_ += item.gpus;
    ++size_;
    if (block.items.size() > kMaxBlock) split(b);
  }

  // Precondition: it is in here with this rank.
  void erase(Rank rank, JobId job) {
    const Item item{rank, job};
    const std::size_t b = block_of(item);
    Block& block = blocks_[b];
    const auto at = std::lower_bound(block.items.begin(), block.items.end(), item, order);
    block.gpus -= at->gpus;
    gpus_ -= at->gpus;
    --size_;
    block.items.erase(at);
    if (block.items.empty()) blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b));
  }

  // Precondition: as for erase().
  void change_slot(Rank rank, JobId job, std::uint32_t slot) {
    const Item item{rank, job};
    std::vector<Item>& items = blocks_[block_of(item)].items;
    std::lower_bound(items.begin(), items.end(), item, order)->slot = slot;
  }

  // GPUs held by jobs whose rank is greater than `rank`.
  [[nodiscard]] std::int64_t gpus_behind(Rank rank) const {
    std::int64_t sum = 0;
    for (std::size_t b = blocks_.size(); b-- > 0;) {
      const Block& block = blocks_[b];
      if (block.items.front().rank > rank) {
        sum += block.gpus;
        continue;
      }
      for (std::size_t i = block.items.size(); i-- > 0 && block.items[i].rank > rank;) sum += block.items[i].gpus;
      break;
    }
    return sum;
  }

  // A walk in order of rank that hands out `free` GPUs.
  struct Walk {
    std::size_t block = 0;
    std::size_t index = 0;
    std::int64_t free = 0;  // not yet handed out
    std::int64_t held = 0;  // by jobs not yet passed
  };
  [[nodiscard]] Walk walk(std::int64_t free) const { return {0, 0, free, gpus_}; }
  [[nodiscard]] bool at_end(const Walk& w) const { return w.block == blocks_.size(); }
  // Passes all jobs of rank <= `*limit` (all, when null): those that fit into w.free keep their GPUs, the others go
  // to `refuse(item)`.
  template <class Refuse>
  void pass(Walk& w, const Rank* limit, Refuse refuse) const {
    while (w.block < blocks_.size()) {
      if (limit == nullptr && w.held <= w.free) {  // all that is left fits
        w.block = blocks_.size();
        return;
      }
      const Block& block = blocks_[w.block];
      const bool whole =
          w.index == 0 && block.gpus <= w.free && (limit == nullptr || block.items.back().rank <= *limit);
      if (whole) {
        w.free -= block.gpus;
        w.held -= block.gpus;
        ++w.block;
        continue;
      }
      for (; w.index < block.items.size(); ++w.index) {
        const Item& item = block.items[w.index];
        if (limit != nullptr && item.rank > *limit) return;
        w.held -= item.gpus;
        if (item.gpus <= w.free)
          w.free -= item.gpus;
        else
          refuse(item);
      }
      w.index = 0;
      ++w.block;
    }
  }

  template <class Visit>
  void each(Visit visit) const {
    for (const Block& block : blocks_)
      for (const Item& item : block.items) visit(item);
  }

  // Gives every job a new rank, rank_of(its slot), and restores the order; cheap when the order hardly changes.
  template <class RankOf>
  void rerank(RankOf rank_of) {
    bool sorted = true;
    const Item* last = nullptr;
    for (Block& block : blocks_) {
      for (Item& item : block.items) {
        const Rank rank = rank_of(item.slot);
        item.moved = rank != item.rank;
        item.rank = rank;
        sorted = sorted && (last == nullptr || last->before(item));
        last = &item;
      }
    }
    if (!sorted) sort_all();
  }

 private:
  static constexpr std::size_t kMaxBlock = 256;
  struct Block {
    std::vector<Item> items;  // never empty between calls
    std::int64_t gpus = 0;
  };

  static bool order(const Item& a, const Item& b) { return a.before(b); }
  // The first block whose last item is not before `item`; blocks_.size() if there is none.
  [[nodiscard]] std::size_t block_of(const Item& item) const {
    const auto at = std::partition_point(blocks_.begin(), blocks_.end(),
                                         [&item](const Block& b) { return b.items.back().before(item); });
    return static_cast<std::size_t>(at - blocks_.begin());
  }

  void split(std::size_t b) {
    Block upper;
    std::vector<Item>& items = blocks_[b].items;
    const auto middle = items.begin() + static_cast<std::ptrdiff_t>(items.size() / 2);
    upper.items.assign(middle, items.end());
    items.erase(middle, items.end());
    for (const Item& item : upper.items) upper.gpus += item.gpus;
    blocks_[b].gpus -= upper.gpus;
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1, std::move(upper));
  }

  // Those that have their ranks still are in order, and are merged with the others. These are sorted by insertion,
  // since between decisions the order hardly changes.
  void sort_all() {
    kept_.clear();
    moved_.clear();
    for (const Block& block : blocks_)
      for (const Item& item : block.items) (item.moved ? moved_ : kept_).push_back(item);
    for (std::size_t i = 1; i < moved_.size(); ++i) {
      if (!moved_[i].before(moved_[i - 1])) continue;
      const Item item = moved_[i];
      std::size_t at = i;
      for (; at > 0 && item.before(moved_[at - 1]); --at) moved_[at] = moved_[at - 1];
      moved_[at] = item;
    }
    auto kept = kept_.begin();
    auto moved = moved_.begin();
    for (Block& block : blocks_) {
      block.gpus = 0;
      for (Item& item : block.items) {
        const bool first = moved != moved_.end() && (kept == kept_.end() || moved->before(*kept));
        item = first ? *moved++ : *kept++;
        block.gpus += item.gpus;
      }
    }
  }

  std::vector<Block> blocks_;
  std::vector<Item> kept_, moved_;  // sort_all()'s
  std::size_t size_ = 0;
  std::int64_t gpus_ = 0;
};

}  // namespace orrery

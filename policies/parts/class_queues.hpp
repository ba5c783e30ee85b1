// Waiting jobs, one ordered queue per demand class. A scan in key order that asks "does the next one fit?" needs
// to look only at the head of each class: what does not fit now fits for no later job of the class either. So a
// scan of a queue of n jobs costs (jobs started + classes), not n.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "sim/core/ids.hpp"

namespace orrery {

template <class Key>
class ClassQueues {
 public:
  using Item = std::pair<Key, JobId>;  // by key, then by arrival

  void insert(DemandClass c, const Key& key, JobId job) {
    if (c.index() >= classes_.size()) classes_.resize(c.index() + 1);
    if (classes_[c.index()].emplace(key, job).second) ++size_;
  }
  bool erase(DemandClass c, const Key& key, JobId job) {
    if (c.index() >= classes_.size() || classes_[c.index()].erase({key, job}) == 0) return false;
    --size_;
    return true;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t class_count() const { return classes_.size(); }
  [[nodiscard]] const std::set<Item>& of(DemandClass c) const { return classes_[c.index()]; }

 private:
  std::vector<std::set<Item>> classes_;
  std::size_t size_ = 0;
};

// Walks ClassQueues in key order across classes. After each head(), either take() it (it left the queue or was
// passed over) or drop_class() (nothing of this class can be used any more in this scan).
template <class Key>
class ClassScan {
 public:
  using Item = typename ClassQueues<Key>::Item;

  void begin(const ClassQueues<Key>& queues) {
    cursors_.clear();
    for (std::uint32_t c = 0; c < queues.class_count(); ++c) {
      const auto& q = queues.of(DemandClass(c));
      if (!q.empty()) cursors_.push_back({q.begin(), q.end(), DemandClass(c)});
    }
    find_best();
  }
  [[nodiscard]] bool done() const { return cursors_.empty(); }
  [[nodiscard]] const Item& head() const { return *cursors_[best_].at; }
  [[nodiscard]] DemandClass head_class() const { return cursors_[best_].demand_class; }
  // Moves past the head; call before erasing it from the queues.
  void take() {
    Cursor& c = cursors_[best_];
    ++c.at;
    if (c.at == c.end) remove_best();
    find_best();
  }
  void drop_class() {
    remove_best();
    find_best();
  }

 private:
  struct Cursor {
    typename std::set<Item>::const_iterator at, end;
    DemandClass demand_class;
  };
  void remove_best() {
    cursors_[best_] = cursors_.back();
    cursors_.pop_back();
  }
  void find_best() {
    best_ = 0;
    for (std::size_t i = 1; i < cursors_.size(); ++i)
      if (*cursors_[i].at < *cursors_[best_].at) best_ = i;
  }
  std::vector<Cursor> cursors_;
  std::size_t best_ = 0;
};

}  // namespace orrery

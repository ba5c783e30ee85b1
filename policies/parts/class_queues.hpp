// Waiting jobs, one ordered queue per demand class. A scan in key order that asks "does the next one fit?" needs
// to look only at the head of each class: what does not fit now fits for no later job of the class either. So a
// scan of a queue of n jobs costs (jobs started + classes), not n.
#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "sim/core/ids.hpp"

namespace orrery {

template <class Key>
class ClassQueues {
 public:
  using Item = std::pair<Key, JobId>;  // by key, then by arrival
  struct Head {
    Item item{};
    DemandClass demand_class{};
  };

  void insert(DemandClass c, const Key& key, JobId job) {
    if (c.index() >= classes_.size()) {
      classes_.resize(c.index() + 1);
      head_of_.resize(c.index() + 1, kNone);
    }
    std::set<Item>& queue = classes_[c.index()];
    const auto [at, fresh] = queue.emplace(key, job);
    if (!fresh) return;
    ++size_;
    if (at == queue.begin()) set_head(c, *at);
  }
  bool erase(DemandClass c, const Key& key, JobId job) {
    if (c.index() >= classes_.size()) return false;
    std::set<Item>& queue = classes_[c.index()];
    const Item item{key, job};
    if (queue.erase(item) == 0) return false;
    --size_;
    if (queue.empty())
      drop_head(c);
    else if (heads_[head_of_[c.index()]].item == item)
      set_head(c, *queue.begin());
    return true;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t class_count() const { return classes_.size(); }
  [[nodiscard]] const std::set<Item>& of(DemandClass c) const { return classes_[c.index()]; }
  // The first of every queue that is not empty, in no order; side by side, so that a scan begins without touching the
  // queues themselves.
  [[nodiscard]] const std::vector<Head>& heads() const { return heads_; }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  void set_head(DemandClass c, const Item& item) {
    std::size_t& at = head_of_[c.index()];
    if (at == kNone) {
      at = heads_.size();
      heads_.push_back({});
    }
    heads_[at] = {item, c};
  }
  void drop_head(DemandClass c) {
    const std::size_t at = head_of_[c.index()];
    heads_[at] = heads_.back();
    head_of_[heads_[at].demand_class.index()] = at;
    head_of_[c.index()] = kNone;
    heads_.pop_back();
  }

  std::vector<std::set<Item>> classes_;
  std::vector<Head> heads_;
  std::vector<std::size_t> head_of_;  // [class] -> index in heads_
  std::size_t size_ = 0;
};

// Walks ClassQueues in key order across classes. After each head(), either take() it (it left the queue or was
// passed over) or drop_class() (nothing of this class can be used any more in this scan).
template <class Key>
class ClassScan {
 public:
  using Item = typename ClassQueues<Key>::Item;

  void begin(const ClassQueues<Key>& queues) {
    queues_ = &queues;
    cursors_.clear();
    for (const auto& head : queues.heads()) cursors_.push_back({head.item, {}, head.demand_class, false});
    std::make_heap(cursors_.begin(), cursors_.end(), later);
  }
  [[nodiscard]] bool done() const { return cursors_.empty(); }
  [[nodiscard]] const Item& head() const { return cursors_.front().item; }
  [[nodiscard]] DemandClass head_class() const { return cursors_.front().demand_class; }
  // Moves past the head; call before erasing it from the queues.
  void take() {
    std::pop_heap(cursors_.begin(), cursors_.end(), later);
    Cursor& c = cursors_.back();
    const std::set<Item>& queue = queues_->of(c.demand_class);
    if (!c.walking) c.at = queue.begin();
    c.walking = true;
    ++c.at;
    if (c.at == queue.end()) {
      cursors_.pop_back();
      return;
    }
    c.item = *c.at;
    std::push_heap(cursors_.begin(), cursors_.end(), later);
  }
  void drop_class() {
    std::pop_heap(cursors_.begin(), cursors_.end(), later);
    cursors_.pop_back();
  }

 private:
  struct Cursor {
    Item item;
    typename std::set<Item>::const_iterator at;  // of item, once walking
    DemandClass demand_class;
    bool walking;
  };
  static bool later(const Cursor& a, const Cursor& b) { return b.item < a.item; }
  const ClassQueues<Key>* queues_ = nullptr;
  std::vector<Cursor> cursors_;  // a heap, the next one at the front
};

}  // namespace orrery

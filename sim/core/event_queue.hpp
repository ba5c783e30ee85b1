// The event queue of the discrete-event kernel: a 4-ary heap over (time, class, sequence) with handles, so that
// an event can be cancelled or moved in O(log n) instead of being left behind as a tombstone. Knows nothing of
// jobs. The order is total: equal times go by class (a named enum of the user), then by insertion.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/core/assert.hpp"
#include "sim/core/slots.hpp"
#include "sim/core/time.hpp"

namespace orrery {

template <class Payload>
class EventQueue {
 public:
  // Names a queued event; reused after it was popped or cancelled.
  using Handle = std::uint32_t;
  static constexpr Handle kNone = Slots<int>::kNone;

  struct Popped {
    Time at{};
    Payload payload{};
  };

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] Time next_time() const { return heap_.empty() ? kNever : heap_.front().at; }

  Handle push(Time at, std::uint8_t event_class, Payload payload) {
    const Handle h = slots_.take();
    slots_[h].payload = std::move(payload);
    heap_.push_back({at, order(event_class), h});
    sift_up(heap_.size() - 1);
    return h;
  }

  // The earliest event; precondition: not empty.
  Popped pop() {
    ORRERY_ASSERT(!heap_.empty(), "pop from an empty event queue");
    const Entry top = heap_.front();
    Popped out{top.at, std::move(slots_[top.slot].payload)};
    remove_at(0);
    slots_.leave(top.slot);
    return out;
  }

  // What pop() would give; null where the queue is empty.
  [[nodiscard]] const Payload* peek() const { return heap_.empty() ? nullptr : &slots_[heap_.front().slot].payload; }

  void cancel(Handle h) {
    remove_at(slots_[h].heap_index);
    slots_.leave(h);
  }

  // Moves an event to another time; among equals it counts as inserted now.
  void reschedule(Handle h, Time at) {
    const std::size_t i = slots_[h].heap_index;
    Entry& e = heap_[i];
    e.at = at;
    e.order = (e.order & kClassMask) | next_sequence();
    if (!sift_up(i)) sift_down(i);
  }

 private:
  static constexpr std::uint64_t kClassMask = std::uint64_t{0xff} << 56;
  struct Entry {
    Time at{};
    std::uint64_t order = 0;  // class in the top byte, then the sequence number
    Handle slot = kNone;
    [[nodiscard]] bool before(const Entry& o) const { return at != o.at ? at < o.at : order < o.order; }
  };
  struct Slot {
    std::size_t heap_index = 0;
    Payload payload{};
  };

  std::uint64_t next_sequence() { return sequence_++; }
  std::uint64_t order(std::uint8_t event_class) {
    return (static_cast<std::uint64_t>(event_class) << 56) | next_sequence();
  }

  void place(std::size_t i, const Entry& e) {
    heap_[i] = e;
    slots_[e.slot].heap_index = i;
  }
  bool sift_up(std::size_t i) {
    const Entry e = heap_[i];
    const std::size_t from = i;
    while (i > 0) {
      const std::size_t parent = (i - 1) / 4;
      if (!e.before(heap_[parent])) break;
      place(i, heap_[parent]);
      i = parent;
    }
    place(i, e);
    return i != from;
  }
  void sift_down(std::size_t i) {
    const Entry e = heap_[i];
    for (;;) {
      const std::size_t first = 4 * i + 1;
      if (first >= heap_.size()) break;
      const std::size_t last = first + 4 < heap_.size() ? first + 4 : heap_.size();
      std::size_t best = first;
      for (std::size_t c = first + 1; c < last; ++c)
        if (heap_[c].before(heap_[best])) best = c;
      if (!heap_[best].before(e)) break;
      place(i, heap_[best]);
      i = best;
    }
    place(i, e);
  }
  void remove_at(std::size_t i) {
    const Entry last = heap_.back();
    heap_.pop_back();
    if (i == heap_.size()) return;
    place(i, last);
    if (!sift_up(i)) sift_down(i);
  }

  std::vector<Entry> heap_;
  Slots<Slot> slots_;
  std::uint64_t sequence_ = 0;
};

}  // namespace orrery

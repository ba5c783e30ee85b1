// Policies that decide every so often: whole multiples of an interval, counted from the start of the run. Between
// them they may do less, or nothing. While jobs are there the policy is woken at the next one; an arrival wakes it
// otherwise.
#pragma once

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"

namespace orrery {

class Ticks {
 public:
  explicit Ticks(Duration interval) : interval_(interval) {}

  // True once at every tick: the first time it is asked then.
  [[nodiscard]] bool due(Time now) {
    if (now.ns % interval_.ns != 0 || now == last_) return false;
    last_ = now;
    return true;
  }
  // To be called in every decision, since each replaces the wake-up asked for before.
  void ask(const ClusterView& view, PlanBuilder& plan) const {
    if (view.pending().empty() && view.active().empty()) return;
    plan.wake_at(Time{add_ns(view.now.ns - view.now.ns % interval_.ns, interval_.ns)});
  }
  [[nodiscard]] Duration interval() const { return interval_; }

 private:
  Duration interval_;
  Time last_{-1};
};

}  // namespace orrery

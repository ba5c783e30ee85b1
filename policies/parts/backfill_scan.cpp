// What may start now, past jobs that hold reservations. By number: how long so many GPUs stay free says which jobs of
// a class are short enough. By place: the placement is asked where the job could stay for its whole length; where it
// finds nothing but could if a reservation went elsewhere, the reservations in the way are put somewhere else at
// their own times, if all of them can be.
#include <algorithm>

#include "policies/parts/backfill.hpp"

namespace orrery {
namespace {

bool meet(const Allocation& a, const Allocation& b) {
  return std::any_of(a.slices().begin(), a.slices().end(), [&b](const NodeSlice& s) { return b.touches(s.node); });
}

}  // namespace

void Backfill::measure_windows() {
  std::size_t next = 0;
  const Time now = profile_.points().front().at;
  for (const AvailabilityProfile::Point& p : profile_.points()) {
    while (next < by_size_.size() && by_size_[next].first > p.free)
      classes_[by_size_[next++].second].window = p.at - now;
    if (next == by_size_.size()) return;
  }
  for (; next < by_size_.size(); ++next) classes_[by_size_[next].second].window = kForever;
}

void Backfill::scan_by_number(const ClusterView& view, PlanBuilder& plan, Duration longest) {
  for (;;) {
    measure_windows();
    JobId best;
    for (const Class& c : classes_) {
      if (c.blocked || c.window.ns == 0) continue;
      best = std::min(best, first_within(c, std::min(c.window, longest)));
    }
    if (!best.valid()) return;
    const JobView v = view.job(best);
    if (!launch(view, plan, v, {})) class_of(v).blocked = true;
  }
}

void Backfill::scan_by_place(const ClusterView& view, PlanBuilder& plan, Duration longest) {
  for (Class& c : classes_) {
    c.window = longest;
    c.tried = false;
  }
  for (;;) {
    JobId best;
    for (const Class& c : classes_)
      if (!c.blocked) best = std::min(best, first_within(c, c.window));
    if (!best.valid()) return;
    const JobView v = view.job(best);
    Class& c = class_of(v);
    Allocation where;
    if (!c.tried) {
      c.tried = true;
      c.blocked = !table_->fits(*placement_, c.demand, view.now, view.now + Duration{1}, where);
      if (c.blocked) continue;
    }
    const Duration needed = length(v);
    const bool room =
        table_->fits(*placement_, c.demand, view.now, view.now + needed, where) || make_room(view, v, where);
    if (!room) {
      shorten_window(view, c, needed);
      continue;
    }
    if (!launch(view, plan, v, where)) c.blocked = true;
    for (Class& other : classes_) other.tried = false;
  }
}

// A job of this length does not fit; nor does one that meets the same reservations.
void Backfill::shorten_window(const ClusterView& view, Class& c, Duration length) {
  const auto after = due_.lower_bound({view.now + length, JobId(0)});
  if (after == due_.begin() || std::prev(after)->first <= view.now)
    c.blocked = true;
  else
    c.window = std::prev(after)->first - view.now;
}

bool Backfill::make_room(const ClusterView& view, const JobView& v, Allocation& where) {
  const Time end = view.now + length(v);
  if (!table_->fits(*placement_, v.spec->demand, view.now, view.now + Duration{1}, where)) return false;
  std::vector<std::pair<JobId, Timetable::Entry>> before;
  table_->add(v.id(), view.now, end, where);
  bool room = true;
  for (auto at = due_.begin(); room && at != due_.end() && at->first < end; ++at) {
    const JobId id = at->second;
    if (!meet(table_->find(id)->where, where)) continue;
    const Timetable::Entry entry = *table_->find(id);
    before.emplace_back(id, entry);
    table_->remove(id);
    Allocation other = entry.where;
    room = table_->free(other, entry.from, entry.to) ||
           table_->fits(*placement_, view.spec(id).demand, entry.from, entry.to, other);
    if (room) table_->add(id, entry.from, entry.to, other);
  }
  table_->remove(v.id());
  if (room) {
    for (const auto& [id, entry] : before) freed_until_ = std::max(freed_until_, entry.to);
    return true;
  }
  for (const auto& [id, entry] : before) {
    if (table_->find(id) != nullptr) table_->remove(id);
    table_->add(id, entry.from, entry.to, entry.where);
  }
  return false;
}

}  // namespace orrery

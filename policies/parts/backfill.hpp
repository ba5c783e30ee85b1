// Backfilling, EASY and conservative: see policies/backfill/easy.cpp for what it does and for its reservations. This
// is its state and its parts: what it makes of events is in backfill_events.cpp, what may start now, past jobs with
// reservations, in backfill_scan.cpp.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "policies/parts/arrival_index.hpp"
#include "policies/parts/timetable.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

class Backfill final : public Policy {
 public:
  Backfill(std::unique_ptr<Placement> placement, std::size_t depth)
      : placement_(std::move(placement)), depth_(depth) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Backfill>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

 private:
  struct Job {
    enum Where : std::uint8_t { nowhere, queued, reserved, running } where = nowhere;
    bool announced = false;
    std::size_t slot = 0;  // in its class's ArrivalIndex, once announced
    Time start{};          // reserved: planned; running: real
    Time end{};            // expected
    Duration startup{};    // running: of that, for starting up
  };
  struct Class {
    Demand demand{};
    ArrivalIndex waiting{};
    Duration window{};          // in a scan: no longer job can start
    bool blocked = false;       // in a scan: none can
    bool tried = false;         // in a scan: one fits for a moment
    signed char possible = -1;  // on the nodes in service, if nobody held anything; -1 = not known
  };
  enum class Verdict : std::uint8_t { started, reserved, no_capacity, unknown_end };

  Job& job(JobId id) {
    if (id.index() >= jobs_.size()) jobs_.resize(std::max(id.index() + 1, 2 * jobs_.size()));
    return jobs_[id.index()];
  }
  static Duration run_time(const JobView& v) {
    return v.estimate ? Duration{std::max<std::int64_t>(1, v.estimate->total.ns - v.done.ns)} : kForever;
  }
  // How long it will hold what it gets.
  [[nodiscard]] Duration length(const JobView& v) const { return startup_ + run_time(v); }
  [[nodiscard]] JobId first_within(const Class& c, Duration window) const {
    if (window == kForever) return c.waiting.first_within(kForever);
    return window > startup_ ? c.waiting.first_within(window - startup_) : JobId{};
  }
  Class& class_of(const JobView& v) { return classes_[v.spec->demand_class.index()]; }
  [[nodiscard]] bool counting() const { return !table_; }

  // What happened since the last decision (backfill_events.cpp).
  void follow(const ClusterView& view, const Event& e);
  void capacity_changed(const ClusterView& view, NodeId node);
  void announce(const JobView& v);
  void enqueue(const JobView& v);
  void dequeue(const JobView& v);
  void ended(const JobView& v, Time now);
  void freed(Time until);
  void began(const ClusterView& view, const JobView& v, Time at);
  void set_end(const JobView& v, Time end);
  void adopt_running(const ClusterView& view);
  void rebuild_profile(const ClusterView& view);
  void make_table(const ClusterView& view);
  static Duration more_time(const JobView& v, Duration held);
  void extend_overruns(const ClusterView& view);

  // The book of who holds what until when, by number or by place.
  void hold(const JobView& v, Time from, Time to, const Allocation& where);
  void release(const JobView& v);
  Timetable::Slot earliest(const JobView& v);
  bool launch(const ClusterView& view, PlanBuilder& plan, const JobView& v, const Allocation& where);

  Verdict start_or_reserve(const ClusterView& view, PlanBuilder& plan, const JobView& v);
  void reserve(PlanBuilder& plan, const JobView& v, const Timetable::Slot& slot, Time promised = kNever);
  void unreserve(const JobView& v);
  void replace_reservations(const ClusterView& view, PlanBuilder& plan);
  void drop_contradicted(const ClusterView& view);
  bool move_forward(const ClusterView& view, PlanBuilder& plan, const JobView& v);
  [[nodiscard]] JobId first_queued() const;

  // Jobs of unknown length.
  bool possible(const ClusterView& view, Class& c);
  Time unknown_end(const ClusterView& view, const JobView& v);

  // What may start now (backfill_scan.cpp).
  void scan_by_number(const ClusterView& view, PlanBuilder& plan, Duration longest);
  void measure_windows();
  void scan_by_place(const ClusterView& view, PlanBuilder& plan, Duration longest);
  bool make_room(const ClusterView& view, const JobView& v, Allocation& where);
  void shorten_window(const ClusterView& view, Class& c, Duration length);

  OwnPlacement placement_;
  std::size_t depth_;
  const DemandTable* view_demands_ = nullptr;
  AvailabilityProfile profile_;     // while every demand is plain and the placement counts
  std::optional<Timetable> table_;  // from then on
  bool plain_ = true;
  std::vector<Job> jobs_;
  std::vector<Class> classes_;                                 // [demand class]
  std::vector<std::pair<std::int64_t, std::size_t>> by_size_;  // (milli, class), largest first
  std::set<std::pair<Time, JobId>> running_;                   // by expected end
  std::map<JobId, Time> reserved_;                             // in order of arrival -> planned start
  std::set<std::pair<Time, JobId>> due_;                       // the same by planned start
  Duration startup_{};         // the longest that a first launch has taken until the job ran
  bool compress_ = false;      // something changed that may move reservations
  Time freed_until_{};         // by place: the end of what became free and was not tried by every reservation
  bool contradicted_ = false;  // reservations may want what somebody else holds, or what is down
  bool initialised_ = false;
};

}  // namespace orrery

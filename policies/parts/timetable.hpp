// Who holds which GPUs, CPUs and memory of which node, and until when: the availability profile of backfilling where
// counting GPUs says too little (placements that look at nodes, GPU types, CPUs, memory, fractions of a GPU). What
// may go where is asked of the placement itself, on a hypothetical inventory: that of what nobody holds at any moment
// of a window of time. The inventory is kept between questions, and moving the window touches only the nodes of jobs
// that start or end between the old window and the new one.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "policies/parts/availability_profile.hpp"
#include "sim/api/placement.hpp"

namespace orrery {

class Timetable {
 public:
  struct Entry {  // `where` is held in [from, to)
    Time from{};
    Time to{};
    Allocation where{};
  };

  Timetable(const Topology& topology, Time now);
  void advance(Time now);
  void set_down(NodeId node, bool down);

  // A job has one entry at most. Entries may contradict each other (after a job has outrun its estimate): then the
  // inventory is that of what none of them holds.
  void add(JobId job, Time from, Time to, const Allocation& where);
  void remove(JobId job);
  void set_end(JobId job, Time to);
  [[nodiscard]] const Entry* find(JobId job) const;

  // Where the placement puts the demand so that it can stay throughout [from, to); false when nowhere.
  bool fits(Placement& placement, const Demand& d, Time from, Time to, Allocation& out);
  // Whether nobody holds any of `where` in [from, to).
  bool free(const Allocation& where, Time from, Time to);

  struct Slot {
    Time start = kNever;
    Allocation where{};
  };
  // The earliest moment before `before` from which the placement can put the demand somewhere for so long; kNever
  // when there is none.
  [[nodiscard]] Slot earliest(Placement& placement, const Demand& d, Duration length, Time before = kNever);
  // The end of what is known: only entries without an end go on then.
  static constexpr Time kEnd{kNever.ns - 1};

 private:
  using Mask = decltype(NodeSlice::gpus);
  struct Holding {
    Time from{};
    Time to{};
    JobId job{};
    NodeSlice slice{};
  };
  struct Taken {  // of one node, by anybody in the window: GPUs, and the most of everything else at one moment
    NodeSlice whole{};
    std::vector<std::pair<Mask, std::int32_t>> parts{};  // (one GPU, thousandths of it)
    friend bool operator==(const Taken&, const Taken&) = default;
  };
  struct Node {
    std::vector<Holding> holdings{};
    Taken taken{};
    bool down = false;
    bool amounts = false;  // CPUs or memory are modelled
    std::uint64_t seen = 0;
  };
  // GPUs of some types by number: what is too little in number needs no placement to be refused.
  struct Count {
    GpuTypeMask types = 0;
    AvailabilityProfile profile{};
  };

  void move(Time from, Time to);
  void touch(NodeId node);
  void refresh(NodeId node);
  [[nodiscard]] Taken taken_in_window(NodeId node);
  void add_peaks(NodeId node, Taken& out);
  void count(const Entry& e, int sign);
  [[nodiscard]] std::int64_t milli_of_types(const Allocation& where, GpuTypeMask types) const;
  AvailabilityProfile& count_of(GpuTypeMask types);

  const Topology* topology_;
  Inventory window_;  // what is free throughout [from_, to_)
  Time now_;
  Time from_;
  Time to_;
  std::vector<Node> nodes_;
  std::map<JobId, Entry> entries_;
  std::set<std::pair<Time, JobId>> starts_;
  std::set<std::pair<Time, JobId>> ends_;
  std::vector<Count> counts_;
  // Scratch.
  struct Step {
    Time at{};
    int sign = 0;
    const NodeSlice* slice = nullptr;
  };
  struct Part {
    Mask gpu{};
    std::int32_t milli = 0;
    std::int32_t most = 0;
  };
  std::vector<Step> steps_;
  std::vector<Part> parts_;
  std::vector<NodeId> touched_;
  std::uint64_t round_ = 0;
};

}  // namespace orrery

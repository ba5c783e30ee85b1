// What both executors keep of a job's part in its gang, and how they find it. A job is in one gang at a time, of
// which it is the only member unless it is merged with others; what else is to be known of it is the executor's.
// Events carry the gang and the incarnation, which tell an ended member's last words from its next launch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "sim/control/executor.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/event.hpp"
#include "sim/core/slots.hpp"

namespace orrery {

// Whether members that hold these may be in one gang: the same GPUs of the same nodes. CPUs and memory are each
// member's own.
[[nodiscard]] inline bool same_gpus(const Allocation& a, const Allocation& b) {
  return std::equal(a.slices().begin(), a.slices().end(), b.slices().begin(), b.slices().end(),
                    [](const NodeSlice& x, const NodeSlice& y) {
                      return x.node == y.node && x.gpus == y.gpus && x.milli_per_gpu == y.milli_per_gpu;
                    });
}

struct GangMember {
  JobId job{};
  GangId id{};
  Incarnation incarnation = 0;
  bool merged = false;  // others may be in its gang
  Work done{};          // of the job, kept between its gangs
  Work committed{};     // what survives a failure

  [[nodiscard]] Event says(Time at, const event::Payload& what) const {
    return {.at = at, .job = job, .gang = id, .incarnation = incarnation, .what = what};
  }
};

// `M`: a GangMember with `bool there() const`, false when it has left. Jobs that nothing more comes of take no room,
// so that what a run looks at all the time lies close together. What is kept of a job stays where it is.
template <class M>
class Gangs {
 public:
  explicit Gangs(std::size_t jobs) : place_(jobs, kNone) {}

  [[nodiscard]] std::size_t size() const { return place_.size(); }
  [[nodiscard]] M& operator[](JobId job) {
    std::uint32_t& at = place_[job.index()];
    if (at == kNone) {
      at = members_.take();
      members_[at] = M{};
    }
    return members_[at];
  }
  [[nodiscard]] const M& operator[](JobId job) const {
    static const M kNobody{};
    const std::uint32_t at = place_[job.index()];
    return at == kNone ? kNobody : members_[at];
  }
  // Null of a job of which nothing is kept.
  [[nodiscard]] M* look(JobId job) {
    const std::uint32_t at = place_[job.index()];
    return at == kNone ? nullptr : &members_[at];
  }
  // Calls act(member) for every job of which something is kept, by job.
  template <class Act>
  void for_each(Act act) {
    for (const std::uint32_t at : place_)
      if (at != kNone) act(members_[at]);
  }
  // Null when it has left: its event is on the way.
  [[nodiscard]] M* find(GangId gang, const Member& member) {
    M* const m = look(member.job);
    return m != nullptr && m->id == gang && m->incarnation == member.incarnation && m->there() ? m : nullptr;
  }
  // It must be in none.
  M& enter(const LaunchRequest& request, const Member& member) {
    M& m = (*this)[member.job];
    ORRERY_ASSERT(!m.there(), "job {} launched twice", member.job.value);
    m.job = member.job;
    m.id = request.gang;
    m.incarnation = member.incarnation;
    m.merged = request.sharing == Sharing::merged;
    return m;
  }
  // It has left and is never launched again: nothing of it is kept.
  void forget(JobId job) {
    std::uint32_t& at = place_[job.index()];
    if (at != kNone) members_.leave(at);
    at = kNone;
  }

 private:
  using Members = Slots<M, std::deque<M>>;  // growing moves nothing
  static constexpr std::uint32_t kNone = Members::kNone;

  std::vector<std::uint32_t> place_;  // [job] of its present or last gang
  Members members_;
};

}  // namespace orrery

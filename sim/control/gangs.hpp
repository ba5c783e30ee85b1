// What both executors keep of a job's part in its gang, and how they find it. A job is in one gang at a time, of
// which it is the only member unless it is merged with others; what else is to be known of it is the executor's.
// Events carry the gang and the incarnation, which tell an ended member's last words from its next launch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sim/control/executor.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/event.hpp"

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

// `M`: a GangMember with `bool there() const`, false when it has left.
template <class M>
class Gangs {
 public:
  explicit Gangs(std::size_t jobs) : members_(jobs) {}

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] M& operator[](JobId job) { return members_[job.index()]; }
  [[nodiscard]] const M& operator[](JobId job) const { return members_[job.index()]; }
  [[nodiscard]] auto begin() { return members_.begin(); }
  [[nodiscard]] auto end() { return members_.end(); }
  // Null when it has left: its event is on the way.
  [[nodiscard]] M* find(GangId gang, const Member& member) {
    M& m = members_[member.job.index()];
    return m.id == gang && m.incarnation == member.incarnation && m.there() ? &m : nullptr;
  }
  // It must be in none.
  M& enter(const LaunchRequest& request, const Member& member) {
    M& m = members_[member.job.index()];
    ORRERY_ASSERT(!m.there(), "job {} launched twice", member.job.value);
    m.job = member.job;
    m.id = request.gang;
    m.incarnation = member.incarnation;
    m.merged = request.sharing == Sharing::merged;
    return m;
  }

 private:
  std::vector<M> members_;  // [job]: its present or last gang
};

}  // namespace orrery

// Waiting jobs of one demand class in order of arrival, with "the first one whose estimate is at most L" in
// O(log n): the question that backfilling asks of every class at every decision. A segment tree of minimum
// estimates over arrival slots; a job that comes back (after a failure) takes its old slot, so order is kept.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"

namespace orrery {

class ArrivalIndex {
 public:
  // Jobs must be inserted for the first time in increasing id order. Returns the job's slot.
  std::size_t append(JobId job, Duration estimate) {
    jobs_.push_back(job);
    if (jobs_.size() > leaves_) grow();
    set(jobs_.size() - 1, std::min(estimate.ns, kAbsent - 1));
    return jobs_.size() - 1;
  }
  void reinsert(std::size_t slot, Duration estimate) { set(slot, std::min(estimate.ns, kAbsent - 1)); }
  void erase(std::size_t slot) { set(slot, kAbsent); }
  // The first waiting job with estimate <= limit, or an invalid id. An unlimited search takes kForever.
  [[nodiscard]] JobId first_within(Duration limit) const {
    if (leaves_ == 0 || tree_[1] == kAbsent || (limit.ns != kForever.ns && tree_[1] > limit.ns)) return JobId{};
    const std::int64_t most = limit.ns == kForever.ns ? kAbsent - 1 : limit.ns;
    std::size_t i = 1;
    while (i < leaves_) i = tree_[2 * i] <= most ? 2 * i : 2 * i + 1;
    return jobs_[i - leaves_];
  }

 private:
  // Absent slots must be larger than every estimate, and jobs without an estimate (kForever) are one below.
  static constexpr std::int64_t kAbsent = std::numeric_limits<std::int64_t>::max();
  void set(std::size_t slot, std::int64_t value) {
    std::size_t i = leaves_ + slot;
    tree_[i] = value;
    for (i /= 2; i >= 1; i /= 2) {
      const std::int64_t least = std::min(tree_[2 * i], tree_[2 * i + 1]);
      if (tree_[i] == least) return;  // nothing changes further up
      tree_[i] = least;
    }
  }
  void grow() {
    const std::size_t leaves = std::max<std::size_t>(1, 2 * leaves_);
    std::vector<std::int64_t> tree(2 * leaves, kAbsent);
    for (std::size_t s = 0; s < leaves_; ++s) tree[leaves + s] = tree_[leaves_ + s];
    for (std::size_t i = leaves - 1; i >= 1; --i) tree[i] = std::min(tree[2 * i], tree[2 * i + 1]);
    tree_.swap(tree);
    leaves_ = leaves;
  }

  std::vector<JobId> jobs_;
  std::vector<std::int64_t> tree_;
  std::size_t leaves_ = 0;
};

}  // namespace orrery

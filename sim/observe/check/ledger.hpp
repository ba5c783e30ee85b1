// Who holds which share of which GPU, with the CPUs and memory beside them: the checker's own book, kept apart
// from the Inventory that it checks. Whole GPUs are a bit mask per node; what is shared has a row a GPU. It refuses
// an over-booking with the reason instead of asserting, and owns nothing but its counts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/inventory.hpp"

namespace orrery {

class Ledger {
 public:
  explicit Ledger(const Topology& topology);

  // "" when all of `a` could be booked; otherwise what stands against it, and nothing is booked.
  [[nodiscard]] std::string take(const Allocation& a, Sharing sharing, GroupId group);
  // The inverse of a take that succeeded.
  void give(const Allocation& a, Sharing sharing, GroupId group);
  // GPUs of a node that may be held at once; lowered by capacity events.
  void set_usable(NodeId n, std::int64_t gpus) { nodes_[n.index()].usable = gpus; }
  [[nodiscard]] std::int64_t usable(NodeId n) const { return nodes_[n.index()].usable; }
  [[nodiscard]] int held_on(NodeId n) const { return nodes_[n.index()].whole.count() + nodes_[n.index()].shared; }
  // Where the jobs of a group that are merged are; null while there are none.
  [[nodiscard]] const Allocation* merged(GroupId group) const {
    const auto at = merged_.find(group);
    return at == merged_.end() ? nullptr : &at->second.first;
  }
  // "" when every slice names GPUs that exist.
  [[nodiscard]] std::string bounds(const Allocation& a) const;

 private:
  struct Node {
    GpuMask whole;          // GPUs held whole by one job
    GpuMask all;            // GPUs that exist
    int shared = 0;         // GPUs held in shares
    std::size_t first = 0;  // of its GPUs, in shares_
    std::int64_t usable = 0;
    std::int64_t cpu_milli = 0;  // free
    std::int64_t mem_bytes = 0;
    bool cpu_modelled = false;
    bool mem_modelled = false;
  };
  struct Share {
    std::int64_t milli = 0;
    std::int32_t holders = 0;
    GroupId group = kNoGroup;
    bool merged = false;
  };
  [[nodiscard]] std::string conflict(const NodeSlice& s, Sharing sharing, GroupId group) const;

  [[nodiscard]] static std::size_t row(const Node& n, int gpu) { return n.first + static_cast<std::size_t>(gpu); }

  std::vector<Node> nodes_;
  std::vector<Share> shares_;                             // [GPU], node by node
  std::map<GroupId, std::pair<Allocation, int>> merged_;  // and how many they are
};

}  // namespace orrery

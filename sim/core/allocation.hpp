// An allocation: which GPUs of which nodes a job holds (or should hold), with the CPUs and memory beside
// them. One slice per node, in node order; the GPUs of a slice are a bit mask (at most 128 GPUs per node), and
// each of them is held to the same share, in thousandths. A value type: two allocations are equal when they
// hold the same things.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/core/gpu_mask.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/core/units.hpp"

namespace orrery {

struct NodeSlice {
  NodeId node;
  std::int32_t milli_per_gpu = kMilliPerGpu;
  GpuMask gpus;
  std::int64_t cpu_milli = 0;
  std::int64_t mem_bytes = 0;
  friend bool operator==(const NodeSlice&, const NodeSlice&) = default;
  [[nodiscard]] int gpu_count() const { return gpus.count(); }
  [[nodiscard]] std::int64_t milli_gpus() const { return std::int64_t{gpu_count()} * milli_per_gpu; }
};

class Allocation {
 public:
  using Slices = SmallVector<NodeSlice, 1>;

  [[nodiscard]] bool empty() const { return slices_.empty(); }
  [[nodiscard]] const Slices& slices() const { return slices_; }
  [[nodiscard]] std::size_t nodes() const { return slices_.size(); }
  [[nodiscard]] int gpu_count() const {
    int n = 0;
    for (const NodeSlice& s : slices_) n += s.gpu_count();
    return n;
  }
  [[nodiscard]] std::int64_t milli_gpus() const {
    std::int64_t n = 0;
    for (const NodeSlice& s : slices_) n += s.milli_gpus();
    return n;
  }
  [[nodiscard]] bool touches(NodeId node) const {
    return std::any_of(slices_.begin(), slices_.end(), [node](const NodeSlice& s) { return s.node == node; });
  }
  // Keeps slices sorted by node; a node appears once.
  void add(const NodeSlice& slice);
  void clear() { slices_.clear(); }
  friend bool operator==(const Allocation& a, const Allocation& b) {
    return a.slices_.size() == b.slices_.size() && std::equal(a.slices_.begin(), a.slices_.end(), b.slices_.begin());
  }
  // "n3:0-3+5,n4:0" ("n3:0@250" for a quarter of a GPU, "n2:-" for CPUs only).
  [[nodiscard]] std::string to_string() const;

 private:
  Slices slices_;
};

// The inverse of to_string() but for CPUs and memory: "n3:0-3+5@250,n4:-"; empty when it is not an allocation.
[[nodiscard]] std::optional<Allocation> parse_allocation(std::string_view text);

}  // namespace orrery

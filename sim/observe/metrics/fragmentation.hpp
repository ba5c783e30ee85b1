// Fragmentation as FGD defines it (Weng et al., ATC'23): the idle GPU share of a node that a job drawn from the
// workload could not use there, in expectation over the workload's shapes, be it for want of GPUs, CPUs, memory or
// the right type. Pure functions, and a meter that follows a cluster node by node as allocations come and go.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/core/resources.hpp"
#include "sim/core/topology.hpp"
#include "sim/observe/metrics/gpu_meter.hpp"

namespace orrery {

// What jobs of one demand ask for. A gang of more GPUs than a node has asks it for all of them, and for their part of
// its CPUs and memory.
struct FragmentShape {
  Demand demand{};
  double share = 1;  // of the workload
};

// What a node has beside its GPUs.
struct NodeRest {
  std::int64_t cpu_milli = -1;  // idle; < 0 = not modelled
  std::int64_t mem_bytes = -1;  // idle; < 0 = not modelled
  GpuTypeMask type = 0;         // the bit of its GPU type; 0 = not modelled
};

// Whether a node with so much idle on each GPU (thousandths) could run (its part of) a job of this demand.
[[nodiscard]] bool fits_node(const Demand& d, std::span<const std::int32_t> left_milli, const NodeRest& rest);

// F of one node in thousandths of a GPU: for each shape all that is idle where it does not fit or wants no GPU, else
// what is left of GPUs with less than it needs.
[[nodiscard]] double fragmented_milli(std::span<const std::int32_t> left_milli, const NodeRest& rest,
                                      std::span<const FragmentShape> shapes);

// The idle GPUs of a whole cluster and how many of them are fragments, kept up to date: a change of one node costs
// O(shapes x its GPUs), and nothing to speak of where GPUs are free or taken whole and nothing else decides. Owns its
// counts.
class FragmentMeter {
 public:
  // One homogeneous group of nodes.
  struct Kind {
    int gpus = 0;
    NodeRest whole{};  // all idle
  };
  // `shapes`: most frequent first. `kind_of`: by node, an index into `kinds`.
  FragmentMeter(std::vector<FragmentShape> shapes, std::vector<Kind> kinds, std::vector<std::uint32_t> kind_of);

  // CPUs and memory that a job takes (sign 1) or gives back (-1).
  void count(const Allocation& a, int sign);
  void set_down(std::size_t node, bool down) { nodes_[node].down = down; }
  [[nodiscard]] bool down(std::size_t node) const { return nodes_[node].down; }
  // To be called after every change of a node, its GPUs' included.
  void refresh(std::size_t node, const GpuMeter& held);

  // Of all nodes in service.
  struct Totals {
    std::int64_t idle_milli = 0;
    std::int64_t fragment_micro = 0;  // F, millionths of a GPU
    std::int64_t unusable_milli = 0;  // idle where the most frequent demand for GPUs does not fit, or too little
    friend bool operator==(const Totals&, const Totals&) = default;
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  struct Node {
    NodeRest rest{};
    Totals now{};
    bool down = false;
  };
  struct KindTable {
    Kind kind{};
    bool counts_gpus_only = true;  // no shape asks for CPUs or memory that these nodes model
    std::vector<Totals> known;     // [whole GPUs free]; idle < 0 = not worked out yet
  };
  [[nodiscard]] Totals totals_of(const Node& n) const;

  std::vector<FragmentShape> shapes_;
  std::vector<FragmentShape> typical_;  // the most frequent that wants GPUs, alone; empty if none does
  std::vector<KindTable> kinds_;
  std::vector<std::uint32_t> kind_of_;
  std::vector<Node> nodes_;
  std::vector<std::int32_t> left_;  // of the node at hand
  Totals totals_{};
};

}  // namespace orrery

// The machine: GPUs in nodes, nodes in racks, racks under a spine, with the bandwidth of every link. Built
// once per run from the scenario's groups; immutable afterwards (nodes that fail stay in it; their capacity
// is the inventory's business) and so shared by every run of a comparison. Flat arrays only; the graph of its
// links is `sim/models/network/link_tree.hpp`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/resources.hpp"

namespace orrery {

// How fast single GPUs of a group are for one class of jobs (JobSpec::speed_class).
struct GpuSpeeds {
  std::string speed_class;
  std::vector<std::int32_t> per_mille;  // [GPU of the group, node by node]; 1000 = as the type should be
  friend bool operator==(const GpuSpeeds&, const GpuSpeeds&) = default;
};

// One homogeneous group of nodes, as in the scenario's `cluster.groups`.
struct NodeGroup {
  std::string name;
  int count = 0;
  int gpus_per_node = 0;                // 0..128
  std::string gpu;                      // type name, "h200"
  std::int64_t cpu_milli = 0;           // per node; 0 = CPUs are not modelled
  std::int64_t mem_bytes = 0;           // per node; 0 = memory is not modelled
  int rack_size = 0;                    // nodes per rack; 0 = the whole group is one rack
  std::int64_t nvlink_bytes_per_s = 0;  // GPU to node fabric; 0 = unknown
  std::int64_t nic_bytes_per_s = 0;     // node to rack switch; 0 = unknown
  std::int64_t uplink_bytes_per_s = 0;  // rack switch to spine; 0 = as much as the rack's nodes together
  std::int64_t gpu_mem_bytes = 0;       // per GPU; 0 = unknown: generated jobs of a catalogue always fit
  // For the metrics and for the run times of generated lineages, per GPU; 0 = unknown.
  std::int64_t price_micro_per_h = 0;  // millionths of the currency per GPU-hour held
  std::int64_t idle_milliwatt = 0;
  std::int64_t busy_milliwatt = 0;  // running a job
  std::int64_t peak_gflop_per_s = 0;
  // Room for what policies to come look at; nothing reads these yet.
  std::string market{};                 // market in which its nodes are bought ("spot"); empty = owned
  std::string vcluster{};               // virtual cluster that its nodes belong to; empty = none
  std::int32_t mig_slices = 0;          // into how many slices each of its GPUs can be cut; 0 = it cannot
  std::vector<GpuSpeeds> gpu_speeds{};  // one per class; empty = all alike
};

struct NodeInfo {
  std::uint32_t group = 0;
  std::uint32_t rack = 0;
  int gpus = 0;
  std::uint32_t type = 0;  // index of the GPU type
  std::int64_t cpu_milli = 0;
  std::int64_t mem_bytes = 0;
};

class Topology {
 public:
  explicit Topology(std::vector<NodeGroup> groups);

  [[nodiscard]] const std::vector<NodeGroup>& groups() const { return groups_; }
  [[nodiscard]] std::size_t node_count() const { return nodes_.size(); }
  [[nodiscard]] const NodeInfo& node(NodeId n) const { return nodes_[n.index()]; }
  [[nodiscard]] std::int64_t total_gpus() const { return total_gpus_; }
  // How many GPUs a node may have here, the most first, each once; nodes without GPUs left out.
  [[nodiscard]] const std::vector<int>& widths() const { return widths_; }
  [[nodiscard]] std::size_t rack_count() const { return rack_first_.size() - 1; }
  // Nodes of a rack are consecutive: [first, last).
  [[nodiscard]] NodeId rack_first(std::size_t rack) const { return NodeId(rack_first_[rack]); }
  [[nodiscard]] NodeId rack_last(std::size_t rack) const { return NodeId(rack_first_[rack + 1]); }
  [[nodiscard]] const std::vector<std::string>& gpu_types() const { return types_; }
  // The bit of a type name; 0 when the cluster has no such type.
  [[nodiscard]] GpuTypeMask type_bit(const std::string& name) const;
  // "h200-n17": the group's name and the node's number within it.
  [[nodiscard]] std::string node_name(NodeId n) const;

 private:
  std::vector<NodeGroup> groups_;
  std::vector<NodeInfo> nodes_;
  std::vector<std::uint32_t> group_first_;
  std::vector<std::uint32_t> rack_first_;
  std::vector<std::string> types_;
  std::vector<int> widths_;
  std::int64_t total_gpus_ = 0;
};

}  // namespace orrery

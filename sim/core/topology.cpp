#include "sim/core/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "sim/core/assert.hpp"
#include "sim/core/gpu_mask.hpp"
#include "sim/core/names.hpp"

namespace orrery {

Topology::Topology(std::vector<NodeGroup> groups) : groups_(std::move(groups)) {
  rack_first_.push_back(0);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const NodeGroup& group = groups_[g];
    ORRERY_ASSERT(group.gpus_per_node >= 0 && group.gpus_per_node <= GpuMask::kMost, "{} GPUs per node",
                  group.gpus_per_node);
    const auto type = static_cast<std::uint32_t>(find_name(types_, group.gpu));
    if (type == types_.size()) types_.push_back(group.gpu);
    ORRERY_ASSERT(types_.size() <= 32, "more than 32 GPU types");
    group_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
    const int rack_size = group.rack_size > 0 ? group.rack_size : std::max(group.count, 1);
    for (int i = 0; i < group.count; ++i) {
      if (i > 0 && i % rack_size == 0) rack_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<std::uint32_t>(g), static_cast<std::uint32_t>(rack_first_.size() - 1),
                        group.gpus_per_node, type, group.cpu_milli, group.mem_bytes});
      total_gpus_ += group.gpus_per_node;
    }
    if (group.count > 0) rack_first_.push_back(static_cast<std::uint32_t>(nodes_.size()));
    if (group.count > 0 && group.gpus_per_node > 0) widths_.push_back(group.gpus_per_node);
  }
  std::sort(widths_.begin(), widths_.end(), std::greater<>());
  widths_.erase(std::unique(widths_.begin(), widths_.end()), widths_.end());
}

GpuTypeMask Topology::type_bit(const std::string& name) const {
  const std::size_t at = find_name(types_, name);
  return at == types_.size() ? 0 : GpuTypeMask{1} << at;
}

std::string Topology::node_name(NodeId n) const {
  const std::uint32_t group = node(n).group;
  return fmt::format("{}-n{}", groups_[group].name, n.value - group_first_[group]);
}

}  // namespace orrery

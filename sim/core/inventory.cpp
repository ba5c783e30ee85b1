#include "sim/core/inventory.hpp"

#include <algorithm>
#include <utility>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

bool over_subscribes(Sharing s) {
  return s == Sharing::interleaved || s == Sharing::merged;
}

// Of a filler's GPUs nothing is taken: they are its host's.
GpuMask taken(const NodeSlice& s, Sharing sharing) {
  return sharing == Sharing::filler ? GpuMask() : s.gpus;
}

// Whole GPUs held alone take the fast path; everything else is accounted per GPU.
bool whole(const NodeSlice& s, Sharing sharing) {
  return s.milli_per_gpu == kMilliPerGpu && !over_subscribes(sharing);
}

}  // namespace

Inventory::Inventory(const Topology& topology) : topology_(&topology), nodes_(topology.node_count()) {
  int widest = 0;
  for (const NodeGroup& g : topology.groups()) widest = std::max(widest, g.gpus_per_node);
  buckets_.resize(static_cast<std::size_t>(widest) + 1);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeInfo& info = topology.node(NodeId(static_cast<std::uint32_t>(i)));
    nodes_[i] = {GpuMask::first(info.gpus), info.cpu_milli,     info.mem_bytes,
                 info.cpu_milli > 0,        info.mem_bytes > 0, false};
    buckets_[static_cast<std::size_t>(info.gpus)].insert(i);
    free_gpus_ += info.gpus;
    usable_gpus_ += info.gpus;
    usable_cpu_milli_ += info.cpu_milli;
    usable_mem_bytes_ += info.mem_bytes;
  }
}

void Inventory::set_free(NodeId n, GpuMask mask) {
  Node& node = nodes_[n.index()];
  if (!node.down) {
    const int before = node.free.count();
    const int after = mask.count();
    if (before != after) {
      buckets_[static_cast<std::size_t>(before)].erase(n.index());
      buckets_[static_cast<std::size_t>(after)].insert(n.index());
      free_gpus_ += after - before;
    }
  }
  node.free = mask;
}

Inventory::Shared& Inventory::share(NodeId n, int gpu) {
  if (shared_.empty()) {
    std::size_t gpus = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      first_gpu_.push_back(gpus);
      gpus += static_cast<std::size_t>(topology_->node(NodeId(static_cast<std::uint32_t>(i))).gpus);
    }
    shared_.resize(gpus);
    shared_on_.resize(nodes_.size());
  }
  Shared& s = shared_[first_gpu_[n.index()] + static_cast<std::size_t>(gpu)];
  if (s.holders == 0 && shared_on_[n.index()]++ == 0) sharing_.insert(n.index());
  return s;
}

void Inventory::unshare(NodeId n, Shared& gpu) {
  gpu = {};
  if (--shared_on_[n.index()] == 0) sharing_.erase(n.index());
}

bool Inventory::can_take(const Allocation& a, Sharing sharing, GroupId group) const {
  for (const NodeSlice& s : a.slices()) {
    if (s.node.index() >= nodes_.size()) return false;
    const Node& node = nodes_[s.node.index()];
    if (node.down) return false;
    if ((s.gpus & ~GpuMask::first(topology_->node(s.node).gpus)).any()) return false;
    if (node.cpu_modelled && s.cpu_milli > node.cpu_milli) return false;
    if (node.mem_modelled && s.mem_bytes > node.mem_bytes) return false;
    GpuMask rest = taken(s, sharing) & ~node.free;
    if (!rest.any()) continue;
    if (whole(s, sharing)) return false;
    for (; rest.any(); rest.drop_lowest()) {
      const Shared* const gpu = shared(s.node, rest.lowest());
      if (gpu == nullptr) return false;  // held whole
      if (over_subscribes(sharing) ? (gpu->group != group || !group.valid())
                                   : (gpu->group.valid() || gpu->used_milli + s.milli_per_gpu > kMilliPerGpu))
        return false;
    }
  }
  return true;
}

void Inventory::take(const Allocation& a, Sharing sharing, GroupId group) {
  ORRERY_ASSERT(can_take(a, sharing, group), "{} is not free", a.to_string());
  ORRERY_ASSERT(over_subscribes(sharing) == group.valid(), "group sharing needs a group, other sharing has none");
  for (const NodeSlice& s : a.slices()) {
    Node& node = nodes_[s.node.index()];
    node.cpu_milli -= s.cpu_milli;
    node.mem_bytes -= s.mem_bytes;
    const GpuMask gpus = taken(s, sharing);
    if (!whole(s, sharing)) {
      for (GpuMask rest = gpus; rest.any(); rest.drop_lowest()) {
        Shared& gpu = share(s.node, rest.lowest());
        gpu.holders += 1;
        gpu.group = group;
        gpu.used_milli = over_subscribes(sharing) ? kMilliPerGpu : gpu.used_milli + s.milli_per_gpu;
      }
    }
    if (gpus.any()) set_free(s.node, node.free & ~gpus);
  }
}

void Inventory::give(const Allocation& a, Sharing sharing, GroupId group) {
  for (const NodeSlice& s : a.slices()) {
    Node& node = nodes_[s.node.index()];
    GpuMask freed = taken(s, sharing);
    ORRERY_ASSERT(!(freed & node.free).any(), "{} given back but already free", a.to_string());
    node.cpu_milli += s.cpu_milli;
    node.mem_bytes += s.mem_bytes;
    if (!whole(s, sharing)) {
      for (GpuMask rest = std::exchange(freed, {}); rest.any(); rest.drop_lowest()) {
        const int i = rest.lowest();
        ORRERY_ASSERT(shared(s.node, i) != nullptr && shared(s.node, i)->group == group, "{} given back but not held",
                      a.to_string());
        Shared& gpu = share(s.node, i);
        gpu.holders -= 1;
        if (!over_subscribes(sharing)) gpu.used_milli -= s.milli_per_gpu;
        if (gpu.holders > 0) continue;
        unshare(s.node, gpu);
        freed |= GpuMask::one(i);
      }
    }
    if (freed.any()) set_free(s.node, node.free | freed);
  }
}

void Inventory::set_down(NodeId n, bool down) {
  Node& node = nodes_[n.index()];
  if (node.down == down) return;
  const int free = node.free.count();
  auto& bucket = buckets_[static_cast<std::size_t>(free)];
  if (down)
    bucket.erase(n.index());
  else
    bucket.insert(n.index());
  const int sign = down ? -1 : 1;
  free_gpus_ += sign * free;
  const NodeInfo& info = topology_->node(n);
  usable_gpus_ += sign * info.gpus;
  usable_cpu_milli_ += sign * info.cpu_milli;
  usable_mem_bytes_ += sign * info.mem_bytes;
  node.down = down;
}

std::int32_t Inventory::free_milli(NodeId n, int gpu) const {
  const Node& node = nodes_[n.index()];
  if (node.down) return 0;
  if (node.free.has(gpu)) return kMilliPerGpu;
  const Shared* const s = shared(n, gpu);
  return s == nullptr ? 0 : kMilliPerGpu - s->used_milli;
}

NodeId Inventory::first_with(int g, NodeId from) const {
  std::size_t best = BitTree::kEnd;
  for (std::size_t free = static_cast<std::size_t>(g); free < buckets_.size(); ++free)
    best = std::min(best, buckets_[free].next(from.index()));
  return best == BitTree::kEnd ? NodeId{} : NodeId(static_cast<std::uint32_t>(best));
}

NodeId Inventory::first_with_exactly(int free, NodeId from) const {
  if (static_cast<std::size_t>(free) >= buckets_.size()) return NodeId{};
  const std::size_t n = buckets_[static_cast<std::size_t>(free)].next(from.index());
  return n == BitTree::kEnd ? NodeId{} : NodeId(static_cast<std::uint32_t>(n));
}

NodeId Inventory::tightest_with(int g) const {
  for (std::size_t free = static_cast<std::size_t>(g); free < buckets_.size(); ++free)
    if (!buckets_[free].empty()) return NodeId(static_cast<std::uint32_t>(buckets_[free].first()));
  return NodeId{};
}

NodeId Inventory::emptiest() const {
  for (std::size_t free = buckets_.size(); free-- > 1;)
    if (!buckets_[free].empty()) return NodeId(static_cast<std::uint32_t>(buckets_[free].first()));
  return NodeId{};
}

std::vector<std::pair<NodeId, int>> Inventory::partly_free() const {
  std::vector<std::pair<NodeId, int>> out;
  for (std::size_t i = sharing_.next(0); i != BitTree::kEnd; i = sharing_.next(i + 1)) {
    const NodeId n(static_cast<std::uint32_t>(i));
    for (int gpu = 0; gpu < topology_->node(n).gpus && !nodes_[i].down; ++gpu)
      if (const Shared* const s = shared(n, gpu); s != nullptr && !s->group.valid() && s->used_milli < kMilliPerGpu)
        out.emplace_back(n, gpu);
  }
  return out;
}

bool Inventory::suits(const Demand& d, NodeId n, int gpus) const {
  const Node& node = nodes_[n.index()];
  if (node.down) return false;
  if (d.gpu_types != 0 && ((d.gpu_types >> topology_->node(n).type) & 1) == 0) return false;
  const std::int64_t cpu = d.gpus > 0 ? (d.cpu_milli * gpus + d.gpus - 1) / d.gpus : d.cpu_milli;
  const std::int64_t mem = d.gpus > 0 ? (d.mem_bytes * gpus + d.gpus - 1) / d.gpus : d.mem_bytes;
  return (!node.cpu_modelled || cpu <= node.cpu_milli) && (!node.mem_modelled || mem <= node.mem_bytes);
}

}  // namespace orrery

#include "sim/observe/check/ledger.hpp"

#include <fmt/format.h>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

bool grouped(Sharing s) {
  return s == Sharing::interleaved || s == Sharing::merged;
}
bool takes_whole(const NodeSlice& s, Sharing sharing) {
  return s.milli_per_gpu == kMilliPerGpu && !grouped(sharing);
}
// A filler has no GPUs of its own.
GpuMask own(const NodeSlice& s, Sharing sharing) {
  return sharing == Sharing::filler ? GpuMask() : s.gpus;
}

}  // namespace

Ledger::Ledger(const Topology& topology) : nodes_(topology.node_count()) {
  std::size_t gpus = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeInfo& info = topology.node(NodeId(static_cast<std::uint32_t>(i)));
    Node& n = nodes_[i];
    n.all = GpuMask::first(info.gpus);
    n.usable = info.gpus;
    n.first = gpus;
    gpus += static_cast<std::size_t>(info.gpus);
    n.cpu_milli = info.cpu_milli;
    n.mem_bytes = info.mem_bytes;
    n.cpu_modelled = info.cpu_milli > 0;
    n.mem_modelled = info.mem_bytes > 0;
  }
  shares_.resize(gpus);
}

std::string Ledger::bounds(const Allocation& a) const {
  for (const NodeSlice& s : a.slices()) {
    if (s.node.index() >= nodes_.size()) return fmt::format("there is no node {}", s.node.value);
    if ((s.gpus & ~nodes_[s.node.index()].all).any()) return fmt::format("node {} has no such GPUs", s.node.value);
    if (s.milli_per_gpu <= 0 || s.milli_per_gpu > kMilliPerGpu)
      return fmt::format("{} thousandths of a GPU on node {}", s.milli_per_gpu, s.node.value);
  }
  return {};
}

std::string Ledger::conflict(const NodeSlice& s, Sharing sharing, GroupId group) const {
  const Node& n = nodes_[s.node.index()];
  if (const GpuMask both = own(s, sharing) & n.whole; both.any())
    return fmt::format("GPU {} of node {} is held by another job", both.lowest(), s.node.value);
  if (n.cpu_modelled && s.cpu_milli > n.cpu_milli) return fmt::format("node {} has no such CPUs left", s.node.value);
  if (n.mem_modelled && s.mem_bytes > n.mem_bytes)
    return fmt::format("node {} has no such memory left", s.node.value);
  if (n.shared == 0) return {};
  for (GpuMask rest = own(s, sharing); rest.any(); rest.drop_lowest()) {
    const Share& share = shares_[row(n, rest.lowest())];
    if (share.holders == 0) continue;
    const bool same_group =
        grouped(sharing) && group.valid() && share.group == group && share.merged == (sharing == Sharing::merged);
    const bool fits = !grouped(sharing) && !share.group.valid() && share.milli + s.milli_per_gpu <= kMilliPerGpu;
    if (!same_group && !fits)
      return fmt::format("GPU {} of node {} is shared by others", rest.lowest(), s.node.value);
  }
  return {};
}

std::string Ledger::take(const Allocation& a, Sharing sharing, GroupId group) {
  if (std::string why = bounds(a); !why.empty()) return why;
  for (const NodeSlice& s : a.slices())
    if (std::string why = conflict(s, sharing, group); !why.empty()) return why;
  if (sharing == Sharing::merged) {
    auto& [gpus, members] = merged_[group];
    if (members++ == 0) gpus = a;
  }
  for (const NodeSlice& s : a.slices()) {
    Node& n = nodes_[s.node.index()];
    n.cpu_milli -= s.cpu_milli;
    n.mem_bytes -= s.mem_bytes;
    if (takes_whole(s, sharing)) {
      n.whole |= own(s, sharing);
      continue;
    }
    for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) {
      Share& share = shares_[row(n, rest.lowest())];
      if (share.holders == 0) n.shared += 1;
      share.holders += 1;
      share.milli += s.milli_per_gpu;
      share.group = grouped(sharing) ? group : kNoGroup;
      share.merged = sharing == Sharing::merged;
    }
  }
  return {};
}

void Ledger::give(const Allocation& a, Sharing sharing, GroupId group) {
  if (const auto gang = merged_.find(group); sharing == Sharing::merged && gang != merged_.end())
    if (--gang->second.second == 0) merged_.erase(gang);
  for (const NodeSlice& s : a.slices()) {
    Node& n = nodes_[s.node.index()];
    n.cpu_milli += s.cpu_milli;
    n.mem_bytes += s.mem_bytes;
    if (takes_whole(s, sharing)) {
      n.whole &= ~own(s, sharing);
      continue;
    }
    for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) {
      Share& share = shares_[row(n, rest.lowest())];
      ORRERY_ASSERT(share.holders > 0, "{} given back but not booked", a.to_string());
      share.milli -= s.milli_per_gpu;
      if (--share.holders > 0) continue;
      share = {};
      n.shared -= 1;
    }
  }
}

}  // namespace orrery

#include "sim/models/speed/cpu_shares.hpp"

#include <algorithm>
#include <utility>

namespace orrery {
namespace {

constexpr std::int64_t kBillion = 1'000'000'000;
constexpr std::int64_t kThousand = 1000;
constexpr Rate kLeastSpeed{kBillion / kThousand};  // so that every job ends
constexpr std::int64_t kByHalf = 500;              // per mille: of a job that decoding binds

}  // namespace

Rate cpu_speed(const JobSpec& spec, std::int64_t share_per_billion) {
  const std::int64_t share = std::clamp<std::int64_t>(share_per_billion, 0, kBillion);
  const std::int64_t loses = spec.cpu_sensitivity_per_mille == 0 ? kByHalf : spec.cpu_sensitivity_per_mille;
  const bool few = 2 * share < kBillion;
  const Rate speed{few ? 2 * share / kThousand * (kThousand - loses)
                       : kBillion - 2 * (kBillion - share) / kThousand * loses};
  return std::max(speed, kLeastSpeed);
}

CpuShares::CpuShares(const Topology& topology) : nodes_(topology.node_count()) {
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) nodes_[n].cpu_milli = topology.node(NodeId(n)).cpu_milli;
}

void CpuShares::touch(NodeId node) {
  if (!std::exchange(nodes_[node.index()].dirty, true)) dirty_.push_back(node);
}

void CpuShares::enter(const JobSpec& spec, const Allocation& gpus, std::int32_t cpu_milli) {
  const auto before = jobs_.find(spec.id);
  Own own{&spec, {}, before == jobs_.end() ? kUnitRate : before->second.speed};
  leave(spec.id);
  for (const NodeSlice& s : gpus.slices()) {
    if (s.gpu_count() == 0 || nodes_[s.node.index()].cpu_milli == 0) continue;
    Resident r{spec.id, s.gpu_count(), 0, s.cpu_milli, kBillion};
    r.wants = std::max<std::int64_t>(r.gpus * cpu_milli, r.reserved);
    std::vector<Resident>& there = nodes_[s.node.index()].residents;
    there.insert(std::upper_bound(there.begin(), there.end(), r,
                                  [](const Resident& a, const Resident& b) { return a.job < b.job; }),
                 r);
    own.nodes.push_back(s.node);
    touch(s.node);
  }
  if (!own.nodes.empty()) jobs_[spec.id] = std::move(own);
}

void CpuShares::leave(JobId job) {
  const auto at = jobs_.find(job);
  if (at == jobs_.end()) return;
  for (const NodeId node : at->second.nodes) {
    std::erase_if(nodes_[node.index()].residents, [job](const Resident& r) { return r.job == job; });
    touch(node);
  }
  jobs_.erase(at);
}

// Those who want least per GPU get all of it, as long as that is no more than an even share of what is left.
void CpuShares::share_out(Node& node) {
  std::int64_t left = node.cpu_milli, gpus = 0;
  std::vector<Resident*> modest_first;
  for (Resident& r : node.residents) {
    r.share = kBillion;
    left -= r.reserved;
    if (r.wants == r.reserved) continue;
    gpus += r.gpus;
    modest_first.push_back(&r);
  }
  left = std::max<std::int64_t>(left, 0);
  std::stable_sort(modest_first.begin(), modest_first.end(), [](const Resident* a, const Resident* b) {
    return (a->wants - a->reserved) * b->gpus < (b->wants - b->reserved) * a->gpus;
  });
  for (Resident* r : modest_first) {
    const std::int64_t got = std::min(r->wants - r->reserved, left * r->gpus / gpus);
    r->share = static_cast<std::int64_t>(static_cast<Int128>(r->reserved + got) * kBillion / r->wants);
    left -= got;
    gpus -= r->gpus;
  }
}

Rate CpuShares::speed_of(JobId job, const Own& own) const {
  std::int64_t least = kBillion;
  for (const NodeId node : own.nodes)
    for (const Resident& r : nodes_[node.index()].residents)
      if (r.job == job) least = std::min(least, r.share);
  return least == kBillion ? kUnitRate : cpu_speed(*own.spec, least);
}

const std::vector<std::pair<JobId, Rate>>& CpuShares::update() {
  changed_.clear();
  asked_.clear();
  for (const NodeId node : dirty_) {
    Node& n = nodes_[node.index()];
    n.dirty = false;
    share_out(n);
    for (const Resident& r : n.residents) asked_.push_back(r.job);
  }
  dirty_.clear();
  std::sort(asked_.begin(), asked_.end());
  asked_.erase(std::unique(asked_.begin(), asked_.end()), asked_.end());
  for (const JobId job : asked_) {
    Own& own = jobs_.at(job);
    const Rate speed = speed_of(job, own);
    if (std::exchange(own.speed, speed) != speed) changed_.emplace_back(job, speed);
  }
  return changed_;
}

}  // namespace orrery

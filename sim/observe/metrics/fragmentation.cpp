#include "sim/observe/metrics/fragmentation.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace orrery {
namespace {

// What `gpus` of the job's GPUs take with them, as placements give it: rounded up.
std::int64_t part_of(std::int64_t whole_job, std::int64_t gpus, const Demand& d) {
  return (whole_job * gpus + d.gpus - 1) / d.gpus;
}

}  // namespace

bool fits_node(const Demand& d, std::span<const std::int32_t> left_milli, const NodeRest& rest) {
  if (d.gpu_types != 0 && rest.type != 0 && (d.gpu_types & rest.type) == 0) return false;
  const auto wanted = std::min<std::int64_t>(d.gpus, static_cast<std::int64_t>(left_milli.size()));
  const auto enough = [&d](std::int32_t left) { return left >= d.milli_per_gpu; };
  if (std::count_if(left_milli.begin(), left_milli.end(), enough) < wanted) return false;
  const std::int64_t cpu = d.gpus > 0 ? part_of(d.cpu_milli, wanted, d) : d.cpu_milli;
  const std::int64_t mem = d.gpus > 0 ? part_of(d.mem_bytes, wanted, d) : d.mem_bytes;
  return (rest.cpu_milli < 0 || cpu <= rest.cpu_milli) && (rest.mem_bytes < 0 || mem <= rest.mem_bytes);
}

double fragmented_milli(std::span<const std::int32_t> left_milli, const NodeRest& rest,
                        std::span<const FragmentShape> shapes) {
  std::int64_t idle = 0;
  for (const std::int32_t left : left_milli) idle += left;
  if (idle == 0) return 0;
  double sum = 0;
  for (const FragmentShape& shape : shapes) {
    std::int64_t fragment = idle;
    if (shape.demand.gpus > 0 && fits_node(shape.demand, left_milli, rest)) {
      fragment = 0;
      for (const std::int32_t left : left_milli) fragment += left < shape.demand.milli_per_gpu ? left : 0;
    }
    sum += shape.share * static_cast<double>(fragment);
  }
  return sum;
}

FragmentMeter::FragmentMeter(std::vector<FragmentShape> shapes, std::vector<Kind> kinds,
                             std::vector<std::uint32_t> kind_of)
    : shapes_(std::move(shapes)), kind_of_(std::move(kind_of)), nodes_(kind_of_.size()) {
  const auto wants_gpus = [](const FragmentShape& s) { return s.demand.gpus > 0; };
  const auto typical = std::find_if(shapes_.begin(), shapes_.end(), wants_gpus);
  if (typical != shapes_.end()) typical_.push_back({typical->demand, 1});
  for (const Kind& k : kinds) {
    const auto other_than_gpus = [&k](const FragmentShape& s) {
      return (s.demand.cpu_milli > 0 && k.whole.cpu_milli >= 0) || (s.demand.mem_bytes > 0 && k.whole.mem_bytes >= 0);
    };
    kinds_.push_back({k, std::none_of(shapes_.begin(), shapes_.end(), other_than_gpus), {}});
    kinds_.back().known.resize(static_cast<std::size_t>(k.gpus) + 1, Totals{-1, 0, 0});
  }
  for (std::size_t n = 0; n < nodes_.size(); ++n) nodes_[n].rest = kinds_[kind_of_[n]].kind.whole;
}

void FragmentMeter::count(const Allocation& a, int sign) {
  for (const NodeSlice& s : a.slices()) {
    NodeRest& rest = nodes_[s.node.index()].rest;
    const NodeRest& whole = kinds_[kind_of_[s.node.index()]].kind.whole;
    if (whole.cpu_milli >= 0) rest.cpu_milli -= sign * s.cpu_milli;
    if (whole.mem_bytes >= 0) rest.mem_bytes -= sign * s.mem_bytes;
  }
}

FragmentMeter::Totals FragmentMeter::totals_of(const Node& n) const {
  Totals t;
  for (const std::int32_t left : left_) t.idle_milli += left;
  t.fragment_micro = std::llround(1000 * fragmented_milli(left_, n.rest, shapes_));
  t.unusable_milli = std::llround(fragmented_milli(left_, n.rest, typical_));
  return t;
}

void FragmentMeter::refresh(std::size_t node, const GpuMeter& held) {
  Node& n = nodes_[node];
  KindTable& kind = kinds_[kind_of_[node]];
  Totals now;
  if (!n.down) {
    const bool look_up = kind.counts_gpus_only && held.only_whole(node);
    Totals& known = kind.known[static_cast<std::size_t>(look_up ? held.free(node) : 0)];
    if (look_up && known.idle_milli >= 0) {
      now = known;
    } else {
      left_.clear();
      for (std::size_t i = 0; i < static_cast<std::size_t>(kind.kind.gpus); ++i) left_.push_back(held.left(node, i));
      now = totals_of(n);
      if (look_up) known = now;
    }
  }
  totals_.idle_milli += now.idle_milli - n.now.idle_milli;
  totals_.fragment_micro += now.fragment_micro - n.now.fragment_micro;
  totals_.unusable_milli += now.unusable_milli - n.now.unusable_milli;
  n.now = now;
}

}  // namespace orrery

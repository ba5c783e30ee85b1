#include "sim/models/speed/step_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace orrery {

NodeRing::NodeRing(const Allocation& gpus, Order order) {
  for (const NodeSlice& s : gpus.slices()) add(s.gpu_count(), order);
}

void NodeRing::add(int gpus, Order order) {
  gpus_ += gpus;
  if (gpus == 0) return;
  const int kept = std::min(nodes_, kMaxNodes);
  const auto g = static_cast<std::uint8_t>(std::min(gpus, 255));
  int at = kept;
  while (order == Order::most_first && at > 0 && on_node_[static_cast<std::size_t>(at - 1)] < g) --at;
  for (int i = std::min(kept, kMaxNodes - 1); i > at; --i)
    on_node_[static_cast<std::size_t>(i)] = on_node_[static_cast<std::size_t>(i - 1)];
  if (at < kMaxNodes) on_node_[static_cast<std::size_t>(at)] = g;
  ++nodes_;
}

NodeRing NodeRing::packed(int gpus, const NodeCounts& nodes) {
  NodeRing s;
  pack_on(nodes, gpus, [&s](int k) { s.add(k, Order::most_first); });
  return s;
}

std::uint64_t NodeRing::placement() const {
  constexpr int kDigits = 18;
  if (nodes_ == 0 || nodes_ > kDigits) return 0;
  std::uint64_t smallest = ~std::uint64_t{0};
  for (int start = 0; start < nodes_; ++start) {
    std::uint64_t id = 0;
    for (int i = 0; i < nodes_; ++i) {
      const int digit = on_node_[static_cast<std::size_t>((start + i) % nodes_)];
      if (digit > 9) return 0;
      id = id * 10 + static_cast<std::uint64_t>(digit);
    }
    smallest = std::min(smallest, id);
  }
  return smallest;
}

namespace {

using Xs = std::tuple<int, int, double>;

// The means of measurements at equal (nodes, GPUs, batch), in that order.
void add_means(std::vector<StepPoint> points, std::vector<Point3>& xs, std::vector<ScatterTable::Values>& ys) {
  const auto key = [](const StepPoint& p) { return Xs{p.nodes, p.gpus, p.local_batch}; };
  std::stable_sort(points.begin(), points.end(),
                   [&key](const StepPoint& a, const StepPoint& b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < points.size();) {
    ScatterTable::Values sum{};
    std::size_t n = 0;
    for (; i + n < points.size() && key(points[i + n]) == key(points[i]); ++n) {
      sum[0] += points[i + n].step_s;
      sum[1] += points[i + n].sync_s;
    }
    xs.push_back({static_cast<double>(points[i].nodes), static_cast<double>(points[i].gpus), points[i].local_batch});
    ys.push_back({sum[0] / static_cast<double>(n), sum[1] / static_cast<double>(n)});
    i += n;
  }
}

}  // namespace

Expected<StepTimes> StepTimes::compile(std::string name, const std::vector<StepPoint>& exact,
                                       const std::vector<StepPoint>& scaling) {
  StepTimes t;
  t.name_ = std::move(name);
  if (exact.empty()) return fail(fmt::format("the profile of {} has no placements", t.name_));
  std::vector<StepPoint> sorted = exact;
  std::stable_sort(sorted.begin(), sorted.end(), [](const StepPoint& a, const StepPoint& b) {
    return std::tie(a.placement, a.local_batch) < std::tie(b.placement, b.local_batch);
  });
  t.min_batch_ = t.max_batch_ = sorted.front().local_batch;
  for (const StepPoint& p : sorted) {
    if (t.exact_.empty() || t.exact_.back().placement != p.placement)
      t.exact_.push_back({p.placement, static_cast<std::uint32_t>(t.rows_.size()), 0, p.nodes, p.gpus});
    t.rows_.push_back({p.local_batch, {p.step_s, p.sync_s}});
    t.exact_.back().last = static_cast<std::uint32_t>(t.rows_.size());
    t.min_batch_ = std::min(t.min_batch_, p.local_batch);
    t.max_batch_ = std::max(t.max_batch_, p.local_batch);
    t.most_nodes_ = std::max(t.most_nodes_, p.nodes);
  }
  std::vector<Point3> xs;
  std::vector<ScatterTable::Values> ys;
  add_means(exact, xs, ys);
  for (const StepPoint& p : scaling) {
    xs.push_back({static_cast<double>(p.nodes), static_cast<double>(p.gpus), p.local_batch});
    ys.push_back({p.step_s, p.sync_s});
    t.most_nodes_ = std::max(t.most_nodes_, p.nodes);
  }
  if (auto scatter = ScatterTable::make(std::move(xs), std::move(ys))) t.scatter_ = std::move(*scatter);
  return t;
}

const StepTimes::Exact* StepTimes::find(std::uint64_t placement) const {
  const auto it = std::lower_bound(exact_.begin(), exact_.end(), placement,
                                   [](const Exact& e, std::uint64_t id) { return e.placement < id; });
  return it != exact_.end() && it->placement == placement ? &*it : nullptr;
}

Point3 StepTimes::point(const NodeRing& shape, double local_batch) const {
  return {static_cast<double>(std::min(shape.nodes(), most_nodes_)), static_cast<double>(shape.gpus()), local_batch};
}

// The measured placement closest in GPUs, then in nodes.
const StepTimes::Exact& StepTimes::nearest(const NodeRing& shape) const {
  const auto distance = [&shape](const Exact& e) {
    const auto apart = [](int a, int b) { return a > b ? a - b : b - a; };
    return std::pair(apart(e.gpus, shape.gpus()), apart(e.nodes, shape.nodes()));
  };
  return *std::min_element(exact_.begin(), exact_.end(),
                           [&](const Exact& a, const Exact& b) { return distance(a) < distance(b); });
}

StepTime StepTimes::between(const Exact& e, double local_batch) const {
  const Row* first = rows_.data() + e.first;
  const Row* last = rows_.data() + e.last;
  const auto nearest = [local_batch](const Row& r) {
    return StepTime{r.time.step_s, r.time.sync_s, local_batch == r.local_batch};
  };
  if (local_batch <= first->local_batch || last - first == 1) return nearest(*first);
  if (local_batch >= last[-1].local_batch) return nearest(last[-1]);
  const Row* above =
      std::lower_bound(first, last, local_batch, [](const Row& r, double b) { return r.local_batch < b; });
  const Row& lo = above[-1];
  const Row& hi = *above;
  const double part = local_batch - lo.local_batch, width = hi.local_batch - lo.local_batch;
  return {(hi.time.step_s - lo.time.step_s) / width * part + lo.time.step_s,
          (hi.time.sync_s - lo.time.sync_s) / width * part + lo.time.sync_s};
}

StepTime StepTimes::at(const NodeRing& shape, double local_batch) const {
  if (const Exact* e = find(shape.placement())) return between(*e, local_batch);
  if (!scatter_) {
    StepTime t = between(nearest(shape), local_batch);
    t.covered = false;
    return t;
  }
  const Point3 p = point(shape, local_batch);
  if (const auto v = scatter_->at(p)) return {(*v)[0], (*v)[1], shape.nodes() <= most_nodes_};
  const ScatterTable::Values v = scatter_->at_or_clamped(p);
  return {v[0], v[1], false};
}

Error StepTimes::missing(const NodeRing& shape, double local_batch) const {
  Diagnostic d{fmt::format("the profile of {} has no step time for {} GPUs on {} nodes at {} samples per GPU", name_,
                           shape.gpus(), shape.nodes(), local_batch)};
  d.hint = "write `performance.missing: clamp` to take the nearest measured one";
  return Error(std::move(d));
}

}  // namespace orrery

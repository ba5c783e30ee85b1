#include "policies/transfer/lineage_index.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace orrery {
namespace {

constexpr std::int64_t kFactorUnit = 1024;
constexpr std::int64_t kWeightUnit = 65536;
constexpr std::int64_t kLongest = std::int64_t{1} << 57;      // ns, more than four years: longer ones are as long
constexpr Rank kNothingGained = static_cast<Rank>(1) << 120;  // of what has no weight

// x^alpha for alpha = per_mille / 1000, of square roots alone: they are exact on every machine, libm's pow is not.
double power(double x, std::int64_t per_mille) {
  double result = 1;
  double rest = static_cast<double>(per_mille) / 1000;
  double root = x;
  for (int bit = 0; bit < 40 && rest > 0; ++bit) {
    if (rest >= 1) {
      result *= root;
      rest -= 1;
    }
    rest *= 2;
    root = std::sqrt(root);
  }
  return result;
}

// However small, it counts.
std::int64_t weight_units(double weight) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(weight * static_cast<double>(kWeightUnit) + 0.5), 1);
}

Duration share_of(Duration whole, std::int32_t per_mille) {
  return Duration{static_cast<std::int64_t>(static_cast<Int128>(whole.ns) * per_mille / 1000)};
}

// Of the job's run time, from one share of its work done to another.
Duration between(const JobSpec& spec, Duration whole, std::int32_t from, std::int32_t to) {
  if (spec.phases.empty()) return share_of(whole, to - from);
  return time_until(spec, whole, to) - time_until(spec, whole, from);
}

Duration no_longer_than_most(Duration d) {
  return std::min(d, Duration{kLongest});
}

std::int32_t newest(const ClusterView& view, JobId parent) {
  const std::span<const Version> versions = view.versions(parent);
  return versions.empty() ? 0 : versions.back().progress_per_mille;
}

}  // namespace

LineageIndex::Node& LineageIndex::node(JobId job) {
  if (job.index() >= nodes_.size()) nodes_.resize(std::max(job.index() + 1, 2 * nodes_.size()));
  return nodes_[job.index()];
}

void LineageIndex::follow(const ClusterView& view, const Event& e, const LineageGains& gains) {
  if (!e.job.valid()) return;
  switch (e.kind()) {
    case EventKind::submit:
      node(e.job).seen = true;
      hang(view, e.job, gains);
      if (!node(e.job).children.empty()) mark_root_of(e.job);  // which were submitted before it
      return;
    case EventKind::ready: node(e.job).seen = true; return unhang(e.job);
    case EventKind::published:
    case EventKind::finished: return release_children(view, e.job, gains);
    case EventKind::reject:
    case EventKind::cancel: return unhang(e.job);
    case EventKind::failed:
    case EventKind::launch_failed:
      if (is_final(view.state(e.job))) unhang(e.job);
      return;
    default: return;
  }
}

// Those whose threshold is reached have no unmet edge any more, or hang below another parent.
void LineageIndex::release_children(const ClusterView& view, JobId parent, const LineageGains& gains) {
  const std::int32_t reached = newest(view, parent);
  std::vector<JobId> released;
  for (const JobId child : node(parent).children)
    if (reached >= nodes_[child.index()].threshold) released.push_back(child);
  for (const JobId child : released) hang(view, child, gains);
}

// Below the parent whose threshold is farthest away; nowhere when no hard edge is unmet.
void LineageIndex::hang(const ClusterView& view, JobId child, const LineageGains& gains) {
  unhang(child);
  const JobSpec& spec = view.spec(child);
  const Dependency* last = nullptr;
  Duration farthest{-1};
  for (const Dependency& d : spec.after) {
    if (!d.hard || newest(view, d.parent) >= d.progress_per_mille || is_final(view.state(d.parent))) continue;
    Duration away = kForever;  // of a parent that is not there yet
    if (node(d.parent).seen) {
      const JobView parent = view.job(d.parent);
      const Duration whole = no_longer_than_most(gains.whole(view, parent));
      const Work at{share_of(whole, d.progress_per_mille).ns};
      away = phases_time(*parent.spec, Work{whole.ns}, parent.done, at);
    }
    if (away <= farthest) continue;
    farthest = away;
    last = &d;
  }
  if (last != nullptr) hang_below(child, last->parent, last->progress_per_mille);
}

void LineageIndex::hang_below(JobId child, JobId parent, std::int32_t threshold) {
  (void)node(child);
  std::vector<JobId>& siblings = node(parent).children;
  Node& n = nodes_[child.index()];
  n.above = parent;
  n.threshold = threshold;
  n.place = siblings.size();
  siblings.push_back(child);
  mark_root_of(child);
}

void LineageIndex::hold(JobId child, JobId parent, std::int32_t threshold) {
  Node& n = node(child);
  if (n.above == parent && n.threshold == threshold) return;
  for (JobId up = parent; up.valid(); up = node(up).above)
    if (up == child) return;  // never: edges make no cycles
  unhang(child);
  hang_below(child, parent, threshold);
}

double LineageIndex::waiting_weight(const ClusterView& view, JobId job) const {
  if (job.index() >= nodes_.size()) return 0;
  double sum = 0;
  std::vector<JobId> below = nodes_[job.index()].children;
  for (std::size_t i = 0; i < below.size(); ++i) {
    sum += view.spec(below[i]).weight;
    const std::vector<JobId>& more = nodes_[below[i].index()].children;
    below.insert(below.end(), more.begin(), more.end());
  }
  return sum;
}

std::vector<LineageWaiter> LineageIndex::waiters(const ClusterView& view, JobId job) const {
  std::vector<LineageWaiter> all;
  if (job.index() >= nodes_.size()) return all;
  for (const JobId child : nodes_[job.index()].children)
    all.push_back({nodes_[child.index()].threshold, view.spec(child).weight + waiting_weight(view, child)});
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.per_mille < b.per_mille; });
  std::size_t last = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].per_mille == all[last].per_mille)
      all[last].weight += all[i].weight;
    else
      all[++last] = all[i];
  }
  if (!all.empty()) all.resize(last + 1);
  return all;
}

void LineageIndex::unhang(JobId child) {
  Node& n = node(child);
  if (!n.above.valid()) return;
  mark_root_of(child);
  std::vector<JobId>& siblings = nodes_[n.above.index()].children;
  siblings[n.place] = siblings.back();
  nodes_[siblings.back().index()].place = n.place;
  siblings.pop_back();
  n.above = {};
}

void LineageIndex::mark_root_of(JobId job) {
  while (nodes_[job.index()].above.valid()) job = nodes_[job.index()].above;
  Node& n = nodes_[job.index()];
  if (!n.stale) stale_.push_back(job);
  n.stale = true;
}

const std::vector<JobId>& LineageIndex::update(const ClusterView& view, const LineageGains& gains) {
  roots_.clear();
  for (std::size_t i = 0; i < stale_.size(); ++i) {
    const JobId job = stale_[i];
    nodes_[job.index()].stale = false;
    if (nodes_[job.index()].above.valid())
      mark_root_of(job);  // it hangs below another since it was marked
    else
      roots_.push_back(job);
  }
  stale_.clear();
  for (const JobId root : roots_) work_out(view, root, gains);
  return roots_;
}

// From the leaves up.
void LineageIndex::work_out(const ClusterView& view, JobId root, const LineageGains& gains) {
  tree_.assign(1, root);
  for (std::size_t i = 0; i < tree_.size(); ++i) {
    const std::vector<JobId>& children = nodes_[tree_[i].index()].children;
    tree_.insert(tree_.end(), children.begin(), children.end());
  }
  for (std::size_t i = tree_.size(); i-- > 0;) {
    const JobView job = view.job(tree_[i]);
    Node& n = nodes_[tree_[i].index()];
    const Duration whole = gains.whole(view, job);
    cut(n, whole);
    collect(n, *job.spec, LineageGains::left_of(whole, job));
  }
  nodes_[root.index()].blocks.clear();
}

void LineageIndex::cut(Node& n, Duration whole) const {
  n.whole = no_longer_than_most(whole);
  n.cuts.assign(1, 1000);
  for (const JobId child : n.children) n.cuts.push_back(nodes_[child.index()].threshold);
  std::sort(n.cuts.begin(), n.cuts.end());
  n.cuts.erase(std::unique(n.cuts.begin(), n.cuts.end()), n.cuts.end());
}

void LineageIndex::collect(Node& n, const JobSpec& spec, Duration left) {
  farthest_first_ = n.children;
  std::sort(farthest_first_.begin(), farthest_first_.end(), [this](JobId a, JobId b) {
    const Node &x = nodes_[a.index()], &y = nodes_[b.index()];
    return std::tie(y.threshold, a) < std::tie(x.threshold, b);
  });
  n.blocks.clear();
  std::size_t next = 0;
  for (std::size_t i = n.cuts.size(); i-- > 0;) {
    take_blocks(n, next, n.cuts[i]);
    if (i == 0) n.tail.assign(n.blocks);
    LineageBlock block = segment(spec, n, i, left);
    for (; !n.blocks.empty() && n.blocks.back().better_than(block); n.blocks.pop_back())
      block = block + n.blocks.back();
    n.blocks.push_back(block);
  }
}

// Those of the children from the `next` on who wait for this threshold.
void LineageIndex::take_blocks(Node& n, std::size_t& next, std::int32_t threshold) {
  const auto before = static_cast<std::ptrdiff_t>(n.blocks.size());
  for (; next < farthest_first_.size(); ++next) {
    Node& c = nodes_[farthest_first_[next].index()];
    if (c.threshold != threshold) break;
    n.blocks.insert(n.blocks.end(), c.blocks.begin(), c.blocks.end());
    c.blocks.clear();
  }
  std::stable_sort(n.blocks.begin() + before, n.blocks.end(), served_later);
  std::inplace_merge(n.blocks.begin(), n.blocks.begin() + before, n.blocks.end(), served_later);
}

// The i-th segment of a job that takes `left` more; at least a nanosecond, for a threshold that is reached and whose
// version is not out yet.
LineageBlock LineageIndex::segment(const JobSpec& spec, const Node& n, std::size_t i, Duration left) const {
  const std::int32_t from = i == 0 ? 0 : n.cuts[i - 1];
  const std::int64_t to_its_end = no_longer_than_most(left).ns - between(spec, n.whole, n.cuts[i], 1000).ns;
  const std::int64_t length = i == 0 ? to_its_end : std::min(to_its_end, between(spec, n.whole, from, n.cuts[i]).ns);
  LineageBlock block = alone(spec, Duration{std::max<std::int64_t>(length, 1)});
  if (i + 1 < n.cuts.size()) block.weight = 0;
  return block;
}

LineageBlock LineageIndex::alone(const JobSpec& spec, Duration left) const {
  return {static_cast<Int128>(no_longer_than_most(left).ns) * factor(spec.demand.gpus), weight_units(spec.weight)};
}

Rank LineageIndex::rank(const JobSpec& spec, Duration left) const {
  LineageBlock block = alone(spec, left);
  if (spec.id.index() < nodes_.size() && !nodes_[spec.id.index()].children.empty()) {
    const Node& n = nodes_[spec.id.index()];
    block = n.tail.led_by(segment(spec, n, 0, left));
  } else if (spec.after.empty()) {
    block.weight = weight_units(spec.weight * beside_);
  }
  if (block.weight == 0) return kNothingGained;
  return block.service * (kWeightUnit / kFactorUnit) / block.weight;
}

std::int64_t LineageIndex::factor(std::int32_t gpus) const {
  const auto at = static_cast<std::size_t>(std::max(gpus, 0));
  if (at >= factors_.size()) factors_.resize(at + 1);
  if (factors_[at] == 0)
    factors_[at] = static_cast<std::int64_t>(power(static_cast<double>(at), alpha_) * kFactorUnit + 0.5);
  return factors_[at];
}

}  // namespace orrery

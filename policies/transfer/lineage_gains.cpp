#include "policies/transfer/lineage_gains.hpp"

#include <algorithm>
#include <cmath>

#include "sim/api/known_gains.hpp"
#include "sim/api/transfer_share.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kPairSpread = 0.5;     // standard deviation of l between the targets of a kind of parent
constexpr double kFamilyDoubt = 4;      // a family's mean counts as if so many more had been seen, at 0
constexpr double kClaimDoubt = 8;       // so does the spread of claims,
constexpr double kClaimVariance = 0.1;  // at this
constexpr double kBoldness = 0.5;       // standard deviations that not knowing is worth
constexpr double kHarm = 0.02;          // of l: less than that refuses nobody
constexpr std::int32_t kStep = 10;      // per mille, of a derivative

double share_at(std::int32_t per_mille) {
  return static_cast<double>(transfer_share(per_mille)) / 1e9;
}

}  // namespace

std::size_t LineageGains::edge_to(const JobSpec& spec, JobId parent) {
  const auto at =
      std::find_if(spec.after.begin(), spec.after.end(), [&](const auto& d) { return d.parent == parent; });
  return static_cast<std::size_t>(at - spec.after.begin());
}

double gain_per_progress(std::int32_t per_mille) {
  const double step = 0.001 * kStep;
  const std::int32_t to = std::min(per_mille + kStep, 1000);
  return (share_at(to) - share_at(to - kStep)) / step;
}

const LineageGains::Child& LineageGains::child(JobId job) const {
  static const Child kNone;
  return job.index() < children_.size() ? children_[job.index()] : kNone;
}

void LineageGains::enter(const ClusterView& view, const JobSpec& spec) {
  if (spec.id.index() >= children_.size()) children_.resize(std::max(spec.id.index() + 1, 2 * children_.size()));
  Child& c = children_[spec.id.index()];
  for (const Dependency& d : spec.after) {
    const JobSpec& source = view.spec(d.parent);
    const std::string& kind = source.model.empty() ? source.name : source.model;
    const auto family = static_cast<std::uint32_t>(families_.size());
    const auto [f, fresh_family] = family_ids_.try_emplace({kind, spec.model}, family);
    if (fresh_family) families_.emplace_back();
    const auto pair = static_cast<std::uint32_t>(pairs_.size());
    const auto [p, fresh] = pair_ids_.try_emplace({kind, spec.model, spec.dataset}, pair);
    if (fresh) pairs_.push_back({{}, f->second, {}});
    c.pairs.push_back(p->second);
  }
  pairs_[c.pairs.front()].waiting.push_back(spec.id);
}

std::pair<double, double> LineageGains::claims() const {
  const double n = claim_.count;
  const double mean = claim_.sum / (n + 1);
  const double squares = n > 0 ? std::max(claim_squares_ - claim_.sum * claim_.sum / n, 0.0) : 0.0;
  return {mean, (kClaimDoubt * kClaimVariance + squares) / (kClaimDoubt + n)};
}

LineageGain LineageGains::belief(std::uint32_t pair) const {
  const Pair& p = pairs_[pair];
  const Sum& family = families_[p.family];
  const std::int32_t seen = p.shown.count + p.assessed;
  LineageGain g{family.sum / (family.count + kFamilyDoubt), kPairSpread * kPairSpread, seen};
  if (g.seen == 0) return g;
  const double noise = std::max(claims().second, kLeastVariance);
  const double weight = 1 / g.variance + p.shown.count / noise + p.precision;
  g.mean = (g.mean / g.variance + p.shown.sum / noise + p.weighted) / weight;
  g.variance = 1 / weight;
  return g;
}

// Whoever is told has seen all of it.
LineageGain LineageGains::as_told(const JobSpec& spec, std::size_t edge) const {
  std::int32_t per_mille = 0;
  for (const KnownGain& k : told_->of[spec.id.index()])
    if (k.parent == spec.after[edge].parent) per_mille = k.gain_per_mille;
  return {-portable_log(1 - static_cast<double>(per_mille) / 1000), 0, 1};
}

LineageGain LineageGains::of(const JobSpec& spec, std::size_t edge) const {
  if (told_ != nullptr && edge < spec.after.size()) return as_told(spec, edge);
  const Child& c = child(spec.id);
  return edge < c.pairs.size() ? belief(c.pairs[edge]) : LineageGain{0, kPairSpread * kPairSpread, 0};
}

LineageGains::Start LineageGains::start_of(const ClusterView& view, const JobSpec& spec, const RunConfig& config) {
  if (config.start_version == kFromBase) return {};
  for (std::size_t edge = 0; edge < spec.after.size(); ++edge) {
    const JobId parent = spec.after[edge].parent;
    if (config.start_parent.valid() && config.start_parent != parent) continue;
    const std::span<const Version> versions = view.versions(parent);
    if (versions.empty()) continue;
    const bool newest = config.start_version == 0 || config.start_version > versions.size();
    const Version& v = newest ? versions.back() : versions[config.start_version - 1];
    return {edge, v.progress_per_mille, v.number};
  }
  return {};
}

RunConfig LineageGains::choose(const ClusterView& view, const JobSpec& spec) const {
  RunConfig best;
  double most = 0;
  bool own_choice = true, some = false, refused = false;
  for (std::size_t edge = 0; edge < spec.after.size(); ++edge) {
    if (view.versions(spec.after[edge].parent).empty()) continue;
    const LineageGain g = of(spec, edge);
    const bool first = std::exchange(own_choice, false);
    const bool harms = g.seen > 0 && g.mean < -kHarm;
    refused = refused || harms;
    if (harms) continue;
    const double score = g.mean + kBoldness * std::sqrt(g.variance);
    if (some && score <= most) continue;
    some = true;
    most = score;
    best.start_parent = first ? JobId{} : spec.after[edge].parent;
  }
  if (refused && !some) best.start_version = kFromBase;
  return best;
}

void LineageGains::starts(const ClusterView& view, JobId job, const RunConfig& config) {
  const JobSpec& spec = view.spec(job);
  if (!on_ || spec.after.empty()) return;
  Child& c = children_[job.index()];
  c.next = start_of(view, spec, config);
  c.began = true;
  if (!c.drops) begins(spec, c);
}

void LineageGains::begins(const JobSpec& spec, Child& c) {
  c.parent = c.next.edge == kNoEdge ? JobId{} : spec.after[c.next.edge].parent;
  c.per_mille = c.next.per_mille;
  c.assessed = false;
}

Duration LineageGains::whole_from(const JobView& job, std::size_t edge, std::int32_t per_mille) const {
  if (!job.estimate || job.estimate->total == kForever) return kForever;
  const Duration claimed = job.estimate->total;
  if (edge >= child(job.id()).pairs.size() || per_mille <= 0) return claimed;
  const double saved = (1 - portable_exp(-of(*job.spec, edge).mean)) * share_at(per_mille);
  const auto left = static_cast<std::int64_t>(static_cast<double>(claimed.ns) * (1 - saved));
  return {std::max<std::int64_t>(left, 1)};
}

Duration LineageGains::whole(const ClusterView& view, const JobView& job) const {
  const Duration all = inherits(view, job);
  if (all == kForever || job.spec->features.set == 0) return all;
  return {std::max<std::int64_t>(all.ns - spared(view, job).ns, 1)};
}

Duration LineageGains::spared(const ClusterView& view, const JobView& job) const {
  if (const auto found = spared_.find(job.id()); found != spared_.end()) return found->second;
  if (child(job.id()).began || job.done.ns > 0) return {};
  const JobSpec& spec = *job.spec;
  const Start now = start_of(view, spec, choose(view, spec));
  const JobId parent = now.edge == kNoEdge ? JobId{} : spec.after[now.edge].parent;
  if (view.features(spec.id, parent, now.version) != FeatureState::stored) return {};
  return std::max(spec.features.time - spec.features.read, Duration{});
}

Duration LineageGains::inherits(const ClusterView& view, const JobView& job) const {
  const JobSpec& spec = *job.spec;
  const Child& c = child(spec.id);
  if (c.pairs.empty()) return job.estimate ? job.estimate->total : kForever;
  if (c.drops && job.estimate) return {add_ns(job.estimate->total.ns, job.done.ns)};  // all of it is to come
  if (c.began) return whole_from(job, edge_to(spec, c.parent), c.per_mille);
  const Start now = start_of(view, spec, choose(view, spec));
  if (now.edge != kNoEdge) return whole_from(job, now.edge, now.per_mille);
  const Dependency& d = spec.after.front();  // nothing is there yet: as far as it waits for
  return whole_from(job, std::size_t{0}, d.hard && view.versions(d.parent).empty() ? d.progress_per_mille : 0);
}

}  // namespace orrery

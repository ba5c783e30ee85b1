// What is learned of parents: the half of LineageGains that looks at events.
#include <algorithm>
#include <cmath>

#include "policies/transfer/lineage_gains.hpp"
#include "sim/api/transfer_share.hpp"
#include "sim/core/random.hpp"

namespace orrery {
namespace {

constexpr double kMostLog = 3;        // of what one child may show, down
constexpr double kMostClaimed = 7;    // of a claim over a run time, either way: a factor of a thousand
constexpr double kMostSaved = 0.95;   // and up
constexpr double kLeastShare = 0.05;  // of a finished parent's gain that an early version gives
constexpr double kTold = 0.02;        // a belief that moved by less changes nobody's order

double ratio_log(Duration a, Duration b) {
  return portable_log(static_cast<double>(std::max<std::int64_t>(a.ns, 1)) /
                      static_cast<double>(std::max<std::int64_t>(b.ns, 1)));
}

// What the finished parent would have saved, of what a version at that progress did: l, and how much l moves with
// what is given.
std::pair<double, double> at_the_end(double l, std::int32_t per_mille) {
  const double share = std::max(static_cast<double>(transfer_share(per_mille)) / 1e9, kLeastShare);
  const double left = portable_exp(-std::clamp(l, -kMostLog, kMostLog));
  const double whole = std::min((1 - left) / share, kMostSaved);
  return {std::max(-portable_log(1 - whole), -kMostLog), left / share / (1 - whole)};
}

}  // namespace

void LineageGains::follow(const ClusterView& view, const Event& e) {
  if (e.kind() == EventKind::features) note_features(view, e);
  if (!e.job.valid()) return;
  const JobSpec& spec = view.spec(e.job);
  if (e.kind() == EventKind::submit && spec.features.set != 0) need_[spec.features.set].push_back(spec.id);
  if (!on_ && is_final(view.state(e.job))) spared_.erase(e.job);
  if (!on_) return;
  if (!spec.after.empty() && child(e.job).pairs.empty()) enter(view, spec);
  if (e.kind() == EventKind::assessed) {
    assessed(view, e);
  } else if (e.kind() == EventKind::finished) {
    finished(view, e.job);
    spared_.erase(e.job);
  }
}

// What a hit spares a job says nothing of its parent. Features that are there now, or not any more, change what is
// believed of those that wait for such.
void LineageGains::note_features(const ClusterView& view, const Event& e) {
  const event::Features& says = e.get<event::Features>();
  if (says.use == FeatureUse::miss || says.use == FeatureUse::unkept) return;
  if (says.use == FeatureUse::hit) {
    spared_[e.job] = says.time;
    return;
  }
  const auto at = need_.find(says.set);
  if (at == need_.end()) return;
  std::erase_if(at->second,
                [&](JobId j) { return is_final(view.state(j)) || child(j).began || view.job(j).done.ns > 0; });
  changed_.insert(changed_.end(), at->second.begin(), at->second.end());
}

void LineageGains::began_anew(const ClusterView& view, JobId job) {
  Child& c = children_[job.index()];
  c.drops = false;
  begins(view.spec(job), c);
  changed_.push_back(job);
}

// The work that a job which has finished did, had it found no features: its run time, had it been alone on the GPUs
// that it asks for and done nothing twice.
Duration LineageGains::took(const JobView& job) const {
  const auto at = spared_.find(job.id());
  return Duration{job.done.ns} + (at == spared_.end() ? Duration{} : at->second);
}

void LineageGains::finished(const ClusterView& view, JobId job) {
  const JobView v = view.job(job);
  if (!v.estimate || v.estimate->total == kForever || v.done.ns <= 0) return;
  const double shown = std::clamp(ratio_log(v.estimate->total, took(v)), -kMostClaimed, kMostClaimed);
  const Child& c = child(job);
  if (!c.parent.valid()) {
    claim_.sum += shown;
    claim_.count += 1;
    claim_squares_ += shown * shown;
    return;
  }
  learn(view, c.pairs[edge_to(*v.spec, c.parent)], at_the_end(shown - claims().first, c.per_mille).first);
}

// A first epoch was worth so many from the base. It is one look at the pair; a child is looked at once.
void LineageGains::assessed(const ClusterView& view, const Event& e) {
  Child& c = children_[e.job.index()];
  const auto& [parent, worth, error] = e.get<event::Assessed>();
  if (told_ != nullptr || c.drops || c.assessed || c.parent != parent) return;
  c.assessed = true;
  const double epochs = std::max(static_cast<double>(worth) / 1e6, kLeastShare);
  const auto [l, slope] = at_the_end(portable_log(epochs), c.per_mille);
  const double sd = std::max(static_cast<double>(error) / 1e6 / epochs * slope, std::sqrt(kLeastVariance));
  const std::uint32_t id = c.pairs[edge_to(view.spec(e.job), parent)];
  Pair& pair = pairs_[id];
  const double before = belief(id).mean;
  pair.precision += 1 / (sd * sd);
  pair.weighted += l / (sd * sd);
  ++pair.assessed;
  families_[pair.family].sum += l;
  families_[pair.family].count += 1;
  changed(view, pair, before, belief(id).mean);
}

void LineageGains::learn(const ClusterView& view, std::uint32_t pair, double l) {
  if (told_ != nullptr) return;
  const double before = belief(pair).mean;
  Pair& own = pairs_[pair];
  for (Sum* sum : {&own.shown, &families_[own.family]}) {
    sum->sum += l;
    sum->count += 1;
  }
  changed(view, own, before, belief(pair).mean);
}

void LineageGains::changed(const ClusterView& view, Pair& pair, double before, double now) {
  if (std::abs(now - before) < kTold) return;
  std::erase_if(pair.waiting, [&](JobId j) { return is_final(view.state(j)) || children_[j.index()].began; });
  changed_.insert(changed_.end(), pair.waiting.begin(), pair.waiting.end());
}

}  // namespace orrery

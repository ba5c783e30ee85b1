#include "sim/models/speed/throughputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "sim/core/names.hpp"

namespace orrery {
namespace {

constexpr double kTurns = 0.98;  // of its share is what a job gets that takes turns (docs/formulas.md)
constexpr std::uint32_t kMostNames = 1U << 20U;  // names, configurations

std::string key_of(std::string_view model, std::string_view mode, std::int64_t batch) {
  return fmt::format("{}\n{}\n{}", model, mode, batch);
}

// `a` and `b` below kMostNames, `type` below 4096.
std::uint64_t key_of(std::uint32_t type, std::uint32_t a, std::uint32_t b) {
  return (std::uint64_t{type} << 44U) | (std::uint64_t{a} << 22U) | b;
}

// The value of a key in a table sorted by it; null where there is none.
template <class T>
const T* find(const std::vector<std::pair<std::uint64_t, T>>& table, std::uint64_t key) {
  const auto at = std::lower_bound(table.begin(), table.end(), key,
                                   [](const auto& row, std::uint64_t k) { return row.first < k; });
  return at == table.end() || at->first != key ? nullptr : &at->second;
}

std::string text_of(const TrainingConfig& c) {
  return fmt::format("`{}`{}{} on {} GPU{}", c.model, c.mode.empty() ? "" : " " + c.mode,
                     c.batch == 0 ? "" : fmt::format(" with batch {}", c.batch), c.gpus, c.gpus == 1 ? "" : "s");
}

}  // namespace

std::uint32_t ThroughputModel::intern(const TrainingConfig& c) {
  const auto next = static_cast<std::uint32_t>(names_.size());
  return names_.try_emplace(key_of(c.model, c.mode, c.batch), next).first->second;
}

std::uint32_t ThroughputModel::find_name(const TrainingConfig& c) const {
  for (const std::string_view mode : {std::string_view(c.mode), std::string_view()})
    for (const std::int64_t batch : {c.batch, std::int64_t{0}})
      if (const auto at = names_.find(key_of(c.model, mode, batch)); at != names_.end()) return at->second;
  return kNone;
}

std::uint32_t ThroughputModel::config(std::uint32_t name, int gpus) const {
  const auto at = configs_.find(key_of(0, name, static_cast<std::uint32_t>(gpus)));
  return at == configs_.end() ? kNone : at->second;
}

Expected<std::shared_ptr<ThroughputModel>> ThroughputModel::compile(const ThroughputSet& table,
                                                                    const Topology& topology,
                                                                    const std::string& reference) {
  std::shared_ptr<ThroughputModel> m(new ThroughputModel);
  m->table_ = table.name;
  m->topology_ = &topology;
  m->types_ = topology.gpu_types();
  m->nodes_.resize(m->types_.size());
  m->has_gpus_.resize(m->types_.size());
  for (const NodeGroup& g : topology.groups()) {
    const std::size_t at = orrery::find_name(m->types_, g.gpu);
    if (at == m->types_.size()) continue;
    m->has_gpus_[at] = m->has_gpus_[at] || g.gpus_per_node > 0;
    add_nodes(m->nodes_[at], g.gpus_per_node, g.count);
  }
  const auto type_of = [&](const std::string& gpu) {
    const std::size_t at = orrery::find_name(m->types_, gpu);
    return at == m->types_.size() ? kNone : static_cast<std::uint32_t>(at);
  };
  m->reference_ = type_of(reference);
  if (m->reference_ == kNone) {
    m->reference_ = static_cast<std::uint32_t>(m->types_.size());
    m->types_.push_back(reference);
  }
  std::map<std::tuple<std::uint32_t, std::uint32_t, int>, Point> points;
  for (const AloneRate& r : table.alone) {
    if (!(r.steps_per_s > 0) || !std::isfinite(r.steps_per_s) || r.config.gpus < 1)
      return fail(
          fmt::format("{}: {} on {} makes {} steps per second", table.name, text_of(r.config), r.gpu, r.steps_per_s));
    const std::uint32_t type = type_of(r.gpu);
    if (type == kNone) continue;
    Point& p = points[{m->intern(r.config), type, r.config.gpus}];
    double& there = r.spread ? p.spread : p.packed;
    if (there > 0) return fail(fmt::format("{}: {} on {} is there twice", table.name, text_of(r.config), r.gpu));
    p.gpus = r.config.gpus;
    there = r.steps_per_s;
  }
  const auto on_reference = [&](const auto& p) { return std::get<1>(p.first) == m->reference_; };
  if (std::none_of(points.begin(), points.end(), on_reference))
    return fail(fmt::format("{} has no measurement on `{}`, on which work is counted", table.name, reference));
  // Pairs and crowds need the ids of configurations that may have been measured only beside others.
  const auto configure = [&](const TrainingConfig& c) {
    const auto next = static_cast<std::uint32_t>(m->configs_.size());
    return m->configs_.try_emplace(key_of(0, m->intern(c), static_cast<std::uint32_t>(c.gpus)), next).first->second;
  };
  const auto for_types = [&](const std::string& gpu, const auto& take) {
    for (std::uint32_t t = 0; t < m->types_.size(); ++t)
      if (gpu.empty() || same_name(m->types_[t], gpu)) take(t);
  };
  std::map<std::uint64_t, std::pair<double, double>> pairs;
  std::map<std::uint64_t, double> crowds;
  for (const PairRate& r : table.pairs) {
    if (!(r.speed_a >= 0) || !(r.speed_b >= 0))
      return fail(fmt::format("{}: {} beside {} has a speed below 0", table.name, text_of(r.a), text_of(r.b)));
    const std::uint32_t a = configure(r.a), b = configure(r.b);
    for_types(r.gpu, [&](std::uint32_t t) {
      pairs[key_of(t, a, b)] = {r.speed_a, r.speed_b};
      pairs[key_of(t, b, a)] = {r.speed_b, r.speed_a};
    });
  }
  for (const CrowdRate& r : table.crowds) {
    if (!(r.speed > 0) || r.jobs < 2)
      return fail(
          fmt::format("{}: {} as one of {} jobs has speed {}", table.name, text_of(r.config), r.jobs, r.speed));
    const std::uint32_t c = configure(r.config);
    for_types(r.gpu, [&](std::uint32_t t) { crowds[key_of(t, c, static_cast<std::uint32_t>(r.jobs))] = r.speed; });
  }
  m->pairs_.assign(pairs.begin(), pairs.end());
  m->crowds_.assign(crowds.begin(), crowds.end());
  if (m->names_.size() >= kMostNames || m->configs_.size() >= kMostNames)
    return fail(fmt::format("{} has more than {} configurations", table.name, kMostNames));
  m->spans_.resize(m->names_.size() * m->types_.size());
  for (const auto& [key, p] : points) {
    Span& s = m->spans_[std::get<0>(key) * m->types_.size() + std::get<1>(key)];
    const auto at = static_cast<std::uint32_t>(m->points_.size());
    if (s.last == 0) s.first = at;
    s.last = at + 1;
    m->points_.push_back(p);
  }
  return m;
}

double ThroughputModel::alone(std::uint32_t name, std::uint32_t type, int gpus, bool spread) const {
  if (name == kNone) return 0;
  const Span s = spans_[name * types_.size() + type];
  const auto first = points_.begin() + s.first, last = points_.begin() + s.last;  // by GPUs, ascending
  const auto at = std::lower_bound(first, last, gpus, [](const Point& p, int wanted) { return p.gpus < wanted; });
  if (at == last || at->gpus != gpus) return 0;
  return spread ? at->spread : at->packed;
}

// As measured; else the other placement; else the nearest number of GPUs, linear in GPUs.
double ThroughputModel::nearest(std::uint32_t name, std::uint32_t type, int gpus, bool spread) const {
  if (name == kNone) return 0;
  if (const double exact = alone(name, type, gpus, spread); exact > 0) return exact;
  const Span s = spans_[name * types_.size() + type];
  const Point* best = nullptr;
  for (std::uint32_t i = s.first; i < s.last; ++i)
    if (best == nullptr || std::abs(points_[i].gpus - gpus) < std::abs(best->gpus - gpus)) best = &points_[i];
  if (best == nullptr) return 0;
  const double there = (spread && best->spread > 0) || best->packed <= 0 ? best->spread : best->packed;
  return there * gpus / best->gpus;
}

Expected<void> ThroughputModel::add(const Job& job, GpuTypeMask types, bool clamp) {
  const std::uint32_t name = find_name(job.config);
  const int gpus = job.config.gpus;
  if (name == kNone) return fail(fmt::format("{} knows no {}", table_, text_of(job.config)));
  const auto missing = [&](std::uint32_t type, std::string hint) {
    Diagnostic d{
        fmt::format("{} has no steps per second of {} of type `{}`", table_, text_of(job.config), types_[type])};
    d.hint = std::move(hint);
    return fail(std::move(d));
  };
  // Of any number of GPUs: without one there is nothing to take instead.
  const auto measured = [&](std::uint32_t type) { return nearest(name, type, gpus, false) > 0; };
  const auto known = [&](std::uint32_t type) {
    return clamp ? measured(type) : std::max(alone(name, type, gpus, false), alone(name, type, gpus, true)) > 0;
  };
  const auto what_to_do = [&](std::uint32_t type) -> std::string {
    if (measured(type))
      return "add it to the table, or write `performance: { missing: clamp }` to take the nearest measurement";
    return "add it to the table, or keep such jobs off the type by the trace's `gpu_type`";
  };
  Member member;
  member.name = name;
  member.config = config(name, gpus);
  member.clamp = clamp;
  if (!known(reference_)) return missing(reference_, what_to_do(reference_));
  for (std::uint32_t t = 0; t < topology_->gpu_types().size(); ++t) {
    if ((types != 0 && (types >> t & 1U) == 0) || !has_gpus_[t]) continue;
    if (!known(t)) return missing(t, what_to_do(t));
  }
  member.reference = nearest(name, reference_, gpus, false);
  jobs_.push_back(member);
  last_time_ = Duration{};
  if (job.steps > 0) {
    const double ns = static_cast<double>(job.steps) / member.reference * 1e9;
    if (!(ns < static_cast<double>(kForever.ns) / 4))
      return fail(fmt::format("{} steps of {} take more than 73 years", job.steps, text_of(job.config)));
    last_time_ = Duration{std::max<std::int64_t>(1, std::llround(ns))};
  }
  return {};
}

double ThroughputModel::beside(JobId own, std::uint32_t type, std::span<const JobId> with) const {
  if (with.empty()) return 1;
  const Member& me = jobs_[own.index()];
  if (with.size() == 1) {
    double speed = 0, other = 0;
    if (pair(own, with[0], type, speed, other) && speed > 0) return speed;
  }
  if (me.config != kNone) {
    const auto* crowd = find(crowds_, key_of(type, me.config, static_cast<std::uint32_t>(with.size() + 1)));
    if (crowd != nullptr) return *crowd;
  }
  return kTurns / static_cast<double>(with.size() + 1);
}

bool ThroughputModel::pair(JobId a, JobId b, std::uint32_t type, double& speed_a, double& speed_b) const {
  const std::uint32_t ca = jobs_[a.index()].config, cb = jobs_[b.index()].config;
  if (ca == kNone || cb == kNone) return false;
  const auto* at = find(pairs_, key_of(type, ca, cb));
  if (at == nullptr) return false;
  std::tie(speed_a, speed_b) = *at;
  return true;
}

// Steps per second alone; a number of GPUs that was not measured is only guessed at where the job was added with
// `clamp`, else 0.
double ThroughputModel::placed(const Member& job, std::uint32_t type, int gpus, bool spread) const {
  const bool known = alone(job.name, type, gpus, false) > 0 || alone(job.name, type, gpus, true) > 0;
  return known || job.clamp ? nearest(job.name, type, gpus, spread) : 0;
}

bool ThroughputModel::is_spread(const Allocation& gpus, std::uint32_t type, int count) const {
  std::size_t needed = 0;
  pack_on(nodes_[type], count, [&needed](int) { ++needed; });
  return gpus.nodes() > needed;
}

// Calls act(type, whether it is spread there) for each type of the GPUs, once.
template <class Do>
void ThroughputModel::for_types(const Shape& shape, Do act) const {
  if (shape.where() == nullptr) {
    if (shape.types() == 0) return act(reference_, false);
    for (std::uint32_t t = 0; t < nodes_.size(); ++t)
      if ((shape.types() >> t & 1U) != 0) act(t, false);
    return;
  }
  GpuTypeMask seen = 0;
  for (const NodeSlice& s : shape.where()->slices()) {
    const std::uint32_t type = topology_->node(s.node).type;
    if (s.gpu_count() == 0 || (seen >> type & 1U) != 0) continue;
    seen |= GpuTypeMask{1} << type;
    act(type, is_spread(*shape.where(), type, shape.gpus()));
  }
}

Speed ThroughputModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig&,
                             std::span<const JobId> neighbours) const {
  const int count = shape.gpus();
  if (count == 0) return {kUnitRate};  // CPUs only
  const Member& me = jobs_[spec.id.index()];
  double slowest = -1;
  bool known = true;
  for_types(shape, [&](std::uint32_t type, bool spread) {
    const double alone = placed(me, type, count, spread);
    known = known && alone > 0;
    const double steps = alone * beside(spec.id, type, neighbours);
    slowest = slowest < 0 ? steps : std::min(slowest, steps);
  });
  if (!known) return {{}, false};
  return {Rate{std::llround(slowest / me.reference * static_cast<double>(kUnitRate.per_billion))}};
}

std::string ThroughputModel::unknown(const JobSpec& spec, const Shape& shape, const RunConfig&) const {
  const int gpus = shape.gpus();
  std::string why;
  for_types(shape, [&](std::uint32_t type, bool spread) {
    if (!why.empty() || placed(jobs_[spec.id.index()], type, gpus, spread) > 0) return;
    why = fmt::format(
        "job `{}` of `{}` was put on {} GPU{} of type `{}`, of which {} has no steps per second; "
        "write `performance: {{ missing: clamp }}` to take the nearest measurement",
        spec.name, spec.model, gpus, gpus == 1 ? "" : "s", types_[type], table_);
  });
  return why;
}

double ThroughputModel::steps_per_s(JobId job, const std::string& gpu, int gpus, bool spread) const {
  const auto at = std::find(types_.begin(), types_.end(), gpu);
  if (at == types_.end()) return 0;
  return alone(jobs_[job.index()].name, static_cast<std::uint32_t>(at - types_.begin()), gpus, spread);
}

}  // namespace orrery

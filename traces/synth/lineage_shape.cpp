#include "traces/synth/lineage_shape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "sim/models/training/memory.hpp"
#include "traces/format/formats.hpp"
#include "traces/synth/draws.hpp"

namespace orrery {
namespace {

constexpr int kHalvings = 2, kDoublings = 2;  // of the GPUs of an elastic job

double gpu_seconds_of(const TraceJob& j) {
  return to_seconds(j.duration) * j.gpus;
}

bool is_pretraining(const TraceJob& j) {
  return j.kind == "pretrain";
}

// Longer than a trace may be where it would take longer: the generator then says so.
void lengthen(TraceJob& j, double factor) {
  const double ms =
      std::min(static_cast<double>(j.duration.ns) / 1e6 * factor, static_cast<double>(kMaxTraceNs) / 1e6 + 1);
  j.duration = Duration{std::max<std::int64_t>(1, std::llround(ms)) * 1'000'000};
  const auto scaled = [factor](std::int64_t n) {
    return std::llround(std::min(static_cast<double>(n) * factor, 1e18));
  };
  j.iterations = std::max<std::int64_t>(1, scaled(j.iterations));
  j.tflop = scaled(j.tflop);
}

// The parent of an evaluation, which has one.
std::string only_parent(const TraceJob& j) {
  return std::string(j.after.view().substr(0, j.after.view().find('@')));
}

void submit_at_once(Trace& trace, const std::vector<bool>& alone) {
  std::set<std::string> parents;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)
    if (is_pretraining(trace.jobs[i]) && !alone[i]) parents.insert(trace.jobs[i].job_id);
  for (TraceJob& j : trace.jobs)
    if (parents.contains(j.job_id) || (j.kind == "eval" && parents.contains(only_parent(j)))) j.submit = Time{};
  std::stable_sort(trace.jobs.begin(), trace.jobs.end(),
                   [](const TraceJob& a, const TraceJob& b) { return a.submit < b.submit; });
}

// Times before and after, ascending; between two of them time is stretched evenly.
using Marks = std::vector<std::pair<double, double>>;

Marks even_marks(const Trace& trace, const std::vector<bool>& alone) {
  Marks marks{{0, 0}};
  double parents = 0;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    if (!is_pretraining(trace.jobs[i]) || alone[i]) continue;
    const auto at = static_cast<double>(trace.jobs[i].submit.ns);
    if (at > marks.back().first) marks.emplace_back(at, 0);
    ++parents;
  }
  const auto end = static_cast<double>(trace.jobs.back().submit.ns);
  if (end > marks.back().first) marks.emplace_back(end, end);
  const double gap = end / static_cast<double>(marks.size() - 1);
  for (std::size_t i = 0; i < marks.size(); ++i) marks[i].second = static_cast<double>(i) * gap;
  return parents > 1 ? marks : Marks{};
}

void submit_evenly(Trace& trace, const std::vector<bool>& alone) {
  const Marks marks = even_marks(trace, alone);
  if (marks.size() < 2) return;
  std::size_t next = 1;
  for (TraceJob& j : trace.jobs) {
    const auto at = static_cast<double>(j.submit.ns);
    while (next + 1 < marks.size() && at >= marks[next].first) ++next;
    const auto& [from, to] = marks[next - 1];
    const auto& [until, arrives] = marks[next];
    const double part = std::min((at - from) / (until - from), 1.0);
    j.submit = Time{std::llround(to + part * (arrives - to))};
  }
}

// A part of the jobs of each kind, evenly spread over them: which is first is drawn.
class EverySo {
 public:
  EverySo(double share, RandomStream rng) : share_(share), rng_(rng) {}
  bool operator()(const std::string& kind) {
    const auto [at, fresh] = sums_.try_emplace(kind, 0);
    if (fresh) at->second = uniform01(rng_);
    at->second += share_;
    if (at->second < 1) return false;
    at->second -= 1;
    return true;
  }

 private:
  double share_;
  RandomStream rng_;
  std::map<std::string, double> sums_;
};

}  // namespace

Expected<void> weigh_lineages(Trace& trace, const std::vector<bool>& alone, const GenerateSpec& spec) {
  double parents = 0, children = 0;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)
    if (!alone[i]) (is_pretraining(trace.jobs[i]) ? parents : children) += gpu_seconds_of(trace.jobs[i]);
  if (spec.children > 0) {
    if (parents <= 0 || children <= 0)
      return fail(fmt::format("children cannot have {} of the GPU-time: among {} jobs there are {}", spec.children,
                              trace.jobs.size(), parents <= 0 ? "no parents" : "none"));
    const double factor = spec.children / (1 - spec.children) * parents / children;
    for (TraceJob& j : trace.jobs)
      if (!is_pretraining(j)) lengthen(j, factor);
  }
  if (spec.independent <= 0) return {};
  double lineages = 0, beside = 0;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) (alone[i] ? beside : lineages) += gpu_seconds_of(trace.jobs[i]);
  if (beside <= 0)
    return fail(fmt::format("jobs beside the lineages cannot have {} of the GPU-time: among {} jobs there are none",
                            spec.independent, trace.jobs.size()));
  const double factor = spec.independent / (1 - spec.independent) * lineages / beside;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)
    if (alone[i]) lengthen(trace.jobs[i], factor);
  return {};
}

void arrange_parents(Trace& trace, const std::vector<bool>& alone, ParentArrivals arrivals) {
  switch (arrivals) {
    case ParentArrivals::natural: return;
    case ParentArrivals::burst: return submit_at_once(trace, alone);
    case ParentArrivals::staggered: return submit_evenly(trace, alone);
  }
}

void make_elastic(Trace& trace, const GenerateSpec& spec, std::int64_t cluster_gpus) {
  EverySo chosen(spec.elastic, stream(spec.seed, "lineage/elastic"));
  for (TraceJob& j : trace.jobs) {
    if (!chosen(j.model)) continue;
    const TrainingRun& run = spec.catalogue->find(j.model)->at(spec.size).run;
    const auto fits = [&](std::int32_t gpus) {
      if (spec.device.memory_bytes <= 0) return true;
      const TrainingCost c = training_cost(run, gpus, spec.device);
      return fits_memory(c.state_bytes, c.activation_bytes, spec.device.memory_bytes);
    };
    j.min_gpus = j.max_gpus = j.gpus;
    for (int i = 0; i < kHalvings && *j.min_gpus % 2 == 0 && fits(*j.min_gpus / 2); ++i) *j.min_gpus /= 2;
    for (int i = 0; i < kDoublings && 2 * std::int64_t{*j.max_gpus} <= std::min(cluster_gpus, run.global_batch); ++i)
      *j.max_gpus *= 2;
  }
}

void drop_edges(Trace& trace) {
  for (TraceJob& j : trace.jobs) {
    j.after = "";
    j.gain = "";
    j.epochs = 0;
  }
}

}  // namespace orrery

// Workloads after published ones: Gavel's generator, Philly, Acme. The figures are those of their papers and data
// (docs/formulas.md has those of Gavel and Acme); which ones a generated trace meets is in tests/traces.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "traces/synth/draws.hpp"
#include "traces/synth/generators.hpp"

namespace orrery {
namespace {

// A model of Gavel's at each of its batch sizes; `distributed`: on several GPUs, too.
struct ModelFamily {
  const char* model;
  std::vector<std::int64_t> batches;
  bool distributed;
};
struct JobType {
  std::string name;  // as in the throughput tables
  std::int64_t batch;
};
// All 26, those that are distributed first.
struct JobTypes {
  std::vector<JobType> all;
  std::size_t distributed = 0;
};

JobTypes gavel_types() {
  JobTypes types;
  for (const ModelFamily& f :
       {ModelFamily{"ResNet-18", {16, 32, 64, 128, 256}, true}, ModelFamily{"ResNet-50", {16, 32, 64, 128}, true},
        ModelFamily{"Transformer", {16, 32, 64, 128, 256}, true}, ModelFamily{"LM", {5, 10, 20, 40, 80}, true},
        ModelFamily{"Recommendation", {512, 1024, 2048, 4096, 8192}, false}}) {
    for (const std::int64_t batch : f.batches)
      types.all.push_back({fmt::format("{} (batch size {})", f.model, batch), batch});
    if (f.distributed) types.distributed = types.all.size();
  }
  types.all.push_back({"A3C", 4});
  types.all.push_back({"CycleGAN", 1});
  return types;
}

// Steps per second alone, packed, on Gavel's reference: (model, GPUs) -> rate.
using ReferenceRates = std::map<std::pair<std::string, int>, double>;

ReferenceRates reference_rates(const ThroughputSet& table) {
  ReferenceRates rates;
  for (const AloneRate& r : table.alone)
    if (!r.spread && r.gpu == kGavelReference) rates[{r.config.model, r.config.gpus}] = r.steps_per_s;
  return rates;
}

// Sets the steps that each job does in its run time on Gavel's reference.
Expected<void> count_steps(Trace& trace, const ThroughputSet& table) {
  const ReferenceRates rates = reference_rates(table);
  for (TraceJob& j : trace.jobs) {
    const auto at = rates.find({j.model, j.gpus});
    if (at == rates.end())
      return fail(fmt::format("{} has no steps per second of `{}` on {} GPUs of type {}, from which its steps follow",
                              table.name, j.model, j.gpus, kGavelReference));
    j.iterations = std::max<std::int64_t>(1, std::llround(std::min(to_seconds(j.duration) * at->second, 1e15)));
  }
  return {};
}

double uniform(RandomStream& rng, double low, double high) {
  return low + uniform01(rng) * (high - low);
}

std::int32_t at_most(std::int32_t gpus, const PoissonSpec& spec) {
  if (spec.cluster_gpus <= 0) return gpus;
  return static_cast<std::int32_t>(std::min<std::int64_t>(gpus, spec.cluster_gpus));
}

// Powers of two that fit the cluster: what tables of throughputs have.
std::int32_t halved_to_fit(std::int32_t gpus, const PoissonSpec& spec) {
  while (gpus > 1 && spec.cluster_gpus > 0 && gpus > spec.cluster_gpus) gpus /= 2;
  return gpus;
}

// Rows with ids and Poisson submits on an even day; `fill` draws the rest.
template <class Fill>
Trace poisson_rows(const PoissonSpec& spec, Fill fill) {
  RandomStream arrivals = stream(spec.seed, "synth/arrivals");
  const double gap = gap_ns(spec);
  Trace trace;
  double at_ns = 0;
  for (std::int64_t i = 0; i < spec.jobs; ++i) {
    TraceJob j;
    j.job_id = fmt::format("j{}", i + 1);
    j.submit = submit_at(at_ns);
    at_ns += exponential(arrivals, gap);
    fill(j);
    trace.jobs.push_back(std::move(j));
  }
  return trace;
}

}  // namespace

Expected<Trace> generate_gavel(const GenerateSpec& spec) {
  RandomStream types = stream(spec.seed, "synth/types");
  RandomStream sizes = stream(spec.seed, "synth/gpus");
  RandomStream durations = stream(spec.seed, "synth/durations");
  RandomStream tenants = stream(spec.seed, "synth/tenants");
  RandomStream weights = stream(spec.seed, "synth/priorities");
  RandomStream factors = stream(spec.seed, "synth/deadlines");
  const Mix gpus{{1, 0.7}, {2, 0.1}, {4, 0.15}, {8, 0.05}};
  const JobTypes known = gavel_types();
  constexpr double kLn10 = 2.302585092994045684;
  Trace trace = poisson_rows(spec, [&](TraceJob& j) {
    j.gpus = halved_to_fit(draw(sizes, gpus), spec);
    const JobType& type = known.all[uniform_below(types, j.gpus > 1 ? known.distributed : known.all.size())];
    j.model = type.name;
    j.batch = type.batch;
    const bool shorter = uniform01(durations) < 0.8;
    const double exponent = shorter ? uniform(durations, 1.5, 3) : uniform(durations, 3, 4);
    j.duration = Duration{static_cast<std::int64_t>(60e3 * portable_exp(kLn10 * exponent) + 0.5) * 1'000'000};
    if (spec.tenants > 0)
      j.tenant = fmt::format("u{}", 1 + uniform_below(tenants, static_cast<std::uint64_t>(spec.tenants)));
    if (spec.priorities != 0 && uniform01(weights) < 0.2) j.weight = 5;
  });
  if (spec.throughputs)
    if (auto ok = count_steps(trace, *spec.throughputs); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = place_arrivals(trace, spec, kEvenDay); !ok) return tl::make_unexpected(ok.error());
  if (spec.deadlines != 0)
    for (TraceJob& j : trace.jobs) {
      const std::int64_t tenths = std::array<std::int64_t, 3>{12, 20, 100}[uniform_below(factors, 3)];
      j.deadline = j.submit + Duration{j.duration.ns / 10 * tenths};
    }
  finish_generated(trace, spec, "gavel");
  return trace;
}

Expected<Trace> generate_philly(const GenerateSpec& spec) {
  RandomStream sizes = stream(spec.seed, "synth/gpus");
  RandomStream durations = stream(spec.seed, "synth/durations");
  RandomStream tenants = stream(spec.seed, "synth/tenants");
  const Mix gpus{{1, 0.8248}, {2, 0.06}, {4, 0.06}, {8, 0.04}, {16, 0.01}, {32, 0.004}, {64, 0.001}, {128, 0.0002}};
  // The spread at which the mean is 18,006 s with nothing above the longest run time of 4,240,676 s.
  const LogNormal law{874, 2.51, 1, 4240676};
  Zipf clusters(0.8);
  const auto count = static_cast<std::size_t>(spec.tenants > 0 ? spec.tenants : 12);
  Trace trace = poisson_rows(spec, [&](TraceJob& j) {
    j.gpus = at_most(draw(sizes, gpus), spec);
    j.duration = draw(durations, law);
    j.tenant = fmt::format("vc{}", 1 + clusters.draw(tenants, count));
  });
  if (auto ok = place_arrivals(trace, spec, kPhillyDay); !ok) return tl::make_unexpected(ok.error());
  finish_generated(trace, spec, "philly-like");
  return trace;
}

Expected<Trace> generate_acme(const GenerateSpec& spec) {
  struct Kind {
    const char* name;
    double share;
    Mix gpus;
    LogNormal law;
  };
  // Means chosen so that the shares of GPU-time and the means over all jobs (1,259.7 s, 26.77 GPUs) come out.
  const std::array<Kind, 3> kinds{{
      {"eval", 0.929, {{1, 0.75}, {2, 0.05}, {4, 0.08}, {8, 0.12}}, by_mean_and_median(800, 112, 625740)},
      {"pretrain",
       0.032,
       {{64, 0.05}, {128, 0.1}, {256, 0.2}, {512, 0.2}, {1024, 0.45}},
       {800, 2.53, 1, 625740}},  // mean 13,300 s with the cut
      {"transfer", 0.039, {{8, 0.3}, {64, 0.3}, {128, 0.2}, {256, 0.2}}, by_mean_and_median(3500, 300, 625740)},
  }};
  RandomStream which = stream(spec.seed, "synth/kinds");
  RandomStream sizes = stream(spec.seed, "synth/gpus");
  RandomStream durations = stream(spec.seed, "synth/durations");
  RandomStream tenants = stream(spec.seed, "synth/tenants");
  std::vector<double> shares;
  for (const Kind& k : kinds) shares.push_back(k.share);
  Zipf teams(1.0);
  Trace trace = poisson_rows(spec, [&](TraceJob& j) {
    const Kind& kind = kinds[draw_index(which, shares)];
    j.kind = kind.name;
    j.gpus = at_most(draw(sizes, kind.gpus), spec);
    j.duration = draw(durations, kind.law);
    if (spec.tenants > 0) j.tenant = fmt::format("u{}", 1 + teams.draw(tenants, std::size_t(spec.tenants)));
  });
  if (auto ok = place_arrivals(trace, spec, kPhillyDay); !ok) return tl::make_unexpected(ok.error());
  finish_generated(trace, spec, "acme-like");
  return trace;
}

}  // namespace orrery

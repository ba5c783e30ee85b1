// Whole runs in memory: generated workloads at a load that keeps a long queue, with and without the invariant
// checker.
#include <benchmark/benchmark.h>

#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "sim/control/controller.hpp"
#include "sim/observe/check/invariants.hpp"
#include "sim/world/sim_executor.hpp"
#include "traces/synth/poisson.hpp"

namespace {

using namespace orrery;

struct World {
  std::vector<NodeGroup> groups;
  std::unique_ptr<Topology> topology;
  Workload workload;
};

const World& world() {
  static const World w = [] {
    World made;
    NodeGroup g;
    g.name = g.gpu = "n";
    g.count = 64;
    g.gpus_per_node = 8;
    made.groups = {g};
    made.topology = std::make_unique<Topology>(made.groups);
    PoissonSpec spec;
    spec.jobs = 20'000;
    spec.load = 1.3;
    spec.cluster_gpus = 512;
    spec.gpu_mix = {{1, 0.6}, {2, 0.15}, {4, 0.1}, {8, 0.1}, {16, 0.05}};
    spec.law = DurationLaw::lognormal;
    made.workload = to_workload(generate_poisson(spec).value(), *made.topology).value();
    return made;
  }();
  return w;
}

void whole_run(benchmark::State& state, const char* name, bool checked) {
  const World& w = world();
  std::uint64_t events = 0;
  for (auto _ : state) {
    const PolicyInfo* info = find_policy(name);
    PolicySetup setup;
    setup.placement = make_placement("count", 1);
    OptionReader options(name, {}, {}, info->options);
    const auto policy = info->make(std::move(setup), options);
    const IdealModel model;
    SimExecutor executor(*w.topology, w.workload, model, {});
    JobSource source(w.workload.specs,
                     [&w](const JobSpec& s) { return Duration{w.workload.truths[s.id.index()].work.ns}; });
    InvariantChecker checker;
    std::vector<Observer*> observers;
    if (checked) observers.push_back(&checker);
    Controller controller(executor, *policy, source, w.workload.specs, w.workload.demands, model, {}, observers);
    events = controller.run().events;
  }
  state.counters["jobs/s"] =
      benchmark::Counter(static_cast<double>(w.workload.specs.size()), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["events"] = static_cast<double>(events);
}

BENCHMARK_CAPTURE(whole_run, fifo, "fifo", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, fifo_checked, "fifo", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, easy, "easy", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, easy_checked, "easy", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, conservative, "conservative", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, srtf, "srtf", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, srtf_checked, "srtf", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, srsf, "srsf", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, tiresias, "tiresias", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, tiresias_checked, "tiresias", true)->Unit(benchmark::kMillisecond);

}  // namespace

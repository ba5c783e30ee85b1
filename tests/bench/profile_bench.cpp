// Looking up a rate in compiled profiles, as the event path does: a measured placement, and one between measurements.
// `allocations` counts what the look-ups take from the heap; it must be 0.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <new>
#include <string>

#include "sim/core/random.hpp"
#include "sim/models/speed/profiled_model.hpp"
#include "sim/models/speed/throughputs.hpp"

namespace {

std::size_t g_allocations = 0;

}  // namespace

// Not inlined: the compiler would see free() of what it thinks another operator new gave.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace {

using namespace orrery;

// As many points as a real profile has: placements of up to four nodes of four GPUs, twelve batch sizes.
ApplicationProfile profile() {
  ApplicationProfile p;
  p.name = "net";
  p.hardware = "bench";
  for (int b = 1; b <= 12; ++b) {
    for (int nodes = 1; nodes <= 4; ++nodes)
      for (int on_each = 1; on_each <= 4; ++on_each) {
        std::uint64_t id = 0;
        for (int n = 0; n < nodes; ++n) id = id * 10 + static_cast<std::uint64_t>(on_each);
        const double step = 0.01 * b + 0.1 * nodes + 0.02 * nodes * on_each;
        p.exact.push_back({id, nodes, nodes * on_each, 4.0 * b, step, 0.1 * nodes});
      }
    for (int nodes = 6; nodes <= 16; nodes += 2)
      p.scaling.push_back({0, nodes, nodes * 4, 4.0 * b, 0.01 * b + 0.18 * nodes, 0.1 * nodes});
  }
  return p;
}

template <class LookUp>
void count_allocations(benchmark::State& state, LookUp&& look_up) {
  std::size_t taken = 0;
  for (auto _ : state) {
    const std::size_t before = g_allocations;
    look_up();
    taken += g_allocations - before;
  }
  state.counters["allocations"] = static_cast<double>(taken);
  if (taken != 0) state.SkipWithError("a look-up allocated");
}

void look_up(benchmark::State& state, int nodes) {
  const auto model = ProfiledModel::compile({profile()}, 4).value();
  if (!model->add({"net", 128, 4, 1e6}, true)) std::abort();
  Allocation gpus;
  for (int n = 0; n < nodes; ++n) gpus.add({NodeId(static_cast<std::uint32_t>(n)), kMilliPerGpu, 0xf, 0, 0});
  JobSpec spec;
  spec.id = JobId(0);
  count_allocations(state, [&] {
    benchmark::DoNotOptimize(model->stretch(spec, gpus, {}, Work{}));
    benchmark::DoNotOptimize(model->speed(spec, gpus, {}, {}));
  });
}

void BM_MeasuredPlacement(benchmark::State& state) {
  look_up(state, 4);
}
void BM_BetweenMeasurements(benchmark::State& state) {
  look_up(state, 7);
}
BENCHMARK(BM_MeasuredPlacement);
BENCHMARK(BM_BetweenMeasurements);

// Four nodes, two of each type: both tables are asked.
void BM_PlacementOnTwoTypes(benchmark::State& state) {
  NodeGroup a, b;
  a.name = a.gpu = "a", a.count = 2, a.gpus_per_node = 4;
  b.name = b.gpu = "b", b.count = 2, b.gpus_per_node = 4;
  const Topology topology({a, b});
  ApplicationProfile other = profile();
  other.hardware = "other";
  const auto model = ProfiledModel::compile({profile(), other}, topology, {"bench", "other"}).value();
  if (!model->add({"net", 128, 4, 1e6}, true)) std::abort();
  Allocation gpus;
  for (std::uint32_t n = 0; n < 4; ++n) gpus.add({NodeId(n), kMilliPerGpu, 0xf, 0, 0});
  JobSpec spec;
  spec.id = JobId(0);
  count_allocations(state, [&] {
    benchmark::DoNotOptimize(model->stretch(spec, gpus, {}, Work{}));
    benchmark::DoNotOptimize(model->speed(spec, gpus, {}, {}));
  });
}
BENCHMARK(BM_PlacementOnTwoTypes);

// Two jobs of one application on one GPU: batches of 10 and 20 lie between four measured pairs.
void BM_PairOfApplication(benchmark::State& state) {
  ApplicationProfile p = profile();
  for (int a = 1; a <= 12; ++a)
    for (int b = a; b <= 12; ++b) p.shared.push_back({{4.0 * a, 0.02 * a, 1.0 * a}, {4.0 * b, 0.02 * b, 1.0 * b}});
  const auto model = ProfiledModel::compile({p}, 4).value();
  if (!model->add({"net", 10, 1, 1e6}, true) || !model->add({"net", 20, 1, 1e6}, true)) std::abort();
  Allocation gpus;
  gpus.add({NodeId(0), kMilliPerGpu, 1, 0, 0});
  JobSpec spec;
  spec.id = JobId(0);
  const JobId other(1);
  count_allocations(state, [&] { benchmark::DoNotOptimize(model->share(spec, gpus, {&other, 1})); });
}
BENCHMARK(BM_PairOfApplication);

// A job of a table of configurations, beside another whose pair was measured.
void BM_PairOfConfigurations(benchmark::State& state) {
  NodeGroup group;
  group.name = "n", group.count = 4, group.gpus_per_node = 4, group.gpu = "gpu";
  const Topology topology({group});
  ThroughputSet table;
  table.name = "bench";
  for (int m = 0; m < 26; ++m)
    for (const int gpus : {1, 2, 4, 8})
      table.alone.push_back({{"model" + std::to_string(m), "", 0, gpus}, "gpu", false, 1.0 + m + gpus});
  for (int a = 0; a < 26; ++a)
    for (int b = 0; b < 26; ++b)
      table.pairs.push_back(
          {{"model" + std::to_string(a), "", 0, 1}, {"model" + std::to_string(b), "", 0, 1}, "gpu", 0.6, 0.7});
  const auto model = ThroughputModel::compile(table, topology, "gpu").value();
  if (!model->add({{"model3", "", 0, 1}, 100}, 0, false)) std::abort();
  if (!model->add({{"model5", "", 0, 1}, 100}, 0, false)) std::abort();
  Allocation gpus;
  gpus.add({NodeId(0), kMilliPerGpu, 1, 0, 0});
  JobSpec spec;
  spec.id = JobId(0);
  const JobId other(1);
  count_allocations(state, [&] { benchmark::DoNotOptimize(model->speed(spec, gpus, {}, {&other, 1})); });
}
BENCHMARK(BM_PairOfConfigurations);

}  // namespace

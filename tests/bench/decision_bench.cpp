// Time of one decision against the length of the queue: n jobs wait from the start, with 32 distinct demands, one
// more arrives whenever one ends on average. Reported: medians over the decisions of a run in nanoseconds, of those
// that follow an end (there is something to give away) and of those that only follow arrivals: two kinds of decision,
// so a median over both would jump between them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "sim/control/controller.hpp"
#include "sim/core/random.hpp"
#include "sim/world/sim_executor.hpp"

namespace {

using namespace orrery;

constexpr std::size_t kWarmUp = 200;
constexpr std::size_t kMeasured = 4000;
constexpr std::int64_t kRunning = 114;       // 512 GPUs / 4.5
constexpr double kGap = 4.5 * 3600e9 / 512;  // ns: mean GPUs x mean run time / GPUs

Workload long_queue(std::int64_t waiting) {
  Workload w;
  RandomStream rng = stream(1, "bench/decision");
  std::int64_t now_ns = 0;
  const std::int64_t at_once = waiting + kRunning;
  for (std::int64_t i = 0; i < at_once + 20'000; ++i) {
    JobSpec s;
    s.id = JobId(static_cast<std::uint32_t>(i));
    if (i >= at_once) now_ns += static_cast<std::int64_t>(exponential(rng, kGap));
    s.submit = Time{now_ns};
    s.demand.gpus = s.min_gpus = s.max_gpus = static_cast<std::int32_t>(1 + uniform_below(rng, 8));
    s.demand.cpu_milli =
        static_cast<std::int64_t>(1000 * (1 + uniform_below(rng, 4)));  // not modelled: only 32 classes
    s.demand_class = w.demands.intern(s.demand);
    w.specs.push_back(s);
    w.truths.push_back({Work{static_cast<std::int64_t>(exponential(rng, 3600e9)) + 1}});
  }
  return w;
}

struct Enough {};

class SawEnd final : public Observer {
 public:
  void on_event(const Event& e) override { seen = seen || e.kind() == EventKind::finished; }
  bool seen = false;
};

double median(std::vector<std::int64_t>& v) {
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return static_cast<double>(*middle);
}

void decision(benchmark::State& state, const char* name) {
  NodeGroup g;
  g.name = g.gpu = "n";
  g.count = 64;
  g.gpus_per_node = 8;
  const Topology topology({g});
  const Workload w = long_queue(state.range(0));
  double end_p50 = 0, arrival_p50 = 0;
  for (auto _ : state) {
    const PolicyInfo* info = find_policy(name);
    PolicySetup setup;
    setup.placement = make_placement("count", 1);
    OptionReader options(name, {}, {}, info->options);
    const auto policy = info->make(std::move(setup), options);
    const IdealModel model;
    SimExecutor executor(topology, w, model, {});
    JobSource source(w.specs, [&w](const JobSpec& s) { return Duration{w.truths[s.id.index()].work.ns}; });
    std::vector<std::int64_t> ends, arrivals;
    SawEnd saw_end;
    std::size_t count = 0;
    std::chrono::steady_clock::time_point start;
    ControllerOptions control;
    control.on_decision = [&](bool begin) {
      const auto now = std::chrono::steady_clock::now();
      if (!begin && ++count > kWarmUp) (saw_end.seen ? ends : arrivals).push_back((now - start).count());
      if (!begin) saw_end.seen = false;
      if (count == kWarmUp + kMeasured) throw Enough{};
      start = std::chrono::steady_clock::now();
    };
    Controller controller(executor, *policy, source, w.specs, w.demands, model, control, {&saw_end});
    try {
      controller.run();
    } catch (const Enough&) {
    }
    end_p50 = median(ends);
    arrival_p50 = median(arrivals);
  }
  state.counters["end_p50_ns"] = end_p50;
  state.counters["arrival_p50_ns"] = arrival_p50;
}

#define ORRERY_DECISION(policy)                \
  BENCHMARK_CAPTURE(decision, policy, #policy) \
      ->Arg(100)                               \
      ->Arg(10'000)                            \
      ->Arg(1'000'000)                         \
      ->Iterations(1)                          \
      ->Unit(benchmark::kMillisecond)

ORRERY_DECISION(fifo);
ORRERY_DECISION(easy);
ORRERY_DECISION(srtf);
ORRERY_DECISION(tiresias);
ORRERY_DECISION(gandiva);

}  // namespace

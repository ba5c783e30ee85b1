// Event queue against std::priority_queue on the same pushes and pops.
#include <benchmark/benchmark.h>

#include <queue>
#include <vector>

#include "sim/core/event_queue.hpp"
#include "sim/core/random.hpp"

namespace {

using namespace orrery;

// Hold model: a queue of n events; pop the earliest, push one at a random distance after it.
std::vector<std::int64_t> distances() {
  RandomStream rng = stream(1, "bench/hold");
  std::vector<std::int64_t> out(1 << 16);
  for (auto& d : out) d = static_cast<std::int64_t>(uniform_below(rng, 1'000'000));
  return out;
}

void event_queue_hold(benchmark::State& state) {
  const auto d = distances();
  EventQueue<std::uint32_t> queue;
  for (int i = 0; i < state.range(0); ++i) queue.push(Time{d[static_cast<std::size_t>(i) & 0xffff]}, 0, 0);
  std::size_t i = 0;
  for (auto _ : state) {
    const auto e = queue.pop();
    queue.push(e.at + Duration{d[i++ & 0xffff]}, 0, e.payload);
  }
}

void priority_queue_hold(benchmark::State& state) {
  struct Entry {
    Time at;
    std::uint64_t order;
    std::uint32_t payload;
    bool operator<(const Entry& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  const auto d = distances();
  std::priority_queue<Entry> queue;
  std::uint64_t sequence = 0;
  for (int i = 0; i < state.range(0); ++i) queue.push({Time{d[static_cast<std::size_t>(i) & 0xffff]}, sequence++, 0});
  std::size_t i = 0;
  for (auto _ : state) {
    const Entry e = queue.top();
    queue.pop();
    queue.push({e.at + Duration{d[i++ & 0xffff]}, sequence++, e.payload});
  }
}

void event_queue_cancel(benchmark::State& state) {
  const auto d = distances();
  EventQueue<std::uint32_t> queue;
  for (int i = 0; i < state.range(0); ++i) queue.push(Time{d[static_cast<std::size_t>(i) & 0xffff]}, 0, 0);
  std::size_t i = 0;
  for (auto _ : state) queue.cancel(queue.push(Time{d[i++ & 0xffff]}, 0, 0));
}

BENCHMARK(event_queue_hold)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(priority_queue_hold)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(event_queue_cancel)->Arg(100)->Arg(10'000)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();

// Fragmentation on hand-worked nodes and streams.
#include <catch2/catch.hpp>

#include "tests/observe/study_stream.hpp"

using namespace orrery;
using orrery::test::fold;
using orrery::test::gpus;
using orrery::test::kAsIs;
using orrery::test::Stream;

namespace {

FragmentShape shape(std::int32_t gpus, std::int32_t milli, std::int64_t cpu_milli, double share) {
  Demand d;
  d.gpus = gpus;
  d.milli_per_gpu = milli;
  d.cpu_milli = cpu_milli;
  return {d, share};
}

Allocation with_cpus(std::uint64_t mask, std::int64_t cpu_milli) {
  Allocation a;
  a.add({NodeId(0), kMilliPerGpu, mask, cpu_milli, 0});
  return a;
}

}  // namespace

TEST_CASE("fragmentation has the published value", "[study]") {
  // The vector of docs/formulas.md: 32 CPUs, GPUs 1000, 1000, 400, 200 milli.
  const std::vector<std::int32_t> left{1000, 1000, 400, 200};
  const std::vector<FragmentShape> shapes{shape(1, 1000, 8000, 0.5), shape(1, 500, 4000, 0.3),
                                          shape(2, 1000, 48000, 0.2)};
  CHECK(fragmented_milli(left, {32000, -1, 0}, shapes) == Approx(1000));
  CHECK(fragmented_milli(left, {}, shapes) == Approx(600));
}

TEST_CASE("fragmentation counts CPUs, memory, types and jobs without GPUs", "[study]") {
  const std::vector<std::int32_t> left{1000, 1000, 0, 0};
  Demand d;
  d.gpus = 1;
  d.mem_bytes = 100;
  d.gpu_types = 0b10;
  const auto of = [&](const NodeRest& rest) {
    return fragmented_milli(left, rest, std::vector<FragmentShape>{{d, 1}});
  };
  CHECK(of({-1, 100, 0b10}) == 0);
  CHECK(of({-1, 99, 0b10}) == Approx(2000));
  CHECK(of({-1, 100, 0b01}) == Approx(2000));
  // A gang wider than the node asks it for its part: 4 of 8 GPUs, half of the memory.
  d.gpus = 8;
  const std::vector<std::int32_t> idle(4, 1000);
  CHECK(fits_node(d, idle, {-1, 50, 0}));
  CHECK_FALSE(fits_node(d, idle, {-1, 49, 0}));
  // FGD: to a job of CPUs alone every idle GPU is a fragment.
  const std::vector<FragmentShape> half_cpu{shape(0, 1000, 1000, 0.5), shape(1, 1000, 0, 0.5)};
  CHECK(fragmented_milli(left, {}, half_cpu) == Approx(1000));
}

TEST_CASE("study: fragmentation over time", "[study]") {
  // A node of 4; every job wants 2. p0 takes 1 GPU (say) from 0 to 10, p1 three from 10 to 20: 3 idle of which none
  // fits badly (2 <= 3: fragment 0), then 1 idle that fits nobody.
  Stream s(2, 1, 4);
  const Summary sum = fold(s, {10, 10}, kAsIs, [](Stream& x) {
    x.submit(0, 0);
    x.submit(0, 1);
    x.launch(0, 0, gpus(0, 0b1));
    x.send(10, event::Finished{}, 0);
    x.launch(10, 1, gpus(0, 0b111));
    x.send(20, event::Finished{}, 1);
    x.end(20);
  });
  CHECK(*sum.study.fragmentation_ratio == Approx(10.0 / 40));
  CHECK(*sum.study.unallocatable_gpus == Approx(10.0 / 20));
}

TEST_CASE("study: GPUs that are idle for want of CPUs are fragments", "[study]") {
  // Each job takes all 8 CPUs of the node and 1 of its 4 GPUs: the second waits, 3 GPUs idle beside either. Nothing
  // before the first submit counts.
  Stream s(2, 1, 4);
  for (JobSpec& spec : s.specs) spec.demand = {1, kMilliPerGpu, 8000, 0, 0};
  const auto modelled = [](StudyInputs& in) { in.groups[0].cpu_milli = 8000; };
  const Summary sum = fold(s, {1000, 1000}, modelled, [](Stream& x) {
    x.submit(500, 0);
    x.submit(500, 1);
    x.launch(500, 0, with_cpus(0b1, 8000));
    x.send(1500, event::Finished{}, 0);
    x.launch(1500, 1, with_cpus(0b1, 8000));
    x.send(2500, event::Finished{}, 1);
    x.end(2600);
  });
  CHECK(*sum.study.fragmentation_ratio == Approx(1));
  CHECK(*sum.study.unallocatable_gpus == Approx(3));
}

TEST_CASE("study: the fragment meter is what a recount says", "[study]") {
  // Jobs come and go on nodes with and without modelled CPUs, whole GPUs and shares.
  const std::vector<FragmentShape> shapes{shape(2, 1000, 4000, 0.6), shape(1, 500, 1000, 0.4)};
  const std::vector<FragmentMeter::Kind> kinds{{4, {8000, -1, 0}}, {4, {}}};
  GpuMeter held({4, 4});
  FragmentMeter meter(shapes, kinds, {0, 1});
  const auto nothing = [](std::size_t, std::int64_t) {};
  std::vector<Allocation> jobs;
  const auto recount = [&] {
    FragmentMeter again(shapes, kinds, {0, 1});
    for (const Allocation& a : jobs) again.count(a, 1);
    for (const std::size_t n : {0U, 1U}) again.refresh(n, held);
    return again.totals();
  };
  const auto change = [&](const Allocation& a, int sign) {
    held.count(a, sign, nothing);
    meter.count(a, sign);
    for (const NodeSlice& s : a.slices()) meter.refresh(s.node.index(), held);
    CHECK(meter.totals() == recount());
  };
  for (const std::size_t n : {0U, 1U}) meter.refresh(n, held);
  for (const std::uint32_t node : {0U, 1U})
    for (const std::int32_t milli : {1000, 300}) {
      Allocation a;
      a.add({NodeId(node), milli, milli == 1000 ? 0b11U : 0b100U, 3000, 0});
      jobs.push_back(a);
      change(a, 1);
    }
  while (!jobs.empty()) {
    const Allocation a = jobs.front();
    jobs.erase(jobs.begin());
    change(a, -1);
  }
  CHECK(meter.totals().idle_milli == 8000);
  CHECK(meter.totals().fragment_micro == 0);
}

TEST_CASE("study: the GPU meter is what a count of every GPU says", "[study]") {
  // Whole GPUs, shares, and whole GPUs that are held by several: on a GPU each holder counts, up to the whole of it.
  GpuMeter meter({4, 72});
  std::vector<Allocation> jobs;
  std::int64_t total = 0;
  std::uint64_t state = 7;
  const auto draw = [&state](std::uint64_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % below;
  };
  const auto count = [&](const Allocation& a, int sign) {
    meter.count(a, sign, [&total](std::size_t, std::int64_t milli) { total += milli; });
  };
  const std::vector<int> gpus_of{4, 72};
  for (int step = 0; step < 3000; ++step) {
    if (!jobs.empty() && draw(2) == 0) {
      const std::size_t i = draw(jobs.size());
      count(jobs[i], -1);
      jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      Allocation a;
      for (const std::uint32_t node : {0U, 1U}) {
        const int first = static_cast<int>(draw(static_cast<std::uint64_t>(gpus_of[node])));
        const std::int32_t milli = draw(3) == 0 ? 300 : kMilliPerGpu;
        a.add({NodeId(node), milli, GpuMask::range(first, std::min(gpus_of[node], first + 3)), 0, 0});
      }
      jobs.push_back(a);
      count(a, 1);
    }
    std::int64_t all = 0;
    for (const std::uint32_t node : {0U, 1U}) {
      bool only_whole = true;
      int free = 0;
      for (int g = 0; g < gpus_of[node]; ++g) {
        std::int32_t used = 0;
        for (const Allocation& a : jobs)
          for (const NodeSlice& s : a.slices())
            if (s.node.value == node && s.gpus.has(g)) used += s.milli_per_gpu;
        used = std::min(used, kMilliPerGpu);
        only_whole = only_whole && (used == 0 || used == kMilliPerGpu);
        free += used == 0 ? 1 : 0;
        all += used;
        if (meter.left(node, static_cast<std::size_t>(g)) != kMilliPerGpu - used)
          FAIL("GPU " << g << " after " << step);
      }
      if (!meter.only_whole(node)) continue;
      if (!only_whole || meter.free(node) != free) FAIL("node " << node << " after " << step);
    }
    if (total != all) FAIL("total after " << step);
  }
  while (!jobs.empty()) {
    count(jobs.back(), -1);
    jobs.pop_back();
  }
  CHECK(total == 0);
  CHECK(meter.only_whole(0));
  CHECK(meter.free(1) == 72);
}

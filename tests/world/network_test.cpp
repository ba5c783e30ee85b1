// Jobs that share links in the simulator: speeds worked out by hand, and that a network without limits changes
// nothing.
#include <catch2/catch.hpp>

#include "sim/models/network/network_model.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

constexpr std::int64_t kNetworkGB = 1'000'000'000;

// Three racks of two nodes with one GPU each: NICs of 10 GB/s, 5 GB/s from a rack to the spine.
std::vector<NodeGroup> racks() {
  std::vector<NodeGroup> groups = cluster(6, 1);
  groups[0].rack_size = 2;
  groups[0].nic_bytes_per_s = 10 * kNetworkGB;
  groups[0].uplink_bytes_per_s = 5 * kNetworkGB;
  return groups;
}

Allocation nodes(std::initializer_list<std::uint32_t> on) {
  Allocation a;
  for (const std::uint32_t n : on) a.add({NodeId(n), kMilliPerGpu, 1, 0, 0});
  return a;
}

// A step computes for 1 s and all-reduces 15 GB: between two nodes each sends 15 GB.
StepTraffic heavy() {
  return {seconds(1), 15 * kNetworkGB, 0};
}

}  // namespace

TEST_CASE("the speed of a job alone depends on what its gradients cross", "[exec][network]") {
  const Topology topology(racks());
  const Workload w = make_workload({{0, 2, 100}, {0, 1, 100}, {0, 4, 100}});
  const NetworkModel model(topology, w.specs, heavy(), {});
  const auto rate = [&](std::uint32_t job, const Allocation& a) { return model.speed(w.specs[job], a, {}, {}).rate; };
  CHECK(rate(0, nodes({0, 1})) == kUnitRate);          // 1 s + 15 GB at 10 GB/s = 2.5 s, as packed as can be
  CHECK(rate(0, nodes({1, 2})) == Rate{625'000'000});  // 1 s + 15 GB at 5 GB/s = 4 s
  CHECK(rate(0, nodes({3})) == Rate{1'250'000'000});   // half the GPUs, but a step of 1 s instead of 2.5
  CHECK(rate(1, nodes({5})) == kUnitRate);
  // Four nodes: 22.5 GB each. Packed is taken as 22.5 GB at 10 GB/s, here the spine gives 5: 3.25 s against 5.5 s.
  CHECK(rate(2, nodes({0, 1, 2, 3})) == Rate{590'909'090});
  // Half of the computation hides half a second of it.
  const NetworkModel hiding(topology, w.specs, {seconds(1), 15 * kNetworkGB, 500}, {});
  CHECK(hiding.step(w.specs[0], nodes({0, 1})).alone == milliseconds(2000));
  CHECK(hiding.step(w.specs[1], nodes({0})).alone == seconds(1));
}

TEST_CASE("two jobs meet on a rack's uplink until one of them ends", "[exec][network]") {
  // j0 takes n0; j1 n1 and n2; j2 n3 and n4: both cross rack 1's uplink, 5 GB/s each way. Alone each would send 15 GB
  // in a step of 4 s, 3.75 GB/s; together they get 2.5 GB/s, a step of 6 s: 2.5 / 6 of the packed speed.
  //   j2: 125 s of work at 2.5/6 ends at 300 s; j1 has done 125 of 250 s by then, the rest at 2.5/4 takes 200 s.
  const Workload w = make_workload({{0, 1, 1000}, {0, 2, 250}, {0, 2, 125}});
  const Topology topology(racks());
  const NetworkModel model(topology, w.specs, heavy(), {});
  SimOptions sim;
  sim.network = &model;
  const auto policy = make_policy(PolicyChoice{"fifo"});
  const RunResult r = run_world(racks(), w, *policy, sim);
  CHECK(r.jobs[0].finish_s == 1000);
  CHECK(r.jobs[2].finish_s == Approx(300).epsilon(1e-8));
  CHECK(r.jobs[1].finish_s == Approx(500).epsilon(1e-8));
}

TEST_CASE("a model's row decides what its jobs send", "[exec][network]") {
  Workload w = make_workload({{0, 1, 1000}, {0, 2, 250}, {0, 2, 125}});
  w.specs[2].model = "probe";  // sends nothing
  const Topology topology(racks());
  const NetworkModel model(topology, w.specs, heavy(), {{"probe", {seconds(1), 0, 0}}});
  SimOptions sim;
  sim.network = &model;
  const auto policy = make_policy(PolicyChoice{"fifo"});
  const RunResult r = run_world(racks(), w, *policy, sim);
  CHECK(r.jobs[2].finish_s == 125);
  CHECK(r.jobs[1].finish_s == 400);  // 250 s at 0.625
}

TEST_CASE("links without limits change nothing, whatever the policy and whatever breaks", "[exec][network]") {
  const std::vector<NodeGroup> groups = cluster(4, 2);  // bandwidths unknown
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 30; ++i) jobs.push_back({i * 40, 1 + i % 5, 100 + 37 * (i % 7)});
  const Workload w = make_workload(jobs);
  const Topology topology(groups);
  const NetworkModel model(topology, w.specs, heavy(), {});
  for (const char* name : {"fifo", "easy", "srtf", "gandiva", "tiresias"}) {
    for (const bool breaks : {false, true}) {
      SimOptions sim;
      sim.checkpoints = {seconds(60), seconds(2)};
      sim.overheads.stop = seconds(3);
      if (breaks) sim.failures = {seconds(2000), seconds(100), 7, {}};
      const auto run = [&] {
        const auto policy = make_policy(PolicyChoice{name});
        return run_world(groups, w, *policy, sim);
      };
      INFO(name << (breaks ? " with failures" : ""));
      const RunResult plain = run();
      sim.network = &model;
      const RunResult networked = run();
      for (std::size_t i = 0; i < jobs.size(); ++i) CHECK(networked.jobs[i].finish_s == plain.jobs[i].finish_s);
    }
  }
}

TEST_CASE("a busy network slows jobs down and leaves nobody behind", "[exec][network]") {
  std::vector<NodeGroup> groups = cluster(8, 2);
  groups[0].rack_size = 2;
  groups[0].nic_bytes_per_s = 10 * kNetworkGB;
  groups[0].uplink_bytes_per_s = 3 * kNetworkGB;
  std::vector<TinyJob> jobs;
  for (int i = 0; i < 60; ++i) jobs.push_back({i * 15, 1 + i % 6, 100 + 37 * (i % 7)});
  const Workload w = make_workload(jobs);
  const Topology topology(groups);
  const NetworkModel model(topology, w.specs, heavy(), {});
  for (const char* name : {"fifo", "srtf", "tiresias", "gandiva"}) {
    SimOptions sim;
    sim.checkpoints = {seconds(60), seconds(2)};
    sim.failures = {seconds(4000), seconds(100), 7, {}};
    const auto run = [&] {
      const auto policy = make_policy(PolicyChoice{name});
      return run_world(groups, w, *policy, sim);
    };
    INFO(name);
    const RunResult plain = run();
    sim.network = &model;
    const RunResult first = run(), second = run();
    CHECK(first.makespan_s > plain.makespan_s);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      CHECK(first.jobs[i].state == plain.jobs[i].state);
      CHECK(first.jobs[i].finish_s == second.jobs[i].finish_s);
    }
  }
}

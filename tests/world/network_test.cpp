// Jobs that share links in the simulator: speeds worked out by hand, and that a network without limits changes
// nothing.
#include <catch2/catch.hpp>
#include <fstream>

#include "sim/models/network/network_model.hpp"
#include "tests/support/temp_dir.hpp"
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

// Alone on two nodes of a rack each job would send 15 GB in a step of 2.5 s. Merged they take turns, so all the gang
// sends is 30 GB in 5 s, for which 10 GB/s are enough; between racks, on n2 and n3, 30 GB in 8 s, of 5 GB/s.
TEST_CASE("a merged gang does not contend with itself", "[exec][network][merged]") {
  const Topology topology(racks());
  const auto ends = [&](const std::string& text, const std::vector<TinyJob>& jobs, int silent = -1) {
    const TempFolder dir;
    std::ofstream(dir.file("script")) << text;
    Workload w = make_workload(jobs);
    if (silent >= 0) w.specs[static_cast<std::size_t>(silent)].model = "probe";
    const NetworkModel model(topology, w.specs, heavy(), {{"probe", {milliseconds(2500), 0, 0}}});
    SimOptions sim;
    sim.network = &model;
    SimExecutor executor(topology, w, model, sim);
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantChecker checker(watched(w, model, sim));
    const auto policy = make_policy({"scripted", "count", {{"file", dir.file("script")}}});
    Controller controller(executor, *policy, source, w.specs, w.demands, model, {}, {&checker});
    CHECK(controller.run().status == RunStatus::completed);
    check_clean(checker);
    std::vector<double> out;
    for (const JobRecord& r : controller.state().records()) out.push_back(to_seconds(r.since));
    return out;
  };
  const std::string both = "0s j0 run n0:0,n1:0 group 1 merged\n0s j1 run n0:0,n1:0 group 1 merged\n";
  const auto alone = ends(both, {{0, 2, 100}, {0, 2, 100}});
  CHECK(alone[0] == Approx(200).epsilon(1e-8));
  CHECK(alone[1] == Approx(200).epsilon(1e-8));
  // A third job crosses the rack's uplink with the gang: 3.75 GB/s each are wanted, 2.5 are there. A step of the gang
  // takes 12 s instead of 8, one of the third job 6 s instead of 4, until the first of them ends: 100 s of its own
  // work are 40 steps, by when the gang has made 20.
  const std::string met =
      "0s j0 run n1:0,n2:0 group 1 merged\n0s j1 run n1:0,n2:0 group 1 merged\n0s j2 run n3:0,n4:0\n";
  const auto three = ends(met, {{0, 2, 100}, {0, 2, 100}, {0, 2, 100}});
  CHECK(three[2] == Approx(240).epsilon(1e-8));
  CHECK(three[0] == Approx(240 + 20 * 8).epsilon(1e-8));
  CHECK(three[1] == Approx(240 + 20 * 8).epsilon(1e-8));
  // Where j1 sends nothing, the gang wants 15 GB in a step of 6.5 s and gets them. The rest of the 5 GB/s is j2's: a
  // step of 39/7 s.
  const auto quiet = ends(met, {{0, 2, 100}, {0, 2, 100}, {0, 2, 100}}, 1);
  CHECK(quiet[0] == Approx(40 * 6.5).epsilon(1e-8));
  CHECK(quiet[1] == Approx(40 * 6.5).epsilon(1e-8));
  CHECK(quiet[2] == Approx(40 * 39.0 / 7).epsilon(1e-8));
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

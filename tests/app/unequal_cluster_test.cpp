// Whole scenarios on clusters whose nodes are not equal, and what else asks how many nodes a job fills: recorded
// GPUs, packed shapes, throughputs, links. Values by hand.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/node_widths.hpp"
#include "sim/models/network/network_model.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"
#include "traces/format/capacity.hpp"

using namespace orrery;
using namespace orrery::app;

namespace {

Summary summary_on(const std::string& rows, const std::string& cluster, const std::string& policy) {
  const test::TempFolder folder;
  std::ofstream(folder.file("t.csv")) << rows;
  auto scenario = read_scenario_text(folder.file("s.yaml"), "version: 1\ncheck: false\ncluster: { groups: [ " +
                                                                cluster + " ] }\nworkload: { trace: t.csv }\n");
  if (!scenario) FAIL(render(scenario.error()));
  const auto prepared = prepare(std::move(*scenario));
  if (!prepared) FAIL(render(prepared.error()));
  RunRequest request;
  request.policy.name = policy;
  request.policy.placement = "consolidated";
  const auto report = simulate(*prepared, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure.empty());
  return report->result.summary;
}

NodeGroup group(const char* name, int count, int gpus, const char* type) {
  NodeGroup g;
  g.name = name;
  g.count = count;
  g.gpus_per_node = gpus;
  g.gpu = type;
  return g;
}

}  // namespace

TEST_CASE("a node may have 128 GPUs", "[app][unequal]") {
  const Summary s = summary_on("job_id,submit_s,gpus,duration_s\na,0,72,100\nb,0,128,100\nc,0,100,100\n",
                               "{ name: nvl, count: 1, gpus_per_node: 72 }, "
                               "{ name: most, count: 1, gpus_per_node: 128 }",
                               "fifo");
  CHECK(s.finished == 3);
  CHECK(s.makespan_s == 200);
}

TEST_CASE("a job is rejected only when it can never run", "[app][unequal]") {
  const std::string typed =
      "{ name: w, count: 1, gpus_per_node: 8, gpu: V100 }, { name: n, count: 3, gpus_per_node: 2, gpu: A100 }";
  const std::string rows = "job_id,submit_s,gpus,duration_s,gpu_type\n";
  CHECK(summary_on(rows + "a,0,6,100,A100\nb,0,5,100,A100\nc,0,8,100,V100\n", typed, "fifo").rejected == 0);
  CHECK(summary_on(rows + "a,0,7,100,A100\nb,0,9,100,V100\n", typed, "fifo").rejected == 2);
  // Asks for eight of four GPUs and could do with two: not for a policy that never changes a size.
  const std::string elastic = "job_id,submit_s,gpus,duration_s,min_gpus,max_gpus\na,0,8,100,2,8\nb,0,8,100,6,8\n";
  const std::string four = "{ name: n, count: 1, gpus_per_node: 4 }";
  CHECK(summary_on(elastic, four, "fifo").rejected == 2);
  CHECK(summary_on(elastic, four, "optimus").rejected == 1);
  CHECK(summary_on(elastic, four, "titan").finished == 1);
}

TEST_CASE("recorded numbers of GPUs are those of the nodes that are there", "[traces][unequal]") {
  CapacityTrace t;
  t.gpus = true;
  t.steps = {{at_seconds(0), 14}, {at_seconds(10), 13}, {at_seconds(20), 4}, {at_seconds(30), 3}};
  t.end = at_seconds(40);
  // Nodes of 2, 2, 2 and 8: the wide one wants 14 of them, the third six, the second four.
  const auto outages = outages_of(t, std::vector<int>{2, 2, 2, 8});
  REQUIRE(outages.size() == 3);
  CHECK((outages[0].node == NodeId(1) && outages[0].from == at_seconds(30)));
  CHECK((outages[1].node == NodeId(2) && outages[1].from == at_seconds(20)));
  CHECK((outages[2].node == NodeId(3) && outages[2].from == at_seconds(10)));
  for (const Outage& o : outages) CHECK(o.to == t.end);
  CHECK(outages_of(t, 3, 4).size() == outages_of(t, std::vector<int>{4, 4, 4}).size());
}

TEST_CASE("as few nodes as can be, where nodes are not equal", "[core][unequal]") {
  NodeCounts nodes;
  for (const int gpus : {2, 8, 2, 0, 2}) add_nodes(nodes, gpus, 1);
  CHECK(nodes == NodeCounts{{8, 1}, {2, 3}});
  const auto packed = [&nodes](int gpus) {
    std::vector<int> out;
    pack_on(nodes, gpus, [&out](int k) { out.push_back(k); });
    return out;
  };
  CHECK(packed(6) == std::vector{6});
  CHECK(packed(11) == std::vector{8, 2, 1});
  CHECK(packed(24) == std::vector{8, 2, 2, 2, 8, 2});  // more than there are: as if there were more of the widest
  const Topology topology({group("n", 3, 2, "a"), group("w", 1, 8, "b")});
  const NodeWidths any(Demand{.gpus = 12}, topology), narrow(Demand{.gpus = 5, .gpu_types = 1}, topology);
  CHECK(any.nodes_for(12, 8) == 3);
  CHECK(any.nodes_for(6, 2) == 3);
  CHECK(any.nodes_for(15, 8) == 0);
  CHECK(narrow.nodes_for(5, 8) == 3);
}

TEST_CASE("a gang is spread where it is on more nodes than it needs of those there are", "[models][unequal]") {
  ThroughputSet table;
  table.name = "t";
  table.alone = {{{"m", "", 0, 6}, "a", false, 10}, {{"m", "", 0, 6}, "a", true, 5}};
  const auto rate = [&table](const std::vector<NodeGroup>& groups, std::initializer_list<std::pair<int, int>> on) {
    const Topology topology(groups);
    const auto model = ThroughputModel::compile(table, topology, "a").value();
    REQUIRE(model->add({{"m", "", 0, 6}, 100}, 0, false));
    Allocation a;
    for (const auto& [node, gpus] : on)
      a.add({.node = NodeId(static_cast<std::uint32_t>(node)), .gpus = GpuMask::first(gpus)});
    return model->speed(test::make_workload({{0, 6, 1}}).specs[0], a, {}, {}).rate;
  };
  // One node of four and three of two: six need two nodes; the widest alone would say so of three nodes, too.
  const std::vector<NodeGroup> mixed{group("w", 1, 4, "a"), group("n", 3, 2, "a")};
  CHECK(rate(mixed, {{0, 4}, {1, 2}}) == kUnitRate);
  CHECK(rate(mixed, {{1, 2}, {2, 2}, {3, 2}}) == Rate{500'000'000});
  // One of three and three of one: six need four of them, and are as packed there as can be.
  const std::vector<NodeGroup> ones{group("w", 1, 3, "a"), group("n", 3, 1, "a")};
  CHECK(rate(ones, {{0, 3}, {1, 1}, {2, 1}, {3, 1}}) == kUnitRate);
}

TEST_CASE("work over links is counted on the fewest nodes of the cluster, wherever it runs", "[exec][unequal]") {
  // A step computes for 1 s and all-reduces 15 GB between two nodes at 10 GB/s: 2.5 s. On one node it takes 1 s.
  NodeGroup wide = group("w", 1, 2, "g"), narrow = group("n", 2, 1, "g");
  wide.nic_bytes_per_s = narrow.nic_bytes_per_s = 10'000'000'000;
  const Topology topology({wide, narrow});
  const Workload w = test::make_workload({{0, 2, 100}, {0, 3, 100}});
  const NetworkModel model(topology, w.specs, {seconds(1), 15'000'000'000, 0}, {});
  const auto on = [](std::initializer_list<std::pair<std::uint32_t, int>> nodes) {
    Allocation a;
    for (const auto& [node, gpus] : nodes) a.add({.node = NodeId(node), .gpus = GpuMask::first(gpus)});
    return a;
  };
  CHECK(model.speed(w.specs[0], on({{0, 2}}), {}, {}).rate == kUnitRate);
  CHECK(model.speed(w.specs[0], on({{1, 1}, {2, 1}}), {}, {}).rate == Rate{400'000'000});
  CHECK(model.speed(w.specs[1], on({{0, 2}, {1, 1}}), {}, {}).rate == kUnitRate);
}

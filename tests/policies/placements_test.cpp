// Each placement on a small cluster with some GPUs taken: the very GPUs, worked out by hand from its rule.
#include <catch2/catch.hpp>

#include "policies/placement/placements.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Four nodes of four GPUs in racks of two. Taken: n0 two, n1 one, n2 none, n3 three.
struct SmallCluster {
  SmallCluster() : topology(groups()), inventory(topology) {
    take(0, 0b0011);
    take(1, 0b0001);
    take(3, 0b0111);
  }
  static std::vector<NodeGroup> groups() {
    auto g = cluster(4, 4);
    g[0].rack_size = 2;
    return g;
  }
  void take(std::uint32_t node, std::uint64_t gpus) {
    Allocation a;
    a.add({.node = NodeId(node), .gpus = gpus});
    inventory.take(a);
  }
  // Where the placement puts a job, as text; "-" when it does not fit.
  [[nodiscard]] std::string where(const char* placement, std::int32_t gpus, std::int32_t milli = kMilliPerGpu) const {
    Demand d;
    d.gpus = gpus;
    d.milli_per_gpu = milli;
    Allocation a;
    return make_placement(placement, 1)->place(d, inventory, a) ? a.to_string() : "-";
  }
  Topology topology;
  Inventory inventory;
};

}  // namespace

TEST_CASE("count takes any free GPUs, lowest node first", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("count", 1) == "n0:2");
  CHECK(c.where("count", 4) == "n0:2-3,n1:1-2");
  CHECK(c.where("count", 10) == "n0:2-3,n1:1-3,n2:0-3,n3:3");
  CHECK(c.where("count", 11) == "-");
}

TEST_CASE("yarn takes the first node that fits; larger jobs whole idle nodes and a rest in one rack", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("yarn", 1) == "n0:2");
  CHECK(c.where("yarn", 3) == "n1:1-3");
  CHECK(c.where("yarn", 4) == "n2:0-3");
  CHECK(c.where("yarn", 5) == "n2:0-3,n3:3");
  CHECK(c.where("yarn", 6) == "-");  // the rest of two is in the other rack
}

TEST_CASE("consolidated takes the tightest node that fits", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("consolidated", 1) == "n3:3");
  CHECK(c.where("consolidated", 2) == "n0:2-3");
  CHECK(c.where("consolidated", 3) == "n1:1-3");
  CHECK(c.where("consolidated", 5) == "n2:0-3,n3:3");
  CHECK(c.where("consolidated", 6) == "n0:2-3,n2:0-3");
  CHECK(c.where("consolidated", 8) == "-");  // one idle node only
}

TEST_CASE("most_free takes from the emptiest node, then the next", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("most_free", 1) == "n2:0");
  CHECK(c.where("most_free", 5) == "n1:1,n2:0-3");
}

TEST_CASE("pack fills the fullest nodes first", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("pack", 1) == "n3:3");
  CHECK(c.where("pack", 3) == "n0:2-3,n3:3");
}

TEST_CASE("spread takes one GPU per node in turn, the emptiest first", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("spread", 2) == "n1:1,n2:0");
  CHECK(c.where("spread", 4) == "n0:2,n1:1,n2:0,n3:3");
}

TEST_CASE("random depends on its seed alone", "[policies]") {
  const SmallCluster c;
  CHECK(c.where("random", 5) == c.where("random", 5));
  CHECK(c.where("random", 11) == "-");
}

TEST_CASE("a fraction goes to the partly used GPU that it fills best", "[policies]") {
  SmallCluster c;
  const auto half = [](std::uint32_t node, std::int32_t milli) {
    Allocation a;
    a.add({.node = NodeId(node), .milli_per_gpu = milli, .gpus = 0b1000});
    return a;
  };
  c.inventory.take(half(1, 500), Sharing::fraction);
  c.inventory.take(half(2, 700), Sharing::fraction);
  for (const char* placement : {"count", "yarn", "consolidated", "pack"}) {
    INFO(placement);
    CHECK(c.where(placement, 1, 300) == "n2:3@300");
    CHECK(c.where(placement, 1, 400) == "n1:3@400");
  }
}

TEST_CASE("GPU types, CPUs and memory are obeyed", "[policies]") {
  auto groups = cluster(1, 4);
  groups[0].name = groups[0].gpu = "a100";
  groups.push_back(groups[0]);
  groups[1].name = groups[1].gpu = "h200";
  groups[1].cpu_milli = 8000;
  groups[1].mem_bytes = 1'000;
  const Topology topology(groups);
  const Inventory inventory(topology);
  const auto where = [&](Demand d) {
    Allocation a;
    return make_placement("count", 1)->place(d, inventory, a) ? a.to_string() : std::string("-");
  };
  Demand d;
  d.gpus = 2;
  d.gpu_types = topology.type_bit("h200");
  CHECK(where(d) == "n1:0-1");
  d.cpu_milli = 8000;
  CHECK(where(d) == "n1:0-1");
  d.cpu_milli = 8001;
  CHECK(where(d) == "-");
  d.cpu_milli = 0;
  d.mem_bytes = 1001;
  CHECK(where(d) == "-");
}

TEST_CASE("buddy keeps blocks aligned and the larger ones whole", "[policies]") {
  SmallCluster c;                        // free: n0 2-3, n1 1-3, n2 0-3, n3 3
  CHECK(c.where("buddy", 1) == "n1:1");  // the single GPU beside a taken one; no block of two is broken
  CHECK(c.where("buddy", 2) == "n0:2-3");
  CHECK(c.where("buddy", 3) == "n2:0-2");  // a block of four
  CHECK(c.where("buddy", 5) == "-");       // no two aligned idle nodes
  const Topology idle_topology(cluster(4, 4));
  Inventory idle(idle_topology);
  Allocation first;
  first.add({.node = NodeId(1), .gpus = 0b0001});
  idle.take(first);
  Demand eight;
  eight.gpus = 8;
  Allocation a;
  REQUIRE(make_placement("buddy", 1)->place(eight, idle, a));
  CHECK(a.to_string() == "n2:0-3,n3:0-3");  // n1 and n2 would be idle enough, but not aligned
}

TEST_CASE("topology takes the fewest racks, then the fewest nodes, then most NVLink", "[policies]") {
  const SmallCluster c;  // rack 0: n0 two free, n1 three; rack 1: n2 four, n3 one
  CHECK(c.where("topology", 1) == "n3:3");
  CHECK(c.where("topology", 3) == "n1:1-3");
  // Both racks hold five on two nodes: 2 + 3 make 1 + 3 pairs over NVLink, 4 + 1 make 6.
  CHECK(c.where("topology", 5) == "n2:0-3,n3:3");
  CHECK(c.where("topology", 7) == "n1:1-3,n2:0-3");  // both racks, two nodes
}

// Max-min fair shares: worked examples, the definition itself (every flow is held back by its cap or by a full link
// on which nobody is faster), and incremental against solving everything from nothing.
#include <catch2/catch.hpp>

#include <map>

#include "sim/core/random.hpp"
#include "sim/models/network/fabric.hpp"
#include "sim/models/network/max_min.hpp"
#include "tests/support/effort.hpp"

using namespace orrery;

namespace {

constexpr std::int64_t kGB = 1'000'000'000;

FlowId on(SharedLinks& links, std::initializer_list<LinkUse> uses, std::int64_t cap = kUnlimited) {
  return links.add(LinkUses(uses), cap);
}

}  // namespace

TEST_CASE("the textbook example of max-min fairness", "[models][network]") {
  // Links A..D of 1 GB/s, D of 2: flow 0 on A B C, 1 on A, 2 and 3 on B, 4 on C and D.
  SharedLinks links({kGB, kGB, kGB, 2 * kGB});
  const FlowId f0 = on(links, {{0}, {1}, {2}}), f1 = on(links, {{0}}), f2 = on(links, {{1}}), f3 = on(links, {{1}}),
               f4 = on(links, {{2}, {3}});
  (void)links.update();
  CHECK(links.rate(f0) == kGB / 3);
  CHECK(links.rate(f2) == kGB / 3);
  CHECK(links.rate(f3) == kGB / 3);
  CHECK(links.rate(f1) == kGB - kGB / 3);
  CHECK(links.rate(f4) == kGB - kGB / 3);

  links.remove(f2);  // B is halved, and A and C give the rest
  const auto changed = links.update();
  CHECK(std::vector<FlowId>(changed.begin(), changed.end()) == std::vector<FlowId>{f0, f1, f3, f4});
  CHECK(links.rate(f0) == kGB / 2);
  CHECK(links.rate(f1) == kGB / 2);
}

TEST_CASE("caps, weights and links without a limit", "[models][network]") {
  SharedLinks links({100, kUnlimited, 90});
  const FlowId capped = on(links, {{0}}, 10), free = on(links, {{0}}), twice = on(links, {{0, 2}});
  const FlowId nowhere = on(links, {}, 7), unlimited = on(links, {{1}}), other = on(links, {{1}});
  (void)links.update();
  CHECK(links.rate(capped) == 10);
  CHECK(links.rate(free) == 30);   // (100 - 10) / (1 + 2)
  CHECK(links.rate(twice) == 30);  // and takes 60
  CHECK(links.load(0) == 100);
  CHECK(links.rate(nowhere) == 7);
  CHECK(links.rate(unlimited) == kUnlimited);
  CHECK(links.rate(other) == kUnlimited);
  CHECK(links.alone(twice) == 50);

  links.set_capacity(0, 1000);
  (void)links.update();
  CHECK(links.rate(capped) == 10);
  CHECK(links.rate(free) == 330);
  links.set_capacity(0, 0);
  (void)links.update();
  CHECK(links.rate(free) == 0);
  CHECK(links.rate(capped) == 0);
}

TEST_CASE("a change solves only what it can reach", "[models][network]") {
  // 100 pairs of flows, each pair on its own link, all on one backbone that is wide enough or is not.
  std::vector<std::int64_t> capacities(100, 10);
  capacities.push_back(2000);
  SharedLinks links(capacities);
  for (LinkId l = 0; l < 100; ++l) {
    on(links, {{l}, {100}});
    on(links, {{l}, {100}});
  }
  (void)links.update();
  CHECK(links.last_solved() == 200);
  const FlowId third = on(links, {{7}, {100}});  // what all want of the backbone: 201 x 10 > 2000, so all are reached
  (void)links.update();
  CHECK(links.last_solved() == 201);
  links.set_capacity(100, 5000);
  (void)links.update();
  links.remove(third);
  CHECK(links.update().size() == 2);
  CHECK(links.last_solved() == 2);
  (void)on(links, {{7}, {100}});
  CHECK(links.update().size() == 3);
  CHECK(links.last_solved() == 3);
}

TEST_CASE("random changes: the definition holds, and incremental equals from nothing", "[models][network]") {
  RandomStream rng = stream(3, "tests/max-min");
  const auto below = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
  for (int world = 0; world < share_of(20); ++world) {
    const std::size_t n = 2 + static_cast<std::size_t>(below(30));
    std::vector<std::int64_t> capacities;
    for (std::size_t i = 0; i < n; ++i) capacities.push_back(below(20) == 0 ? kUnlimited : below(1'000'000));
    SharedLinks links(capacities);
    struct Known {
      LinkUses uses;
      std::int64_t cap;
    };
    std::map<FlowId, Known> flows;
    for (int step = 0; step < 200; ++step) {
      for (std::int64_t k = below(3); k >= 0; --k) {
        const auto what = below(10);
        if (what < 6 || flows.empty()) {
          std::map<LinkId, std::int64_t> uses;
          for (std::int64_t i = 1 + below(3); i > 0; --i)
            uses[static_cast<LinkId>(below(n))] = below(4) == 0 ? 1 + below(5) : 1;
          Known known{{}, below(3) == 0 ? below(300'000) : kUnlimited};
          for (const auto& [l, w] : uses) known.uses.push_back({l, w});
          const FlowId f = links.add(known.uses, known.cap);
          REQUIRE(flows.emplace(f, known).second);
        } else if (what < 9) {
          auto it = flows.lower_bound(static_cast<FlowId>(below(flows.rbegin()->first + 1)));
          links.remove(it->first);
          flows.erase(it);
        } else {
          const auto l = static_cast<std::size_t>(below(n));
          if (capacities[l] != kUnlimited)
            links.set_capacity(static_cast<LinkId>(l), capacities[l] = below(1'000'000));
        }
      }
      (void)links.update();
      // No link is overfull, and whoever is not at its cap has a full link on which nobody is faster. Full: not
      // enough is left to give every unit of weight there one byte more.
      std::vector<std::int64_t> load(n, 0), weight(n, 0), fastest(n, 0);
      for (const auto& [f, k] : flows)
        for (const LinkUse& u : k.uses) {
          if (capacities[u.link] == kUnlimited) continue;
          load[u.link] += u.weight * links.rate(f);
          weight[u.link] += u.weight;
          fastest[u.link] = std::max(fastest[u.link], links.rate(f));
        }
      for (std::size_t l = 0; l < n; ++l) REQUIRE(load[l] <= capacities[l]);
      std::map<FlowId, std::int64_t> incremental;
      for (const auto& [f, k] : flows) {
        incremental[f] = links.rate(f);
        bool held = links.rate(f) == k.cap || links.rate(f) == kUnlimited;
        for (const LinkUse& u : k.uses)
          held = held || (capacities[u.link] != kUnlimited && capacities[u.link] - load[u.link] < weight[u.link] &&
                          fastest[u.link] == links.rate(f));
        REQUIRE(held);
      }
      links.solve_all();
      for (const auto& [f, r] : incremental) REQUIRE(links.rate(f) == r);
      SharedLinks fresh(capacities);
      std::map<FlowId, FlowId> of;
      for (auto it = flows.rbegin(); it != flows.rend(); ++it)
        of[it->first] = fresh.add(it->second.uses, it->second.cap);
      (void)fresh.update();
      for (const auto& [f, r] : incremental) REQUIRE(fresh.rate(of[f]) == r);
    }
  }
}

TEST_CASE("routes, rings and all-to-all over the topology", "[models][network]") {
  // Two racks of two nodes; NICs of 10 GB/s, so 20 GB/s from a rack to the spine.
  NodeGroup group;
  group.name = "h";
  group.count = 4;
  group.gpus_per_node = 2;
  group.rack_size = 2;
  group.nic_bytes_per_s = 10 * kGB;
  const Topology topology({group});
  const Fabric fabric(topology);
  const auto node = [&](std::uint32_t n) { return fabric.node_vertex(NodeId(n)); };
  const auto names = [&](const LinkUses& uses) {
    std::string out;
    for (const LinkUse& u : uses)
      out += fabric.name(u.link) + (u.weight > 1 ? "*" + std::to_string(u.weight) : "") + "; ";
    return out;
  };
  CHECK(names(fabric.route(node(0), node(1))) == "h-n0 up; h-n1 down; ");
  CHECK(names(fabric.route(node(0), node(3))) == "rack 0 up; h-n0 up; rack 1 down; h-n3 down; ");
  CHECK(fabric.route(node(2), node(2)).empty());
  const NodeId in_order[] = {NodeId(0), NodeId(1), NodeId(2), NodeId(3)};
  CHECK(names(fabric.ring(in_order)) ==
        "rack 0 up; rack 0 down; h-n0 up; h-n0 down; h-n1 up; h-n1 down; rack 1 up; rack 1 down; h-n2 up; h-n2 down; "
        "h-n3 up; h-n3 down; ");
  // A ring that jumps between the racks crosses the spine at every hop.
  const NodeId jumping[] = {NodeId(0), NodeId(2), NodeId(1), NodeId(3)};
  CHECK(names(fabric.ring(jumping)).starts_with("rack 0 up*2; rack 0 down*2; h-n0 up; "));
  CHECK(names(fabric.all_to_all(in_order)).starts_with("rack 0 up*4; rack 0 down*4; h-n0 up*3; h-n0 down*3; "));
  CHECK(fabric.ring(std::span(in_order, 1)).empty());

  // Two rings over the same four nodes share every NIC; one inside a rack meets them there.
  SharedLinks links(fabric.capacities());
  const FlowId a = links.add(fabric.ring(in_order)), b = links.add(fabric.ring(in_order));
  const FlowId local = links.add(fabric.ring(std::span(in_order, 2)));
  (void)links.update();
  CHECK(links.rate(a) == 10 * kGB / 3);
  CHECK(links.rate(b) == 10 * kGB / 3);
  CHECK(links.rate(local) == 10 * kGB / 3);
}

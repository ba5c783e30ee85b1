// The network against SimGrid (Casanova et al., JPDC 2014) on the same flows: when each of them ends, while others
// start, end and free bandwidth. Skipped, and says so, where SimGrid was not there when this was built.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <string_view>
#include <vector>

#include "orrery_paths.hpp"
#include "sim/core/random.hpp"
#include "sim/models/network/fabric.hpp"
#include "sim/models/training/step_graph.hpp"
#include "tests/support/temp_dir.hpp"

using namespace orrery;

namespace {

struct Pattern {
  std::string name;
  std::vector<std::int64_t> links;
  struct Flow {
    std::int64_t bytes = 0;
    std::int64_t cap = 0;  // 0 = none; for us a link of its own
    LinkUses uses{};
  };
  std::vector<Flow> flows;
};

constexpr std::int64_t kGigabyte = 1'000'000'000;

Pattern::Flow flow(std::int64_t bytes, std::initializer_list<LinkId> links, std::int64_t cap = 0) {
  Pattern::Flow f{bytes, cap, {}};
  for (const LinkId l : links) f.uses.push_back({l, 1});
  return f;
}

std::vector<Pattern> patterns() {
  std::vector<Pattern> out;
  out.push_back(
      {"one link", {kGigabyte}, {flow(kGigabyte, {0}), flow(2 * kGigabyte, {0}), flow(kGigabyte / 2, {0})}});
  out.push_back(
      {"dumb-bell",
       {kGigabyte, kGigabyte, kGigabyte / 2, 3 * kGigabyte, kGigabyte},
       {flow(kGigabyte, {0, 3}), flow(kGigabyte, {1, 3}), flow(3 * kGigabyte, {2, 3}), flow(kGigabyte, {4, 3})}});
  Pattern lot{"parking lot", std::vector<std::int64_t>(6, kGigabyte), {}};  // one long flow against six short ones
  lot.flows.push_back(flow(5 * kGigabyte, {0, 1, 2, 3, 4, 5}));
  for (LinkId l = 0; l < 6; ++l) lot.flows.push_back(flow(kGigabyte / 2 * (l + 1), {l}));
  out.push_back(lot);
  Pattern incast{"incast", std::vector<std::int64_t>(16, kGigabyte), {}};  // fifteen senders, one receiver
  for (LinkId l = 0; l < 15; ++l) incast.flows.push_back(flow(kGigabyte / 10 * (1 + l % 4), {l, 15}));
  out.push_back(incast);
  out.push_back({"capped flows leave the rest to others",
                 {kGigabyte, 2 * kGigabyte},
                 {flow(kGigabyte, {0, 1}, kGigabyte / 10), flow(kGigabyte, {0, 1}),
                  flow(kGigabyte, {1}, kGigabyte / 2), flow(kGigabyte, {1})}});

  // Two racks of four nodes behind half the bandwidth: pairs inside and across, a shifted permutation, all-to-all.
  NodeGroup group;
  group.name = "h";
  group.count = 8;
  group.gpus_per_node = 1;
  group.rack_size = 4;
  group.nic_bytes_per_s = 10 * kGigabyte;
  const Topology topology({group});
  const Fabric fabric(topology);
  std::vector<std::int64_t> links = fabric.capacities();
  for (std::size_t v = 0; v < fabric.vertex_count(); ++v)
    if (fabric.vertex(v).tier == Tier::rack) links[Fabric::up(v)] = links[Fabric::down(v)] = 20 * kGigabyte;
  Pattern shift{"a permutation across racks", links, {}}, all{"all-to-all in a fabric", links, {}};
  for (std::uint32_t a = 0; a < 8; ++a) {
    const auto node = [&](std::uint32_t n) { return fabric.node_vertex(NodeId(n % 8)); };
    shift.flows.push_back({(1 + a) * kGigabyte, 0, fabric.route(node(a), node(a + 3))});
    for (std::uint32_t d = 1; d < 8; ++d)
      all.flows.push_back({(a * 7 + d) * kGigabyte / 10, 0, fabric.route(node(a), node(a + d))});
  }
  out.push_back(shift);
  out.push_back(all);

  RandomStream rng = stream(11, "tests/simgrid");
  for (int i = 0; i < 10; ++i) {
    Pattern random{fmt::format("random {}", i), {}, {}};
    const std::uint64_t n = 2 + uniform_below(rng, 12);
    for (std::uint64_t l = 0; l < n; ++l)
      random.links.push_back(kGigabyte / 10 * (1 + static_cast<std::int64_t>(uniform_below(rng, 40))));
    for (std::uint64_t f = 3 + uniform_below(rng, 30); f > 0; --f) {
      std::set<LinkId> on;
      for (std::uint64_t k = 1 + uniform_below(rng, 4); k > 0; --k)
        on.insert(static_cast<LinkId>(uniform_below(rng, n)));
      Pattern::Flow one{kGigabyte / 100 * (1 + static_cast<std::int64_t>(uniform_below(rng, 500))), 0, {}};
      if (uniform_below(rng, 4) == 0)
        one.cap = kGigabyte / 20 * (1 + static_cast<std::int64_t>(uniform_below(rng, 20)));
      for (const LinkId l : on) one.uses.push_back({l, 1});
      random.flows.push_back(one);
    }
    out.push_back(random);
  }
  return out;
}

std::vector<double> ours(const Pattern& p) {
  StepGraph graph;
  for (const std::int64_t c : p.links) (void)graph.add_link(c);
  for (const Pattern::Flow& f : p.flows) {
    Operation o;
    o.bytes = f.bytes;
    o.links = f.uses;
    if (f.cap > 0) o.links.push_back({graph.add_link(f.cap), 1});
    graph.add(std::move(o));
  }
  std::vector<double> out;
  for (const StepGraph::Span& s : graph.run().spans) out.push_back(to_seconds(s.end));
  return out;
}

std::vector<double> simgrids(const Pattern& p, const std::string& folder) {
  const std::string file = folder + "/flows.txt";
  {
    std::ofstream text(file);
    for (const std::int64_t c : p.links) text << "link " << (c == kUnlimited ? kGigabyte * 1'000'000 : c) << "\n";
    for (const Pattern::Flow& f : p.flows) {
      text << "flow " << f.bytes << " " << f.cap;
      for (const LinkUse& u : f.uses) text << " " << u.link;
      text << "\n";
    }
  }
  std::FILE* pipe = popen(fmt::format("{} < {} 2>/dev/null", ORRERY_SIMGRID_FLOWS, file).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<double> out;
  for (double end = 0; std::fscanf(pipe, "%lf", &end) == 1;) out.push_back(end);
  REQUIRE(pclose(pipe) == 0);
  return out;
}

}  // namespace

TEST_CASE("the network agrees with SimGrid", "[models][network][simgrid]") {
  if (std::string_view(ORRERY_SIMGRID_FLOWS).empty()) {
    WARN("skipped: built without SimGrid (Debian: libsimgrid-dev)");
    return;
  }
  const test::TempFolder folder;
  for (const Pattern& p : patterns()) {
    INFO(p.name);
    const std::vector<double> here = ours(p), there = simgrids(p, folder.path());
    REQUIRE(there.size() == p.flows.size());
    for (std::size_t f = 0; f < here.size(); ++f) {
      INFO("flow " << f);
      CHECK(here[f] == Approx(there[f]).epsilon(1e-6));
    }
  }
}

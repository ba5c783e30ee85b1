// Clusters of unequal nodes: schedules worked out by hand, and every placement that looks at nodes against a naive
// reading of its rule over random clusters, types, CPUs and free GPUs.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <set>
#include <tuple>

#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

NodeGroup nodes(const char* name, int count, int gpus, const char* type = "gpu") {
  NodeGroup g;
  g.name = name;
  g.count = count;
  g.gpus_per_node = gpus;
  g.gpu = type;
  return g;
}

// Where the placement puts a job on an idle cluster, as text; "-" when it does not fit.
std::string where(const std::vector<NodeGroup>& groups, const char* placement, Demand d) {
  const Topology topology(groups);
  Allocation a;
  return make_placement(placement, 1)->place(d, Inventory(topology), a) ? a.to_string() : "-";
}

Demand whole(int gpus, GpuTypeMask types = 0, std::int64_t cpu_milli = 0) {
  return {.gpus = gpus, .cpu_milli = cpu_milli, .gpu_types = types};
}

// The naive world: everything is looked at, nothing is indexed.
struct Node {
  int id = 0, gpus = 0;
  std::size_t rack = 0;
  std::uint32_t type = 0;
  std::int64_t cpus = 0, cpus_free = 0;  // 0: not modelled
  std::vector<char> free;
  [[nodiscard]] int idle() const { return static_cast<int>(std::count(free.begin(), free.end(), 1)); }
};

std::int64_t share(const Demand& d, int k) {
  return (d.cpu_milli * k + d.gpus - 1) / d.gpus;
}

bool type_fits(const Demand& d, const Node& n) {
  return d.gpu_types == 0 || ((d.gpu_types >> n.type) & 1) != 0;
}

// Whether the node can give k GPUs now.
bool gives(const Demand& d, const Node& n, int k) {
  return type_fits(d, n) && n.idle() >= k && (n.cpus == 0 || share(d, k) <= n.cpus_free);
}

int width(const Demand& d, const Node& n) {
  for (int k = n.gpus; k > 0; --k)
    if (type_fits(d, n) && (n.cpus == 0 || share(d, k) <= n.cpus)) return k;
  return 0;
}

using Pieces = std::vector<std::pair<int, int>>;  // (node, GPUs)
using Choice = std::optional<std::vector<std::pair<int, std::vector<int>>>>;

// The first of `list` (already in order of preference) that satisfy `good`.
template <class Good>
std::vector<const Node*> those(const std::vector<Node>& all, Good good) {
  std::vector<const Node*> out;
  for (const Node& n : all)
    if (good(n)) out.push_back(&n);
  return out;
}

std::vector<int> widths(const Demand& d, const std::vector<Node>& all) {
  std::set<int, std::greater<>> w;
  for (const Node& n : all)
    if (width(d, n) > 0) w.insert(width(d, n));
  return {w.begin(), w.end()};
}

bool whole_idle(const Demand& d, const Node& n, int w) {
  return width(d, n) == w && n.idle() == n.gpus && gives(d, n, w);
}

std::optional<Pieces> tightest(const Demand& d, const std::vector<Node>& all, int k, Pieces taken) {
  const auto used = [&taken](const Node& n) {
    return std::any_of(taken.begin(), taken.end(), [&n](const auto& p) { return p.first == n.id; });
  };
  auto fit = those(all, [&](const Node& n) { return gives(d, n, k) && !used(n); });
  if (fit.empty()) return std::nullopt;
  std::stable_sort(fit.begin(), fit.end(), [](const Node* a, const Node* b) { return a->idle() < b->idle(); });
  taken.emplace_back(fit[0]->id, k);
  return taken;
}

std::optional<Pieces> naive_consolidated(const Demand& d, const std::vector<Node>& all) {
  if (auto one = tightest(d, all, d.gpus, {})) return one;
  for (const int w : widths(d, all)) {
    if (w >= d.gpus) continue;
    auto idle = those(all, [&](const Node& n) { return whole_idle(d, n, w); });
    std::stable_sort(idle.begin(), idle.end(), [](const Node* a, const Node* b) { return a->gpus > b->gpus; });
    const auto needed = static_cast<std::size_t>(d.gpus / w);
    if (idle.size() < needed) continue;
    Pieces p;
    for (std::size_t i = 0; i < needed; ++i) p.emplace_back(idle[i]->id, w);
    if (d.gpus % w == 0) return p;
    if (auto with_rest = tightest(d, all, d.gpus % w, p)) return with_rest;
  }
  return std::nullopt;
}

std::optional<Pieces> naive_yarn(const Demand& d, const std::vector<Node>& all) {
  for (const Node& n : all)
    if (gives(d, n, d.gpus)) return Pieces{{n.id, d.gpus}};
  for (const int w : widths(d, all)) {
    if (w >= d.gpus) continue;
    for (std::size_t rack = 0; rack <= all.back().rack; ++rack) {
      auto idle = those(all, [&](const Node& n) { return n.rack == rack && whole_idle(d, n, w); });
      const auto needed = static_cast<std::size_t>(d.gpus / w);
      if (idle.size() < needed) continue;
      Pieces p;
      for (std::size_t i = 0; i < needed; ++i) p.emplace_back(idle[i]->id, w);
      const int rest = d.gpus % w;
      if (rest == 0) return p;
      for (const Node& n : all) {
        const bool used = std::any_of(p.begin(), p.end(), [&n](const auto& q) { return q.first == n.id; });
        if (n.rack != rack || used || !gives(d, n, rest)) continue;
        p.emplace_back(n.id, rest);
        return p;
      }
    }
  }
  return std::nullopt;
}

std::optional<Pieces> naive_fewest(const Demand& d, const std::vector<Node>& all) {
  if (auto one = tightest(d, all, d.gpus, {})) return one;
  for (const int w : widths(d, all)) {
    std::vector<int> idle;  // what the nodes no wider than w give when they are idle
    for (const Node& n : all)
      if (width(d, n) > 0 && width(d, n) <= w) idle.push_back(width(d, n));
    std::sort(idle.rbegin(), idle.rend());
    std::size_t needed = 0;
    int left = d.gpus;
    while (left > 0 && needed < idle.size()) left -= idle[needed++];
    if (left > 0) return std::nullopt;
    std::vector<std::tuple<int, int, int>> now;  // (-GPUs that it can give, -free ones, node)
    for (const Node& n : all) {
      if (width(d, n) > w) continue;
      for (int k = width(d, n); k > 0; --k) {
        if (!gives(d, n, k)) continue;
        now.emplace_back(-k, -n.idle(), n.id);
        break;
      }
    }
    std::sort(now.begin(), now.end());
    Pieces p;
    left = d.gpus;
    for (std::size_t i = 0; i < std::min(needed, now.size()) && left > 0; ++i) {
      const int k = std::min(left, -std::get<0>(now[i]));
      p.emplace_back(std::get<2>(now[i]), k);
      left -= k;
    }
    if (left == 0) return p;
  }
  return std::nullopt;
}

bool all_free(const Node& n, int from, int to) {
  return std::all_of(n.free.begin() + from, n.free.begin() + std::min(to, n.gpus), [](char f) { return f != 0; });
}

Choice naive_buddy(const Demand& d, const std::vector<Node>& all) {
  int size = 1;
  while (size < d.gpus) size *= 2;
  std::optional<std::tuple<int, int, int>> best;  // (GPUs of the free block around, node, first)
  for (const Node& n : all)
    for (int first = 0; gives(d, n, d.gpus) && first + d.gpus <= n.gpus; first += size) {
      if (!all_free(n, first, first + size)) continue;
      int around = size;
      for (int twice = 2 * size; around < n.gpus; around = twice, twice *= 2)
        if (!all_free(n, first / twice * twice, (first / twice + 1) * twice)) break;
      const int start = first / around * around;
      const std::tuple found(std::min(start + around, n.gpus) - start, n.id, first);
      if (!best || found < *best) best = found;
    }
  Choice out;
  if (best) {
    out.emplace();
    std::vector<int> gpus;
    for (int i = 0; i < d.gpus; ++i) gpus.push_back(std::get<2>(*best) + i);
    out->emplace_back(std::get<1>(*best), gpus);
    return out;
  }
  for (const int w : widths(d, all)) {
    if (w >= d.gpus) continue;
    const auto of_width = those(all, [&](const Node& n) { return width(d, n) == w; });
    const auto needed = static_cast<std::size_t>((d.gpus + w - 1) / w);
    std::size_t run = 1;
    while (run < needed) run *= 2;
    for (std::size_t first = 0; first + needed <= of_width.size(); first += run) {
      bool idle = true;
      for (std::size_t i = first; i < std::min(first + run, of_width.size()); ++i)
        idle = idle && whole_idle(d, *of_width[i], w);
      if (!idle) continue;
      out.emplace();
      int left = d.gpus;
      for (std::size_t i = first; left > 0; ++i, left -= w) {
        std::vector<int> gpus;
        for (int k = 0; k < std::min(left, w); ++k) gpus.push_back(k);
        out->emplace_back(of_width[i]->id, gpus);
      }
      return out;
    }
  }
  return out;
}

// Pieces are the lowest free GPUs of their nodes.
Choice gpus_of(const std::optional<Pieces>& pieces, const std::vector<Node>& all) {
  if (!pieces) return std::nullopt;
  Choice out(std::in_place);
  Pieces sorted = *pieces;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [node, count] : sorted) {
    std::vector<int> gpus;
    const Node& n = all[static_cast<std::size_t>(node)];
    for (int i = 0; static_cast<int>(gpus.size()) < count; ++i)
      if (n.free[static_cast<std::size_t>(i)] != 0) gpus.push_back(i);
    out->emplace_back(node, gpus);
  }
  return out;
}

std::string text(Choice c) {
  if (!c) return "-";
  Allocation a;
  for (const auto& [node, gpus] : *c) {
    GpuMask mask;
    for (const int i : gpus) mask |= GpuMask::one(i);
    a.add({.node = NodeId(static_cast<std::uint32_t>(node)), .gpus = mask});
  }
  return a.to_string();
}

std::vector<NodeGroup> random_groups(RandomStream& rng) {
  constexpr int kWidths[] = {1, 2, 3, 4, 6, 8, 8, 72};
  std::vector<NodeGroup> groups;
  for (std::uint64_t g = 1 + uniform_below(rng, 4); g > 0; --g) {
    const bool second = uniform_below(rng, 3) == 0;
    groups.push_back(nodes("g", static_cast<int>(1 + uniform_below(rng, 4)), kWidths[uniform_below(rng, 8)],
                           second ? "v100" : "a100"));
    groups.back().name = fmt::format("g{}", g);
    groups.back().rack_size = static_cast<int>(uniform_below(rng, 3));
    if (uniform_below(rng, 3) == 0) groups.back().cpu_milli = static_cast<std::int64_t>(4 + uniform_below(rng, 30));
  }
  return groups;
}

// A cluster with some of its GPUs and CPUs taken, in both views.
struct RandomCluster {
  RandomCluster(RandomStream& rng, bool idle) : topology(random_groups(rng)), inventory(topology) {
    for (std::uint32_t i = 0; i < topology.node_count(); ++i) {
      const NodeInfo& info = topology.node(NodeId(i));
      Node n{static_cast<int>(i), info.gpus, info.rack, info.type, info.cpu_milli, info.cpu_milli, {}};
      n.free.assign(static_cast<std::size_t>(info.gpus), 1);
      NodeSlice s;
      s.node = NodeId(i);
      const std::uint64_t busy = idle ? 0 : uniform_below(rng, 3);  // idle, a little, a lot
      for (int k = 0; k < info.gpus && busy > 0; ++k)
        if (uniform_below(rng, busy == 1 ? 6 : 2) == 0) {
          s.gpus |= GpuMask::one(k);
          n.free[static_cast<std::size_t>(k)] = 0;
        }
      if (busy > 0 && info.cpu_milli > 0)
        s.cpu_milli = static_cast<std::int64_t>(uniform_below(rng, static_cast<std::uint64_t>(info.cpu_milli)));
      n.cpus_free -= s.cpu_milli;
      Allocation a;
      a.add(s);
      inventory.take(a);
      naive.push_back(n);
    }
  }
  Demand random_demand(RandomStream& rng) const {
    Demand d = whole(static_cast<int>(1 + uniform_below(rng, static_cast<std::uint64_t>(topology.total_gpus()))));
    if (uniform_below(rng, 2) == 0) d.gpus = static_cast<int>(1 + uniform_below(rng, std::min(d.gpus, 12)));
    if (uniform_below(rng, 3) == 0)
      d.gpu_types = static_cast<GpuTypeMask>(1U << uniform_below(rng, topology.gpu_types().size()));
    if (uniform_below(rng, 3) == 0) d.cpu_milli = static_cast<std::int64_t>(uniform_below(rng, 8)) * d.gpus;
    return d;
  }
  Topology topology;
  Inventory inventory;
  std::vector<Node> naive;
};

}  // namespace

TEST_CASE("unequal nodes: narrow ones are judged by their own width", "[policies][unequal]") {
  const std::vector<NodeGroup> mixed{nodes("narrow", 3, 2), nodes("wide", 1, 8)};
  const std::vector<TinyJob> jobs{{0, 6, 100}, {0, 6, 100}, {0, 6, 100}};
  for (const char* placement : {"consolidated", "fewest", "yarn"}) {
    INFO(placement);
    // One on the wide node, one on the three narrow ones, then the third.
    const RunResult r = run_world(mixed, jobs, {"fifo", placement});
    CHECK(r.jobs[0].start_s == 0);
    CHECK(r.jobs[1].start_s == 0);
    CHECK(r.jobs[2].start_s == 100);
    CHECK(r.makespan_s == 200);
  }
  CHECK(where(mixed, "consolidated", whole(2)) == "n0:0-1");
  CHECK(where(mixed, "consolidated", whole(10)) == "n0:0-1,n3:0-7");
  CHECK(where(mixed, "fewest", whole(12)) == "n0:0-1,n1:0-1,n3:0-7");  // three, and no two would do
  CHECK(where(mixed, "fewest", whole(14)) == "n0:0-1,n1:0-1,n2:0-1,n3:0-7");
  CHECK(where(mixed, "consolidated", whole(14)) == "-");  // neither eight and one for six nor seven pairs
}

TEST_CASE("unequal nodes: a type that only narrow nodes have is served there", "[policies][unequal]") {
  const std::vector<NodeGroup> typed{nodes("wide", 2, 8, "v100"), nodes("narrow", 4, 2, "a100")};
  const GpuTypeMask a100 = Topology(typed).type_bit("a100");
  CHECK(where(typed, "topology", whole(4, a100)) != "-");
  for (const char* placement : {"consolidated", "fewest", "yarn", "buddy"}) {
    INFO(placement);
    CHECK(where(typed, placement, whole(2, a100)) == "n2:0-1");
    CHECK(where(typed, placement, whole(4, a100)) == "n2:0-1,n3:0-1");
    CHECK(where(typed, placement, whole(8, a100)) == "n2:0-1,n3:0-1,n4:0-1,n5:0-1");
    CHECK(where(typed, placement, whole(9, a100)) == "-");
  }
}

TEST_CASE("unequal nodes: CPUs make a node narrower", "[policies][unequal]") {
  std::vector<NodeGroup> few{nodes("n", 4, 8)};
  few[0].cpu_milli = 32'000;
  for (const char* placement : {"consolidated", "fewest", "yarn"}) {
    INFO(placement);
    CHECK(where(few, placement, whole(15, 0, 90'000)) == "n0:0-4,n1:0-4,n2:0-4");  // six each: five GPUs a node
  }
}

TEST_CASE("buddy gives all of a cluster whose widths are no powers of two", "[policies][unequal]") {
  const std::vector<NodeGroup> six{nodes("n", 4, 6)};
  CHECK(where(six, "buddy", whole(24)) == "n0:0-5,n1:0-5,n2:0-5,n3:0-5");
  CHECK(where(six, "buddy", whole(6)) == "n0:0-5");
  CHECK(where(six, "buddy", whole(5)) == "n0:0-4");
  CHECK(where(six, "buddy", whole(12)) == "n0:0-5,n1:0-5");
  CHECK(where({nodes("n", 3, 8)}, "buddy", whole(24)) == "n0:0-7,n1:0-7,n2:0-7");
  CHECK(where({nodes("n", 3, 6)}, "buddy", whole(18)) == "n0:0-5,n1:0-5,n2:0-5");
  CHECK(where({nodes("a", 3, 2), nodes("b", 4, 8)}, "buddy", whole(32)) == "n3:0-7,n4:0-7,n5:0-7,n6:0-7");
  const RunResult r = run_world(six, {{0, 24, 10}}, {"fifo", "buddy"});
  CHECK(r.jobs[0].finish_s == 10);
}

TEST_CASE("placements agree with their rules read naively on unequal clusters", "[policies][unequal]") {
  RandomStream rng = stream(14, "tests/unequal");
  int placed = 0, refused = 0;
  for (int round = 0; round < 1500; ++round) {
    const RandomCluster c(rng, round % 4 == 0);
    const Demand d = c.random_demand(rng);
    INFO("round " << round << ": " << d.gpus << " GPUs, types " << d.gpu_types << ", CPUs " << d.cpu_milli);
    for (const Node& n : c.naive) UNSCOPED_INFO("n" << n.id << ": " << n.idle() << " of " << n.gpus);
    const auto actual = [&](const char* name) {
      Allocation a, gpus;
      if (!make_placement(name, 1)->place(d, c.inventory, a)) return std::string("-");
      REQUIRE(c.inventory.can_take(a));
      REQUIRE(a.gpu_count() == d.gpus);
      for (const NodeSlice& s : a.slices()) REQUIRE(type_fits(d, c.naive[s.node.index()]));
      return a.to_string();
    };
    CHECK(actual("consolidated") == text(gpus_of(naive_consolidated(d, c.naive), c.naive)));
    CHECK(actual("yarn") == text(gpus_of(naive_yarn(d, c.naive), c.naive)));
    CHECK(actual("fewest") == text(gpus_of(naive_fewest(d, c.naive), c.naive)));
    const std::string buddy = actual("buddy");
    CHECK(buddy == text(naive_buddy(d, c.naive)));
    (buddy == "-" ? refused : placed) += 1;
    // All others give the job what it asks for wherever the nodes together can.
    int there = 0;
    for (const Node& n : c.naive) {
      int k = std::min(n.idle(), d.gpus);
      while (k > 0 && !gives(d, n, k)) --k;
      there += k;
    }
    for (const char* name : {"count", "pack", "most_free", "spread", "random", "topology"}) {
      INFO(name);
      CHECK((actual(name) != "-") == (there >= d.gpus));
    }
  }
  CHECK(placed > 300);
  CHECK(refused > 300);
}

#include "policies/parts/weighted_matching.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// Nodes 0 to n - 1 are the vertices; above are blossoms: odd cycles of nodes that are tight and all but one of whose
// vertices, the base, are matched inside. Outer nodes are those in no other. A search grows alternating trees from
// unmatched outer nodes; `even` ones are at an even distance from their root.
class Matcher {
 public:
  Matcher(std::size_t n, std::span<const WeightedEdge> edges)
      : n_(n), weight_(n * n, 0), price_(n, 0), mate_(n, kNone), outer_(n), nodes_(n) {
    std::int64_t most = 0;
    for (const WeightedEdge& e : edges) {
      ORRERY_ASSERT(e.a < n && e.b < n && e.a != e.b && e.weight <= kMostEdgeWeight, "edge {} - {} of weight {}", e.a,
                    e.b, e.weight);
      std::int64_t& w = weight_[e.a * n + e.b];
      w = std::max(w, e.weight);
      weight_[e.b * n + e.a] = w;
      most = std::max(most, w);
    }
    for (std::size_t v = 0; v < n; ++v) {
      price_[v] = most;
      outer_[v] = v;
      nodes_[v].base = v;
    }
  }

  void run() {
    while (augment_once())
      for (std::size_t b = n_; b < nodes_.size(); ++b) dissolve_if_free(b);
  }
  [[nodiscard]] std::size_t mate(std::size_t v) const { return mate_[v]; }

 private:
  enum class Side : std::uint8_t { none, even, odd };
  struct Link {
    std::size_t from = kNone, to = kNone;  // vertices
  };
  struct Node {
    std::size_t parent = kNone;       // the blossom that it is directly in
    std::size_t base = kNone;         // vertex
    std::vector<std::size_t> kids{};  // of a blossom: round the cycle, the one with the base first
    std::vector<Link> links{};        // [i] from kids[i] to the next one; matched are [1], [3], ...
    std::int64_t dual = 0;            // of a blossom
    Side side = Side::none;           // of an outer node, while a search lasts
    Link via{};                       // of an odd one: from the even node by which it was reached
    bool alive = true;
  };

  // Twice the price of the edge over its weight; 0 = tight.
  [[nodiscard]] std::int64_t slack(std::size_t u, std::size_t v) const {
    return price_[u] + price_[v] - 2 * weight_[u * n_ + v];
  }
  [[nodiscard]] bool is_edge(std::size_t u, std::size_t v) const {
    return weight_[u * n_ + v] > 0 && outer_[u] != outer_[v];
  }
  [[nodiscard]] Side side(std::size_t v) const { return nodes_[outer_[v]].side; }

  template <class Act>
  void each_vertex(std::size_t node, Act act) const {
    if (node < n_) return act(node);
    for (const std::size_t kid : nodes_[node].kids) each_vertex(kid, act);
  }
  void set_outer(std::size_t node) {
    each_vertex(node, [&](std::size_t v) { outer_[v] = node; });
  }

  // ---- a search

  // One matched edge more, or false when no search makes the matching heavier.
  bool augment_once() {
    for (Node& node : nodes_) node.side = Side::none;
    for (std::size_t v = 0; v < n_; ++v)
      if (mate_[v] == kNone) nodes_[outer_[v]].side = Side::even;
    for (;;) {
      bool grown = true;
      while (grown) {
        grown = false;
        for (std::size_t u = 0; u < n_; ++u)
          for (std::size_t v = 0; v < n_; ++v) {
            if (side(u) != Side::even || !is_edge(u, v) || slack(u, v) != 0 || side(v) == Side::odd) continue;
            grown = true;
            if (side(v) == Side::none) {
              reach(u, v);
            } else if (const std::size_t meet = common(outer_[u], outer_[v]); meet != kNone) {
              shrink(meet, u, v);
            } else {
              match_from(u, v);
              match_from(v, u);
              return true;
            }
          }
      }
      if (!adjust()) return false;
    }
  }

  // An outer node beside an even one joins its tree, and so does the one that it is matched with.
  void reach(std::size_t u, std::size_t v) {
    Node& odd = nodes_[outer_[v]];
    odd.side = Side::odd;
    odd.via = {u, v};
    nodes_[outer_[mate_[odd.base]]].side = Side::even;
  }
  // The even node above an even one; none above a root.
  [[nodiscard]] std::size_t above(std::size_t even) const {
    const std::size_t m = mate_[nodes_[even].base];
    return m == kNone ? kNone : outer_[nodes_[outer_[m]].via.from];
  }
  [[nodiscard]] std::size_t common(std::size_t a, std::size_t b) const {
    for (std::size_t x = a; x != kNone; x = above(x))
      for (std::size_t y = b; y != kNone; y = above(y))
        if (x == y) return x;
    return kNone;
  }

  // The nodes from an even one up to `meet`, which is not among them, each with the link to the next one.
  [[nodiscard]] std::vector<std::pair<std::size_t, Link>> path(std::size_t even, std::size_t meet) const {
    std::vector<std::pair<std::size_t, Link>> nodes;
    while (even != meet) {
      const std::size_t base = nodes_[even].base, m = mate_[base], odd = outer_[m];
      nodes.push_back({even, {base, m}});
      nodes.push_back({odd, {nodes_[odd].via.to, nodes_[odd].via.from}});
      even = above(even);
    }
    return nodes;
  }

  // The cycle by way of the edge u - v is one even node from now on.
  void shrink(std::size_t meet, std::size_t u, std::size_t v) {
    auto down = path(outer_[u], meet);
    const auto up = path(outer_[v], meet);
    Node b;
    b.base = nodes_[meet].base;
    b.side = Side::even;
    b.kids.push_back(meet);
    std::reverse(down.begin(), down.end());
    for (const auto& [node, link] : down) {
      b.links.push_back({link.to, link.from});
      b.kids.push_back(node);
    }
    b.links.push_back({u, v});
    for (const auto& [node, link] : up) {
      b.kids.push_back(node);
      b.links.push_back(link);
    }
    const std::size_t id = nodes_.size();
    for (const std::size_t kid : b.kids) nodes_[kid].parent = id;
    nodes_.push_back(std::move(b));
    set_outer(id);
  }

  // Prices change until another edge is tight, or a blossom is to be opened. False: the prices of unmatched vertices
  // are 0, and the matching is the heaviest.
  bool adjust() {
    std::int64_t by = std::numeric_limits<std::int64_t>::max();
    bool last = false;
    std::size_t open = kNone;
    const auto at_most = [&](std::int64_t d) {
      if (d >= by) return false;
      by = d;
      open = kNone;
      last = false;
      return true;
    };
    for (std::size_t v = 0; v < n_; ++v)
      if (side(v) == Side::even && at_most(price_[v])) last = true;
    for (std::size_t u = 0; u < n_; ++u)
      for (std::size_t v = 0; v < n_; ++v) {
        if (side(u) != Side::even || !is_edge(u, v)) continue;
        if (side(v) == Side::none) at_most(slack(u, v));
        if (side(v) == Side::even) at_most(slack(u, v) / 2);
      }
    for (std::size_t b = n_; b < nodes_.size(); ++b)
      if (is_outer_blossom(b) && nodes_[b].side == Side::odd && at_most(nodes_[b].dual)) open = b;
    if (by == std::numeric_limits<std::int64_t>::max()) return false;  // nobody is unmatched
    for (std::size_t v = 0; v < n_; ++v) {
      if (side(v) == Side::even) price_[v] -= by;
      if (side(v) == Side::odd) price_[v] += by;
    }
    for (std::size_t b = n_; b < nodes_.size(); ++b) {
      if (!is_outer_blossom(b)) continue;
      if (nodes_[b].side == Side::even) nodes_[b].dual += by;
      if (nodes_[b].side == Side::odd) nodes_[b].dual -= by;
    }
    if (open != kNone) expand(open);
    return !last;
  }

  // ---- blossoms

  [[nodiscard]] bool is_outer_blossom(std::size_t b) const { return nodes_[b].alive && nodes_[b].parent == kNone; }
  [[nodiscard]] std::size_t kid_with(std::size_t b, std::size_t v) const {
    std::size_t node = v;
    while (nodes_[node].parent != b) node = nodes_[node].parent;
    const std::vector<std::size_t>& kids = nodes_[b].kids;
    return static_cast<std::size_t>(std::find(kids.begin(), kids.end(), node) - kids.begin());
  }
  // The nodes in it are outer ones.
  void dissolve(std::size_t b) {
    nodes_[b].alive = false;
    for (const std::size_t kid : nodes_[b].kids) {
      nodes_[kid].parent = kNone;
      nodes_[kid].side = Side::none;
      set_outer(kid);
    }
  }
  void dissolve_if_free(std::size_t b) {
    if (!is_outer_blossom(b) || nodes_[b].dual > 0) return;
    dissolve(b);
    for (const std::size_t kid : nodes_[b].kids)
      if (kid >= n_) dissolve_if_free(kid);
  }

  // An odd blossom opens: the even way round from where it was reached to its base stays in the tree.
  void expand(std::size_t b) {
    const Link via = nodes_[b].via;
    const std::size_t entry = kid_with(b, via.to);
    dissolve(b);
    const std::vector<std::size_t> kids = nodes_[b].kids;
    const std::vector<Link> links = nodes_[b].links;
    const std::size_t size = kids.size();
    Link reached = via;
    for (std::size_t i = entry;;) {
      nodes_[kids[i]].side = Side::odd;
      nodes_[kids[i]].via = reached;
      if (i == 0) return;
      const bool forwards = entry % 2 == 1;
      const std::size_t even = forwards ? i + 1 : i - 1, next = forwards ? (i + 2) % size : i - 2;
      nodes_[kids[even]].side = Side::even;
      reached = forwards ? links[even] : Link{links[next].to, links[next].from};
      i = next;
    }
  }

  // ---- matching

  // Edge u - v is matched, seen from u, and what follows up to the root of u's tree changes places.
  void match_from(std::size_t u, std::size_t v) {
    for (;;) {
      const std::size_t even = outer_[u], before = mate_[nodes_[even].base];
      rebase(even, u);
      mate_[u] = v;
      if (before == kNone) return;
      const std::size_t odd = outer_[before];
      const Link via = nodes_[odd].via;
      rebase(odd, via.to);
      mate_[via.to] = via.from;
      u = via.from;
      v = via.to;
    }
  }
  // Inside of a node everybody but `v` is matched.
  void rebase(std::size_t b, std::size_t v) {
    if (b < n_) return;
    const std::size_t at = kid_with(b, v), size = nodes_[b].kids.size();
    const auto match = [&](std::size_t i) {  // along link i
      const Link link = nodes_[b].links[i];
      rebase(nodes_[b].kids[i], link.from);
      rebase(nodes_[b].kids[(i + 1) % size], link.to);
      mate_[link.from] = link.to;
      mate_[link.to] = link.from;
    };
    if (at % 2 == 1)
      for (std::size_t i = at + 1; i < size; i += 2) match(i);
    else
      for (std::size_t i = at; i > 0; i -= 2) match(i - 2);
    rebase(nodes_[b].kids[at], v);
    const auto by = static_cast<std::ptrdiff_t>(at);
    std::rotate(nodes_[b].kids.begin(), nodes_[b].kids.begin() + by, nodes_[b].kids.end());
    std::rotate(nodes_[b].links.begin(), nodes_[b].links.begin() + by, nodes_[b].links.end());
    nodes_[b].base = v;
  }

  std::size_t n_;
  std::vector<std::int64_t> weight_;       // [u * n + v]; 0 = no edge
  std::vector<std::int64_t> price_;        // [vertex]
  std::vector<std::size_t> mate_, outer_;  // [vertex]
  std::vector<Node> nodes_;
};

}  // namespace

std::vector<std::uint32_t> heaviest_matching(std::uint32_t vertices, std::span<const WeightedEdge> edges) {
  Matcher matcher(vertices, edges);
  matcher.run();
  std::vector<std::uint32_t> mates(vertices, kUnmatched);
  for (std::uint32_t v = 0; v < vertices; ++v)
    if (matcher.mate(v) != kNone) mates[v] = static_cast<std::uint32_t>(matcher.mate(v));
  return mates;
}

}  // namespace orrery

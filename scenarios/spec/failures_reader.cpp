#include "scenarios/spec/failures_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery::app {
namespace {

// Between two faults of a node, on average: below it nodes would hardly ever be up, and no run would end.
constexpr Duration kLeastBetween = seconds(60);

// A spell of a node: when it is away, or slow.
struct Spell {
  NodeId node{0};
  Time from{};
  Time to{};
};

// clang-format off
YamlWalk::Keys spell_keys(YamlWalk& w, std::int64_t nodes, Spell& s, bool& ends) {
  return {
      {"node", "number of the node, from 0",
       [&w, &s, nodes](const Place& p) {
         const std::int64_t n = w.integer(p, 0, 1'000'000'000);
         if (nodes > 0 && n >= nodes)
           w.complain(p, fmt::format("`{}` is {}; the cluster's nodes are 0 to {}", p.path, n, nodes - 1));
         s.node = NodeId(static_cast<std::uint32_t>(n));
       }},
      {"from", "when it begins; default: the start",
       [&w, &s](const Place& p) { s.from = Time{} + w.quantity(p, parse_duration); }},
      {"to", "when it ends; required",
       [&w, &s, &ends](const Place& p) { s.to = Time{} + w.quantity(p, parse_duration); ends = true; }},
  };
}

// True when it is a map.
bool check_spell(YamlWalk& w, const Place& at, const Spell& s, bool ends, std::string_view what) {
  if (!at.node.IsMap()) return false;
  if (!ends) w.missing(at, "to", what);
  else if (s.to <= s.from) w.complain(at, fmt::format("`{}` ends before it begins", at.path));
  return true;
}

void read_outage(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f) {
  Spell s;
  bool ends = false;
  w.section(at, spell_keys(w, nodes, s, ends));
  if (check_spell(w, at, s, ends, "when the node comes back")) f.outages.push_back({s.node, s.from, s.to});
}

// A decimal in millionths.
std::int64_t read_millionths(YamlWalk& w, const Place& at, std::int64_t least, std::int64_t most,
                             std::string_view wanted) {
  const std::string text = w.word(at);
  if (text.empty()) return least;
  const auto v = parse_fixed(text, 6);
  if (v && *v >= least && *v <= most) return *v;
  w.complain(at, fmt::format("`{}` is `{}`; it must be {}", at.path, text, wanted));
  return least;
}

Slowdown read_slowdown(YamlWalk& w, const Place& at) {
  constexpr Slowdown kMost = 1000 * kFullSpeed;
  w.takes(at, "number from 1, which is full speed, to 1000");
  return read_millionths(w, at, kFullSpeed, kMost, "a number from 1, which is full speed, to 1000");
}

void read_slow_spell(YamlWalk& w, const Place& at, std::int64_t nodes, Stragglers& all) {
  Spell s;
  bool ends = false, slow = false;
  Slowdown by = kFullSpeed;
  YamlWalk::Keys keys = spell_keys(w, nodes, s, ends);
  keys.emplace_back("slowdown", "how many times as long a step takes; required", [&](const Place& p) {
    by = read_slowdown(w, p);
    slow = true;
  });
  w.section(at, keys);
  if (!check_spell(w, at, s, ends, "when the node is at full speed again")) return;
  if (!slow) w.missing(at, "slowdown", "how many times as long a step takes, 1.25 for instance");
  all.spells.push_back({s.node, s.from, s.to, by});
}

void read_stragglers(YamlWalk& w, const Place& at, std::int64_t nodes, Stragglers& s) {
  const std::size_t errors = w.errors().size();
  w.section(at, {
      {"node_mtbs", "mean time between slow spells of a node",
       [&](const Place& p) { s.node_mtbs = w.at_least(p, kLeastBetween, true); }},
      {"slowdown", "how many times as long a step takes",
       [&](const Place& p) {
         if (w.lists()) return w.takes(p, "number from 1, which is full speed, to 1000, or the least and the most");
         if (!p.node.IsSequence()) {
           s.least = s.most = read_slowdown(w, p);
           return;
         }
         std::vector<Slowdown> range;
         w.each(p, [&](const Place& item) { range.push_back(read_slowdown(w, item)); });
         if (range.size() != 2 || range[0] > range[1])
           w.complain(p, fmt::format("`{}` must be the least and the most, [1.05, 1.3] for instance", p.path));
         else
           s.least = range[0], s.most = range[1];
       }},
      {"lasts", "mean length of a spell",
       [&](const Place& p) { s.lasts = w.at_least(p, seconds(1)); }},
      {"spells", "spells at known times",
       [&](const Place& p) { w.each(p, [&](const Place& item) { read_slow_spell(w, item, nodes, s); }); }},
  });
  if (at.node.IsMap() && !s.active() && w.errors().size() == errors)
    w.complain(at, fmt::format("`{}` does nothing without `node_mtbs`, the mean time between slow spells of a node, "
                               "or `spells`", at.path));
}

void read_lemons(YamlWalk& w, const Place& at, Lemons& l) {
  bool share = false, rate = false;
  w.section(at, {
      {"share", "share of nodes that are lemons; required",
       [&](const Place& p) {
         w.takes(p, "number from 0 to 1");
         l.share = read_millionths(w, p, 0, 1'000'000, "a share of the nodes, from 0 to 1");
         share = true;
       }},
      {"rate", "how many times as often their faults come; required",
       [&](const Place& p) {
         w.takes(p, "number above 0, at most 1000");
         l.rate = read_millionths(w, p, 1, 1'000'000'000, "how many times as often, above 0 and at most 1000");
         rate = true;
       }},
  });
  if (!at.node.IsMap()) return;
  if (!share) w.missing(at, "share", "of the nodes, 0.02 for instance");
  if (!rate) w.missing(at, "rate", "how many times as often their faults come, 8 for instance");
}

}  // namespace

void read_failures(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f) {
  Place lemons{};
  w.section(at, {
      {"node_mtbf", "mean time between a repair and the next failure of a node",
       [&](const Place& p) { f.node_mtbf = w.at_least(p, kLeastBetween, true); }},
      {"repair", "mean time to repair",
       [&](const Place& p) { f.repair = w.at_least(p, seconds(1)); }},
      {"outages", "failures at known times",
       [&](const Place& p) { w.each(p, [&](const Place& item) { read_outage(w, item, nodes, f); }); }},
      {"capacity", "recording of how many nodes there were",
       [&](const Place& p) { f.capacity = w.word(p); }},
      {"retries", "failures of a job, other than of its nodes, after which it is started again",
       [&](const Place& p) { f.retries = w.integer(p, 0, 1'000'000); }},
      {"stragglers", "nodes that are slow for a while",
       [&](const Place& p) { read_stragglers(w, p, nodes, f.stragglers); }},
      {"lemons", "nodes whose faults come more often",
       [&](const Place& p) { lemons = p; read_lemons(w, p, f.lemons); }},
  });
  if (!lemons.path.empty() && f.node_mtbf.ns == 0 && f.stragglers.node_mtbs.ns == 0)
    w.complain(lemons, fmt::format("`{}` does nothing without `node_mtbf` or `stragglers.node_mtbs`", lemons.path));
}
// clang-format on

}  // namespace orrery::app

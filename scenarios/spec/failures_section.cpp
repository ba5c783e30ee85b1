// The section `failures` of a scenario: nodes that break, nodes that are slow for a while, nodes that are worse than
// the others.
//   failures:
//     node_mtbf: 10d
//     repair: 4h
//     outages: [ { node: 3, from: 0s, to: 12h } ]
//     capacity: spot.json            # a recording: nodes or GPUs over time, or lives of GPUs, whose errors take
//                                    # their nodes out for `repair`
//     stragglers:
//       node_mtbs: 30d               # mean time between two slow spells of one node
//       slowdown: [1.05, 1.3]        # uniform between; one number: always that
//       lasts: 2h                    # mean
//       spells: [ { node: 3, from: 1h, to: 5h, slowdown: 1.25 } ]   # known ones
//     lemons: { share: 0.02, rate: 8 }   # one node in fifty breaks and is slow eight times as often
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

// Between two faults of a node, on average: below it nodes would hardly ever be up, and no run would end.
constexpr Duration kLeastBetween = seconds(60);

// A spell of a node: when it is away, or slow.
struct Spell {
  NodeId node{0};
  Time from{};
  Time to{};
  Slowdown by = kFullSpeed;
};
// What has been said of one.
struct SpellGiven {
  bool ends = false, slow = false;
};

// clang-format off
YamlWalk::Keys spell_keys(YamlWalk& w, std::int64_t nodes, Spell& s, SpellGiven& given) {
  return {
      {"node", "number of the node, from 0",
       [&w, &s, nodes](const Place& p) {
         const std::int64_t n = w.integer(p, 0, 1'000'000'000);
         if (nodes > 0 && n >= nodes)
           w.complain(p, fmt::format("`{}` is {}; the cluster's nodes are 0 to {}", p.path, n, nodes - 1));
         s.node = NodeId(static_cast<std::uint32_t>(n));
       },
       [&s](bool) { return fmt::format("{}", s.node.value); }},
      {"from", "when it begins; default: the start",
       [&w, &s](const Place& p) { s.from = Time{} + w.quantity(p, parse_duration); },
       [&s](bool) { return format_duration(s.from - Time{}); }},
      {"to", "when it ends; required",
       [&w, &s, &given](const Place& p) { s.to = Time{} + w.quantity(p, parse_duration); given.ends = true; },
       [&s](bool) { return format_duration(s.to - Time{}); }},
  };
}

// True when it is a map.
bool check_spell(YamlWalk& w, const Place& at, const Spell& s, bool ends, std::string_view what) {
  if (!at.node.is_map()) return false;
  if (!ends) w.missing(at, "to", what);
  else if (s.to <= s.from) w.complain(at, fmt::format("`{}` ends before it begins", at.path));
  return true;
}

void read_outage(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f) {
  Spell s;
  SpellGiven given;
  w.section(at, spell_keys(w, nodes, s, given));
  if (check_spell(w, at, s, given.ends, "when the node comes back")) f.outages.push_back({s.node, s.from, s.to});
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

YamlWalk::Keys slow_spell_keys(YamlWalk& w, std::int64_t nodes, Spell& s, SpellGiven& given) {
  YamlWalk::Keys keys = spell_keys(w, nodes, s, given);
  keys.emplace_back("slowdown", "how many times as long a step takes; required",
                    [&w, &s, &given](const Place& p) { s.by = read_slowdown(w, p); given.slow = true; },
                    [&s](bool) { return yaml_fixed(s.by, 6); });
  return keys;
}

void read_slow_spell(YamlWalk& w, const Place& at, std::int64_t nodes, Stragglers& all) {
  Spell s;
  SpellGiven given;
  w.section(at, slow_spell_keys(w, nodes, s, given));
  if (!check_spell(w, at, s, given.ends, "when the node is at full speed again")) return;
  if (!given.slow) w.missing(at, "slowdown", "how many times as long a step takes, 1.25 for instance");
  all.spells.push_back({s.node, s.from, s.to, s.by});
}

void read_slowdowns(YamlWalk& w, const Place& at, Stragglers& s) {
  if (w.lists()) return w.takes(at, "number from 1, which is full speed, to 1000, or the least and the most");
  if (!at.node.is_list()) {
    s.least = s.most = read_slowdown(w, at);
    return;
  }
  std::vector<Slowdown> range;
  w.each(at, [&](const Place& item) { range.push_back(read_slowdown(w, item)); });
  if (range.size() != 2 || range[0] > range[1])
    w.complain(at, fmt::format("`{}` must be the least and the most, [1.05, 1.3] for instance", at.path));
  else
    s.least = range[0], s.most = range[1];
}

YamlWalk::Keys straggler_keys(YamlWalk& w, std::int64_t nodes, Stragglers& s) {
  return {
      {"node_mtbs", "mean time between slow spells of a node",
       [&](const Place& p) { s.node_mtbs = w.at_least(p, kLeastBetween, true); },
       [&](bool) { return format_duration(s.node_mtbs); }},
      {"slowdown", "how many times as long a step takes",
       [&](const Place& p) { read_slowdowns(w, p, s); },
       [&](bool) { return fmt::format("[{}, {}]", yaml_fixed(s.least, 6), yaml_fixed(s.most, 6)); }},
      {"lasts", "mean length of a spell",
       [&](const Place& p) { s.lasts = w.at_least(p, seconds(1)); },
       [&](bool) { return format_duration(s.lasts); }},
      {"spells", "spells at known times",
       [&, nodes](const Place& p) { w.each(p, [&](const Place& item) { read_slow_spell(w, item, nodes, s); }); },
       [&](bool digest) {
         std::string out;
         SpellGiven ignored;
         for (const SlowSpell& known : s.spells) {
           Spell spell{known.node, known.from, known.to, known.slowdown};
           out += "\n      - " + yaml_flow(slow_spell_keys(w, 0, spell, ignored), digest);
         }
         return out;
       }},
  };
}

void read_stragglers(YamlWalk& w, const Place& at, std::int64_t nodes, Stragglers& s) {
  const std::size_t errors = w.errors().size();
  w.section(at, straggler_keys(w, nodes, s));
  if (at.node.is_map() && !s.active() && w.errors().size() == errors)
    w.complain(at, fmt::format("`{}` does nothing without `node_mtbs`, the mean time between slow spells of a node, "
                               "or `spells`", at.path));
}

struct LemonsGiven {
  bool share = false, rate = false;
};

YamlWalk::Keys lemon_keys(YamlWalk& w, Lemons& l, LemonsGiven& given) {
  return {
      {"share", "share of nodes that are lemons; required",
       [&](const Place& p) {
         w.takes(p, "number from 0 to 1");
         l.share = read_millionths(w, p, 0, 1'000'000, "a share of the nodes, from 0 to 1");
         given.share = true;
       },
       [&](bool) { return yaml_fixed(l.share, 6); }},
      {"rate", "how many times as often their faults come; required",
       [&](const Place& p) {
         w.takes(p, "number above 0, at most 1000");
         l.rate = read_millionths(w, p, 1, 1'000'000'000, "how many times as often, above 0 and at most 1000");
         given.rate = true;
       },
       [&](bool) { return yaml_fixed(l.rate, 6); }},
  };
}

void read_lemons(YamlWalk& w, const Place& at, Lemons& l) {
  LemonsGiven given;
  w.section(at, lemon_keys(w, l, given));
  if (!at.node.is_map()) return;
  if (!given.share) w.missing(at, "share", "of the nodes, 0.02 for instance");
  if (!given.rate) w.missing(at, "rate", "how many times as often their faults come, 8 for instance");
}

YamlWalk::Keys failure_keys(YamlWalk& w, std::int64_t nodes, FailureConfig& f, Place& lemons) {
  return {
      {"node_mtbf", "mean time between a repair and the next failure of a node",
       [&](const Place& p) { f.node_mtbf = w.at_least(p, kLeastBetween, true); },
       [&](bool) { return format_duration(f.node_mtbf); }},
      {"repair", "mean time to repair",
       [&](const Place& p) { f.repair = w.at_least(p, seconds(1)); },
       [&](bool) { return format_duration(f.repair); }},
      {"retries", "failures of a job, other than of its nodes, after which it is started again",
       [&](const Place& p) { f.retries = w.integer(p, 0, 1'000'000); },
       [&](bool) { return fmt::format("{}", f.retries); }},
      {"capacity", "recording of how many nodes there were",
       [&](const Place& p) { f.capacity = w.word(p); },
       [&](bool digest) { return f.capacity.empty() || digest ? "" : yaml_path(f.capacity, f.capacity_resolved); }},
      {"outages", "failures at known times",
       [&, nodes](const Place& p) { w.each(p, [&](const Place& item) { read_outage(w, item, nodes, f); }); },
       [&](bool digest) {
         std::string out;
         SpellGiven ignored;
         for (const Outage& away : f.outages) {
           Spell spell{away.node, away.from, away.to};
           out += "\n    - " + yaml_flow(spell_keys(w, 0, spell, ignored), digest);
         }
         return out;
       }},
      {"stragglers", "nodes that are slow for a while",
       [&, nodes](const Place& p) { read_stragglers(w, p, nodes, f.stragglers); },
       [&](bool digest) {
         return f.stragglers.active() ? yaml_block(straggler_keys(w, 0, f.stragglers), digest, 4) : "";
       }},
      {"lemons", "nodes whose faults come more often",
       [&](const Place& p) { lemons = p; read_lemons(w, p, f.lemons); },
       [&](bool digest) {
         LemonsGiven ignored;
         const bool some = f.lemons.share > 0 || f.lemons.rate != Lemons{}.rate;
         return some ? yaml_flow(lemon_keys(w, f.lemons, ignored), digest) : "";
       }},
  };
}
// clang-format on

}  // namespace

void read_failures(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f) {
  Place lemons{};
  w.section(at, failure_keys(w, nodes, f, lemons));
  if (!lemons.path.empty() && f.node_mtbf.ns == 0 && f.stragglers.node_mtbs.ns == 0)
    w.complain(lemons, fmt::format("`{}` does nothing without `node_mtbf` or `stragglers.node_mtbs`", lemons.path));
}

std::string write_failures(FailureConfig f, bool digest) {
  YamlWalk none;
  Place lemons{};
  return yaml_block(failure_keys(none, 0, f, lemons), digest, 2);
}

}  // namespace orrery::app

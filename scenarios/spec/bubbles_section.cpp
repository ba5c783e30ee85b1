// The section `bubbles` of a scenario: where the GPUs of pretraining jobs idle in each step, what others need to run
// there meanwhile, and what that costs.
#include <fmt/format.h>

#include <utility>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

std::string towers_of(const BubblesConfig& c) {
  std::string all;
  for (const Duration d : c.towers) all += (all.empty() ? "" : ", ") + format_duration(d);
  return all.empty() ? all : "[" + all + "]";
}

std::string no_towers(const BubblesConfig& c, std::string value) {
  return c.towers.empty() ? std::move(value) : std::string();
}

// What says where GPUs idle is said in one way.
void check_ways(YamlWalk& w, const Place& at, const BubblesConfig& c) {
  const auto given = [&](const char* key) { return at.node.is_map() && at.node.at(key).given(); };
  const auto complain = [&](const char* key, std::string what, std::string hint) {
    w.complain(at, fmt::format("`{}.{}` {}", at.path, key, what), std::move(hint));
  };
  for (const char* key : {"step", "share", "stages", "micro_batches"})
    if (given(key) && !c.towers.empty()) complain(key, "is of a job without `towers`", fmt::format("drop `{}`", key));
  for (const char* key : {"ranks", "gradients", "link"})
    if (given(key) && c.towers.empty()) complain(key, "is of a job with `towers`", "such as `towers: [4s, 1s]`");
  if (given("share") && c.micro_batches > 0)
    complain("share", "says what `micro_batches` says, too: where GPUs idle", "drop `share`");
  if (c.micro_batches > 0 && c.stages == 1)
    complain("micro_batches", "is of a pipeline with several stages", "such as `stages: 4`");
  if (c.ranks > 1 && (c.gradient_bytes == 0 || c.link_bytes_per_s == 0))
    complain("ranks", "send gradients to each other", "add `gradients` and `link`");
}

// clang-format off
YamlWalk::Keys bubbles_keys(YamlWalk& w, BubblesConfig& c) {
  return {
      {"step", "how long a step of a pretraining job takes",
       [&](const Place& p) { c.step = w.positive(p, parse_duration); },
       [&](bool) { return no_towers(c, format_duration(c.step)); }},
      {"share", "of a step that each GPU idles, in one window; not where `micro_batches` says it",
       [&](const Place& p) { c.share_per_mille = static_cast<std::int64_t>(w.number(p, 0.001, 0.999) * 1000 + 0.5); },
       [&](bool) { return c.micro_batches > 0 ? std::string() : no_towers(c, yaml_fixed(c.share_per_mille, 3)); }},
      {"stages", "of a pipeline over which the GPUs of a pretraining job are shared out",
       [&](const Place& p) { c.stages = static_cast<std::int32_t>(w.integer(p, 1, 64)); },
       [&](bool) { return no_towers(c, std::to_string(c.stages)); }},
      {"micro_batches", "of a 1F1B pipeline with equal stages, whose timeline says the windows; 0 = `share` does",
       [&](const Place& p) { c.micro_batches = static_cast<std::int32_t>(w.integer(p, 0, 256)); },
       [&](bool) { return no_towers(c, std::to_string(c.micro_batches)); }},
      {"towers", "else: how long each tower of a pretraining job computes in a step; each has GPUs of its own",
       [&](const Place& p) {
         w.each(p, [&](const Place& item) { c.towers.push_back(w.positive(item, parse_duration)); });
         if (c.towers.size() > 64) w.complain(p, p.path + " are 64 at most");
       },
       [&](bool) { return towers_of(c); }},
      {"ranks", "of copies that wait for an all-reduce of their gradients; with `towers`",
       [&](const Place& p) { c.ranks = static_cast<std::int32_t>(w.integer(p, 1, 4096)); },
       [&](bool) { return c.towers.empty() ? std::string() : std::to_string(c.ranks); }},
      {"gradients", "of each tower, sent over `link` in a ring of `ranks`",
       [&](const Place& p) { c.gradient_bytes = w.quantity(p, parse_bytes); },
       [&](bool) { return c.towers.empty() ? std::string() : format_bytes(c.gradient_bytes); }},
      {"link", "of each rank, in each direction",
       [&](const Place& p) { c.link_bytes_per_s = w.positive(p, parse_bandwidth); },
       [&](bool) { return c.link_bytes_per_s == 0 ? std::string() : format_bandwidth(c.link_bytes_per_s); }},
      {"memory", "of each GPU that is left for others; 0B = as much as they need",
       [&](const Place& p) { c.free_bytes = w.quantity(p, parse_bytes); },
       [&](bool) { return format_bytes(c.free_bytes); }},
      {"unit", "shortest piece of work of a transfer job, a search or an evaluation, which has to fit a window",
       [&](const Place& p) { c.unit = w.positive(p, parse_duration); },
       [&](bool) { return format_duration(c.unit); }},
      {"needs", "of each GPU's memory that such a job takes",
       [&](const Place& p) { c.need_bytes = w.quantity(p, parse_bytes); },
       [&](bool) { return format_bytes(c.need_bytes); }},
      {"switch", "what every window that is used costs the pretraining job",
       [&](const Place& p) { c.switch_time = w.quantity(p, parse_duration); },
       [&](bool) { return format_duration(c.switch_time); }},
      {"interference", "share of its step by which it is slower while all its windows are used, besides",
       [&](const Place& p) { c.interference_ppm = static_cast<std::int64_t>(w.number(p, 0, 10) * 1e6 + 0.5); },
       [&](bool) { return yaml_fixed(c.interference_ppm, 6); }},
      {"report", "how often a pretraining job reports its progress in a simulation",
       [&](const Place& p) {
         c.report = w.positive(p, parse_duration);
         if (c.report < seconds(1)) w.complain(p, p.path + " is at least 1s", "such as `report: 120s`");
       },
       [&](bool) { return format_duration(c.report); }},
  };
}
// clang-format on

}  // namespace

void read_bubbles(YamlWalk& w, const Place& at, BubblesConfig& c) {
  w.section(at, bubbles_keys(w, c));
  check_ways(w, at, c);
}

std::string write_bubbles(BubblesConfig c, bool digest) {
  YamlWalk none;
  return yaml_block(bubbles_keys(none, c), digest, 2);
}

}  // namespace orrery::app

// The section `cluster` of a scenario: groups of equal nodes.
#include <fmt/format.h>

#include <set>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"
#include "sim/core/names.hpp"

namespace orrery::app {

// clang-format off
namespace {

// A number of at most a million, in thousandths.
std::int64_t thousandths(YamlWalk& w, const Place& at, double least = 0) {
  return static_cast<std::int64_t>(w.number(at, least, 1e6) * 1000 + 0.5);
}

std::string thousandths_text(std::int64_t v) {
  return v > 0 ? yaml_fixed(v, 3) : "";
}

struct GroupGiven {
  bool name = false, count = false, gpus = false;
  Place speeds{};
};

void read_gpu_speeds(YamlWalk& w, const Place& at, NodeGroup& g) {
  if (w.lists()) return w.takes(at, "a map of classes to lists of numbers, 1 = as the type should be");
  w.section(at, {}, [&](const std::string& name, const Place& list) {
    GpuSpeeds speeds{name, {}};
    w.each(list, [&](const Place& item) {
      speeds.per_mille.push_back(static_cast<std::int32_t>(w.number(item, 0.001, 1000) * 1000 + 0.5));
    });
    g.gpu_speeds.push_back(std::move(speeds));
  });
}

std::string gpu_speeds_text(const NodeGroup& g) {
  std::string out;
  for (const GpuSpeeds& s : g.gpu_speeds) {
    out += fmt::format("{}{}: [", out.empty() ? "{ " : ", ", yaml_scalar(s.speed_class));
    for (std::size_t i = 0; i < s.per_mille.size(); ++i) out += (i == 0 ? "" : ", ") + yaml_fixed(s.per_mille[i], 3);
    out += "]";
  }
  return out.empty() ? out : out + " }";
}

YamlWalk::Keys group_keys(YamlWalk& w, NodeGroup& g, GroupGiven& given) {
  const auto count = [](std::int64_t n) { return n > 0 ? fmt::format("{}", n) : ""; };
  const auto bytes = [](std::int64_t n) { return n > 0 ? format_bytes(n) : ""; };
  const auto bandwidth = [](std::int64_t n) { return n > 0 ? format_bandwidth(n) : ""; };
  return {
      {"name", "name of this group of equal nodes; required",
       [&](const Place& p) { g.name = w.word(p); given.name = true; },
       [&](bool) { return yaml_scalar(g.name); }},
      {"count", "how many nodes; required",
       [&](const Place& p) { g.count = static_cast<int>(w.integer(p, 1, 1'000'000)); given.count = true; },
       [&](bool) { return fmt::format("{}", g.count); }},
      {"gpus_per_node", "GPUs of a node; required",
       [&](const Place& p) {
         g.gpus_per_node = static_cast<int>(w.integer(p, 0, GpuMask::kMost));
         given.gpus = true;
       },
       [&](bool) { return fmt::format("{}", g.gpus_per_node); }},
      {"gpu", "GPU type; default: the group's name",
       [&](const Place& p) { g.gpu = w.word(p); },
       [&](bool) { return yaml_scalar(g.gpu); }},
      {"cpus", "CPUs of a node; without it CPUs are not counted",
       [&](const Place& p) { g.cpu_milli = w.integer(p, 1, 1'000'000) * 1000; },
       [&, count](bool) { return count(g.cpu_milli / 1000); }},
      {"mem", "memory of a node; without it memory is not counted",
       [&](const Place& p) { g.mem_bytes = w.positive(p, parse_bytes); },
       [&, bytes](bool) { return bytes(g.mem_bytes); }},
      {"rack_size", "nodes per rack; without it all nodes of the group are one rack",
       [&](const Place& p) { g.rack_size = static_cast<int>(w.integer(p, 1, 1'000'000)); },
       [&, count](bool) { return count(g.rack_size); }},
      {"nvlink", "bandwidth between GPUs of a node",
       [&](const Place& p) { g.nvlink_bytes_per_s = w.positive(p, parse_bandwidth); },
       [&, bandwidth](bool) { return bandwidth(g.nvlink_bytes_per_s); }},
      {"nic", "bandwidth of a node's network port",
       [&](const Place& p) { g.nic_bytes_per_s = w.positive(p, parse_bandwidth); },
       [&, bandwidth](bool) { return bandwidth(g.nic_bytes_per_s); }},
      {"gpu_memory", "memory of a GPU",
       [&](const Place& p) { g.gpu_mem_bytes = w.positive(p, parse_bytes); },
       [&, bytes](bool) { return bytes(g.gpu_mem_bytes); }},
      {"uplink", "bandwidth of a rack's uplink, for `network`",
       [&](const Place& p) { g.uplink_bytes_per_s = w.positive(p, parse_bandwidth); },
       [&, bandwidth](bool) { return bandwidth(g.uplink_bytes_per_s); }},
      {"price", "price of a GPU-hour, for the metric of cost",
       [&](const Place& p) { g.price_micro_per_h = thousandths(w, p) * 1000; },
       [&](bool) { return thousandths_text(g.price_micro_per_h / 1000); }},
      {"idle_watt", "power of a GPU that no job holds",
       [&](const Place& p) { g.idle_milliwatt = thousandths(w, p); },
       [&](bool) { return thousandths_text(g.idle_milliwatt); }},
      {"busy_watt", "power of a GPU that a job holds",
       [&](const Place& p) { g.busy_milliwatt = thousandths(w, p); },
       [&](bool) { return thousandths_text(g.busy_milliwatt); }},
      {"peak_tflops", "dense matrix products of a GPU, for run times of generated lineages",
       [&](const Place& p) { g.peak_gflop_per_s = thousandths(w, p, 0.001); },
       [&](bool) { return thousandths_text(g.peak_gflop_per_s); }},
      {"market", "market in which its nodes are bought, such as spot; no policy reads it",
       [&](const Place& p) { g.market = w.word(p); },
       [&](bool) { return g.market.empty() ? "" : yaml_scalar(g.market); }},
      {"vcluster", "virtual cluster that its nodes belong to; no policy reads it",
       [&](const Place& p) { g.vcluster = w.word(p); },
       [&](bool) { return g.vcluster.empty() ? "" : yaml_scalar(g.vcluster); }},
      {"mig_slices", "into how many slices each of its GPUs can be cut; no policy reads it",
       [&](const Place& p) { g.mig_slices = static_cast<std::int32_t>(w.integer(p, 1, 64)); },
       [&, count](bool) { return count(g.mig_slices); }},
      {"gpu_speeds", "speeds of single GPUs, node by node, by class of jobs; no policy reads it",
       [&](const Place& p) { read_gpu_speeds(w, p, g); given.speeds = p; },
       [&](bool) { return gpu_speeds_text(g); }},
  };
}

NodeGroup read_group(YamlWalk& w, const Place& at) {
  NodeGroup g;
  GroupGiven given;
  w.section(at, group_keys(w, g, given));
  if (!at.node.is_map()) return g;
  if (!given.name) w.missing(at, "name", "what this group of equal nodes is called");
  if (!given.count) w.missing(at, "count", "how many nodes");
  if (!given.gpus) w.missing(at, "gpus_per_node", "how many GPUs a node has");
  if (g.gpu.empty()) g.gpu = g.name;
  const std::size_t gpus = static_cast<std::size_t>(g.count) * static_cast<std::size_t>(g.gpus_per_node);
  for (const GpuSpeeds& s : g.gpu_speeds)
    if (given.count && given.gpus && s.per_mille.size() != gpus)
      w.complain(given.speeds, fmt::format("`{}` has {} speeds of `{}`; the group has {} GPUs", given.speeds.path,
                                           s.per_mille.size(), s.speed_class, gpus));
  return g;
}

YamlWalk::Keys cluster_keys(YamlWalk& w, ClusterConfig& c, bool& given) {
  return {
      {"groups", "groups of equal nodes; required",
       [&](const Place& p) {
         given = true;
         w.each(p, [&](const Place& item) { c.groups.push_back(read_group(w, item)); });
       },
       [&](bool digest) {
         std::string out;
         GroupGiven ignored;
         for (NodeGroup& g : c.groups) out += "\n    - " + yaml_flow(group_keys(w, g, ignored), digest);
         return out;
       }},
  };
}

}  // namespace

void read_cluster(YamlWalk& w, const Place& at, ClusterConfig& c) {
  bool given = false;
  w.section(at, cluster_keys(w, c, given));
  if (!given && at.node.is_map()) w.missing(at, "groups", "a list of {name, count, gpus_per_node, gpu}");
  if (!given) return;
  std::set<std::string> names;
  std::vector<std::string> types;
  std::int64_t gpus = 0;
  for (const NodeGroup& g : c.groups) {
    gpus += std::int64_t{g.count} * g.gpus_per_node;
    if (find_name(types, g.gpu) == types.size()) types.push_back(g.gpu);
    if (!g.name.empty() && !names.insert(g.name).second)
      w.complain(at, fmt::format("two groups are called `{}`", g.name));
  }
  if (types.size() > 31) w.complain(at, fmt::format("{} GPU types; at most 31 are told apart", types.size()));
  if (gpus == 0 && w.errors().empty()) w.complain(at, "the cluster has no GPUs");
}
// clang-format on

std::string write_cluster(ClusterConfig c, bool digest) {
  YamlWalk none;
  bool given = false;
  return yaml_block(cluster_keys(none, c, given), digest, 2);
}

}  // namespace orrery::app

// Scenario back to YAML: what --print-config prints, a run folder keeps, and the manifest's digest is taken of.
#include <fmt/format.h>

#include <filesystem>

#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/quantity.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

// A YAML scalar that reads back as the same text.
std::string scalar(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '/' || c == '+';
  };
  bool simple = !text.empty() && text.front() != '-' && text.front() != '.' && text != "~" && text != "null";
  for (const char c : text) simple = simple && plain(c);
  if (simple) return text;
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte < 0x20)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

std::string option(const std::string& text) {
  return !text.empty() && text.front() == '[' ? text : scalar(text);
}

// A decimal that parse_fixed(…, 9) reads back as the same number.
std::string decimal(double v) {
  std::string text = fmt::format("{:.9f}", v);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

// `v` / 10^digits, exactly; not negative.
std::string fixed(std::int64_t v, int digits) {
  std::int64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  std::string text = fmt::format("{}.{:0{}}", v / unit, v % unit, digits);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string millionths(std::int64_t v) {
  return fixed(v, 6);
}

void write_stragglers(std::string& out, const Stragglers& s) {
  out += fmt::format("  stragglers:\n    node_mtbs: {}\n    slowdown: [{}, {}]\n    lasts: {}\n",
                     format_duration(s.node_mtbs), millionths(s.least), millionths(s.most), format_duration(s.lasts));
  if (!s.spells.empty()) out += "    spells:\n";
  for (const SlowSpell& spell : s.spells)
    out += fmt::format("      - {{ node: {}, from: {}, to: {}, slowdown: {} }}\n", spell.node.value,
                       format_duration(spell.from - Time{}), format_duration(spell.to - Time{}),
                       millionths(spell.slowdown));
}

void write_group(std::string& out, const NodeGroup& g) {
  out += fmt::format("    - {{ name: {}, count: {}, gpus_per_node: {}, gpu: {}", scalar(g.name), g.count,
                     g.gpus_per_node, scalar(g.gpu));
  if (g.cpu_milli > 0) out += fmt::format(", cpus: {}", g.cpu_milli / 1000);
  if (g.mem_bytes > 0) out += fmt::format(", mem: {}", format_bytes(g.mem_bytes));
  if (g.rack_size > 0) out += fmt::format(", rack_size: {}", g.rack_size);
  if (g.nvlink_bytes_per_s > 0) out += fmt::format(", nvlink: {}", format_bandwidth(g.nvlink_bytes_per_s));
  if (g.nic_bytes_per_s > 0) out += fmt::format(", nic: {}", format_bandwidth(g.nic_bytes_per_s));
  if (g.gpu_mem_bytes > 0) out += fmt::format(", gpu_memory: {}", format_bytes(g.gpu_mem_bytes));
  if (g.uplink_bytes_per_s > 0) out += fmt::format(", uplink: {}", format_bandwidth(g.uplink_bytes_per_s));
  const auto thousandths = [&out](const char* key, std::int64_t v) {
    if (v > 0) out += fmt::format(", {}: {}", key, fixed(v, 3));
  };
  thousandths("price", g.price_micro_per_h / 1000);
  thousandths("idle_watt", g.idle_milliwatt);
  thousandths("busy_watt", g.busy_milliwatt);
  thousandths("peak_tflops", g.peak_gflop_per_s);
  out += " }\n";
}

std::string step_text(const StepTraffic& t) {
  return fmt::format("{{ compute: {}, gradients: {}, hidden: {} }}", format_duration(t.compute),
                     format_bytes(t.gradient_bytes), fixed(t.hidden_per_mille, 3));
}

void write_network(std::string& out, const NetworkConfig& c) {
  out += fmt::format("network:\n  step: {}\n", step_text(c.step));
  if (!c.models.empty()) out += "  models:\n";
  for (const auto& [model, t] : c.models) out += fmt::format("    {}: {}\n", scalar(model), step_text(t));
  out += fmt::format("  contention: {}\n", c.contention);
}

// What only the poisson model takes.
void write_poisson(std::string& out, const PoissonSpec& g) {
  out += "    gpus: {";
  for (std::size_t i = 0; i < g.gpu_mix.size(); ++i)
    out += fmt::format("{} {}: {}", i == 0 ? "" : ",", g.gpu_mix[i].first, decimal(g.gpu_mix[i].second));
  out += fmt::format(" }}\n    law: {}\n    mean: {}\n",
                     g.law == DurationLaw::lognormal ? "lognormal" : "exponential", format_duration(g.mean));
  out += fmt::format("    sigma: {}\n", decimal(g.sigma));
}

// What only the lineage model takes.
void write_lineage(std::string& out, const GenerateSpec& g) {
  out += fmt::format("    zipf: {}\n    size: {}\n    gains: {{", decimal(g.zipf), to_string(g.size));
  for (const GainParameter& p : gain_parameters())
    out += fmt::format("{} {}: {}", &p == &gain_parameters().front() ? "" : ",", p.name, decimal(g.gains.*p.value));
  out += " }\n";
}

void write_generate(std::string& out, const GenerateSpec& g) {
  out += fmt::format("  generate:\n    jobs: {}\n", g.jobs);
  if (g.model != "poisson") out += fmt::format("    model: {}\n", g.model);
  if (g.rate_per_1e9_h) out += fmt::format("    rate: {}/h\n", fixed(*g.rate_per_1e9_h, 9));
  if (g.model == "poisson") write_poisson(out, g);
  if (g.model == "lineage") write_lineage(out, g);
  if (g.model == "gavel")
    out += fmt::format("    deadlines: {}\n    priorities: {}\n", g.deadlines != 0, g.priorities != 0);
  out += fmt::format("    tenants: {}\n", g.tenants);
  if (g.overestimate > 0) out += fmt::format("    overestimate: {}\n", decimal(g.overestimate));
}

// With all options of the policy, those that were not given with their defaults. What tables call it is nothing that
// results depend on.
std::string policy_line(const Scenario& s, const PolicyConfig& written, bool digest) {
  const PolicyConfig c = digest ? without_paths(written) : with_full_paths(written);
  std::string out = fmt::format("{{ name: {}, placement: {}", scalar(c.name), scalar(c.placement));
  if (!c.label.empty() && !digest) out += fmt::format(", label: {}", scalar(c.label));
  std::map<std::string, std::string> options = c.options;
  if (const PolicyInfo* info = is_of_library(c) ? nullptr : find_policy(c.name))
    for (const OptionSpec& o : emulated(*info, find_emulation(s.emulate)).options)
      if (!o.default_value.empty()) options.try_emplace(o.name, o.default_value);
  if (is_external(c) && !digest) options.try_emplace("timeout", "30s");
  for (const auto& [key, value] : options) out += fmt::format(", {}: {}", scalar(key), option(value));
  return out + " }";
}

const char* estimates_word(EstimateSource e) {
  switch (e) {
    case EstimateSource::user: return "user";
    case EstimateSource::history: return "history";
    case EstimateSource::oracle: return "oracle";
    case EstimateSource::none: return "none";
    case EstimateSource::automatic: break;
  }
  return "auto";
}

std::string intervals_text(int resamples) {
  if (resamples == kIntervalsByCost) return "auto";
  return resamples == 0 ? "none" : fmt::format("{}", resamples);
}

// A path that means the same from any directory.
std::string path_text(const std::string& written, const std::string& resolved) {
  const bool variable = written.rfind(kTracesVariable, 0) == 0;
  std::error_code ignored;
  const fs::path absolute = fs::absolute(resolved, ignored).lexically_normal();
  return scalar(variable ? written : absolute.string());
}

std::string transfer_text(const CheckpointTransfer& t, bool restarts) {
  std::string out = fmt::format("{{ by: checkpoint, bandwidth: {}", format_bandwidth(t.bandwidth));
  if (t.storage > 0) out += fmt::format(", storage: {}", format_bandwidth(t.storage));
  if (restarts)
    out += fmt::format(", start: {}, per_rank: {}", format_duration(t.start), format_duration(t.per_rank));
  std::string sizes;
  if (t.default_bytes > 0) sizes += fmt::format(" default: {},", format_bytes(t.default_bytes));
  for (const auto& [model, bytes] : t.bytes) sizes += fmt::format(" {}: {},", scalar(model), format_bytes(bytes));
  if (!sizes.empty()) out += fmt::format(", bytes: {{{} }}", sizes.substr(0, sizes.size() - 1));
  return out + " }";
}

void write_performance(std::string& out, const PerformanceConfig& c, bool digest) {
  out += "performance:\n";
  if (!digest) out += fmt::format("  profiles: {}\n", path_text(c.profiles, c.profiles_resolved));
  out += fmt::format("  family: {}\n", c.family);
  if (!c.hardware.empty()) out += fmt::format("  hardware: {}\n", scalar(c.hardware));
  if (!c.tables.empty()) out += "  hardware:\n";
  for (const auto& [type, table] : c.tables) out += fmt::format("    {}: {}\n", scalar(type), scalar(table));
  out += fmt::format("  missing: {}\n", c.clamp ? "clamp" : "error");
  if (c.gpu_memory > 0) out += fmt::format("  gpu_memory: {}\n", format_bytes(c.gpu_memory));
}

std::string yaml_of(const Scenario& s, bool digest) {
  std::string out = "version: 1\n";
  if (!digest) out += fmt::format("name: {}\n", scalar(s.name));
  out += "cluster:\n  groups:\n";
  for (const NodeGroup& g : s.cluster.groups) write_group(out, g);
  const WorkloadConfig& w = s.workload;
  out += "workload:\n";
  if (w.generate) {
    write_generate(out, *w.generate);
  } else if (!digest) {
    out += fmt::format("  trace: {}\n", path_text(w.trace, w.trace_resolved));
  }
  if (!w.catalogue.empty() && !digest)
    out += fmt::format("  catalogue: {}\n", path_text(w.catalogue, w.catalogue_resolved));
  out += fmt::format("  format: {}\n", scalar(w.format));
  if (w.skip > 0 || w.jobs >= 0) {
    out += fmt::format("  slice: {{ skip: {}", w.skip);
    if (w.jobs >= 0) out += fmt::format(", jobs: {}", w.jobs);
    out += " }\n";
  }
  if (w.load) out += fmt::format("  load: {}\n", decimal(*w.load));
  out += fmt::format("  estimates: {}\n", estimates_word(w.estimates));
  out += fmt::format("policy: {}\n", policy_line(s, s.policy, digest));
  if (!s.compare_policies.empty() && !digest) {
    out += "compare:\n  policies:\n";
    for (const PolicyConfig& c : s.compare_policies) out += fmt::format("    - {}\n", policy_line(s, c, digest));
  }
  if (s.performance) write_performance(out, *s.performance, digest);
  const OverheadConfig& o = s.overheads;
  out += fmt::format("overheads:\n  launch: {}\n  stop: {}\n", format_duration(o.launch), format_duration(o.stop));
  if (o.restart == "checkpoint") {
    out += "  restart: " + transfer_text(o.restart_load, true) + "\n";
  } else if (o.restart == "per_model") {
    out += fmt::format("  restart:\n    default: {}\n", format_duration(o.restart_constant));
    for (const auto& [model, d] : o.restart_models)
      out += fmt::format("    {}: {}\n", scalar(model), format_duration(d));
  } else {
    out += fmt::format("  restart: {}\n", o.restart == "constant" ? format_duration(o.restart_constant) : "zero");
  }
  const FailureConfig& f = s.failures;
  out += fmt::format("failures:\n  node_mtbf: {}\n  repair: {}\n  retries: {}\n", format_duration(f.node_mtbf),
                     format_duration(f.repair), f.retries);
  if (!f.capacity.empty() && !digest)
    out += fmt::format("  capacity: {}\n", path_text(f.capacity, f.capacity_resolved));
  if (!f.outages.empty()) out += "  outages:\n";
  for (const Outage& away : f.outages)
    out += fmt::format("    - {{ node: {}, from: {}, to: {} }}\n", away.node.value,
                       format_duration(away.from - Time{}), format_duration(away.to - Time{}));
  if (f.stragglers.active()) write_stragglers(out, f.stragglers);
  if (f.lemons.share > 0 || f.lemons.rate != Lemons{}.rate)
    out +=
        fmt::format("  lemons: {{ share: {}, rate: {} }}\n", millionths(f.lemons.share), millionths(f.lemons.rate));
  const CheckpointConfig& saves = s.checkpoints;
  out += fmt::format("checkpoints:\n  every: {}\n  cost: {}\n", format_duration(saves.every),
                     saves.save ? transfer_text(*saves.save, false) : format_duration(saves.cost));
  if (s.publish.every_per_mille > 0 || s.publish.cost.ns > 0) {
    out += "publish:\n";
    if (s.publish.every_per_mille > 0) out += fmt::format("  every: {}\n", fixed(s.publish.every_per_mille, 3));
    out += fmt::format("  cost: {}\n", format_duration(s.publish.cost));
  }
  if (s.network) write_network(out, *s.network);
  out += fmt::format("emulate: {}\n", s.emulate);
  if (digest) return out;
  if (s.live)
    out += fmt::format("live:\n  engine: {}\n  time_scale: {}\n  step: {}\n  lease: {}\n  watchdog: {}\n  gpus: {}\n",
                       s.live->engine, s.live->time_scale, format_duration(s.live->step),
                       format_duration(s.live->lease), format_duration(s.live->watchdog), s.live->gpus);
  if (s.live && s.live->nodes_here) out += "  nodes: here\n";
  if (s.live && !s.live->models.empty()) {
    out += "  models:\n";
    for (const auto& [model, file] : s.live->models) out += fmt::format("    {}: {}\n", scalar(model), scalar(file));
  }
  out += fmt::format("seeds: {}\nintervals: {}\ncheck: {}\noutput:\n  dir: {}\n", s.seeds,
                     intervals_text(s.intervals), s.check, scalar(s.output_dir));
  if (s.log_events) out += fmt::format("  events: {}\n", *s.log_events);
  return out;
}

}  // namespace

std::string effective_yaml(const Scenario& s) {
  return yaml_of(s, false);
}
std::string config_digest_text(const Scenario& s) {
  return yaml_of(s, true);
}

}  // namespace orrery::app

// The sections `overheads` and `checkpoints` of a scenario, which share how a time follows from a checkpoint's bytes.
//
//   overheads:
//     launch: 10s
//     restart: { by: checkpoint, bandwidth: 2GB/s, start: 26s, per_rank: 10ms, bytes: { bert: 1.3GB, default: 5GB } }
//     stop: 20s
//   checkpoints: { every: 1h, cost: { by: checkpoint, bandwidth: 2GB/s } }
//
// or a time, or times by model, instead of `by: checkpoint`.
#include <fmt/format.h>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

bool by_checkpoint(const Place& at) {
  return at.node.is_map() && at.node.at("by").given();
}

// clang-format off
YamlWalk::Keys size_keys(YamlWalk& w, CheckpointTransfer& t) {
  return {
      {"default", "size for other models; without it they are an error",
       [&](const Place& p) { t.default_bytes = w.positive(p, parse_bytes); },
       [&](bool) { return t.default_bytes > 0 ? format_bytes(t.default_bytes) : ""; }},
  };
}

std::string sizes_text(const YamlWalk::Keys& keys, const CheckpointTransfer& t) {
  std::string out;
  for (const YamlWalk::Key& k : keys)
    if (const std::string value = k.write(false); !value.empty()) out += fmt::format(" {}: {},", k.name, value);
  for (const auto& [model, bytes] : t.bytes) out += fmt::format(" {}: {},", yaml_scalar(model), format_bytes(bytes));
  if (out.empty()) return out;
  out.back() = ' ';
  return "{" + out + "}";
}

// `restarts`: with what a restart takes beside loading.
YamlWalk::Keys transfer_keys(YamlWalk& w, CheckpointTransfer& t, bool restarts, bool& fast) {
  YamlWalk::Keys keys{
      {"by", "the time follows from the bytes of each job's checkpoint",
       [&](const Place& p) { (void)w.choice(p, {"checkpoint"}); },
       [](bool) { return "checkpoint"; }},
      {"bandwidth", "between a node and the storage; required",
       [&](const Place& p) { t.bandwidth = w.positive(p, parse_bandwidth); fast = true; },
       [&](bool) { return format_bandwidth(t.bandwidth); }},
      {"storage", "of the storage, for all nodes of a job together; default: no limit",
       [&](const Place& p) { t.storage = w.positive(p, parse_bandwidth); },
       [&](bool) { return t.storage > 0 ? format_bandwidth(t.storage) : ""; }},
  };
  if (restarts) {
    keys.emplace_back("start", "what a restart takes besides loading and connecting",
                      [&](const Place& p) { t.start = w.quantity(p, parse_duration); },
                      [&](bool) { return format_duration(t.start); });
    keys.emplace_back("per_rank", "what each GPU adds that connects",
                      [&](const Place& p) { t.per_rank = w.quantity(p, parse_duration); },
                      [&](bool) { return format_duration(t.per_rank); });
  }
  keys.emplace_back("bytes", "sizes of checkpoints by model; default: from the catalogue",
                    [&](const Place& p) {
                      const auto of_model = [&](const std::string& model, const Place& q) {
                        t.bytes[model] = w.positive(q, parse_bytes);
                      };
                      w.section(p, size_keys(w, t), of_model, "size for jobs of this model");
                    },
                    [&](bool) { return sizes_text(size_keys(w, t), t); });
  return keys;
}

CheckpointTransfer read_transfer(YamlWalk& w, const Place& at, bool restarts) {
  CheckpointTransfer t;
  bool fast = false;
  w.section(at, transfer_keys(w, t, restarts, fast));
  if (!fast) w.missing(at, "bandwidth", "bytes per second between a node and the storage");
  return t;
}

std::string write_transfer(CheckpointTransfer t, bool restarts) {
  YamlWalk none;
  bool fast = false;
  return yaml_flow(transfer_keys(none, t, restarts, fast), false);
}

// Times by model.
YamlWalk::Keys model_time_keys(YamlWalk& w, OverheadConfig& o) {
  return {
      {"default", "time for other models",
       [&](const Place& p) { o.restart_constant = w.quantity(p, parse_duration); },
       [&](bool) { return format_duration(o.restart_constant); }},
  };
}

void read_restart(YamlWalk& w, const Place& at, OverheadConfig& o) {
  if (w.lists()) {  // all of its forms
    (void)read_transfer(w, at, true);
    w.section(at, {}, [&](const std::string&, const Place& p) { (void)w.quantity(p, parse_duration); },
              "time of jobs of this model, `default` of the others; instead of `by`");
    return w.takes(at, "time, or a map");
  }
  if (by_checkpoint(at)) {
    o.restart = "checkpoint";
    o.restart_load = read_transfer(w, at, true);
  } else if (at.node.is_map()) {
    o.restart = "per_model";
    w.section(at, model_time_keys(w, o), [&](const std::string& model, const Place& q) {
      o.restart_models[model] = w.quantity(q, parse_duration);
    });
  } else if (at.node.is_value() && at.node.text() == "zero") {
    o.restart = "zero";
  } else {
    o.restart_constant = w.quantity(at, parse_duration);
    o.restart = o.restart_constant.ns == 0 ? "zero" : "constant";
  }
}

std::string write_restart(YamlWalk& w, OverheadConfig& o) {
  if (o.restart == "checkpoint") return write_transfer(o.restart_load, true);
  if (o.restart != "per_model") return o.restart == "constant" ? format_duration(o.restart_constant) : "zero";
  std::string out = yaml_block(model_time_keys(w, o), false, 4);
  for (const auto& [model, d] : o.restart_models) out += yaml_line(yaml_scalar(model), format_duration(d), 4);
  return out;
}

YamlWalk::Keys overhead_keys(YamlWalk& w, OverheadConfig& o) {
  return {
      {"launch", "added to every launch",
       [&](const Place& p) { o.launch = w.quantity(p, parse_duration); },
       [&](bool) { return format_duration(o.launch); }},
      {"stop", "from being asked to stop until the GPUs are free",
       [&](const Place& p) { o.stop = w.quantity(p, parse_duration); },
       [&](bool) { return format_duration(o.stop); }},
      {"restart", "added to every launch after the first",
       [&](const Place& p) { read_restart(w, p, o); },
       [&](bool) { return write_restart(w, o); }},
  };
}

void read_cost(YamlWalk& w, const Place& at, CheckpointConfig& c) {
  if (w.lists()) {
    (void)read_transfer(w, at, false);
    return w.takes(at, "time, or a map");
  }
  if (by_checkpoint(at)) c.save = read_transfer(w, at, false);
  else c.cost = w.quantity(at, parse_duration);
}

YamlWalk::Keys checkpoint_keys(YamlWalk& w, CheckpointConfig& c, bool& said) {
  return {
      {"every", "running time between checkpoints",
       [&](const Place& p) { said = true; c.every = w.at_least(p, seconds(1), true); },
       [&](bool) { return format_duration(c.every); }},
      {"cost", "how long a job stands still for one",
       [&](const Place& p) { read_cost(w, p, c); },
       [&](bool) { return c.save ? write_transfer(*c.save, false) : format_duration(c.cost); }},
  };
}
// clang-format on

}  // namespace

void read_overheads(YamlWalk& w, const Place& at, OverheadConfig& o) {
  w.section(at, overhead_keys(w, o));
}

std::string write_overheads(OverheadConfig o, bool digest) {
  YamlWalk none;
  return yaml_block(overhead_keys(none, o), digest, 2);
}

void read_checkpoints(YamlWalk& w, const Place& at, CheckpointConfig& c) {
  bool said = false;  // 0s, too: then jobs save only where a policy tells them to
  w.section(at, checkpoint_keys(w, c, said));
  if ((c.cost.ns > 0 || c.save) && !said)
    w.complain(at, "`checkpoints.cost` does nothing without `checkpoints.every`");
}

std::string write_checkpoints(CheckpointConfig c, bool digest) {
  YamlWalk none;
  bool said = false;
  return yaml_block(checkpoint_keys(none, c, said), digest, 2);
}

}  // namespace orrery::app

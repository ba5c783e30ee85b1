#include "scenarios/spec/overheads_reader.hpp"

namespace orrery::app {
namespace {

bool by_checkpoint(const Place& at) {
  return at.node.IsMap() && at.node["by"].IsDefined();
}

// clang-format off
// `restarts`: with what a restart takes beside loading.
CheckpointTransfer read_transfer(YamlWalk& w, const Place& at, bool restarts) {
  CheckpointTransfer t;
  bool fast = false;
  YamlWalk::Keys keys{
      {"by", [&](const Place& p) { (void)w.choice(p, {"checkpoint"}); }},
      {"bandwidth", [&](const Place& p) { t.bandwidth = w.positive(p, parse_bandwidth); fast = true; }},
      {"storage", [&](const Place& p) { t.storage = w.positive(p, parse_bandwidth); }},
      {"bytes", [&](const Place& p) {
         w.section(p, {{"default", [&](const Place& q) { t.default_bytes = w.positive(q, parse_bytes); }}},
                   [&](const std::string& model, const Place& q) { t.bytes[model] = w.positive(q, parse_bytes); });
       }},
  };
  if (restarts) {
    keys.emplace_back("start", [&](const Place& p) { t.start = w.quantity(p, parse_duration); });
    keys.emplace_back("per_rank", [&](const Place& p) { t.per_rank = w.quantity(p, parse_duration); });
  }
  w.section(at, keys);
  if (!fast) w.missing(at, "bandwidth", "bytes per second between a node and the storage");
  return t;
}

void read_restart(YamlWalk& w, const Place& at, OverheadConfig& o) {
  if (by_checkpoint(at)) {
    o.restart = "checkpoint";
    o.restart_load = read_transfer(w, at, true);
  } else if (at.node.IsMap()) {
    o.restart = "per_model";
    w.section(at, {{"default", [&](const Place& q) { o.restart_constant = w.quantity(q, parse_duration); }}},
              [&](const std::string& model, const Place& q) {
                o.restart_models[model] = w.quantity(q, parse_duration);
              });
  } else if (at.node.IsScalar() && at.node.Scalar() == "zero") {
    o.restart = "zero";
  } else {
    o.restart_constant = w.quantity(at, parse_duration);
    o.restart = o.restart_constant.ns == 0 ? "zero" : "constant";
  }
}

}  // namespace

void read_overheads(YamlWalk& w, const Place& at, OverheadConfig& o) {
  w.section(at, {
      {"launch", [&](const Place& p) { o.launch = w.quantity(p, parse_duration); }},
      {"stop", [&](const Place& p) { o.stop = w.quantity(p, parse_duration); }},
      {"restart", [&](const Place& p) { read_restart(w, p, o); }},
  });
}

void read_checkpoints(YamlWalk& w, const Place& at, CheckpointConfig& c) {
  bool said = false;  // 0s, too: then jobs save only where a policy tells them to
  w.section(at, {
      {"every", [&](const Place& p) { said = true; c.every = w.at_least(p, seconds(1), true); }},
      {"cost", [&](const Place& p) {
         if (by_checkpoint(p)) c.save = read_transfer(w, p, false);
         else c.cost = w.quantity(p, parse_duration);
       }},
  });
  if ((c.cost.ns > 0 || c.save) && !said)
    w.complain(at, "`checkpoints.cost` does nothing without `checkpoints.every`");
}
// clang-format on

}  // namespace orrery::app

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
      {"by", "the time follows from the bytes of each job's checkpoint",
       [&](const Place& p) { (void)w.choice(p, {"checkpoint"}); }},
      {"bandwidth", "between a node and the storage; required",
       [&](const Place& p) { t.bandwidth = w.positive(p, parse_bandwidth); fast = true; }},
      {"storage", "of the storage, for all nodes of a job together; default: no limit",
       [&](const Place& p) { t.storage = w.positive(p, parse_bandwidth); }},
      {"bytes", "sizes of checkpoints by model; default: from the catalogue",
       [&](const Place& p) {
         w.section(p, {{"default", "size for other models; without it they are an error",
                        [&](const Place& q) { t.default_bytes = w.positive(q, parse_bytes); }}},
                   [&](const std::string& model, const Place& q) { t.bytes[model] = w.positive(q, parse_bytes); },
                   "size for jobs of this model");
       }},
  };
  if (restarts) {
    keys.emplace_back("start", "what a restart takes besides loading and connecting",
                      [&](const Place& p) { t.start = w.quantity(p, parse_duration); });
    keys.emplace_back("per_rank", "what each GPU adds that connects",
                      [&](const Place& p) { t.per_rank = w.quantity(p, parse_duration); });
  }
  w.section(at, keys);
  if (!fast) w.missing(at, "bandwidth", "bytes per second between a node and the storage");
  return t;
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
  } else if (at.node.IsMap()) {
    o.restart = "per_model";
    w.section(at, {{"default", "time for other models",
                    [&](const Place& q) { o.restart_constant = w.quantity(q, parse_duration); }}},
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
      {"launch", "added to every launch",
       [&](const Place& p) { o.launch = w.quantity(p, parse_duration); }},
      {"stop", "from being asked to stop until the GPUs are free",
       [&](const Place& p) { o.stop = w.quantity(p, parse_duration); }},
      {"restart", "added to every launch after the first",
       [&](const Place& p) { read_restart(w, p, o); }},
  });
}

void read_checkpoints(YamlWalk& w, const Place& at, CheckpointConfig& c) {
  bool said = false;  // 0s, too: then jobs save only where a policy tells them to
  w.section(at, {
      {"every", "running time between checkpoints",
       [&](const Place& p) { said = true; c.every = w.at_least(p, seconds(1), true); }},
      {"cost", "how long a job stands still for one",
       [&](const Place& p) {
         if (w.lists()) {
           (void)read_transfer(w, p, false);
           return w.takes(p, "time, or a map");
         }
         if (by_checkpoint(p)) c.save = read_transfer(w, p, false);
         else c.cost = w.quantity(p, parse_duration);
       }},
  });
  if ((c.cost.ns > 0 || c.save) && !said)
    w.complain(at, "`checkpoints.cost` does nothing without `checkpoints.every`");
}
// clang-format on

}  // namespace orrery::app

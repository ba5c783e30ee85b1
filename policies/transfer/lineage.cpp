// LINEAGE's row and options; the protocol itself is in lineage_protocol.hpp.
#include <algorithm>
#include <utility>

#include "policies/registry.hpp"
#include "policies/transfer/lineage_protocol.hpp"

namespace orrery {
namespace {

std::unique_ptr<Policy> make_lineage(PolicySetup setup, OptionReader& options) {
  LineageOptions o;
  const std::vector<std::string> rules = options.choices("rules");
  const auto on = [&rules](std::string_view rule) {
    return std::find(rules.begin(), rules.end(), rule) != rules.end();
  };
  o.index = on("index");
  o.hold = on("hold");
  o.sizes.on = on("elastic");
  o.groups.on = on("groups");
  o.groups.k_max = options.integer("k_max");
  o.groups.sigma_per_mille = options.decimal("sigma_max");
  o.bubbles.on = on("bubbles");
  o.bubbles.epsilon_ppm = options.decimal("epsilon") * 1000;
  o.publish = on("publish");
  o.phases = on("phases");
  o.learn = on("learn");
  o.abort = on("abort");
  if (o.abort && !o.learn)
    options.refuse("rules", "`abort` is on and `learn` is not: nobody knows then which start is worse than another",
                   "add `learn`, or leave `abort` out");
  if (options.choice("gains") == "oracle") {
    if (!o.learn) options.refuse("gains", "`gains` is `oracle`, but `learn`, which uses them, is off", "add `learn`");
    o.gains = std::move(setup.gains);
  }
  o.alpha = options.decimal("alpha");
  o.beside = options.decimal("beside");
  if (o.beside != 1000 && !o.index)
    options.refuse("beside", "`beside` is set, but `index`, which tells who is beside lineages, is off",
                   "add `index`");
  o.min_run = options.time("min_run");
  o.rho_max = options.decimal("rho_max");
  o.sizes.seconds = options.choice("marginal") == "seconds";
  o.sizes.every = options.time("resize_every");
  o.sizes.rest = options.time("resize_rest");
  return std::make_unique<Lineage>(std::move(setup.placement), o);
}

}  // namespace

const PolicyInfo lineage_policy = {
    .name = "lineage",
    .title = "jobs that others wait for by the worth of all of them, with preemption",
    .doc =
        "Serves {running, waiting} jobs by weight over service (time x GPUs^alpha). The jobs that wait for a job "
        "count with it as far as they make its ratio better. A child waits for a later version of a parent, even "
        "beside free GPUs, where that saves more than it costs; parents publish as often as writing, failures and "
        "stale children make it worth. A child whose first epoch shows that it is slower than from its base "
        "begins anew. Elastic jobs get GPUs one by one, where they save most. Goes on past jobs that do not fit; "
        "preempts running jobs that are not served, but none that began less than min_run ago. A job whose "
        "finish-time fairness would exceed rho_max comes first; it preempts those, too.",
    .source = "Orrery, docs/policies/lineage.md; Horn 1972, Sidney 1975",
    .make = make_lineage,
    .options =
        {{"rules",
          "choices",
          "[index, hold, elastic, publish, learn, abort]",
          "rules that are on; index: jobs that wait for others count with them; hold: a child waits for a later "
          "version where that pays; elastic: elastic jobs get the GPUs that save most; publish: it says when parents "
          "publish; learn: what a parent is worth is learned from children that finished "
          "or whose first epoch was compared; abort: with learn, children that are slower than from their base begin "
          "anew; groups: children of one version are merged into one gang where that pays; bubbles: who waits runs "
          "in the bubbles that running jobs advertise; phases: jobs that decode are spread over nodes, and decisions "
          "are made anew where a job's phase begins",
          {"index", "hold", "elastic", "publish", "learn", "abort", "groups", "bubbles", "phases"}},
         {"gains",
          "choice",
          "learned",
          "what parents are worth; oracle: it is told the truth, as the bound of what can be learned",
          {"learned", "oracle"}},
         {"k_max", "integer", "8", "groups: most members of a gang", {}, 1, 32},
         {"sigma_max",
          "decimal",
          "1.25",
          "groups: how long a member's step in a gang may be, over its step alone",
          {},
          1,
          kMany},
         {"epsilon", "decimal", "0.02", "bubbles: how much slower a job may be for what fills its bubbles", {}, 0, 1},
         {"marginal",
          "choice",
          "share",
          "what one more GPU is worth to an elastic job: the share of the time left that it saves, or seconds",
          {"share", "seconds"}},
         {"resize_rest",
          "time",
          "1800s",
          "for how long a job keeps a number of GPUs that it was given while it ran",
          {},
          0,
          kMostTime},
         {"resize_every",
          "time",
          "60s",
          "how often numbers of GPUs are reconsidered where jobs are elastic",
          {},
          1,
          kMostTime},
         {"alpha", "decimal", "0.5", "how GPUs count in service: 1 as in srsf, 0 not at all", {}, 0, 1},
         {"beside",
          "decimal",
          "1",
          "what the weight of a job is multiplied by that waits for nobody and that nobody waits for: above 1 such "
          "jobs wait less, and lineages more",
          {},
          0,
          kMany},
         {"min_run", "time", "300s", "for how long a job that has begun is not preempted", {}, 0, kMostTime},
         {"rho_max",
          "decimal",
          "5",
          "finish-time fairness, as projected, above which a waiting job comes first; 0 = never",
          {},
          0,
          kMany}},
    .conserves = Conserves::held,
    .capabilities = {.preempts = true, .elastic = true, .shares = true, .needs_estimates = true},
};

}  // namespace orrery

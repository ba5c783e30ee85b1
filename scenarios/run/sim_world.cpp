#include "scenarios/run/sim_world.hpp"

#include "scenarios/run/feature_passes.hpp"
#include "sim/models/lifecycle/unlimited.hpp"

namespace orrery::app {
namespace {

CheckpointModel checkpoint_model(const Prepared& p) {
  return {p.scenario.checkpoints.every, p.scenario.checkpoints.cost, p.checkpoint_costs.save};
}

// `commanded`: the policy says when jobs publish.
PublishModel publish_model(const Prepared& p, bool commanded = false) {
  const std::int64_t every = commanded ? 0 : p.scenario.publish.every_per_mille;
  return {static_cast<std::int32_t>(every), p.scenario.publish.cost};
}

SimOptions options_of(const Prepared& p, const RunRequest& request, bool commanded) {
  SimOptions o;
  if (const auto& b = p.scenario.bubbles) {  // with measured times, too: what it costs is what policies throttle by
    o.fill_cost = {b->switch_time, b->interference_ppm};
    o.bubble_report = b->report;
  }
  if (request.measured != nullptr) {
    o.overheads = request.measured->overheads;
    return o;
  }
  const FailureConfig& f = p.scenario.failures;
  o.failures = {f.node_mtbf, f.repair, request.seed, p.outages, f.stragglers, f.lemons};
  o.checkpoints = checkpoint_model(p);
  o.publishes = publish_model(p, commanded);
  o.assess.seed = request.seed;
  o.cpus = p.scenario.decoding.contend;
  o.features = feature_store(p.scenario);
  o.overheads = overhead_model(p);
  if (p.emulation != nullptr && p.emulation->progress != nullptr) o.rule = p.emulation->progress(request.policy.name);
  return o;
}

}  // namespace

OverheadModel overhead_model(const Prepared& p) {
  const OverheadConfig& c = p.scenario.overheads;
  OverheadModel m;
  m.launch = c.launch;
  m.stop = c.stop;
  m.restart_default = c.restart_constant;
  m.restart_models = c.restart_models;
  m.restart_jobs = p.checkpoint_costs.restart;
  if (c.restart == "constant") m.restart = OverheadModel::Restart::constant;
  if (c.restart == "checkpoint") m.restart = OverheadModel::Restart::per_job;
  if (c.restart == "per_model") m.restart = OverheadModel::Restart::per_model;
  return m;
}

std::vector<std::optional<Duration>> unlimited_jcts(const Prepared& p) {
  if (p.emulation != nullptr) return {};
  return orrery::unlimited_jcts(p.workload, overhead_model(p), checkpoint_model(p), publish_model(p));
}

SimWorld::SimWorld(const Prepared& p, const RunRequest& request, bool commanded)
    : prepared_(&p), options_(options_of(p, request, commanded)) {
  if (request.measured != nullptr) {
    measured_.emplace(*request.measured, *p.topology);
  } else if (const auto& links = p.scenario.network) {
    network_.emplace(*p.topology, p.workload.specs, links->step, links->models);
    if (links->contention) options_.network = &*network_;
  }
}

const PerformanceModel& SimWorld::believed() const {
  if (network_) return *network_;
  return prepared_->model();
}

const PerformanceModel& SimWorld::truth() const {
  if (measured_) return *measured_;
  return believed();
}

}  // namespace orrery::app

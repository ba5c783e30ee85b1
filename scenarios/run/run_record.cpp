#include "scenarios/run/run_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace orrery::app {
namespace {

JobTable table_of(const Prepared& p) {
  JobTable table;
  table.reserve(p.workload.specs.size());
  for (const JobSpec& s : p.workload.specs)
    table.push_back(
        {s.name, s.tenant, s.model, std::string(to_string(s.kind)), s.demand.gpus, s.demand.milli_gpus()});
  for (std::size_t i = 0; i < p.measured.size(); ++i) table[i].measured = p.measured[i];
  return table;
}

RunClock clock_of(const Prepared& p, const std::string& policy) {
  if (p.emulation == nullptr || p.emulation->counted == nullptr) return {};
  return {p.emulation->counted(policy)};
}

// Against one whole GPU of the first node; nothing where a profile does not say how fast it is there.
std::optional<double> speedup_of(const PerformanceModel& model, const JobSpec& spec, const Allocation& gpus) {
  Allocation one;
  for (const NodeSlice& s : gpus.slices()) {
    if (!s.gpus.any()) continue;
    one.add({s.node, kMilliPerGpu, s.gpus.lowest(1), 0, 0});
    break;
  }
  const Speed alone = model.speed(spec, one, {}, {}), there = model.speed(spec, gpus, {}, {});
  if (!alone.known || !there.known || alone.rate.per_billion <= 0) return std::nullopt;
  return static_cast<double>(there.rate.per_billion) / static_cast<double>(alone.rate.per_billion);
}

StudyInputs study_inputs(const Prepared& p, const RunRequest& request, RunClock clock) {
  StudyInputs in = make_study_inputs(p.workload.specs, *p.topology);
  in.clock = clock;
  for (std::size_t i = 0; i < in.jobs.size(); ++i) in.jobs[i].exclusive = Duration{p.workload.truths[i].work.ns};
  // Of the world that the scenario describes; what happened elsewhere took its own time.
  const bool elsewhere = request.live || request.measured != nullptr;
  for (std::size_t i = 0; i < p.unlimited.size() && !elsewhere; ++i) in.jobs[i].unlimited = p.unlimited[i];
  if (p.profiled != nullptr)
    in.speedup = [&p](JobId job, const Allocation& gpus) {
      return speedup_of(*p.profiled, p.workload.specs[job.index()], gpus);
    };
  return in;
}

InvariantOptions invariant_options(const Prepared& p) {
  InvariantOptions o;
  o.emulate = p.emulation;
  return o;
}

}  // namespace

RunRecord::RunRecord(const Prepared& p, const RunRequest& request)
    : prepared_(&p),
      jobs_(std::make_shared<JobTable>(table_of(p))),
      node_gpus_(gpus_by_node(*p.topology)),
      fold_(jobs_, node_gpus_, clock_of(p, request.policy.name)),
      study_(jobs_, study_inputs(p, request, clock_of(p, request.policy.name))),
      checker_(invariant_options(p)) {}

void RunRecord::watch_work(const PerformanceModel& truth, const SimOptions& world) {
  WorldModel w;
  w.speed = &truth;
  w.network = world.network;
  w.slow_nodes = world.failures.stragglers.active();
  w.cpus = world.cpus;
  w.longest_save = std::max(world.checkpoints.cost, world.publishes.cost);
  for (const Duration cost : world.checkpoints.costs) w.longest_save = std::max(w.longest_save, cost);
  w.prompt = true;
  w.rule = world.rule;
  w.fill_cost = world.fill_cost;
  const std::vector<JobTruth>& truths = prepared_->workload.truths;
  checker_.watch_work([&truths](JobId id) -> std::optional<Work> { return truths[id.index()].work; }, std::move(w));
}

std::vector<Observer*> RunRecord::observers() {
  std::vector<Observer*> all{&fold_, &study_};
  if (prepared_->scenario.check) all.push_back(&checker_);
  return all;
}

void RunRecord::report_to(RunReport& report) const {
  report.result.summary = fold_.summary();
  report.result.summary.study = study_.summary(fold_);
  report.result.jct_by_job_s = fold_.jct_by_job_s();
  for (std::size_t i = 0; report.result.summary.rejected > 0 && i < fold_.job_count(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    const JobNumbers r = fold_.numbers(id);
    if (r.state == JobState::rejected) report.rejected.emplace_back(id, r.rejection);
  }
  report.violations = checker_.count();
  if (checker_.ok() || !report.failure.empty()) return;
  const Violation& v = checker_.violations().front();
  report.failure =
      fmt::format("invariant `{}` broken at {} s, job {}: {} ({} in all)", v.rule, to_seconds(v.at),
                  v.job.valid() ? prepared_->workload.specs[v.job.index()].name : "-", v.text, checker_.count());
}

}  // namespace orrery::app

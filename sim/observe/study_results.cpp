// What a study's fold says at the end of a run. Sums go by job id, so that equal runs give equal digits.
#include <algorithm>
#include <cmath>
#include <map>

#include "sim/observe/study.hpp"

namespace orrery {
namespace {

constexpr double kBound_s = 10;  // of the bounded slowdown: shorter jobs count as this long
constexpr double kMilliNsPerGpuS = 1e12;

struct Mean {
  double sum = 0;
  std::int64_t n = 0;
  void add(double v) {
    sum += v;
    ++n;
  }
  [[nodiscard]] std::optional<double> value() const {
    return n > 0 ? std::optional<double>(sum / static_cast<double>(n)) : std::nullopt;
  }
};

double jct_s(const JobRow& r) {
  return to_seconds(r.finish - r.submit);
}

}  // namespace

std::optional<double> jain(const std::vector<double>& x) {
  double sum = 0, squares = 0;
  for (const double v : x) {
    sum += v;
    squares += v * v;
  }
  if (squares <= 0) return std::nullopt;
  return sum * sum / (static_cast<double>(x.size()) * squares);
}

std::optional<double> StudyFold::exclusive_s(JobId id) const {
  const std::optional<Duration>& base = in_.jobs[id.index()].exclusive;
  if (!base) return std::nullopt;
  const std::int64_t ns = base->ns - jobs_[id.index()].saved_ns;
  return ns > 0 ? std::optional<double>(static_cast<double>(ns) / 1e9) : std::nullopt;
}

std::optional<double> StudyFold::rho(const JobRow& row) const {
  const std::optional<double> exclusive = exclusive_s(row.job);
  if (!exclusive) return std::nullopt;
  return jct_s(row) / (*exclusive * std::max(1.0, jobs_[row.job.index()].contention));
}

void StudyFold::add_fairness(StudySummary& s, const MetricsFold& base) const {
  Mean slowdown, bounded, fairness, unfair, unfair_105, on_time;
  std::vector<double> slowdowns, inverse;
  std::map<std::string, Mean> by_tenant;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.submitted(id)) continue;
    const JobRow row = base.row(id);
    const bool finished = row.state == JobState::finished;
    if (const auto& deadline = in_.jobs[i].deadline) on_time.add(finished && row.finish <= *deadline ? 1 : 0);
    const std::optional<double> exclusive = exclusive_s(id);
    if (!finished || !exclusive) continue;
    slowdowns.push_back(jct_s(row) / *exclusive);
    slowdown.add(slowdowns.back());
    bounded.add(std::max(1.0, jct_s(row) / std::max(*exclusive, kBound_s)));
    const double r = *rho(row);
    fairness.add(r);
    unfair.add(r > 1.1 ? 1 : 0);
    unfair_105.add(r > 1.05 ? 1 : 0);
    s.ftf_rho_worst = std::max(s.ftf_rho_worst.value_or(0), r);
    if (r <= 0) continue;
    inverse.push_back(1 / r);
    if (!row.tenant.empty()) by_tenant[row.tenant].add(1 / r);
  }
  s.mean_slowdown = slowdown.value();
  s.mean_bounded_slowdown = bounded.value();
  std::sort(slowdowns.begin(), slowdowns.end());
  if (!slowdowns.empty()) s.p99_slowdown = quantile(slowdowns, 0.99);
  s.ftf_rho_mean = fairness.value();
  s.ftf_unfair_ratio = unfair.value();
  s.ftf_unfair_105_ratio = unfair_105.value();
  s.ftf_jain = jain(inverse);
  s.slo_ratio = on_time.value();
  if (by_tenant.size() < 2) return;
  std::vector<double> tenants;
  for (const auto& [name, mean] : by_tenant) tenants.push_back(*mean.value());
  s.tenant_jain = jain(tenants);
}

void StudyFold::add_work(StudySummary& s, const MetricsFold& base) const {
  double held = 0, service = 0, productive = 0, held_of_known = 0, service_of_known = 0;
  double tflop = 0, peak_tflop = 0;
  bool known = false;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.submitted(id)) continue;
    const JobRow row = base.row(id);
    held += to_gpu_seconds(row.held);
    service += to_gpu_seconds(row.service);
    if (row.state != JobState::finished) continue;
    if (in_.jobs[i].tflop > 0 && jobs_[i].peak_gflop > 0) {
      tflop += static_cast<double>(in_.jobs[i].tflop);
      peak_tflop += static_cast<double>(jobs_[i].peak_gflop) / kMilliNsPerGpuS / 1000;
    }
    const std::optional<double> exclusive = exclusive_s(id);
    if (!exclusive) continue;
    known = true;
    productive += *exclusive * static_cast<double>((*table_)[i].milli_gpus) / 1000;
    held_of_known += to_gpu_seconds(row.held);
    service_of_known += to_gpu_seconds(row.service);
  }
  s.held_gpu_s = held;
  s.overhead_gpu_s = held - service;
  s.checkpoint_gpu_s = static_cast<double>(checkpoint_milli_ns_) / kMilliNsPerGpuS;
  s.restarts = static_cast<double>(restarts_);
  s.migrations = static_cast<double>(migrations_);
  if (idle_sum_ > 0)
    s.fragmentation_ratio = static_cast<double>(fragment_sum_) / 1000 / static_cast<double>(idle_sum_);
  if (peak_tflop > 0) s.mfu_ratio = tflop / peak_tflop;
  if (!known) return;
  s.lost_gpu_s = service_of_known - productive;
  if (held_of_known > 0) s.ettr_ratio = productive / held_of_known;
  const double usable = static_cast<double>(base.usable_gpu_time_milli_ns()) / kMilliNsPerGpuS;
  if (usable > 0) s.work_goodput_ratio = productive / usable;
}

void StudyFold::add_economy(StudySummary& s, const MetricsFold& base) const {
  bool priced = true, powered = true;
  double cost = 0, joule = 0;
  const double span_s = base.summary().makespan_s;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const NodeGroup& group = in_.groups[g];
    const double gpus = static_cast<double>(group.count) * group.gpus_per_node;
    if (gpus == 0) continue;
    priced = priced && group.price_micro_per_h > 0;
    powered = powered && group.idle_milliwatt > 0 && group.busy_milliwatt > 0;
    cost += static_cast<double>(groups_[g].held) / kMilliNsPerGpuS / 3600 *
            (static_cast<double>(group.price_micro_per_h) / 1e6);
    const double idle_w = static_cast<double>(group.idle_milliwatt) / 1000;
    const double busy_w = static_cast<double>(group.busy_milliwatt) / 1000;
    joule += idle_w * gpus * span_s + (busy_w - idle_w) * static_cast<double>(groups_[g].running) / kMilliNsPerGpuS;
  }
  if (priced) s.cost = cost;
  if (powered) s.energy_kwh = joule / 3.6e6;
  Mean cpu;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const Duration one = base.cpu_per_sample(JobId(static_cast<std::uint32_t>(i)));
    if (one.ns > 0) cpu.add(to_seconds(one));
  }
  s.cpu_per_sample_s = cpu.value();
}

void StudyFold::add_transfer(StudySummary& s, const MetricsFold& base) const {
  std::vector<std::vector<std::uint32_t>> children(jobs_.size());
  std::vector<std::size_t> open(jobs_.size());  // children whose last descendant is not known yet
  std::vector<Time> last(jobs_.size()), first_child(jobs_.size(), kNever);
  Mean worse, usable_child, makespan;
  double saved = 0, saved_s = 0, base_s = 0;
  bool edges = false;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    for (const JobId parent : in_.jobs[i].parents) {
      edges = true;
      children[parent.index()].push_back(static_cast<std::uint32_t>(i));
      ++open[parent.index()];
    }
    if (!jobs_[i].heir) continue;
    const double of_job = static_cast<double>(jobs_[i].saved_ns) / 1e9;
    worse.add(jobs_[i].saved_ns < 0 ? 1 : 0);
    saved += of_job * static_cast<double>((*table_)[i].milli_gpus) / 1000;
    saved_s += of_job;
    if (in_.jobs[i].exclusive) base_s += to_seconds(*in_.jobs[i].exclusive);
  }
  if (worse.n > 0) {
    s.negative_transfer_ratio = worse.value();
    s.transfer_saved_gpu_s = saved;
    if (base_s > 0) s.transfer_saved_ratio = saved_s / base_s;
  }
  if (!edges) return;
  std::vector<std::uint32_t> next;
  for (std::size_t i = 0; i < jobs_.size(); ++i)
    if (children[i].empty()) next.push_back(static_cast<std::uint32_t>(i));
  for (std::size_t k = 0; k < next.size(); ++k) {
    const JobId id(next[k]);
    const bool finished = base.submitted(id) && base.row(id).state == JobState::finished;
    const Time finish = finished ? base.row(id).finish : Time{};
    last[id.index()] = std::max(last[id.index()], finish);
    const bool usable = finished && (*table_)[id.index()].kind != "eval";
    for (const JobId parent : in_.jobs[id.index()].parents) {
      Time& of_parent = last[parent.index()];
      of_parent = std::max(of_parent, last[id.index()]);
      if (usable) first_child[parent.index()] = std::min(first_child[parent.index()], finish);
      if (--open[parent.index()] == 0) next.push_back(parent.value);
    }
  }
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (children[i].empty() || !base.submitted(id)) continue;
    const Time submit = base.row(id).submit;
    if (first_child[i] != kNever) usable_child.add(to_seconds(first_child[i] - submit));
    if (!in_.jobs[i].parents.empty() || last[i] <= submit) continue;
    makespan.add(to_seconds(last[i] - submit));
    s.lineage_makespan_max_s = std::max(s.lineage_makespan_max_s.value_or(0), to_seconds(last[i] - submit));
  }
  s.first_child_s = usable_child.value();
  s.lineage_makespan_s = makespan.value();
}

void StudyFold::add_groups(StudySummary& s, const MetricsFold& base) const {
  struct Sums {
    std::int64_t jobs = 0;
    Mean jct, wait, slowdown, fairness;
    double held = 0;
  };
  const auto rows_of = [&](std::string JobInfo::*key) {
    std::map<std::string, Sums> sums;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const JobId id(static_cast<std::uint32_t>(i));
      const std::string& name = (*table_)[i].*key;
      if (name.empty() || !base.submitted(id)) continue;
      const JobRow row = base.row(id);
      Sums& of = sums[name];
      ++of.jobs;
      of.held += to_gpu_seconds(row.held);
      if (row.state != JobState::finished) continue;
      of.jct.add(jct_s(row));
      of.wait.add(to_seconds(row.wait));
      if (const auto exclusive = exclusive_s(id)) {
        of.slowdown.add(jct_s(row) / *exclusive);
        of.fairness.add(*rho(row));
      }
    }
    std::vector<StudyGroup> groups;
    for (const auto& [name, of] : sums)
      groups.push_back({name, of.jobs, of.jct.n, of.jct.value(), of.wait.value(), of.slowdown.value(),
                        of.fairness.value(), of.held});
    return groups;
  };
  s.by_kind = rows_of(&JobInfo::kind);
  s.by_tenant = rows_of(&JobInfo::tenant);
}

StudySummary StudyFold::summary(const MetricsFold& base) const {
  StudySummary s;
  add_fairness(s, base);
  add_work(s, base);
  add_economy(s, base);
  add_transfer(s, base);
  add_groups(s, base);
  return s;
}

}  // namespace orrery

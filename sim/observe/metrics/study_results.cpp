// What a study's fold says at the end of a run. Sums go by job id, so that equal runs give equal digits.
#include <algorithm>
#include <cmath>
#include <map>

#include "sim/observe/metrics/mean.hpp"
#include "sim/observe/metrics/study.hpp"

namespace orrery {
namespace {

constexpr double kBound_s = 10;  // of the bounded slowdown: shorter jobs count as this long
constexpr double kMilliNsPerGpuS = 1e12;

double gpu_s(Int128 milli_ns) {
  return static_cast<double>(milli_ns) / kMilliNsPerGpuS;
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
  const std::int64_t ns = base->ns - jobs_[id.index()].saved_ns - jobs_[id.index()].spared_ns;
  return ns > 0 ? std::optional<double>(static_cast<double>(ns) / 1e9) : std::nullopt;
}

// What a child inherited was computed by its parent, which counts it, and features that it found by another probe.
std::optional<double> StudyFold::computed_tflop(JobId id) const {
  const StudyJob& in = in_.jobs[id.index()];
  const Job& j = jobs_[id.index()];
  if (in.tflop <= 0 || j.peak_tflop <= 0) return std::nullopt;
  if (j.saved_ns == 0 && j.spared_ns == 0) return static_cast<double>(in.tflop);
  const std::optional<double> exclusive = exclusive_s(id);
  if (!exclusive) return std::nullopt;
  return static_cast<double>(in.tflop) * *exclusive / to_seconds(*in.exclusive);
}

std::optional<double> StudyFold::rho(const JobNumbers& row) const {
  const std::optional<double> exclusive = exclusive_s(row.job);
  if (!exclusive) return std::nullopt;
  return to_seconds(row.finish - row.submit) / (*exclusive * std::max(1.0, jobs_[row.job.index()].contention));
}

double StudyFold::productive_gpu_s(const JobNumbers& row) const {
  const Job& j = jobs_[row.job.index()];
  const Waste waste = j.waste > 0 ? waste_[j.waste - 1] : Waste{};
  return gpu_s(row.service.milli_gpu_ns - waste.checkpoint - waste.lost);
}

void StudyFold::add_fairness(StudySummary& s, const MetricsFold& base) const {
  Mean slowdown, bounded, fairness, unfair, unfair_105, themis, on_time;
  std::vector<double> slowdowns, inverse;
  slowdowns.reserve(jobs_.size());
  inverse.reserve(jobs_.size());
  std::map<std::string, Mean> by_tenant;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.counted(id)) continue;
    const JobNumbers row = base.numbers(id);
    const bool finished = row.state == JobState::finished;
    if (const auto& deadline = in_.jobs[i].deadline) on_time.add(finished && row.finish <= *deadline ? 1 : 0);
    const std::optional<double> exclusive = exclusive_s(id);
    if (!finished || !exclusive) continue;
    const double jct_s = to_seconds(row.finish - row.submit);
    slowdowns.push_back(jct_s / *exclusive);
    slowdown.add(slowdowns.back());
    bounded.add(std::max(1.0, jct_s / std::max(*exclusive, kBound_s)));
    // Alone on 1/N of the cluster a job of g GPUs takes g N / G times as long, where that is less than it asked for.
    const double gpus = static_cast<double>((*table_)[i].milli_gpus) / kMilliPerGpu;
    const double themis_rho = jct_s / (*exclusive * std::max(1.0, gpus * jobs_[i].contention));
    themis.add(themis_rho);
    s.themis_rho_worst = std::max(s.themis_rho_worst.value_or(0), themis_rho);
    const double r = *rho(row);
    fairness.add(r);
    unfair.add(r > 1.1 ? 1 : 0);
    unfair_105.add(r > 1.05 ? 1 : 0);
    s.ftf_rho_worst = std::max(s.ftf_rho_worst.value_or(0), r);
    if (r <= 0) continue;
    inverse.push_back(1 / r);
    if (const std::string& tenant = (*table_)[i].tenant; !tenant.empty()) by_tenant[tenant].add(1 / r);
  }
  s.mean_slowdown = slowdown.value();
  s.mean_bounded_slowdown = bounded.value();
  sort_for_quantiles(slowdowns, {0.99});
  if (!slowdowns.empty()) s.p99_slowdown = quantile(slowdowns, 0.99);
  s.ftf_rho_mean = fairness.value();
  s.ftf_unfair_ratio = unfair.value();
  s.ftf_unfair_105_ratio = unfair_105.value();
  s.themis_rho_mean = themis.value();
  s.ftf_jain = jain(inverse);
  s.slo_ratio = on_time.value();
  if (by_tenant.size() < 2) return;
  std::vector<double> tenants;
  for (const auto& [name, mean] : by_tenant) tenants.push_back(*mean.value());
  s.tenant_jain = jain(tenants);
}

void StudyFold::add_shares(StudySummary& s, const MetricsFold& base) const {
  std::vector<double> shares;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.counted(id) || jobs_[i].deserved_gpu_s <= 0) continue;
    const JobNumbers row = base.numbers(id);
    if (row.state == JobState::finished) shares.push_back(to_gpu_seconds(row.held) / jobs_[i].deserved_gpu_s);
  }
  s.share_jain = jain(shares);
}

void StudyFold::add_work(StudySummary& s, const MetricsFold& base) const {
  double held = 0, service = 0, productive = 0, of_finished = 0, of_known = 0, undisturbed = 0;
  double tflop = 0, peak_tflop = 0;
  Waste waste;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.counted(id)) continue;
    const JobNumbers row = base.numbers(id);
    const double useful = productive_gpu_s(row);
    held += to_gpu_seconds(row.held);
    service += to_gpu_seconds(row.service);
    productive += useful;
    if (const std::uint32_t at = jobs_[i].waste; at > 0) {
      waste.checkpoint += waste_[at - 1].checkpoint;
      waste.lost += waste_[at - 1].lost;
    }
    if (row.state != JobState::finished) continue;
    of_finished += useful;
    if (const auto computed = computed_tflop(id)) {
      tflop += *computed;
      peak_tflop += jobs_[i].peak_tflop;
    }
    const std::optional<double> exclusive = exclusive_s(id);
    if (!exclusive) continue;
    of_known += useful;
    undisturbed += *exclusive * static_cast<double>((*table_)[i].milli_gpus) / kMilliPerGpu;
  }
  s.held_gpu_s = held;
  s.overhead_gpu_s = held - service;
  s.checkpoint_gpu_s = gpu_s(waste.checkpoint);
  s.lost_gpu_s = gpu_s(waste.lost);
  s.productive_gpu_s = productive;
  s.restarts = static_cast<double>(restarts_);
  s.migrations = static_cast<double>(migrations_);
  if (peak_tflop > 0) s.mfu_ratio = tflop / peak_tflop;
  if (held > 0) s.ettr_ratio = productive / held;
  if (undisturbed > 0) s.stretch_ratio = of_known / undisturbed;
  const double usable = gpu_s(base.usable_gpu_time_milli_ns());
  if (usable > 0) s.work_goodput_ratio = of_finished / usable;
}

// From the first submit to the last finish.
void StudyFold::add_cluster(StudySummary& s) const {
  if (last_finish_ <= first_submit_) return;
  const double idle = static_cast<double>(at_last_finish_.idle - at_first_submit_.idle);
  const double fragment = static_cast<double>(at_last_finish_.fragment - at_first_submit_.fragment);
  if (idle > 0) s.fragmentation_ratio = fragment / 1000 / idle;
  const double span_s = to_seconds(last_finish_ - first_submit_);  // of the integral: the cluster's clock
  s.unallocatable_gpus = gpu_s(at_last_finish_.unusable - at_first_submit_.unusable) / span_s;
  const double usable = static_cast<double>(at_last_finish_.usable - at_first_submit_.usable);
  if (speeds_known_ && usable > 0)
    s.throughput_efficiency = static_cast<double>(at_last_finish_.speedup - at_first_submit_.speedup) / 1000 / usable;
}

bool StudyFold::measures_all() const {
  return std::all_of(table_->begin(), table_->end(), [](const JobInfo& j) { return j.measured; });
}

bool StudyFold::priced() const {
  return std::all_of(in_.groups.begin(), in_.groups.end(),
                     [](const NodeGroup& g) { return g.count * g.gpus_per_node == 0 || g.price_micro_per_h > 0; });
}

bool StudyFold::powered() const {
  return std::all_of(in_.groups.begin(), in_.groups.end(), [](const NodeGroup& g) {
    return g.count * g.gpus_per_node == 0 || (g.idle_milliwatt > 0 && g.busy_milliwatt > 0);
  });
}

void StudyFold::add_economy(StudySummary& s, const MetricsFold& base) const {
  double cost = 0, joule = 0;
  const double span_s = to_seconds(base.makespan());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const NodeGroup& group = in_.groups[g];
    const double gpus = static_cast<double>(group.count) * group.gpus_per_node;
    cost += gpu_s(groups_[g].held) / 3600 * (static_cast<double>(group.price_micro_per_h) / 1e6);
    const double idle_w = static_cast<double>(group.idle_milliwatt) / 1000;
    const double busy_w = static_cast<double>(group.busy_milliwatt) / 1000;
    joule += idle_w * gpus * span_s + (busy_w - idle_w) * gpu_s(groups_[g].running);
  }
  const bool all = measures_all();
  Mean cpu;
  double of_measured = 0;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.counted(id)) continue;
    of_measured += jobs_[i].cost;
    const Duration one = base.cpu_per_sample(id);
    if (one.ns > 0) cpu.add(to_seconds(one));
  }
  if (priced()) s.cost = all ? cost : of_measured;
  if (powered() && all) s.energy_kwh = joule / 3.6e6;
  s.cpu_per_sample_s = cpu.value();
}

StudySummary StudyFold::summary(const MetricsFold& base) const {
  StudySummary s;
  add_fairness(s, base);
  add_shares(s, base);
  add_work(s, base);
  add_cluster(s);
  add_economy(s, base);
  add_transfer(s);
  add_features(s);
  add_bubbles(s);
  add_lineages(s, base);
  add_delays(s, base);
  add_groups(s, base);
  return s;
}

}  // namespace orrery

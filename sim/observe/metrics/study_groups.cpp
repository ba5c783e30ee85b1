// What a study's fold says of parents and children at the end of a run, and of each tenant and kind.
#include <algorithm>
#include <map>

#include "sim/observe/metrics/mean.hpp"
#include "sim/observe/metrics/study.hpp"

namespace orrery {

void StudyFold::add_transfer(StudySummary& s) const {
  Mean worse, share;
  double saved = 0, saved_s = 0, base_s = 0;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    if (!jobs_[i].heir || !(*table_)[i].measured) continue;
    const double of_job = static_cast<double>(jobs_[i].saved_ns) / 1e9;
    worse.add(jobs_[i].saved_ns < 0 ? 1 : 0);
    saved += of_job * static_cast<double>((*table_)[i].milli_gpus) / kMilliPerGpu;
    const std::optional<Duration>& exclusive = in_.jobs[i].exclusive;
    if (!exclusive || exclusive->ns <= 0) continue;
    saved_s += of_job;
    base_s += to_seconds(*exclusive);
    share.add(of_job / to_seconds(*exclusive));
  }
  if (worse.n == 0) return;
  s.negative_transfer_ratio = worse.value();
  s.transfer_saved_gpu_s = saved;
  s.child_saved_ratio = share.value();
  if (base_s > 0) s.transfer_saved_ratio = saved_s / base_s;
}

void StudyFold::note_features(Job& j, const Event& e) {
  const event::Features& says = e.get<event::Features>();
  const bool hit = says.use == FeatureUse::hit;
  if (hit) j.spared_ns += says.time.ns;
  if ((!hit && says.use != FeatureUse::miss) || !(*table_)[e.job.index()].measured) return;
  ++(hit ? feature_hits_ : feature_misses_);
  if (hit) features_saved_ += static_cast<Int128>(says.time.ns) * live_[j.live].held.milli_gpus();
}

void StudyFold::add_features(StudySummary& s) const {
  if (feature_hits_ + feature_misses_ == 0) return;
  s.feature_hits = static_cast<double>(feature_hits_);
  s.feature_misses = static_cast<double>(feature_misses_);
  s.features_saved_gpu_s = to_gpu_seconds(GpuTime{features_saved_});
}

void StudyFold::add_bubbles(StudySummary& s) const {
  const BubbleMeter::Totals t = bubbles_.totals(now_);
  if (t.idle == 0) return;
  s.bubble_gpu_s = to_gpu_seconds(GpuTime{t.idle});
  s.filled_ratio = static_cast<double>(t.used) / static_cast<double>(t.idle);
  s.bubble_slowdown_ratio = bubbles_.slowdown();
}

void StudyFold::add_lineages(StudySummary& s, const MetricsFold& base) const {
  const auto has_parents = [](const StudyJob& j) { return !j.parents.empty(); };
  if (std::none_of(in_.jobs.begin(), in_.jobs.end(), has_parents)) return;
  std::vector<std::vector<std::uint32_t>> children(jobs_.size());
  std::vector<std::size_t> open(jobs_.size());  // children whose last descendant is not known yet
  std::vector<Time> last(jobs_.size()), first_child(jobs_.size(), kNever);
  Mean usable_child, makespan;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    for (const JobId parent : in_.jobs[i].parents) {
      children[parent.index()].push_back(static_cast<std::uint32_t>(i));
      ++open[parent.index()];
    }
  }
  std::vector<std::uint32_t> next;
  for (std::size_t i = 0; i < jobs_.size(); ++i)
    if (children[i].empty()) next.push_back(static_cast<std::uint32_t>(i));
  for (std::size_t k = 0; k < next.size(); ++k) {
    const JobId id(next[k]);
    const bool finished = base.submitted(id) && base.numbers(id).state == JobState::finished;
    const Time finish = finished ? base.numbers(id).finish : Time{};
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
    if (children[i].empty() || !base.counted(id)) continue;
    const Time submit = base.numbers(id).submit;
    if (first_child[i] != kNever) usable_child.add(to_seconds(first_child[i] - submit));
    if (!in_.jobs[i].parents.empty() || last[i] <= submit) continue;
    makespan.add(to_seconds(last[i] - submit));
    s.lineage_makespan_max_s = std::max(s.lineage_makespan_max_s.value_or(0), to_seconds(last[i] - submit));
  }
  s.first_child_s = usable_child.value();
  s.lineage_makespan_s = makespan.value();
}

// What waiting, moving and failures cost finished jobs; what a child that reached its target cost the cluster; and
// how those fare that are beside the lineages.
void StudyFold::add_delays(StudySummary& s, const MetricsFold& base) const {
  Mean avoidable, beside;
  double held = 0;
  std::int64_t targets = 0;
  std::vector<bool> of_lineage(jobs_.size());
  bool lineages = false;
  for (std::size_t i = 0; i < jobs_.size(); ++i)
    for (const JobId parent : in_.jobs[i].parents) of_lineage[i] = of_lineage[parent.index()] = lineages = true;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!base.counted(id)) continue;
    const JobNumbers row = base.numbers(id);
    held += to_gpu_seconds(row.held);
    if (row.state != JobState::finished) continue;
    const std::string& kind = (*table_)[i].kind;
    targets += kind == "transfer" || kind == "hpo" ? 1 : 0;
    const double jct_s = to_seconds(row.finish - row.submit);
    if (!of_lineage[i]) beside.add(jct_s);
    if (const auto& unlimited = in_.jobs[i].unlimited)
      avoidable.add(to_seconds(row.finish - row.submit - *unlimited));
  }
  s.avoidable_delay_s = avoidable.value();
  if (lineages) s.independent_jct_s = beside.value();
  if (targets > 0) s.gpu_h_per_target = held / 3600 / static_cast<double>(targets);
}

namespace {

struct Sums {
  std::int64_t jobs = 0;
  Mean jct, wait, slowdown, fairness, on_time;
  double held = 0, productive = 0, useful = 0, tflop = 0, peak_tflop = 0, cost = 0, energy_j = 0;
  double saved = 0;
  bool heirs = false;
};

std::optional<double> ratio(double of, double to) {
  return to > 0 ? std::optional<double>(of / to) : std::nullopt;
}

}  // namespace

void StudyFold::add_groups(StudySummary& s, const MetricsFold& base) const {
  std::map<std::string, Sums> by_kind, by_tenant;
  const auto add = [&](Sums& of, const JobNumbers& row) {
    const std::size_t i = row.job.index();
    const Job& j = jobs_[i];
    const bool finished = row.state == JobState::finished;
    const double productive = productive_gpu_s(row);
    ++of.jobs;
    of.held += to_gpu_seconds(row.held);
    of.productive += productive;
    of.cost += j.cost;
    of.energy_j += j.energy_j;
    if (const auto& deadline = in_.jobs[i].deadline) of.on_time.add(finished && row.finish <= *deadline ? 1 : 0);
    if (j.heir) {
      of.heirs = true;
      of.saved += static_cast<double>(j.saved_ns) / 1e9 * static_cast<double>((*table_)[i].milli_gpus) / kMilliPerGpu;
    }
    if (!finished) return;
    const double jct_s = to_seconds(row.finish - row.submit);
    of.jct.add(jct_s);
    of.wait.add(to_seconds(row.wait));
    of.useful += productive;
    if (const auto computed = computed_tflop(row.job)) {
      of.tflop += *computed;
      of.peak_tflop += j.peak_tflop;
    }
    if (const auto exclusive = exclusive_s(row.job)) {
      of.slowdown.add(jct_s / *exclusive);
      of.fairness.add(*rho(row));
    }
  };
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    const JobInfo& info = (*table_)[i];
    if (!base.counted(id) || (info.kind.empty() && info.tenant.empty())) continue;
    const JobNumbers row = base.numbers(id);
    if (!info.kind.empty()) add(by_kind[info.kind], row);
    if (!info.tenant.empty()) add(by_tenant[info.tenant], row);
  }
  const double usable = static_cast<double>(base.usable_gpu_time_milli_ns()) / 1e12;
  const auto rows_of = [&](const std::map<std::string, Sums>& sums) {
    std::vector<StudyGroup> groups;
    for (const auto& [name, of] : sums) {
      StudyGroup g;
      g.name = name;
      g.jobs = of.jobs;
      g.finished = of.jct.n;
      g.mean_jct_s = of.jct.value();
      g.mean_wait_s = of.wait.value();
      g.mean_slowdown = of.slowdown.value();
      g.ftf_rho_mean = of.fairness.value();
      g.slo_ratio = of.on_time.value();
      g.held_gpu_s = of.held;
      g.productive_gpu_s = of.productive;
      g.ettr_ratio = ratio(of.productive, of.held);
      g.work_goodput_ratio = of.jct.n > 0 ? ratio(of.useful, usable) : std::nullopt;
      g.mfu_ratio = ratio(of.tflop, of.peak_tflop);
      if (priced()) g.cost = of.cost;
      if (powered()) g.energy_kwh = of.energy_j / 3.6e6;
      if (of.heirs) g.transfer_saved_gpu_s = of.saved;
      groups.push_back(std::move(g));
    }
    return groups;
  };
  s.by_kind = rows_of(by_kind);
  s.by_tenant = rows_of(by_tenant);
}

}  // namespace orrery

#include "sim/observe/metrics/tables.hpp"

#include <cmath>
#include <limits>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery {
namespace {

constexpr std::size_t kFlushTableBytes = std::size_t{1} << 16;

template <std::int64_t Summary::*Field>
double count_of(const Summary& s) {
  return static_cast<double>(s.*Field);
}

template <double Summary::*Field>
double value_of(const Summary& s) {
  return s.*Field;
}

// NaN where the run does not say.
template <std::optional<double> StudySummary::*Field>
double study_of(const Summary& s) {
  return (s.study.*Field).value_or(std::numeric_limits<double>::quiet_NaN());
}

void append_job(TextBuffer& out, const JobInfo& job, const JobNumbers& r) {
  const bool finished = r.state == JobState::finished;
  append_csv(out, job.name);
  out.push_back(',');
  append_csv(out, job.tenant);
  out.push_back(',');
  append_csv(out, job.kind);
  out.push_back(',');
  append_csv(out, job.model);
  out.push_back(',');
  append_int(out, r.gpus);
  out.push_back(',');
  append_seconds(out, r.submit);
  out.push_back(',');
  if (r.first_start != kNever) append_seconds(out, r.first_start);
  out.push_back(',');
  if (finished) append_seconds(out, r.finish);
  out.push_back(',');
  if (finished) append_seconds(out, r.finish - r.submit);
  out.push_back(',');
  append_seconds(out, r.wait);
  out.push_back(',');
  append_seconds(out, r.run);
  out.push_back(',');
  append_gpu_seconds(out, r.service);
  out.push_back(',');
  append_gpu_seconds(out, r.held);
  out.push_back(',');
  append_int(out, r.launches);
  out.push_back(',');
  append_int(out, r.preemptions);
  out.push_back(',');
  if (r.cpu_per_sample.ns > 0) append_seconds(out, r.cpu_per_sample);
  out.push_back(',');
  out += to_string(r.state);
  out.push_back(',');
  out += to_string(r.rejection);
  out.push_back('\n');
}

}  // namespace

const std::vector<MetricDefinition>& metric_definitions() {
  static const std::vector<MetricDefinition> kTable = {
      {"jobs", "jobs", "count", "Jobs submitted.", count_of<&Summary::jobs>, true, false},
      {"finished", "finished", "count", "Jobs that did all their work.", count_of<&Summary::finished>, true, false},
      {"rejected", "rejected", "count", "Jobs that can never run here or that the policy declined.",
       count_of<&Summary::rejected>, true, false},
      {"failed", "failed", "count", "Jobs that failed for good.", count_of<&Summary::failed>, true, false},
      {"cancelled", "cancelled", "count", "Jobs cancelled before they finished.", count_of<&Summary::cancelled>, true,
       false},
      {"mean_jct_s", "mean JCT", "s", "Mean over finished jobs of the time from submit to finish.",
       value_of<&Summary::mean_jct_s>, false, true},
      {"p50_jct_s", "median", "s", "Median of the time from submit to finish (linear interpolation).",
       value_of<&Summary::p50_jct_s>, false, true},
      {"p90_jct_s", "p90 JCT", "s", "90th percentile of the time from submit to finish (linear interpolation).",
       value_of<&Summary::p90_jct_s>, false, true},
      {"p99_jct_s", "p99 JCT", "s", "99th percentile of the time from submit to finish (linear interpolation).",
       value_of<&Summary::p99_jct_s>, false, true},
      {"mean_wait_s", "wait", "s", "Mean over finished jobs of the total time without an allocation.",
       value_of<&Summary::mean_wait_s>, false, true},
      {"mean_initial_wait_s", "first wait", "s",
       "Mean over finished jobs of the time from submit to the first allocation.",
       value_of<&Summary::mean_initial_wait_s>, false, true},
      {"makespan_s", "makespan", "s", "Time from the first submit to the last finish.",
       value_of<&Summary::makespan_s>, false, true},
      {"gpu_util_ratio", "GPU util", "1", "GPU-time held over usable GPU-time, from first submit to last finish.",
       value_of<&Summary::gpu_util_ratio>, false, true},
      {"gpu_goodput_ratio", "GPU goodput", "1",
       "GPU-time of running jobs over usable GPU-time, from first submit to last finish.",
       value_of<&Summary::gpu_goodput_ratio>, false, true},
      {"preemptions", "preemptions", "count",
       "Stops of started jobs that the policy asked for, with those that left bubbles since their host was stopped.",
       count_of<&Summary::preemptions>, true, false},
      {"launches", "launches", "count", "Times a job was given its GPUs.", count_of<&Summary::launches>, true, false},
      {"decisions", "decisions", "count", "Times the policy was asked.", count_of<&Summary::decisions>, true, false},
      {"unmeasured", "unmeasured", "count",
       "Jobs submitted outside of the measuring window (`measure`): they ran, but no other metric is of them.",
       count_of<&Summary::unmeasured>, true, false},
      {"mean_slowdown", "slowdown", "1",
       "Mean over finished jobs of the time from submit to finish over the run time undisturbed on the "
       "requested GPUs.",
       study_of<&StudySummary::mean_slowdown>, false, true},
      {"p99_slowdown", "p99 slowdown", "1",
       "99th percentile of the slowdown of finished jobs (linear interpolation).",
       study_of<&StudySummary::p99_slowdown>, false, true},
      {"mean_bounded_slowdown", "bounded slowdown", "1",
       "Mean over finished jobs of the slowdown with run times counted as at least 10 s, and at least 1.",
       study_of<&StudySummary::mean_bounded_slowdown>, false, true},
      {"ftf_rho_mean", "rho", "1",
       "Mean over finished jobs of finish-time fairness: time from submit to finish over the undisturbed run "
       "time times max(1, mean jobs in the system per usable GPU over the job's life).",
       study_of<&StudySummary::ftf_rho_mean>, false, true},
      {"ftf_rho_worst", "worst rho", "1", "Largest finish-time fairness rho of a finished job.",
       study_of<&StudySummary::ftf_rho_worst>, false, true},
      {"ftf_unfair_ratio", "unfair", "1", "Share of finished jobs whose finish-time fairness rho is above 1.1.",
       study_of<&StudySummary::ftf_unfair_ratio>, false, true},
      {"ftf_unfair_105_ratio", "unfair at 1.05", "1",
       "Share of finished jobs whose finish-time fairness rho is above 1.05.",
       study_of<&StudySummary::ftf_unfair_105_ratio>, false, true},
      {"ftf_jain", "Jain", "1", "Jain's index over finished jobs of 1/rho.", study_of<&StudySummary::ftf_jain>, false,
       true},
      {"tenant_jain", "Jain of tenants", "1",
       "Jain's index over tenants of the mean 1/rho of their finished jobs, where there are two or more.",
       study_of<&StudySummary::tenant_jain>, false, true},
      {"themis_rho_mean", "Themis rho", "1",
       "Mean over finished jobs of Themis' fairness: time from submit to finish over the run time alone on one part "
       "in N of the usable GPUs, N being the mean jobs in the system over the job's life (linear in GPUs, never "
       "faster than on the requested ones).",
       study_of<&StudySummary::themis_rho_mean>, false, true},
      {"themis_rho_worst", "worst Themis rho", "1", "Largest Themis rho of a finished job.",
       study_of<&StudySummary::themis_rho_worst>, false, true},
      {"share_jain", "Jain of shares", "1",
       "Jain's index over finished jobs of the GPU-time held over the GPU-time deserved: an equal share among the "
       "jobs in the system of the usable GPUs from ready to finish, or what the job asked for if that is less.",
       study_of<&StudySummary::share_jain>, false, true},
      {"slo_ratio", "deadlines met", "1",
       "Share of submitted jobs with a deadline that finished by it; declined ones count as missed.",
       study_of<&StudySummary::slo_ratio>, false, true},
      {"fragmentation_ratio", "fragmentation", "1",
       "Idle GPU-time that a job drawn from the workload could not use on its node, for want of GPUs, CPUs, memory "
       "or the right type (FGD's F over 95 % of the jobs), over idle GPU-time, from first submit to last finish.",
       study_of<&StudySummary::fragmentation_ratio>, false, true},
      {"unallocatable_gpus", "unallocatable", "GPUs",
       "Mean idle GPUs, from first submit to last finish, that a job of the most common demand for GPUs could not "
       "use on their node.",
       study_of<&StudySummary::unallocatable_gpus>, false, true},
      {"throughput_efficiency", "throughput efficiency", "1",
       "ElasticFlow's cluster efficiency, mean from first submit to last finish: sum over running jobs of the speed "
       "on their GPUs over the speed on one of them (of profiles, alone there), over usable GPUs; above 1 where jobs "
       "scale better than linearly or interleave.",
       study_of<&StudySummary::throughput_efficiency>, false, true},
      {"work_goodput_ratio", "work goodput", "1",
       "Productive GPU-time of finished jobs over usable GPU-time, from first submit to last finish; above 1 only "
       "where jobs interleave on GPUs, which then count for each.",
       study_of<&StudySummary::work_goodput_ratio>, false, true},
      {"ettr_ratio", "ETTR", "1",
       "Productive GPU-time over GPU-time held (effective training time ratio): what restarts, checkpoints and lost "
       "work leave.",
       study_of<&StudySummary::ettr_ratio>, false, true},
      {"stretch_ratio", "stretch", "1",
       "Productive GPU-time of finished jobs over the GPU-time of the same work undisturbed on the requested GPUs: "
       "above 1 what slow placements, neighbours, slow nodes and sizes that scale badly cost, below 1 what sizes and "
       "GPU types of more work per GPU save.",
       study_of<&StudySummary::stretch_ratio>, false, true},
      {"mfu_ratio", "MFU", "1",
       "Model FLOPs of the work that finished jobs did, what a child inherited not counted, over the peak FLOPs of "
       "the GPU-time they held; above 1 only where FLOPs, run times and peaks contradict each other.",
       study_of<&StudySummary::mfu_ratio>, false, true},
      {"held_gpu_s", "GPU-time held", "GPU s",
       "GPU-time that jobs held an allocation: overhead, checkpoints, lost and productive.",
       study_of<&StudySummary::held_gpu_s>, false, true},
      {"overhead_gpu_s", "overhead", "GPU s", "GPU-time held but not running: starts, stops and suspensions.",
       study_of<&StudySummary::overhead_gpu_s>, false, true},
      {"checkpoint_gpu_s", "checkpoints", "GPU s",
       "GPU-time that running jobs stood still to save or publish, also where a stop or a failure broke it off.",
       study_of<&StudySummary::checkpoint_gpu_s>, false, true},
      {"lost_gpu_s", "lost", "GPU s",
       "GPU-time running whose work was rolled back because a failure or a kill came before it was saved, or dropped "
       "because the job began anew.",
       study_of<&StudySummary::lost_gpu_s>, false, true},
      {"productive_gpu_s", "productive", "GPU s",
       "GPU-time running, without checkpoints and lost work: all of it made progress that was kept, fast or slow.",
       study_of<&StudySummary::productive_gpu_s>, false, true},
      {"restarts", "restarts", "count", "Launches of jobs that had been launched before.",
       study_of<&StudySummary::restarts>, true, true},
      {"migrations", "migrations", "count", "Restarts on other GPUs than before.",
       study_of<&StudySummary::migrations>, true, true},
      {"cost", "cost", "currency", "GPU-time held at the price of its group (cluster.groups.price, per GPU-hour).",
       study_of<&StudySummary::cost>, false, true},
      {"energy_kwh", "energy", "kWh",
       "Idle power of all GPUs from first submit to last finish, and what running jobs draw above it "
       "(cluster.groups.idle_watt, busy_watt); no value where some jobs are not measured.",
       study_of<&StudySummary::energy_kwh>, false, true},
      {"cpu_per_sample_s", "preprocessing", "core s",
       "CPU time of one core that loading and preprocessing a sample took, as jobs that really train measured it: "
       "mean over those that did, of what each last said.",
       study_of<&StudySummary::cpu_per_sample_s>, false, true},
      {"first_child_s", "first usable child", "s",
       "Mean over jobs that others depend on of the time from their submit to the first finish of a child "
       "other than an evaluation.",
       study_of<&StudySummary::first_child_s>, false, true},
      {"transfer_saved_gpu_s", "saved by transfer", "GPU s",
       "Work that children were spared by starting from a parent's version, at their requested GPUs; "
       "negative if they lost.",
       study_of<&StudySummary::transfer_saved_gpu_s>, false, true},
      {"transfer_saved_ratio", "share saved", "1",
       "Work spared by transfer over the work of the same children from their base checkpoints.",
       study_of<&StudySummary::transfer_saved_ratio>, false, true},
      {"child_saved_ratio", "saved per child", "1",
       "Mean over children started from a parent's version of the share of their work (their epochs, from the base "
       "checkpoint) that this saved; negative if they lost.",
       study_of<&StudySummary::child_saved_ratio>, false, true},
      {"negative_transfer_ratio", "negative transfer", "1",
       "Share of children started from a parent's version for which that cost work.",
       study_of<&StudySummary::negative_transfer_ratio>, false, true},
      {"feature_hits", "feature hits", "count",
       "Launches of probes that found the features that they need in the store.",
       study_of<&StudySummary::feature_hits>, true, false},
      {"feature_misses", "feature misses", "count", "Launches of probes that did not, and computed them.",
       study_of<&StudySummary::feature_misses>, true, false},
      {"features_saved_gpu_s", "saved by features", "GPU s",
       "Run time that features which were found spared their probes, reading them deducted, at the GPUs that "
       "these held.",
       study_of<&StudySummary::features_saved_gpu_s>, false, false},
      {"bubble_gpu_s", "bubbles", "GPU s", "GPU-time that jobs that run idle in the bubbles which they advertise.",
       study_of<&StudySummary::bubble_gpu_s>, false, false},
      {"filled_ratio", "filled", "1", "Share of that GPU-time in which jobs that fill bubbles compute.",
       study_of<&StudySummary::filled_ratio>, false, false},
      {"bubble_slowdown_ratio", "slowed by fillers", "1",
       "How much longer jobs took beside fillers for what they did then, over what it takes at the speed that they "
       "reported alone in the same phase.",
       study_of<&StudySummary::bubble_slowdown_ratio>, false, true},
      {"lineage_makespan_s", "lineage makespan", "s",
       "Mean over jobs without parents that others depend on of the time from their submit to the last "
       "finish of a descendant.",
       study_of<&StudySummary::lineage_makespan_s>, false, true},
      {"lineage_makespan_max_s", "longest lineage", "s",
       "Longest time from the submit of a job without parents to the last finish of a descendant.",
       study_of<&StudySummary::lineage_makespan_max_s>, false, true},
      {"avoidable_delay_s", "avoidable delay", "s",
       "Mean over finished jobs of the time from submit to finish less what it would be with GPUs for all: launched "
       "on its requested GPUs when ready, from the newest version there is then, never stopped, nothing failing, its "
       "parents likewise; below 0 where other sizes or later versions more than make up for waiting.",
       study_of<&StudySummary::avoidable_delay_s>, false, true},
      {"gpu_h_per_target", "GPU-hours per target", "GPU h",
       "GPU-time that all jobs held, over the transfer jobs and members of grids that finished: each has reached its "
       "target.",
       study_of<&StudySummary::gpu_h_per_target>, false, true},
      {"independent_jct_s", "JCT beside lineages", "s",
       "Mean over finished jobs that have neither parents nor children of the time from submit to finish, where "
       "other jobs have some.",
       study_of<&StudySummary::independent_jct_s>, false, true},
  };
  return kTable;
}

std::optional<double> metric_value(const MetricDefinition& m, const Summary& s) {
  if (m.needs_finished && s.finished == 0) return std::nullopt;
  const double value = m.get(s);
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

void write_jobs_csv(const MetricsFold& fold, const TextSink& sink) {
  TextBuffer out;
  out +=
      "job_id,tenant,kind,model,gpus,submit_s,first_start_s,finish_s,jct_s,wait_s,run_s,service_gpu_s,held_gpu_s,"
      "launches,preemptions,cpu_per_sample_s,state,reason\n";
  for (std::size_t i = 0; i < fold.job_count(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!fold.submitted(id)) continue;
    append_job(out, fold.info(id), fold.numbers(id));
    if (out.size() < kFlushTableBytes) continue;
    sink(out.view());
    out.clear();
  }
  sink(out.view());
}

void write_samples_csv(const SampleSeries& samples, const TextSink& sink) {
  TextBuffer out;
  out += "t_s,gpus_held,gpus_running,gpus_down,queue_jobs,queue_gpus\n";
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample s = samples[i];
    append_seconds(out, s.at);
    out.push_back(',');
    append_decimal(out, s.gpus_held_milli, 3);
    out.push_back(',');
    append_decimal(out, s.gpus_running_milli, 3);
    out.push_back(',');
    append_int(out, s.gpus_down);
    out.push_back(',');
    append_int(out, s.queue_jobs);
    out.push_back(',');
    append_int(out, s.queue_gpus);
    out.push_back('\n');
    if (out.size() < kFlushTableBytes) continue;
    sink(out.view());
    out.clear();
  }
  sink(out.view());
}

namespace {

// Keys as in the table of metrics.
nlohmann::ordered_json groups_json(const std::vector<StudyGroup>& groups) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  const auto number = [](const std::optional<double>& v) {
    return v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr);
  };
  for (const StudyGroup& g : groups) {
    // A member more does not compile before it has a key.
    const auto& [name, jobs, finished, jct_s, wait_s, slowdown, rho, slo, held, productive, ettr, goodput, mfu, cost,
                 energy, saved] = g;
    nlohmann::ordered_json one;
    one["jobs"] = jobs;
    one["finished"] = finished;
    one["mean_jct_s"] = number(jct_s);
    one["mean_wait_s"] = number(wait_s);
    one["mean_slowdown"] = number(slowdown);
    one["ftf_rho_mean"] = number(rho);
    one["slo_ratio"] = number(slo);
    one["held_gpu_s"] = held;
    one["productive_gpu_s"] = productive;
    one["ettr_ratio"] = number(ettr);
    one["work_goodput_ratio"] = number(goodput);
    one["mfu_ratio"] = number(mfu);
    one["cost"] = number(cost);
    one["energy_kwh"] = number(energy);
    one["transfer_saved_gpu_s"] = number(saved);
    all[name] = std::move(one);
  }
  return all;
}

}  // namespace

std::string summary_json(const Summary& s) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const MetricDefinition& m : metric_definitions()) {
    nlohmann::ordered_json one;
    one["name"] = m.title;
    const std::optional<double> value = metric_value(m, s);
    if (!value)
      one["value"] = nullptr;
    else if (m.integral)
      one["value"] = static_cast<std::int64_t>(*value);
    else
      one["value"] = *value;
    one["unit"] = m.unit;
    one["definition"] = m.definition;
    metrics[m.key] = std::move(one);
  }
  nlohmann::ordered_json all;
  all["schema"] = 1;
  all["metrics"] = std::move(metrics);
  if (!s.study.by_kind.empty()) all["by_kind"] = groups_json(s.study.by_kind);
  if (!s.study.by_tenant.empty()) all["by_tenant"] = groups_json(s.study.by_tenant);
  return json_text(all, 2) + "\n";
}

}  // namespace orrery

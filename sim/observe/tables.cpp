#include "sim/observe/tables.hpp"

#include <nlohmann/json.hpp>

namespace orrery {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 16;

template <std::int64_t Summary::*Field>
double count_of(const Summary& s) {
  return static_cast<double>(s.*Field);
}

template <double Summary::*Field>
double value_of(const Summary& s) {
  return s.*Field;
}

void append_job(std::string& out, const JobRow& r) {
  const bool finished = r.state == JobState::finished;
  append_csv(out, r.name);
  out.push_back(',');
  append_csv(out, r.tenant);
  out.push_back(',');
  append_csv(out, r.kind);
  out.push_back(',');
  append_csv(out, r.model);
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
  out += to_string(r.state);
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
      {"makespan_s", "makespan", "s", "Time from the first submit to the last finish.",
       value_of<&Summary::makespan_s>, false, true},
      {"gpu_util_ratio", "GPU util", "1", "GPU-time held over usable GPU-time, from first submit to last finish.",
       value_of<&Summary::gpu_util_ratio>, false, true},
      {"gpu_goodput_ratio", "GPU goodput", "1",
       "GPU-time of running jobs over usable GPU-time, from first submit to last finish.",
       value_of<&Summary::gpu_goodput_ratio>, false, true},
      {"preemptions", "preemptions", "count", "Stops of started jobs that the policy asked for.",
       count_of<&Summary::preemptions>, true, false},
      {"launches", "launches", "count", "Times a job was given its GPUs.", count_of<&Summary::launches>, true, false},
      {"decisions", "decisions", "count", "Times the policy was asked.", count_of<&Summary::decisions>, true, false},
  };
  return kTable;
}

std::optional<double> metric_value(const MetricDefinition& m, const Summary& s) {
  if (m.needs_finished && s.finished == 0) return std::nullopt;
  return m.get(s);
}

void write_jobs_csv(const MetricsFold& fold, const TextSink& sink) {
  std::string out =
      "job_id,tenant,kind,model,gpus,submit_s,first_start_s,finish_s,jct_s,wait_s,run_s,service_gpu_s,held_gpu_s,"
      "launches,preemptions,state\n";
  for (std::size_t i = 0; i < fold.job_count(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    if (!fold.submitted(id)) continue;
    append_job(out, fold.row(id));
    if (out.size() < kFlushBytes) continue;
    sink(out);
    out.clear();
  }
  sink(out);
}

void write_samples_csv(const SampleSeries& samples, const TextSink& sink) {
  std::string out = "t_s,gpus_held,gpus_running,gpus_down,queue_jobs,queue_gpus\n";
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
    if (out.size() < kFlushBytes) continue;
    sink(out);
    out.clear();
  }
  sink(out);
}

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
  return all.dump(2) + "\n";
}

}  // namespace orrery

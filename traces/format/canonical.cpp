// The canonical format: reading, writing and its rules. What a column means stands once, in kColumns.
#include "traces/format/canonical.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sim/core/joined.hpp"
#include "traces/format/decimal.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/lineage_cells.hpp"
#include "traces/format/phase_cells.hpp"
#include "traces/format/table_reader.hpp"
#include "traces/format/text_file.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMaxGpus = 1'000'000;
constexpr std::int64_t kMostSlices = 64;  // of a GPU
constexpr std::int64_t kMostPasses = 1'000'000;
constexpr std::int64_t kMostWhole = std::numeric_limits<std::int64_t>::max();
constexpr std::array<TraceColumn, 33> kColumns{{
    {"job_id", "name of the job, once in a trace; required"},
    {"submit_s", "when it is submitted; required"},
    {"gpus", "GPUs that it asks for; 0 where it asks for CPUs only; required"},
    {"duration_s", "run time on the requested GPUs; required, but may be empty where a profile of `model` knows it"},
    {"tenant", "user or group"},
    {"kind", "pretrain, transfer, eval or hpo"},
    {"model", "what it trains: a name of a profile or of the catalogue"},
    {"dataset", "what it is trained on, by name: jobs of one model and data set gain alike from a parent"},
    {"min_gpus", "the fewest GPUs that it may be given"},
    {"max_gpus", "the most GPUs that it may be given"},
    {"gpu_fraction", "share of one GPU, above 0 and at most 1, in steps of 0.001"},
    {"gpu_type", "GPU types that it may use: A100 or A100|V100"},
    {"cpus", "CPUs of the whole job"},
    {"mem_bytes", "memory of the whole job"},
    {"estimate_s", "run time that the user claims"},
    {"deadline_s", "when it should have finished, from the trace's zero"},
    {"weight", "importance, above 0; of all policies only `lineage` reads it"},
    {"batch", "samples of a step over all GPUs"},
    {"after", "jobs that it starts from: p17@hard:0.8;p9@soft"},
    {"iterations", "training steps"},
    {"iteration_s", "time of a training step"},
    {"samples", "samples to train on, where run time follows from a profile that counts them"},
    {"gain", "share of its work that a finished parent saves, or costs: p17:0.45;p9:-0.2"},
    {"epochs", "passes over its data in `duration_s`; after one of them a child's progress is compared (`assessed`)"},
    {"tflop", "model FLOPs of the whole job, in 10^12"},
    {"vcluster", "virtual cluster whose share it counts against; no policy reads it"},
    {"market", "market in which its GPUs are bought, such as spot; no policy reads it"},
    {"bid", "the most it pays per GPU-hour, in the currency of a group's `price`; no policy reads it"},
    {"speed_class", "class of jobs for which single GPUs differ alike; no policy reads it"},
    {"mig_slices", "slices of one GPU that it asks for; no policy reads it"},
    {"cpu_sensitivity",
     "share of its speed, 0 to 1, that it loses with half of the CPUs that it wants for decoding "
     "(`phases`); no policy reads it"},
    {"mem_sensitivity", "share of its speed, 0 to 1, that it loses with half of `mem_bytes`; no policy reads it"},
    {"phases",
     "parts of its work whose steps are alike, KIND@FROM:STEP:CPUS:SERIAL each; see docs/lineage.md: "
     "projector@0:0.7:3;full@0.3:1"},
}};

struct Columns {
  explicit Columns(const TableReader& r) {
    for (std::size_t i = 0; i < kColumns.size(); ++i) at[i] = r.column(kColumns[i].name);
  }
  [[nodiscard]] int operator[](std::string_view name) const {
    const auto named = [name](const TraceColumn& c) { return c.name == name; };
    return at[static_cast<std::size_t>(std::find_if(kColumns.begin(), kColumns.end(), named) - kColumns.begin())];
  }
  std::array<int, kColumns.size()> at{};
};

void read_parents(TableReader& rows, const Columns& c, TraceJob& j) {
  for (const NamingColumn& naming : naming_columns()) {
    j.*naming.cell = rows.text(c[naming.name]);
    if (const auto item = malformed_item(naming, j.*naming.cell))
      rows.complain(c[naming.name], fmt::format("has `{}`, which is no {}", *item, naming.noun),
                    std::string(naming.form));
    else if (const auto parent = repeated_parent(naming, j.*naming.cell))
      rows.complain(c[naming.name], fmt::format("names `{}` twice", *parent), "each parent has one item");
  }
}

// What nothing looks at yet.
void read_room(TableReader& rows, const Columns& c, TraceJob& j) {
  const auto share = [&](std::string_view name) {
    const std::int64_t v = rows.maybe_fixed(c[name], 3, 0).value_or(0);
    if (v > 1000) rows.complain(c[name], "must be from 0 to 1");
    return static_cast<std::int32_t>(std::min<std::int64_t>(v, 1000));
  };
  j.vcluster = rows.text(c["vcluster"]);
  j.market = rows.text(c["market"]);
  j.bid_micro_per_h = rows.maybe_fixed(c["bid"], 6, 0).value_or(0);
  j.speed_class = rows.text(c["speed_class"]);
  j.mig_slices = static_cast<std::int32_t>(rows.maybe_integer(c["mig_slices"], 0, kMostSlices).value_or(0));
  j.cpu_sensitivity_per_mille = share("cpu_sensitivity");
  j.mem_sensitivity_per_mille = share("mem_sensitivity");
}

void check_gpus(TableReader& rows, const Columns& c, TraceJob& j) {
  if (j.gpus == 0 && j.cpu_milli == 0) rows.complain(c["gpus"], "may be 0 only where `cpus` is > 0");
  if (j.min_gpus && *j.min_gpus > j.gpus)
    rows.complain(c["min_gpus"], fmt::format("must be at most gpus ({})", j.gpus));
  if (j.max_gpus && *j.max_gpus < j.gpus)
    rows.complain(c["max_gpus"], fmt::format("must be at least gpus ({})", j.gpus));
  if (j.gpu_milli && (*j.gpu_milli < 1 || *j.gpu_milli > kMilliPerGpu))
    rows.complain(c["gpu_fraction"], "must be in (0, 1], in steps of 0.001");
  if (j.gpu_milli && *j.gpu_milli < kMilliPerGpu && j.gpus != 1)
    rows.complain(c["gpu_fraction"], fmt::format("may be below 1 only for one GPU, not for {}", j.gpus));
}

}  // namespace

TraceJob::TraceJob() = default;
TraceJob::TraceJob(const TraceJob&) = default;
TraceJob::TraceJob(TraceJob&&) noexcept = default;
TraceJob& TraceJob::operator=(const TraceJob&) = default;
TraceJob& TraceJob::operator=(TraceJob&&) noexcept = default;
TraceJob::~TraceJob() = default;

void read_kind(TableReader& rows, int column, TraceJob& j) {
  j.kind = rows.text(column);
  if (j.kind.empty()) return;
  std::vector<std::string_view> kinds;
  for (const JobKind k : {JobKind::pretrain, JobKind::transfer, JobKind::eval, JobKind::hpo}) {
    kinds.push_back(to_string(k));
    if (kinds.back() == j.kind) return;
  }
  const std::string_view near = closest(j.kind, kinds);
  rows.complain(column, fmt::format("must be one of {}", joined(kinds, ", ")),
                near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

void read_canonical(TableReader& rows, Trace& trace) {
  const Columns c(rows);
  trace.has_estimates = c["estimate_s"] != TableReader::kAbsent;
  std::vector<std::string_view> known;
  for (const TraceColumn& column : kColumns) known.push_back(column.name);
  note_unread(rows, trace, known);
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(c["job_id"]);
    j.submit = Time{rows.fixed(c["submit_s"], 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(c["gpus"], 1, 0, kMaxGpus));
    j.duration = Duration{rows.maybe_fixed(c["duration_s"], 9, 1).value_or(0)};
    if (rows.text(c["duration_s"]).empty() && rows.text(c["model"]).empty())
      rows.complain(c["duration_s"], "must be given");
    if (j.submit.ns > kMaxTraceNs) rows.complain(c["submit_s"], "is more than 73 years");
    if (j.duration.ns > kMaxTraceNs) rows.complain(c["duration_s"], "is more than 73 years");
    j.tenant = rows.text(c["tenant"]);
    read_kind(rows, c["kind"], j);
    j.model = rows.text(c["model"]);
    j.dataset = rows.text(c["dataset"]);
    if (const auto n = rows.maybe_integer(c["min_gpus"], 1, kMaxGpus)) j.min_gpus = static_cast<std::int32_t>(*n);
    if (const auto n = rows.maybe_integer(c["max_gpus"], 1, kMaxGpus)) j.max_gpus = static_cast<std::int32_t>(*n);
    if (const auto f = rows.maybe_fixed(c["gpu_fraction"], 3, 0))
      j.gpu_milli = static_cast<std::int32_t>(std::min<std::int64_t>(*f, 1'000'000));
    j.gpu_type = rows.text(c["gpu_type"]);
    j.cpu_milli = rows.maybe_fixed(c["cpus"], 3, 0).value_or(0);
    j.mem_bytes = rows.maybe_fixed(c["mem_bytes"], 0, 0).value_or(0);
    if (const auto e = rows.maybe_fixed(c["estimate_s"], 9, 1)) j.estimate = Duration{*e};
    if (const auto d = rows.maybe_fixed(c["deadline_s"], 9, 0)) j.deadline = Time{*d};
    j.weight = static_cast<double>(rows.maybe_fixed(c["weight"], 6, 1).value_or(1'000'000)) / 1e6;
    j.batch = rows.maybe_integer(c["batch"], 0, kMostWhole).value_or(0);
    j.iterations = rows.maybe_integer(c["iterations"], 0, kMostWhole).value_or(0);
    j.iteration_time = Duration{rows.maybe_fixed(c["iteration_s"], 9, 0).value_or(0)};
    j.samples = rows.maybe_integer(c["samples"], 0, kMostWhole).value_or(0);
    j.epochs = static_cast<std::int32_t>(rows.maybe_integer(c["epochs"], 0, kMostPasses).value_or(0));
    j.tflop = rows.maybe_integer(c["tflop"], 0, kMostWhole).value_or(0);
    read_parents(rows, c, j);
    read_room(rows, c, j);
    j.phases = rows.text(c["phases"]);
    if (const std::string why = why_no_phases(j.phases); !why.empty())
      rows.complain(c["phases"], why, std::string(kPhasesForm));
    check_gpus(rows, c, j);
    if (rows.row_ok()) trace.jobs.push_back(std::move(j));
  }
}

namespace {

struct Column {
  std::string_view name;
  bool (*used)(const TraceJob&);  // null = always written
  void (*append)(std::string&, const TraceJob&);
};

const std::array<Column, kColumns.size()>& columns() {
  static const std::array<Column, kColumns.size()> table{{
      {"job_id", nullptr, [](std::string& o, const TraceJob& j) { append_field(o, j.job_id); }},
      {"submit_s", nullptr, [](std::string& o, const TraceJob& j) { append_fixed(o, j.submit.ns, 9); }},
      {"gpus", nullptr, [](std::string& o, const TraceJob& j) { append_fixed(o, j.gpus, 0); }},
      {"duration_s", nullptr,
       [](std::string& o, const TraceJob& j) {
         if (j.duration.ns > 0) append_fixed(o, j.duration.ns, 9);
       }},
      {"tenant", [](const TraceJob& j) { return !j.tenant.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.tenant); }},
      {"kind", [](const TraceJob& j) { return !j.kind.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.kind); }},
      {"model", [](const TraceJob& j) { return !j.model.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.model); }},
      {"dataset", [](const TraceJob& j) { return !j.dataset.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.dataset); }},
      {"min_gpus", [](const TraceJob& j) { return j.min_gpus.has_value(); },
       [](std::string& o, const TraceJob& j) {
         if (j.min_gpus) append_fixed(o, *j.min_gpus, 0);
       }},
      {"max_gpus", [](const TraceJob& j) { return j.max_gpus.has_value(); },
       [](std::string& o, const TraceJob& j) {
         if (j.max_gpus) append_fixed(o, *j.max_gpus, 0);
       }},
      {"gpu_fraction", [](const TraceJob& j) { return j.gpu_milli.has_value(); },
       [](std::string& o, const TraceJob& j) {
         if (j.gpu_milli) append_fixed(o, *j.gpu_milli, 3);
       }},
      {"gpu_type", [](const TraceJob& j) { return !j.gpu_type.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.gpu_type); }},
      {"cpus", [](const TraceJob& j) { return j.cpu_milli != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.cpu_milli, 3); }},
      {"mem_bytes", [](const TraceJob& j) { return j.mem_bytes != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.mem_bytes, 0); }},
      {"estimate_s", [](const TraceJob& j) { return j.estimate.has_value(); },
       [](std::string& o, const TraceJob& j) {
         if (j.estimate) append_fixed(o, j.estimate->ns, 9);
       }},
      {"deadline_s", [](const TraceJob& j) { return j.deadline.has_value(); },
       [](std::string& o, const TraceJob& j) {
         if (j.deadline) append_fixed(o, j.deadline->ns, 9);
       }},
      {"weight", [](const TraceJob& j) { return j.weight != 1.0; },
       [](std::string& o, const TraceJob& j) {
         append_fixed(o, static_cast<std::int64_t>(j.weight * 1e6 + 0.5), 6);
       }},
      {"batch", [](const TraceJob& j) { return j.batch != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.batch, 0); }},
      {"after", [](const TraceJob& j) { return !j.after.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.after); }},
      {"iterations", [](const TraceJob& j) { return j.iterations != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.iterations, 0); }},
      {"iteration_s", [](const TraceJob& j) { return j.iteration_time.ns != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.iteration_time.ns, 9); }},
      {"samples", [](const TraceJob& j) { return j.samples != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.samples, 0); }},
      {"gain", [](const TraceJob& j) { return !j.gain.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.gain); }},
      {"epochs", [](const TraceJob& j) { return j.epochs != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.epochs, 0); }},
      {"tflop", [](const TraceJob& j) { return j.tflop != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.tflop, 0); }},
      {"vcluster", [](const TraceJob& j) { return !j.vcluster.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.vcluster); }},
      {"market", [](const TraceJob& j) { return !j.market.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.market); }},
      {"bid", [](const TraceJob& j) { return j.bid_micro_per_h != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.bid_micro_per_h, 6); }},
      {"speed_class", [](const TraceJob& j) { return !j.speed_class.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.speed_class); }},
      {"mig_slices", [](const TraceJob& j) { return j.mig_slices != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.mig_slices, 0); }},
      {"cpu_sensitivity", [](const TraceJob& j) { return j.cpu_sensitivity_per_mille != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.cpu_sensitivity_per_mille, 3); }},
      {"mem_sensitivity", [](const TraceJob& j) { return j.mem_sensitivity_per_mille != 0; },
       [](std::string& o, const TraceJob& j) { append_fixed(o, j.mem_sensitivity_per_mille, 3); }},
      {"phases", [](const TraceJob& j) { return !j.phases.empty(); },
       [](std::string& o, const TraceJob& j) { append_field(o, j.phases); }},
  }};
  return table;
}

std::vector<const Column*> written_columns(const Trace& trace) {
  std::vector<const Column*> written;
  for (const Column& c : columns())
    if (c.used == nullptr || (c.name == "estimate_s" && trace.has_estimates) ||
        std::any_of(trace.jobs.begin(), trace.jobs.end(), c.used))
      written.push_back(&c);
  return written;
}

}  // namespace

std::span<const TraceColumn> trace_columns() {
  return kColumns;
}

std::vector<std::string_view> used_columns(const Trace& trace) {
  std::vector<std::string_view> names;
  for (const Column* c : written_columns(trace)) names.push_back(c->name);
  return names;
}

std::string canonical_text(const Trace& trace, const std::vector<std::string>& comments) {
  const std::vector<const Column*> written = written_columns(trace);
  std::string out;
  for (const std::string& line : comments) out += fmt::format("# {}\n", line);
  for (const Column* c : written) out += fmt::format("{}{}", c == written.front() ? "" : ",", c->name);
  out += '\n';
  for (const TraceJob& j : trace.jobs) {
    for (const Column* c : written) {
      if (c != written.front()) out += ',';
      c->append(out, j);
    }
    out += '\n';
  }
  return out;
}

Expected<void> write_trace(const std::string& path, const Trace& trace, const std::vector<std::string>& comments) {
  return write_text_file(path, canonical_text(trace, comments));
}

}  // namespace orrery

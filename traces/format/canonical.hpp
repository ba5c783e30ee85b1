// The one trace format the simulator reads. A CSV (optionally .gz or .zst) with a header; required columns
// `job_id,submit_s,gpus,duration_s`, optional ones below; lines that start with `#` before the header are
// comments. Importers turn foreign formats into the same TraceJob rows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/rare_text.hpp"
#include "sim/core/time.hpp"
#include "sim/core/topology.hpp"
#include "sim/core/truth.hpp"

namespace orrery {

// One row. Times in ns since the trace's own zero.
struct TraceJob {
  TraceJob();
  // Compiled once: the compiler would else write them out wherever one is copied or destroyed.
  TraceJob(const TraceJob&);
  TraceJob(TraceJob&&) noexcept;
  TraceJob& operator=(const TraceJob&);
  TraceJob& operator=(TraceJob&&) noexcept;
  ~TraceJob();

  std::string job_id;
  Time submit{};          // submit_s, >= 0
  std::int32_t gpus = 1;  // 0 is legal when cpus > 0
  Duration duration{};    // duration_s, > 0: run time on the requested GPUs; 0 (an empty field) = what the
                          // profile of `model` says
  std::string tenant;     // tenant
  std::string kind;       // kind: pretrain|transfer|eval|hpo or empty
  std::string model;      // model
  RareText dataset;       // dataset
  std::optional<std::int32_t> min_gpus, max_gpus;
  std::optional<std::int32_t> gpu_milli;  // gpu_fraction in (0,1]; stored in thousandths of one GPU
  RareText gpu_type;                      // gpu_type: "A100" or "A100|V100"
  std::int64_t cpu_milli = 0;             // cpus (whole job)
  std::int64_t mem_bytes = 0;             // mem_bytes (whole job)
  std::optional<Duration> estimate;       // estimate_s: claimed by the user
  std::optional<Time> deadline;           // deadline_s, same zero as submit_s
  double weight = 1.0;                    // weight > 0
  std::int64_t batch = 0;                 // batch: global batch, samples
  RareText after;                         // after: "p17@hard:0.8;p9@soft"
  RareText gain;                          // gain: "p17:0.45;p9:-0.2": of the job's work that a finished parent saves
  std::int32_t epochs = 0;                // epochs: passes over its data that `duration` is; 0 = unknown
  std::int64_t tflop = 0;                 // tflop: model FLOPs of the whole job, in 10^12
  std::int64_t iterations = 0;            // iterations: training steps, where the source counts them
  Duration iteration_time{};              // iteration_s: of one step
  std::int64_t samples = 0;  // samples: to train on, where run time follows from a profile that counts them
  // Read and written, and looked at by nothing yet; see JobSpec for what they mean.
  RareText vcluster, market, speed_class;
  std::int64_t bid_micro_per_h = 0;  // bid
  std::int32_t mig_slices = 0;
  std::int32_t cpu_sensitivity_per_mille = 0, mem_sensitivity_per_mille = 0;
  RareText phases;  // phases: "projector@0:0.7:3;full@0.3:1", see phase_cells.hpp
  int line = 0;     // where the row came from, for messages; 0 = unknown
};

// What an importer kept and dropped, and why.
struct ImportReport {
  std::string format;  // "canonical", "philly", ...
  std::int64_t rows = 0;
  std::int64_t kept = 0;
  std::map<std::string, std::int64_t> dropped;  // reason -> rows
  std::vector<std::string> notes;               // rules applied, assumptions
};

class TableReader;

struct Trace {
  std::vector<TraceJob> jobs;  // sorted by (submit, row)
  ImportReport report;
  bool has_estimates = false;  // the estimate column exists
};

struct ReadOptions {
  std::string format = "auto";  // "auto" or a name of trace_formats()
  bool skip_bad_rows = false;   // count bad rows as dropped instead of failing
};

// A trace's text as an importer gets it.
struct TraceText {
  std::string file;  // the name in messages
  std::string_view text;
  bool skip_bad_rows = false;  // as in ReadOptions
};

// One row of the table of formats: an importer is one file in importers/ and one row in formats.cpp. A CSV with a
// header has `columns` and `read`; any other format has `read_text`, and `recognises` where it has no header.
struct TraceFormat {
  std::string_view name;
  std::string_view about;                                   // where such files come from
  std::vector<std::string_view> columns;                    // header columns that tell it from the others
  void (*read)(TableReader& rows, Trace& trace) = nullptr;  // fills jobs and report.dropped; errors stay in rows
  bool (*recognises)(std::string_view text) = nullptr;      // by the first bytes
  Expected<void> (*read_text)(const TraceText& source, Trace& trace) = nullptr;  // fills jobs and report.rows, too
  std::string_view assumed{};  // what nothing in a file says (its unit); noted where the format was not asked for
};

// Reads a trace file of any known format. All bad rows are reported at once (at most 20 shown).
[[nodiscard]] Expected<Trace> read_trace(const std::string& path, const ReadOptions& options = {});
// The same from text; `file` is the name in messages.
[[nodiscard]] Expected<Trace> read_trace_text(const std::string& file, std::string_view text,
                                              const ReadOptions& options = {});

// Canonical CSV: only columns that some job uses; `comments` become `# ` lines above the header.
[[nodiscard]] std::string canonical_text(const Trace& trace, const std::vector<std::string>& comments = {});
// The same to a file; .gz and .zst by the name's ending. Written aside and renamed.
[[nodiscard]] Expected<void> write_trace(const std::string& path, const Trace& trace,
                                         const std::vector<std::string>& comments = {});

// A column of the canonical format and what it means.
struct TraceColumn {
  std::string_view name;
  std::string_view about;
};
// All of them, in the order in which they are written.
[[nodiscard]] std::span<const TraceColumn> trace_columns();

// The canonical columns that some job uses, in their order: what canonical_text() writes.
[[nodiscard]] std::vector<std::string_view> used_columns(const Trace& trace);

// All formats, "canonical" first.
[[nodiscard]] const std::vector<TraceFormat>& trace_formats();

// Rows [skip, skip + jobs) in (submit, row) order, submit times counted from the first of them; jobs < 0 = all.
void slice_trace(Trace& trace, std::int64_t skip, std::int64_t jobs);

// load = sum(gpus x duration) / (GPUs x span of submits). offered_load() computes it (0 when the span is 0);
// scale_to_load() multiplies submit times by one factor so that it becomes `load` (rounded to ns); an error where
// there is nothing to scale, or where the trace would last more than 73 years.
[[nodiscard]] double offered_load(const Trace& trace, std::int64_t cluster_gpus);
[[nodiscard]] Expected<void> scale_to_load(Trace& trace, double load, std::int64_t cluster_gpus);

// The GPU types that "A100|V100" allows on this cluster; empty = 0, all. A bit that no node has stands for types that
// the cluster lacks.
[[nodiscard]] GpuTypeMask type_mask(const std::string& types, const Topology& topology);

// Rows -> specs and truths for a cluster: interns demands, resolves GPU types and `after` edges. JobIds are
// the rows' order by (submit, row). A GPU type the cluster has not makes a job that fits nowhere; a parent that a
// slice left out counts as done. Errors name the row.
[[nodiscard]] Expected<Workload> to_workload(const Trace& trace, const Topology& topology,
                                             const std::string& file = {});
// The same where only edges matter, on whatever cluster: run times that follow from profiles need not be known.
[[nodiscard]] Expected<Workload> edges_of(const Trace& trace, const std::string& file = {});

// The names of GPU types that jobs ask for and the cluster has not, each with the number of jobs that can therefore
// run nowhere. Names are compared without case.
[[nodiscard]] std::map<std::string, std::int64_t> absent_types(const Trace& trace, const Topology& topology);

// Edges and gains that name a parent that is not in the trace (a slice has left it out, or it is misspelt): they do
// not count. All such parents, each once, in order of appearance; the child of the first.
struct LostParents {
  std::int64_t cells = 0;
  std::vector<std::string> parents{};
  std::string child{};
};
[[nodiscard]] LostParents lost_parents(const Trace& trace);

}  // namespace orrery

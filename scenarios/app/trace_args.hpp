// What the actions of `orrery trace` have in common: their errors, their options, what they say of a trace they read.
// verb_trace.cpp has the table of actions; those that make a file of a trace stand in verb_trace_edit.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/app/args.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {

// Prints one error; returns kUsage.
int usage_error(std::string message, std::string hint = {});

// "read 82247 rows (philly): kept 82247", then one line per reason and note.
[[nodiscard]] std::string report_text(const ImportReport& r);

// "512" or "64x8"; 0 when it is neither.
[[nodiscard]] std::int64_t parse_gpus(const std::string& text);

// --format and --skip-bad-rows, and what they say.
void add_read_options(Args& args);
[[nodiscard]] ReadOptions read_options(const Args& args);

// An error where the file to write is one of those that are read, by whatever name: nothing is written then. Inputs
// may be run folders; empty ones are not given.
[[nodiscard]] Expected<void> spare_inputs(const std::string& output, const std::vector<std::string>& inputs);

// "runs/a.csv.gz" is "a.csv.gz".
[[nodiscard]] std::string base_name(const std::string& path);
// The command that makes a file, for its header: without where it was written to and without folders.
[[nodiscard]] std::string trace_command(const std::string& action, const std::vector<std::string>& arguments);

// What `orrery trace stats` prints of the jobs, with the load on so many GPUs (0 = not asked). Times that follow from
// profiles are said to be unknown.
[[nodiscard]] std::string stats_text(const Trace& trace, std::int64_t gpus);

// verb_trace_gen.cpp
int generate_trace(const std::vector<std::string>& arguments);
// verb_trace_edit.cpp
int export_trace(const std::vector<std::string>& arguments);
int scale_trace(const std::vector<std::string>& arguments);
int slice_action(const std::vector<std::string>& arguments);
int merge_action(const std::vector<std::string>& arguments);

}  // namespace orrery::app

// Editing traces in memory. Products of a time and a factor are exact in 128 bits and rounded once.
#include "traces/edit/edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/lineage_cells.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMostGpus = 1'000'000;

// value x factor rounded half up, at most `limit` or nothing; value >= 0.
std::optional<std::int64_t> product(std::int64_t value, std::int64_t factor_1e9, std::int64_t limit) {
  const Int128 v = (Int128{value} * factor_1e9 + kFactorOne / 2) / kFactorOne;
  return v > limit ? std::nullopt : std::optional(static_cast<std::int64_t>(v));
}

std::optional<std::int32_t> scaled_gpus(std::int32_t gpus, std::int64_t factor_1e9) {
  const auto v = product(gpus, factor_1e9, kMostGpus);
  return v ? std::optional(static_cast<std::int32_t>(std::max<std::int64_t>(1, *v))) : std::nullopt;
}

// What stands before the ids of an input that clashes: its stem, without what has a meaning in cells that name jobs.
std::string plain_stem(std::string stem) {
  for (char& c : stem)
    if (c == ';' || c == '@' || c == ':') c = '-';
  return stem;
}

// True for each input that shares an id with another one, or names a job that only another one has.
std::vector<bool> clashes(const std::vector<MergeInput>& inputs) {
  std::vector<bool> clash(inputs.size(), false);
  std::unordered_map<std::string_view, std::size_t> owner;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (const TraceJob& j : inputs[i].trace.jobs) {
      const auto it = owner.try_emplace(j.job_id, i).first;
      if (it->second != i) clash[i] = clash[it->second] = true;
    }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (const TraceJob& j : inputs[i].trace.jobs)
      for_parents(j, [&](std::string_view parent) {
        const auto it = owner.find(parent);
        if (it != owner.end() && it->second != i) clash[i] = true;
      });
  return clash;
}

}  // namespace

bool scale_submits(Trace& trace, std::int64_t factor_1e9) {
  for (const TraceJob& j : trace.jobs)
    if (!product(j.submit.ns, factor_1e9, kMaxTraceNs)) return false;
  for (TraceJob& j : trace.jobs) {
    const Time before = j.submit;
    j.submit = Time{*product(j.submit.ns, factor_1e9, kMaxTraceNs)};
    if (j.deadline) j.deadline = std::max(Time{}, *j.deadline + (j.submit - before));
  }
  return true;
}

bool scale_gpus(Trace& trace, std::int64_t factor_1e9) {
  for (const TraceJob& j : trace.jobs)
    if (!scaled_gpus(std::max(j.gpus, j.max_gpus.value_or(0)), factor_1e9)) return false;
  for (TraceJob& j : trace.jobs) {
    if (j.gpus == 0 || j.gpu_milli.value_or(kMilliPerGpu) < kMilliPerGpu) continue;
    j.gpus = *scaled_gpus(j.gpus, factor_1e9);
    if (j.min_gpus) j.min_gpus = scaled_gpus(*j.min_gpus, factor_1e9);
    if (j.max_gpus) j.max_gpus = scaled_gpus(*j.max_gpus, factor_1e9);
  }
  return true;
}

void slice_by_submit(Trace& trace, Time from, Time to) {
  const auto outside = [from, to](const TraceJob& j) { return j.submit < from || j.submit >= to; };
  trace.jobs.erase(std::remove_if(trace.jobs.begin(), trace.jobs.end(), outside), trace.jobs.end());
  const Duration zero = from - Time{};
  for (TraceJob& j : trace.jobs) {
    j.submit = j.submit - zero;
    if (j.deadline) j.deadline = std::max(Time{}, *j.deadline - zero);
  }
}

Expected<MergedTrace> merge_traces(std::vector<MergeInput> inputs) {
  MergedTrace out;
  for (const MergeInput& in : inputs)
    if (auto bad = malformed_cell(in.trace, in.stem)) return fail(*std::move(bad));
  const std::vector<bool> clash = clashes(inputs);
  std::map<std::string, int> uses;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string stem = plain_stem(inputs[i].stem);
    const int use = ++uses[stem];
    std::string& prefix = out.prefixes.emplace_back();
    if (clash[i]) prefix = use == 1 ? stem + "/" : fmt::format("{}-{}/", stem, use);
    for (TraceJob& j : inputs[i].trace.jobs) {
      j.line = 0;  // of another file
      if (clash[i]) j.job_id = prefix + j.job_id;
      if (clash[i])
        for (const NamingColumn& c : naming_columns())
          j.*c.cell = rename_parents(c, j.*c.cell, [&](std::string_view p) { return prefix + std::string(p); });
      out.trace.jobs.push_back(std::move(j));
    }
    out.trace.has_estimates = out.trace.has_estimates || inputs[i].trace.has_estimates;
  }
  std::unordered_set<std::string_view> ids;
  for (const TraceJob& j : out.trace.jobs)
    if (!ids.insert(j.job_id).second)
      return fail(fmt::format("job_id `{}` is in two of the traces even with their names before it", j.job_id));
  sort_rows(out.trace.jobs, [](const TraceJob& j) { return j.submit; });
  out.trace.report.format = "merged";
  out.trace.report.rows = out.trace.report.kept = static_cast<std::int64_t>(out.trace.jobs.size());
  return out;
}

}  // namespace orrery

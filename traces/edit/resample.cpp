#include "traces/edit/resample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "sim/core/assert.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/lineage_cells.hpp"

namespace orrery {
namespace {

std::size_t cube_root_up(std::size_t n) {
  std::size_t root = 1;
  while (root * root * root < n) ++root;
  return root;
}

// [i] = a cut before job i would part a job from its parent, wherever in the order that is.
std::vector<bool> parted_by_cut(const std::vector<TraceJob>& jobs) {
  std::unordered_map<std::string_view, std::size_t> at;
  for (std::size_t i = 0; i < jobs.size(); ++i) at.emplace(jobs[i].job_id, i);
  std::vector<std::int64_t> opened(jobs.size() + 1, 0);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto tie = [&](std::string_view parent) {
      const auto found = at.find(parent);
      if (found == at.end()) return;  // a slice left it out
      ++opened[std::min(i, found->second) + 1];
      --opened[std::max(i, found->second) + 1];
    };
    for_parents(jobs[i], tie);
  }
  std::vector<bool> parted(jobs.size(), false);
  std::int64_t open = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    open += opened[i];
    parted[i] = open > 0;
  }
  return parted;
}

}  // namespace

Resampler::Resampler(const Trace& trace) : trace_(&trace) {
  const std::size_t n = trace.jobs.size();
  if (n < kMinResampleJobs) {
    refused_ = fmt::format("{} jobs are too few to draw from (at least {})", n, kMinResampleJobs);
    return;
  }
  if (const auto bad = malformed_cell(trace)) {
    refused_ = bad->message;
    return;
  }
  const Duration span = trace.jobs.back().submit - trace.jobs.front().submit;
  mean_gap_ = Duration{span.ns / static_cast<std::int64_t>(n - 1)};
  find_pieces();
  block_ = std::max<std::size_t>(1, std::min((cube_root_up(pieces()) + 1) / 2, pieces() / kMinResampleBlocks));
  std::size_t longest = 0;
  for (std::size_t p = 0; p < pieces(); ++p) longest = std::max(longest, cuts_[p + 1] - cuts_[p]);
  if (longest * kMinResampleBlocks > n)
    refused_ = fmt::format("blocks of the trace would cut its lineages, the longest of which spans {} of {} jobs",
                           longest, n);
}

std::size_t Resampler::block_jobs() const {
  return (trace_->jobs.size() * block_ + pieces() - 1) / pieces();
}

void Resampler::find_pieces() {
  const std::vector<TraceJob>& jobs = trace_->jobs;
  const std::size_t longest_burst = jobs.size() / (2 * kMinResampleBlocks);
  const std::vector<bool> parted = parted_by_cut(jobs);
  const auto follows = [&](std::size_t i) {
    return i < jobs.size() && (jobs[i].submit - jobs[i - 1].submit).ns < mean_gap_.ns / 10;
  };
  for (std::size_t first = 0; first < jobs.size();) {
    std::size_t last = first + 1;
    while (follows(last)) ++last;
    const bool whole = last - first <= longest_burst;  // else it is no burst but how the trace is
    for (std::size_t i = first; i < last; ++i)
      if (!parted[i] && (i == first || !whole)) cuts_.push_back(i);
    first = last;
  }
  cuts_.push_back(jobs.size());
}

void Resampler::append_piece(Trace& out, std::size_t piece, const std::string& mark) const {
  for (std::size_t i = cuts_[piece]; i < cuts_[piece + 1]; ++i) {
    TraceJob j = trace_->jobs[i];
    const Duration gap = i == 0 ? mean_gap_ : j.submit - trace_->jobs[i - 1].submit;
    const Time before = j.submit;
    j.submit =
        out.jobs.empty() ? trace_->jobs.front().submit : std::min(out.jobs.back().submit + gap, Time{kMaxTraceNs});
    if (j.deadline) j.deadline = std::max(Time{}, *j.deadline + (j.submit - before));
    j.job_id += mark;
    for (const NamingColumn& c : naming_columns())
      j.*c.cell = rename_parents(c, j.*c.cell, [&](std::string_view p) { return std::string(p) + mark; });
    out.jobs.push_back(std::move(j));
  }
}

Trace Resampler::draw(RandomStream& random) const {
  ORRERY_ASSERT(refused_.empty(), "a trace that cannot be drawn again: {}", refused_);
  Trace out;
  out.report = trace_->report;
  out.has_estimates = trace_->has_estimates;
  const std::size_t n = trace_->jobs.size();
  out.jobs.reserve(n + n / kMinResampleBlocks);
  for (int block = 1; out.jobs.size() < n; ++block) {
    const std::string mark = fmt::format("~{}", block);
    std::size_t piece = uniform_below(random, pieces());
    for (std::size_t k = 0; k < block_ && out.jobs.size() < n; ++k, piece = (piece + 1) % pieces())
      append_piece(out, piece, mark);
  }
  return out;
}

}  // namespace orrery

#include "traces/edit/lineage_stats.hpp"

#include <algorithm>
#include <vector>

namespace orrery {
namespace {

// Longest way down to each job. Parents may come after their children in the trace, so the order is by readiness.
std::int64_t longest_way(const std::vector<JobSpec>& specs) {
  std::vector<std::vector<std::uint32_t>> children(specs.size());
  std::vector<std::size_t> open(specs.size());
  std::vector<std::int64_t> depth(specs.size());
  for (const JobSpec& s : specs) {
    open[s.id.index()] = s.after.size();
    for (const Dependency& d : s.after) children[d.parent.index()].push_back(s.id.value);
  }
  std::vector<std::uint32_t> next;
  for (const JobSpec& s : specs)
    if (s.after.empty()) next.push_back(s.id.value);
  std::int64_t most = 0;
  for (std::size_t i = 0; i < next.size(); ++i) {
    most = std::max(most, depth[next[i]]);
    for (const std::uint32_t child : children[next[i]]) {
      depth[child] = std::max(depth[child], depth[next[i]] + 1);
      if (--open[child] == 0) next.push_back(child);
    }
  }
  return most;
}

std::string mode_of(const JobSpec& s) {
  std::string mode(to_string(s.kind));
  if (mode.empty()) mode = "job";
  const std::size_t slash = s.model.rfind('/');
  if (slash == std::string::npos) return s.model.empty() ? mode : mode + "/" + s.model;
  return mode + s.model.substr(slash);
}

}  // namespace

LineageStats lineage_stats(const Workload& workload) {
  LineageStats out;
  std::vector<std::int64_t> children(workload.specs.size());
  double all = 0, of_children = 0;
  for (const JobSpec& s : workload.specs) {
    const JobTruth& truth = workload.truths[s.id.index()];
    const double gpu_time = static_cast<double>(truth.work.ns) * static_cast<double>(s.demand.milli_gpus());
    all += gpu_time;
    if (s.after.empty()) continue;
    of_children += gpu_time;
    ++out.children;
    ++out.modes[mode_of(s)];
    for (const Dependency& d : s.after) {
      ++children[d.parent.index()];
      ++(d.hard ? out.hard_edges : out.soft_edges);
      if (d.hard) ++out.thresholds[d.progress_per_mille];
    }
    for (const SourceGain& g : truth.sources) {
      ++out.gains;
      out.positive_gains += g.gain_per_mille > 0;
      out.negative_gains += g.gain_per_mille < 0;
    }
  }
  for (const JobSpec& s : workload.specs) {
    const std::int64_t n = children[s.id.index()];
    if (n > 0 || !s.after.empty()) ++out.jobs;
    if (n == 0) continue;
    ++out.parents;
    if (s.after.empty()) ++out.roots;
    out.max_children = std::max(out.max_children, n);
  }
  if (out.parents > 0)
    out.mean_children = static_cast<double>(out.hard_edges + out.soft_edges) / static_cast<double>(out.parents);
  if (all > 0) out.child_gpu_time_share = of_children / all;
  out.depth = longest_way(workload.specs);
  return out;
}

}  // namespace orrery

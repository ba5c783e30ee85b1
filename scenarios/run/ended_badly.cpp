#include "scenarios/run/ended_badly.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "scenarios/run/exit_codes.hpp"

namespace orrery::app {
namespace {

constexpr std::size_t kNamed = 3;  // jobs of a kind that are called by their names

std::string gpus_text(std::int64_t n) {
  return fmt::format("{} GPU{}", n, n == 1 ? "" : "s");
}

std::string types_text(const Topology& topology, GpuTypeMask mask) {
  std::string out;
  for (std::size_t i = 0; i < topology.gpu_types().size(); ++i)
    if ((mask >> i & 1U) != 0) out += (out.empty() ? "" : " or ") + topology.gpu_types()[i];
  return out;
}

// CPUs or memory of the nodes that a job may use; a node that says nothing of them has enough.
struct Amount {
  std::int64_t all = 0, most = 0;
  bool enough = false;
  void add(std::int64_t of_node) {
    all += of_node;
    most = std::max(most, of_node);
    enough = enough || of_node == 0;
  }
  [[nodiscard]] std::int64_t there(bool one_node) const {
    return enough ? std::numeric_limits<std::int64_t>::max() : one_node ? most : all;
  }
};

std::string whose(bool one_node, const std::string& type) {
  return one_node ? fmt::format("the nodes{} have at most", type) : fmt::format("the nodes{} have", type);
}

std::string reason_text(const Prepared& prepared, const JobSpec& spec, Rejection why) {
  switch (why) {
    case Rejection::infeasible: return why_infeasible(spec, *prepared.topology);
    case Rejection::parent_lost: return "a job that it needs can never get as far as it must";
    case Rejection::declined: return "the policy declined it";
    default: return "no reason is known";
  }
}

}  // namespace

std::string why_infeasible(const JobSpec& spec, const Topology& topology) {
  const Demand& d = spec.demand;
  std::int64_t gpus = 0, widest = 0;
  Amount cpus, mem;
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    const NodeInfo& node = topology.node(NodeId(n));
    if (d.gpu_types != 0 && (d.gpu_types >> node.type & 1U) == 0) continue;
    gpus += node.gpus;
    widest = std::max<std::int64_t>(widest, node.gpus);
    cpus.add(node.cpu_milli);
    mem.add(node.mem_bytes);
  }
  const std::string type = d.gpu_types == 0 ? "" : " of type " + types_text(topology, d.gpu_types);
  if (d.gpu_types != 0 && gpus == 0)
    return fmt::format("it asks for a GPU type that the cluster does not have (there is {})",
                       types_text(topology, ~GpuTypeMask{0}));
  if (d.gpus > gpus)
    return fmt::format("it asks for {}{}, the cluster has {}{}", gpus_text(d.gpus), type, gpus,
                       type.empty() ? "" : " of them");
  const bool one_node = d.gpus <= 1;
  const char* where = one_node ? " on one node" : "";
  if (d.cpu_milli > cpus.there(one_node))
    return fmt::format("it asks for {:g} CPUs{}, {} {:g}", static_cast<double>(d.cpu_milli) / 1000, where,
                       whose(one_node, type), static_cast<double>(cpus.there(one_node)) / 1000);
  if (d.mem_bytes > mem.there(one_node))
    return fmt::format("it asks for {:.1f} GiB of memory{}, {} {:.1f}", static_cast<double>(d.mem_bytes) / (1U << 30),
                       where, whose(one_node, type), static_cast<double>(mem.there(one_node)) / (1U << 30));
  return fmt::format("it asks for {}{}, which no placement of this policy can give it on nodes of {} GPUs and less",
                     gpus_text(d.gpus), type, widest);
}

std::string ended_badly(const Prepared& prepared, const RunReport& report) {
  std::string out;
  const auto jobs = [](std::int64_t n) { return n == 1 ? "1 job" : fmt::format("{} jobs", n); };
  for (const Rejection why : {Rejection::infeasible, Rejection::parent_lost, Rejection::declined}) {
    std::size_t count = 0;
    std::string named;
    for (const auto& [job, reason] : report.rejected) {
      if (reason != why || ++count > kNamed) continue;
      const JobSpec& spec = prepared.workload.specs[job.index()];
      named += fmt::format("{}`{}`: {}", named.empty() ? "" : "; ", spec.name, reason_text(prepared, spec, why));
    }
    if (count == 0) continue;
    if (count > kNamed) named += fmt::format("; and {} more, see jobs.csv", count - kNamed);
    out += fmt::format("  {} rejected ({}): {}\n", jobs(static_cast<std::int64_t>(count)), to_string(why), named);
  }
  const std::int64_t cancelled = report.result.summary.cancelled;
  if (cancelled > 0)
    out += fmt::format("  {} cancelled by the policy{}\n", jobs(cancelled),
                       report.result.summary.finished == 0 ? "; none has finished" : "");
  const std::int64_t failed = report.result.summary.failed;
  if (failed > 0)
    out += fmt::format("  {} failed for good: failed more than `failures.retries` ({}) times\n", jobs(failed),
                       prepared.scenario.failures.retries);
  return out;
}

int exit_code_of(const RunReport& report) {
  if (report.no_progress) return kFailedPoints;
  return report.failure.empty() ? exit_code_of(report.result.summary) : kRunFailed;
}

int exit_code_of(const Summary& s) {
  return s.failed > 0 || (s.jobs > 0 && s.rejected == s.jobs) ? kFailedPoints : kOk;
}

}  // namespace orrery::app

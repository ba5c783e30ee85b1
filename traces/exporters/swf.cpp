// Standard Workload Format 2.2: header comments, then 18 fields a job, -1 for what is not known. The standard allows
// decimals in times, so nothing is rounded. Jobs and users are numbers there; names become numbers where they must.
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <unordered_map>

#include "traces/exporters/exporters.hpp"
#include "traces/format/decimal.hpp"

namespace orrery {
namespace {

// A whole number >= min in its one usual form ("7", not "007" or "+7").
std::optional<std::int64_t> plain_number(std::string_view text, std::int64_t min) {
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc{} || end != text.data() + text.size() || v < min) return std::nullopt;
  return text.size() > 1 && text.front() == '0' ? std::nullopt : std::optional(v);
}

std::optional<std::int64_t> user_number(std::string_view tenant) {
  return tenant.empty() || tenant.front() != 'u' ? std::nullopt : plain_number(tenant.substr(1), 0);
}

// Tenants as numbers: n for `un` where all are called so, else 1, 2, ... in order of their first submit.
class Users {
 public:
  explicit Users(const Trace& trace) {
    for (const TraceJob& j : trace.jobs)
      if (!j.tenant.empty() && !user_number(j.tenant)) renumbered_ = true;
    if (!renumbered_) return;
    for (const TraceJob& j : trace.jobs) {
      if (j.tenant.empty()) continue;
      const auto next = static_cast<std::int64_t>(names_.size()) + 1;
      if (number_.try_emplace(j.tenant, next).second) names_.push_back(j.tenant);
    }
  }
  [[nodiscard]] std::int64_t of(const TraceJob& j) const {
    if (j.tenant.empty()) return -1;
    return renumbered_ ? number_.at(j.tenant) : user_number(j.tenant).value_or(-1);
  }
  [[nodiscard]] const std::vector<std::string_view>& renamed() const { return names_; }  // user i + 1

 private:
  bool renumbered_ = false;
  std::unordered_map<std::string_view, std::int64_t> number_;
  std::vector<std::string_view> names_;
};

std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  return out;
}

}  // namespace

ExportedTrace export_swf(const Trace& trace, const ExportOptions& options) {
  ExportedTrace out;
  out.notes = lost_in_export(trace, {"job_id", "submit_s", "gpus", "duration_s", "tenant", "estimate_s"});
  bool renumber = false;
  for (const TraceJob& j : trace.jobs) {
    renumber = renumber || !plain_number(j.job_id, 1);
    out.jobs += is_exported(j) ? 1 : 0;
  }
  const Users users(trace);
  if (renumber) out.notes.push_back(fmt::format("job ids are numbers there: 1 to {} in order of submit", out.jobs));
  if (!users.renamed().empty())
    out.notes.push_back(
        fmt::format("tenants are numbers there: 1 to {} in order of first submit", users.renamed().size()));

  out.text = "; Version: 2.2\n";
  if (!options.made_by.empty()) out.text += fmt::format("; Conversion: {}\n", one_line(options.made_by));
  out.text += fmt::format("; MaxJobs: {}\n; MaxRecords: {}\n", out.jobs, out.jobs);
  if (options.cluster_gpus > 0) out.text += fmt::format("; MaxProcs: {}\n", options.cluster_gpus);
  out.text += "; Note: processors are GPUs; times are in seconds, with decimals where the trace has them\n";
  for (const std::string& note : out.notes) out.text += fmt::format("; Note: {}\n", note);
  for (std::size_t i = 0; i < users.renamed().size(); ++i)
    out.text += fmt::format("; Note: user {} is {}\n", i + 1, one_line(users.renamed()[i]));
  std::int64_t number = 0;
  for (const TraceJob& j : trace.jobs) {
    if (!is_exported(j)) continue;
    ++number;
    // Wait, CPU time, memory, group, executable, queue, partition and think time are -1; the job ended well (1).
    out.text += renumber ? fmt::format("{}", number) : j.job_id;
    out.text += fmt::format(" {} -1 {} {} -1 -1 {} {} -1 1 {} -1 -1 -1 -1 -1 -1\n", seconds_text(j.submit.ns),
                            seconds_text(j.duration.ns), j.gpus, j.gpus,
                            j.estimate ? seconds_text(j.estimate->ns) : "-1", users.of(j));
  }
  return out;
}

}  // namespace orrery

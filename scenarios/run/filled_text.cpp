#include "scenarios/run/filled_text.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

#include "scenarios/report/table.hpp"

namespace orrery::app {
namespace {

constexpr double kNormal95 = 1.96;  // standard errors on either side

struct Filled {
  std::set<JobId> fillers{};
  Duration ran{};
  Work done{};
  std::optional<live::MeasuredSlowdown> slowdown{};
};

std::string cost_text(const std::optional<live::MeasuredSlowdown>& s) {
  if (!s) return "what that cost it was not measured";
  const double pct = static_cast<double>(s->millionths) / 1e4, error = static_cast<double>(s->error) / 1e4;
  return fmt::format("its steps took {:.2f} % longer [{:.2f}, {:.2f}], as last measured, over {} steps", pct,
                     pct - kNormal95 * error, pct + kNormal95 * error, s->steps);
}

}  // namespace

std::string filled_text(const std::vector<JobSpec>& specs, const std::vector<live::LiveExecutor::Launch>& launches) {
  std::map<JobId, Filled> hosts;
  for (const auto& l : launches) {
    if (l.host.valid()) {
      Filled& f = hosts[l.host];
      f.fillers.insert(l.job);
      f.ran = f.ran + l.ran;
      f.done = f.done + l.done;
    }
  }
  for (const auto& l : launches)
    if (const auto host = hosts.find(l.job); host != hosts.end() && l.slowdown) host->second.slowdown = l.slowdown;
  std::string out;
  for (const auto& [host, f] : hosts)
    out += fmt::format("bubbles of {}: {} ran there for {} and did {} of work; {}\n", specs[host.index()].name,
                       f.fillers.size() == 1 ? "one job" : fmt::format("{} jobs", f.fillers.size()),
                       report::human_duration(to_seconds(f.ran)),
                       report::human_duration(to_seconds(Duration{f.done.ns})), cost_text(f.slowdown));
  return out;
}

}  // namespace orrery::app

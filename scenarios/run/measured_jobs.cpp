#include "scenarios/run/measured_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "scenarios/report/table.hpp"

namespace orrery::app {
namespace {

Duration after_first(const SubmitPoint& point, Duration span) {
  if (point.share_1e9 < 0) return point.after;
  return Duration{static_cast<std::int64_t>(static_cast<Int128>(span.ns) * point.share_1e9 / 1'000'000'000)};
}

std::string text_of(Duration d) {
  return report::human_duration(to_seconds(d));
}

}  // namespace

Expected<MeasuredJobs> measured_jobs(const MeasureConfig& c, const std::vector<JobSpec>& specs) {
  MeasuredJobs out;
  if (c.all() || specs.empty()) return out;
  const auto sooner = [](const JobSpec& a, const JobSpec& b) { return a.submit < b.submit; };
  const auto [first, last] = std::minmax_element(specs.begin(), specs.end(), sooner);
  const Duration span = last->submit - first->submit;
  const Duration from = c.from ? after_first(*c.from, span) : Duration{};
  const Duration to = c.to ? after_first(*c.to, span) : span;
  std::size_t measured = 0;
  for (const JobSpec& spec : specs) {
    const Duration at = spec.submit - first->submit;
    out.jobs.push_back(at >= from && at <= to);
    measured += out.jobs.back() ? 1 : 0;
  }
  if (from > span)
    return fail(fmt::format("`measure` leaves no jobs: it begins {} after the first submit, the last is after {}",
                            text_of(from), text_of(span)));
  const std::string window = fmt::format("{} to {} after the first", text_of(from), text_of(to));
  if (measured == 0)
    return fail(fmt::format("`measure` leaves no jobs: none of {} is submitted {}", specs.size(), window));
  out.note =
      fmt::format("measured: {} of {} jobs, those submitted {}; all are simulated", measured, specs.size(), window);
  return out;
}

}  // namespace orrery::app

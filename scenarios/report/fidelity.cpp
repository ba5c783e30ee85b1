#include "scenarios/report/fidelity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"

namespace orrery::report {
namespace {

double error_pct(double simulated, double live) {
  if (live == 0) return simulated == 0 ? 0 : 100;
  return 100 * (simulated - live) / live;
}

// The policies' names by mean JCT, best first.
std::string ranking(const std::vector<Fidelity>& all, const std::vector<double>& mean_jct) {
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return mean_jct[a] < mean_jct[b]; });
  std::string out;
  for (const std::size_t i : order)
    out += fmt::format("{}{} {:.1f} s", out.empty() ? "" : ", ", all[i].policy, mean_jct[i]);
  return out;
}

}  // namespace

double kendall_tau(const std::vector<double>& x, const std::vector<double>& y) {
  ORRERY_ASSERT(x.size() == y.size(), "{} against {} items", x.size(), y.size());
  std::int64_t balance = 0, untied_x = 0, untied_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = i + 1; j < x.size(); ++j) {
      const int dx = x[i] < x[j] ? 1 : x[i] > x[j] ? -1 : 0;
      const int dy = y[i] < y[j] ? 1 : y[i] > y[j] ? -1 : 0;
      balance += dx * dy;
      untied_x += dx * dx;
      untied_y += dy * dy;
    }
  }
  if (untied_x == 0 || untied_y == 0) return 1;
  return static_cast<double>(balance) / std::sqrt(static_cast<double>(untied_x) * static_cast<double>(untied_y));
}

FidelityGap gap(const Summary& live, const std::vector<double>& live_jct_s, const Summary& simulated,
                const std::vector<double>& simulated_jct_s, const std::vector<double>& submit_s) {
  FidelityGap g;
  g.summary = simulated;
  g.mean_jct_error_pct = error_pct(simulated.mean_jct_s, live.mean_jct_s);
  g.makespan_error_pct = error_pct(simulated.makespan_s, live.makespan_s);
  std::vector<double> errors, x, y;
  std::vector<std::pair<double, double>> pairs;  // live, simulated
  for (std::size_t j = 0; j < submit_s.size(); ++j) {
    if (std::isnan(live_jct_s[j]) || std::isnan(simulated_jct_s[j])) continue;
    errors.push_back(std::abs(error_pct(simulated_jct_s[j], live_jct_s[j])));
    pairs.emplace_back(live_jct_s[j], simulated_jct_s[j]);
    x.push_back(submit_s[j] + live_jct_s[j]);
    y.push_back(submit_s[j] + simulated_jct_s[j]);
  }
  if (errors.empty()) return g;
  std::sort(errors.begin(), errors.end());
  g.p50_job_error_pct = quantile(errors, 0.5);
  g.p90_job_error_pct = quantile(errors, 0.9);
  g.order_tau = kendall_tau(x, y);
  std::vector<double> means;
  RandomStream rng = stream(1, "fidelity/bootstrap");
  for (int i = 0; i < 2000; ++i) {
    double live_s = 0, simulated_s = 0;
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      const auto& [l, s] = pairs[uniform_below(rng, pairs.size())];
      live_s += l;
      simulated_s += s;
    }
    means.push_back(error_pct(simulated_s, live_s));
  }
  std::sort(means.begin(), means.end());
  g.mean_jct_low_pct = quantile(means, 0.025);
  g.mean_jct_high_pct = quantile(means, 0.975);
  return g;
}

bool within(const Fidelity& f, double percent, Gated gated) {
  const FidelityGap& g = gated == Gated::profiled ? f.profiled : f.replayed;
  return std::abs(g.mean_jct_error_pct) <= percent && std::abs(g.makespan_error_pct) <= percent;
}

Judgement judge(const Fidelity& f, double gate_pct, Gated gated, double others_cpu_pct) {
  const bool met = within(f, gate_pct, gated);
  Judgement j{met ? Verdict::passed : Verdict::missed, {}};
  if (gated == Gated::profiled || others_cpu_pct <= kDisturbedPct) return j;
  if (!met) j.verdict = Verdict::inconclusive;
  j.note = fmt::format("{}: other programs used {:.0f} % of the cores meanwhile, so {} inconclusive\n", f.policy,
                       others_cpu_pct, met ? "the profiles row is" : "both rows, and the missed gate, are");
  return j;
}

std::string render_fidelity(const std::vector<Fidelity>& all, double gate_pct, Gated gated) {
  std::string out = fmt::format("{:<14} {:<22} {:>10} {:>8} {:>10} {:>8} {:>9} {:>9} {:>7}  {}\n", "policy", "world",
                                "mean JCT", "error", "makespan", "error", "job p50", "job p90", "order", "decisions");
  const auto row = [&out](const std::string& policy, const char* world, const FidelityGap& g) {
    out += fmt::format("{:<14} {:<22} {:>8.1f} s {:>+6.2f} % {:>8.1f} s {:>+6.2f} % {:>7.2f} % {:>7.2f} % {:>7.3f}\n",
                       policy, world, g.summary.mean_jct_s, g.mean_jct_error_pct, g.summary.makespan_s,
                       g.makespan_error_pct, g.p50_job_error_pct, g.p90_job_error_pct, g.order_tau);
  };
  for (const Fidelity& f : all) {
    out += fmt::format("{:<14} {:<22} {:>8.1f} s {:>8} {:>8.1f} s {:>8} {:>9} {:>9} {:>7}  {} of {} equal\n",
                       f.policy, "live", f.live.mean_jct_s, "", f.live.makespan_s, "", "", "", "",
                       f.decisions_replayed, f.decisions);
    row("", "sim, measured times", f.replayed);
    row("", "sim, from profiles", f.profiled);
    if (gated == Gated::replayed)
      out += fmt::format("{:<14} {:<22} {:>10} [{:+.2f}, {:+.2f}] % with other draws of these jobs\n", "", "", "",
                         f.profiled.mean_jct_low_pct, f.profiled.mean_jct_high_pct);
  }
  std::vector<double> live, simulated;
  for (const Fidelity& f : all) {
    live.push_back(f.live.mean_jct_s);
    simulated.push_back(f.profiled.summary.mean_jct_s);
  }
  if (gated == Gated::replayed)
    out +=
        "\n[low, high]: 95 % of draws of the jobs one by one: what hangs on single jobs. Jobs of a queue depend on "
        "each "
        "other, so this is no confidence interval.\n";
  out += fmt::format("\nranking by mean JCT\n  live       {}\n  simulated  {}\n", ranking(all, live),
                     ranking(all, simulated));
  if (all.size() > 1) out += fmt::format("  agreement  tau {:.3f}\n", kendall_tau(live, simulated));
  out += fmt::format(
      "\nerror: (simulated - live) / live. job p50, p90: of |simulated JCT - live JCT| / live JCT over jobs. order: "
      "Kendall's tau-b of the finish order.\nThe measured-times row shows what the simulator does not model; from it "
      "to "
      "the profiles row is what the profiles get wrong. Gate: {} row within {:.0f} %.\n",
      gated == Gated::profiled ? "profiles" : "measured-times", gate_pct);
  return out;
}

}  // namespace orrery::report

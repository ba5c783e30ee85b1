#include "scenarios/report/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/metrics/tables.hpp"

namespace orrery::report {
namespace {

using Cells = std::vector<std::string>;

// Characters on the screen: bytes that do not continue a UTF-8 sequence.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// The mean of a metric over the runs that have it.
std::optional<double> mean_of(const CompareRow& row, std::string_view key) {
  double sum = 0;
  int n = 0;
  for (const MetricDefinition& m : metric_definitions()) {
    if (m.key != key) continue;
    for (const SeedResult& run : row.runs) {
      const std::optional<double> v = metric_value(m, run.summary);
      if (!v) continue;
      sum += *v;
      ++n;
    }
  }
  return n > 0 ? std::optional<double>(sum / n) : std::nullopt;
}

std::string duration_cell(const CompareRow& row, std::string_view key) {
  const std::optional<double> v = mean_of(row, key);
  return v ? human_duration(*v) : "-";
}

std::string count_cell(const CompareRow& row, std::string_view key) {
  const double v = mean_of(row, key).value_or(0);
  return v == std::floor(v) ? fmt::format("{:.0f}", v) : fmt::format("{:.1f}", v);
}

std::string ratio_cell(const PolicyIntervals& p) {
  if (!p.ratio) return "-";
  std::string text = fmt::format("{:.2f}", *p.ratio);
  if (p.ratio_interval) text += fmt::format(" [{:.2f}, {:.2f}]", p.ratio_interval->low, p.ratio_interval->high);
  return text;
}

std::vector<Cells> cells_of(const std::vector<CompareRow>& rows, const Comparison& comparison) {
  const bool unfinished = std::any_of(rows.begin(), rows.end(), [](const CompareRow& r) {
    return std::any_of(r.runs.begin(), r.runs.end(),
                       [](const SeedResult& s) { return s.summary.finished < s.summary.jobs; });
  });
  std::vector<Cells> table;
  table.push_back({"policy", "mean JCT", "median", "p99 JCT", "wait", "makespan", "GPU util", "preemptions"});
  if (unfinished) table[0].insert(table[0].end(), {"finished", "rejected"});
  if (rows.size() > 1) table[0].push_back(fmt::format("vs {}", rows[0].policy));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const CompareRow& r = rows[i];
    const PolicyIntervals& p = comparison.policies[i];
    std::string jct = duration_cell(r, "mean_jct_s");
    if (p.mean_jct_interval_s)
      jct += fmt::format(" [{}, {}]", human_duration(p.mean_jct_interval_s->low),
                         human_duration(p.mean_jct_interval_s->high));
    const std::optional<double> util = mean_of(r, "gpu_util_ratio");
    Cells line = {r.policy,
                  std::move(jct),
                  duration_cell(r, "p50_jct_s"),
                  duration_cell(r, "p99_jct_s"),
                  duration_cell(r, "mean_wait_s"),
                  duration_cell(r, "makespan_s"),
                  util ? fmt::format("{:.1f} %", *util * 100) : "-",
                  count_cell(r, "preemptions")};
    if (unfinished) line.insert(line.end(), {count_cell(r, "finished"), count_cell(r, "rejected")});
    if (rows.size() > 1) line.push_back(ratio_cell(p));
    table.push_back(std::move(line));
  }
  return table;
}

std::vector<std::size_t> widths_of(const std::vector<Cells>& table) {
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const Cells& line : table)
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width(line[c]));
  return widths;
}

// The first column and the ratios (text after numbers) stand left, numbers right.
std::string padded(const std::string& text, std::size_t to, bool left) {
  const std::string space(to - width(text), ' ');
  return left ? text + space : space + text;
}

std::optional<double> low_of(const std::optional<Interval>& i) {
  return i ? std::optional(i->low) : std::nullopt;
}
std::optional<double> high_of(const std::optional<Interval>& i) {
  return i ? std::optional(i->high) : std::nullopt;
}

std::size_t best_row(const Comparison& comparison) {
  std::size_t best = comparison.policies.size();
  for (std::size_t i = 0; i < comparison.policies.size(); ++i) {
    const auto& mean = comparison.policies[i].mean_jct_s;
    if (mean && (best == comparison.policies.size() || *mean < *comparison.policies[best].mean_jct_s)) best = i;
  }
  return best;
}

// What the comparison says of a policy, the same in all of its rows.
struct IntervalField {
  std::string_view key, about;
  std::optional<double> (*value)(const PolicyIntervals& p);
};
constexpr std::array<IntervalField, 8> kIntervalFields{{
    {"mean_jct_low_s", "the lower end of the interval of the policy's mean JCT",
     [](const PolicyIntervals& p) { return low_of(p.mean_jct_interval_s); }},
    {"mean_jct_high_s", "its upper end", [](const PolicyIntervals& p) { return high_of(p.mean_jct_interval_s); }},
    {"ratio", "the policy's mean JCT, over its seeds, by that of the first policy",
     [](const PolicyIntervals& p) { return p.ratio; }},
    {"ratio_low", "the lower end of the interval of that ratio",
     [](const PolicyIntervals& p) { return low_of(p.ratio_interval); }},
    {"ratio_high", "its upper end", [](const PolicyIntervals& p) { return high_of(p.ratio_interval); }},
    {"avoidable_removed", "the share of the first policy's avoidable delay, over its seeds, that the policy removes",
     [](const PolicyIntervals& p) { return p.removed; }},
    {"avoidable_removed_low", "the lower end of the interval of that share",
     [](const PolicyIntervals& p) { return low_of(p.removed_interval); }},
    {"avoidable_removed_high", "its upper end", [](const PolicyIntervals& p) { return high_of(p.removed_interval); }},
}};

nlohmann::ordered_json object_of(const std::string& policy, const SeedResult& run) {
  nlohmann::ordered_json j;
  j["policy"] = policy;
  j["seed"] = run.seed;
  for (const MetricDefinition& m : metric_definitions()) {
    const std::optional<double> v = metric_value(m, run.summary);
    if (!v)
      j[m.key] = nullptr;
    else if (m.integral)
      j[m.key] = static_cast<std::int64_t>(*v);
    else
      j[m.key] = *v;
  }
  return j;
}

void append_intervals(std::string& out, const Comparison& comparison, std::size_t row) {
  for (const IntervalField& f : kIntervalFields) {
    out.push_back(',');
    if (const std::optional<double> v = f.value(comparison.policies[row])) out += fmt::format("{}", *v);
  }
  out += fmt::format(",{},", to_string(comparison.method));
  append_csv(out, comparison.note);
}

}  // namespace

std::string human_duration(double s) {
  if (!std::isfinite(s)) return "-";
  if (s < 0) return fmt::format("-{}", human_duration(-s));
  if (s == 0) return "0s";
  if (s < 0.9995) return fmt::format("{:.0f}ms", s * 1e3);
  if (s < 59.95) return fmt::format("{:.1f}s", s);
  const auto whole = static_cast<std::int64_t>(std::llround(s));
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  const std::int64_t minutes = std::llround(s / 60);
  if (minutes < 100 * 60) return fmt::format("{}h{:02}m", minutes / 60, minutes % 60);
  const std::int64_t hours = std::llround(s / 3600);
  return fmt::format("{}d{:02}h", hours / 24, hours % 24);
}

std::vector<std::pair<std::string_view, std::string_view>> interval_definitions() {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (const IntervalField& f : kIntervalFields) all.emplace_back(f.key, f.about);
  return all;
}

std::string render_text(const std::vector<CompareRow>& rows, const Comparison& comparison, bool colour) {
  const std::vector<Cells> table = cells_of(rows, comparison);
  const std::vector<std::size_t> widths = widths_of(table);
  const std::size_t best = rows.size() > 1 ? best_row(comparison) : rows.size();
  std::string out;
  for (std::size_t line = 0; line < table.size(); ++line) {
    std::string text;
    for (std::size_t c = 0; c < table[line].size(); ++c) {
      const bool left = c == 0 || (rows.size() > 1 && c + 1 == table[line].size());
      text += fmt::format("  {}", padded(table[line][c], widths[c], left));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    if (colour && line == 0) text = fmt::format("\033[1m{}\033[0m", text);
    if (colour && line == best + 1) text = fmt::format("\033[32m{}\033[0m", text);
    out += text + "\n";
  }
  if (!comparison.note.empty()) out += fmt::format("\n  {}\n", comparison.note);
  return out;
}

std::string render_markdown(const std::vector<CompareRow>& rows, const Comparison& comparison) {
  const std::vector<Cells> table = cells_of(rows, comparison);
  std::string out;
  for (std::size_t line = 0; line < table.size(); ++line) {
    out += "|";
    for (const std::string& cell : table[line]) out += fmt::format(" {} |", cell);
    out += "\n";
    if (line != 0) continue;
    out += "|:---|";
    for (std::size_t c = 1; c < table[0].size(); ++c) out += "---:|";
    out += "\n";
  }
  if (!comparison.note.empty()) out += fmt::format("\n{}\n", comparison.note);
  return out;
}

std::string render_csv(const std::vector<CompareRow>& rows, const Comparison* comparison) {
  std::string out = "policy,seed";
  for (const MetricDefinition& m : metric_definitions()) out += fmt::format(",{}", m.key);
  if (comparison != nullptr) {
    for (const IntervalField& f : kIntervalFields) out += fmt::format(",{}", f.key);
    out += ",interval_method,interval_note";
  }
  out += "\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const SeedResult& run : rows[i].runs) {
      append_csv(out, rows[i].policy);
      out += fmt::format(",{}", run.seed);
      for (const MetricDefinition& m : metric_definitions()) {
        out.push_back(',');
        const std::optional<double> v = metric_value(m, run.summary);
        if (!v) continue;
        out += m.integral ? fmt::format("{}", static_cast<std::int64_t>(*v)) : fmt::format("{}", *v);
      }
      if (comparison != nullptr) append_intervals(out, *comparison, i);
      out += "\n";
    }
  }
  return out;
}

std::string render_json(const std::vector<CompareRow>& rows, const Comparison& comparison) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const SeedResult& run : rows[i].runs) {
      nlohmann::ordered_json& j = all.emplace_back(object_of(rows[i].policy, run));
      for (const IntervalField& f : kIntervalFields) {
        const std::optional<double> v = f.value(comparison.policies[i]);
        j[std::string(f.key)] = v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr);
      }
      j["interval_method"] = to_string(comparison.method);
      j["interval_note"] = comparison.note;
    }
  }
  return json_text(all, 2) + "\n";
}

std::string render_json(const std::string& policy, const SeedResult& run) {
  return json_text(object_of(policy, run), 2) + "\n";
}

}  // namespace orrery::report

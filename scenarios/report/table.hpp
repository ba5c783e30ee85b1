// The tables of `compare` and `run`: aligned text, Markdown, CSV and JSON of the same rows. Text is for people
// (human durations, the intervals of intervals.hpp); CSV and JSON carry every metric of metric_definitions() in
// full precision, one line or object per policy and seed. Pure functions of plain rows.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scenarios/report/intervals.hpp"
#include "scenarios/report/row.hpp"

namespace orrery::report {

// "820ms", "42.5s", "9m05s", "4h12m", "12d03h".
[[nodiscard]] std::string human_duration(double seconds);

// Both end with the comparison's note. Colour: the best mean JCT in green, the header bold.
[[nodiscard]] std::string render_text(const std::vector<CompareRow>& rows, const Comparison& comparison, bool colour);
[[nodiscard]] std::string render_markdown(const std::vector<CompareRow>& rows, const Comparison& comparison);

// Header and one line per policy and seed; empty where a metric has no value. Of a comparison also what it says of
// the policy: the fields of interval_definitions(), how, and the note.
[[nodiscard]] std::string render_csv(const std::vector<CompareRow>& rows, const Comparison* comparison = nullptr);
// An array of objects {policy, seed, jobs, ..., mean_jct_low_s, ...}; null where there is no value.
[[nodiscard]] std::string render_json(const std::vector<CompareRow>& rows, const Comparison& comparison);
// Key and meaning of what a comparison adds to the metrics of a run.
[[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> interval_definitions();
// One such object, for `run --json`.
[[nodiscard]] std::string render_json(const std::string& policy, const SeedResult& run);

}  // namespace orrery::report

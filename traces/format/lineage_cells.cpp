#include "traces/format/lineage_cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sim/core/quantity.hpp"
#include "sim/models/lifecycle/transfer.hpp"

namespace orrery {

std::optional<EdgeItem> parse_edge(std::string_view item) {
  EdgeItem e;
  const std::size_t at = item.rfind('@');
  e.parent = item.substr(0, at);
  if (e.parent.empty()) return std::nullopt;
  if (at == std::string_view::npos) return e;
  std::string_view how = item.substr(at + 1);
  e.hard = how != "soft";
  if (!e.hard) return e;
  if (how.substr(0, 4) != "hard") return std::nullopt;
  how.remove_prefix(4);
  if (how.empty()) return e;
  if (how.front() != ':') return std::nullopt;
  const auto progress = parse_fixed(how.substr(1), 3);
  if (!progress || *progress < 1 || *progress > 1000) return std::nullopt;
  e.progress_per_mille = static_cast<std::int32_t>(*progress);
  return e;
}

std::optional<GainItem> parse_gain(std::string_view item) {
  const std::size_t colon = item.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view number = item.substr(colon + 1);
  const bool negative = !number.empty() && number.front() == '-';
  if (negative) number.remove_prefix(1);
  const auto per_mille = parse_fixed(number, 3);
  if (!per_mille || *per_mille < 0 || *per_mille > (negative ? 20'000 : kMaxGainPerMille)) return std::nullopt;
  return GainItem{item.substr(0, colon), static_cast<std::int32_t>(negative ? -*per_mille : *per_mille)};
}

const std::array<NamingColumn, 2>& naming_columns() {
  static constexpr std::array<NamingColumn, 2> kColumns{{
      {"after", &TraceJob::after,
       [](std::string_view item) {
         const auto e = parse_edge(item);
         return e ? std::optional(e->parent) : std::nullopt;
       },
       "edge", "write `parent`, `parent@hard:0.8` or `parent@soft`, several with `;` between them"},
      {"gain", &TraceJob::gain,
       [](std::string_view item) {
         const auto g = parse_gain(item);
         return g ? std::optional(g->parent) : std::nullopt;
       },
       "gain", "write `parent:0.45`, from -20 to 0.95, several with `;` between them"},
  }};
  return kColumns;
}

std::optional<std::string_view> malformed_item(const NamingColumn& column, std::string_view cell) {
  while (!cell.empty()) {
    const std::string_view item = next_item(cell);
    if (!column.parent(item)) return item;
  }
  return std::nullopt;
}

std::optional<std::string_view> repeated_parent(const NamingColumn& column, std::string_view cell) {
  std::vector<std::string_view> named;
  while (!cell.empty()) {
    const auto parent = column.parent(next_item(cell));
    if (!parent) continue;
    if (std::find(named.begin(), named.end(), *parent) != named.end()) return parent;
    named.push_back(*parent);
  }
  return std::nullopt;
}

Diagnostic malformed(const NamingColumn& column, const TraceJob& job, std::string_view item,
                     const std::string& file) {
  Diagnostic bad{
      fmt::format("`{}` of job `{}` has `{}`, which is no {}", column.name, job.job_id, item, column.noun)};
  bad.where = {file, job.line, 0};
  bad.hint = std::string(column.form);
  return bad;
}

std::optional<Diagnostic> malformed_cell(const Trace& trace, const std::string& file) {
  for (const TraceJob& j : trace.jobs)
    for (const NamingColumn& column : naming_columns())
      if (const auto item = malformed_item(column, j.*column.cell)) return malformed(column, j, *item, file);
  return std::nullopt;
}

}  // namespace orrery

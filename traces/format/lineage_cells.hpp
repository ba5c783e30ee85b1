// The columns of a trace that name other jobs, and the grammar of their cells: one table for whoever reads them, puts
// other names into them, or asks who belongs together.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "traces/format/canonical.hpp"

namespace orrery {

// One item of `after`: "parent", "parent@hard", "parent@hard:0.8" or "parent@soft".
struct EdgeItem {
  std::string_view parent;
  bool hard = true;
  std::int32_t progress_per_mille = 1000;
};
// One item of `gain`: "parent:0.45". Gains are at most 0.95 and at least -20.
struct GainItem {
  std::string_view parent;
  std::int32_t gain_per_mille = 0;
};
// Nothing where the item is malformed.
[[nodiscard]] std::optional<EdgeItem> parse_edge(std::string_view item);
[[nodiscard]] std::optional<GainItem> parse_gain(std::string_view item);

// A column whose items, `;` between them, begin with the name of another job.
struct NamingColumn {
  std::string_view name;
  RareText TraceJob::*cell;
  std::optional<std::string_view> (*parent)(std::string_view item);  // nothing where the item is malformed
  std::string_view noun;                                             // what an item is
  std::string_view form;                                             // how to write it
};
[[nodiscard]] const std::array<NamingColumn, 2>& naming_columns();

// Takes what stands before the next `;` off the front.
[[nodiscard]] inline std::string_view next_item(std::string_view& rest) {
  const std::string_view item = rest.substr(0, rest.find(';'));
  rest.remove_prefix(std::min(rest.size(), item.size() + 1));
  return item;
}

// The first malformed item of a cell.
[[nodiscard]] std::optional<std::string_view> malformed_item(const NamingColumn& column, std::string_view cell);
// The first job that a well-formed cell names a second time: what would hold of it is anybody's guess.
[[nodiscard]] std::optional<std::string_view> repeated_parent(const NamingColumn& column, std::string_view cell);
// What is wrong with the first such cell of a trace, with its line; nothing when all are well formed.
[[nodiscard]] std::optional<Diagnostic> malformed_cell(const Trace& trace, const std::string& file = {});
// The same of one job, for each of its cells.
[[nodiscard]] Diagnostic malformed(const NamingColumn& column, const TraceJob& job, std::string_view item,
                                   const std::string& file);

// The cell with other names: `renamed(parent)` instead of each parent. Malformed items stay as they are.
template <class Renamed>
[[nodiscard]] std::string rename_parents(const NamingColumn& column, std::string_view cell, Renamed renamed) {
  std::string out;
  while (!cell.empty()) {
    const std::string_view item = next_item(cell);
    if (!out.empty()) out += ';';
    const auto parent = column.parent(item);
    if (parent) out += renamed(*parent);
    out += item.substr(parent ? parent->size() : 0);
  }
  return out;
}

// Calls `see(parent)` for each job that this one names, in any column.
template <class See>
void for_parents(const TraceJob& job, See see) {
  for (const NamingColumn& column : naming_columns())
    for (std::string_view rest = job.*column.cell; !rest.empty();)
      if (const auto parent = column.parent(next_item(rest))) see(*parent);
}

}  // namespace orrery

#include "traces/format/phase_cells.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/quantity.hpp"
#include "traces/format/lineage_cells.hpp"

namespace orrery {
namespace {

// A thousandth and a thousand, in millionths: so speeds stay below 10^15 billionths.
constexpr std::int64_t kLeastStep = 1000, kMostStep = 1'000'000'000;
constexpr std::int64_t kMostCpus = 1'000'000;  // a thousand, in thousandths
constexpr std::int64_t kThousand = 1000;

struct PhaseItem {
  JobPhase phase;
  std::int64_t step_millionths = 0;
};

std::string_view next_part(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find(':'));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

std::optional<PhaseKind> kind_of(std::string_view word) {
  for (int i = 0; i < kPhaseKinds; ++i)
    if (to_string(static_cast<PhaseKind>(i)) == word) return static_cast<PhaseKind>(i);
  return std::nullopt;
}

std::optional<PhaseItem> parse_item(std::string_view item) {
  const std::size_t at = item.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const auto kind = kind_of(item.substr(0, at));
  std::string_view rest = item.substr(at + 1);
  const auto from = parse_fixed(next_part(rest), 3);
  const auto step = parse_fixed(next_part(rest), 6);
  const auto cpus = rest.empty() ? std::optional<std::int64_t>(0) : parse_fixed(next_part(rest), 3);
  const auto serial = rest.empty() ? std::optional<std::int64_t>(0) : parse_fixed(next_part(rest), 3);
  if (!kind || !from || !step || !cpus || !serial || !rest.empty()) return std::nullopt;
  if (*from < 0 || *from >= kThousand || *step < kLeastStep || *step > kMostStep) return std::nullopt;
  if (*cpus < 0 || *cpus > kMostCpus || *serial < 0 || *serial > kThousand) return std::nullopt;
  PhaseItem p;
  p.phase.kind = *kind;
  p.phase.from_per_mille = static_cast<std::int32_t>(*from);
  p.phase.cpu_milli = static_cast<std::int32_t>(*cpus);
  p.phase.serial_per_mille = static_cast<std::int32_t>(*serial);
  p.step_millionths = *step;
  return p;
}

}  // namespace

std::string why_no_phases(std::string_view cell) {
  std::int32_t before = -1;
  while (!cell.empty()) {
    const std::string_view item = next_item(cell);
    const auto p = parse_item(item);
    if (!p) return fmt::format("has `{}`, which is no phase", item);
    if (before < 0 && p->phase.from_per_mille != 0) return fmt::format("has `{}` first, which begins later", item);
    if (p->phase.from_per_mille <= before) return fmt::format("has `{}` behind one that begins no earlier", item);
    before = p->phase.from_per_mille;
  }
  return {};
}

std::optional<std::vector<JobPhase>> parse_phases(std::string_view cell) {
  if (!why_no_phases(cell).empty()) return std::nullopt;
  std::vector<PhaseItem> items;
  while (!cell.empty()) items.push_back(*parse_item(next_item(cell)));
  Int128 mean = 0;  // thousandths of millionths
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::int64_t end = i + 1 < items.size() ? items[i + 1].phase.from_per_mille : kThousand;
    mean += static_cast<Int128>(end - items[i].phase.from_per_mille) * items[i].step_millionths;
  }
  std::vector<JobPhase> phases;
  for (const PhaseItem& item : items) {
    const Int128 speed = mean * kUnitRate.per_billion / (static_cast<Int128>(item.step_millionths) * kThousand);
    phases.push_back(item.phase);
    phases.back().speed = Rate{static_cast<std::int64_t>(speed < 1 ? Int128{1} : speed)};
  }
  return phases;
}

}  // namespace orrery

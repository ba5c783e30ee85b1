#include "sim/core/allocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

// Takes a number off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return v;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<GpuMask> take_gpus(std::string_view& text) {
  GpuMask mask;
  if (take(text, '-')) return mask;
  do {
    const auto first = take_number(text);
    if (!first) return std::nullopt;
    std::uint32_t last = *first;
    if (take(text, '-')) {
      const auto number = take_number(text);
      if (!number) return std::nullopt;
      last = *number;
    }
    if (last >= GpuMask::kMost || last < *first) return std::nullopt;
    for (std::uint32_t i = *first; i <= last; ++i) mask |= GpuMask::one(static_cast<int>(i));
  } while (take(text, '+'));
  return mask;
}

}  // namespace

void Allocation::add(const NodeSlice& slice) {
  const auto at = std::lower_bound(slices_.begin(), slices_.end(), slice.node,
                                   [](const NodeSlice& s, NodeId n) { return s.node < n; });
  ORRERY_ASSERT(at == slices_.end() || at->node != slice.node, "node {} twice in one allocation", slice.node.value);
  slices_.insert(at, slice);
}

std::string Allocation::to_string() const {
  std::string out;
  for (const NodeSlice& s : slices_) {
    if (!out.empty()) out += ',';
    out += fmt::format("n{}:", s.node.value);
    bool first = true;
    for (int i = 0; i < GpuMask::kMost; ++i) {
      if (!s.gpus.has(i)) continue;
      int last = i;
      while (s.gpus.has(last + 1)) ++last;
      out += fmt::format("{}{}", first ? "" : "+", i);
      if (last > i) out += fmt::format("-{}", last);
      first = false;
      i = last;
    }
    if (first) out += '-';
    if (s.milli_per_gpu != kMilliPerGpu) out += fmt::format("@{}", s.milli_per_gpu);
  }
  return out;
}

std::optional<Allocation> parse_allocation(std::string_view text) {
  Allocation a;
  if (text.empty()) return a;
  do {
    NodeSlice s;
    if (!take(text, 'n')) return std::nullopt;
    const auto node = take_number(text);
    if (!node || !take(text, ':')) return std::nullopt;
    const auto gpus = take_gpus(text);
    if (!gpus) return std::nullopt;
    s.node = NodeId(*node);
    s.gpus = *gpus;
    if (take(text, '@')) {
      const auto milli = take_number(text);
      if (!milli || *milli == 0 || *milli > static_cast<std::uint32_t>(kMilliPerGpu)) return std::nullopt;
      s.milli_per_gpu = static_cast<std::int32_t>(*milli);
    }
    for (const NodeSlice& other : a.slices())
      if (other.node == s.node) return std::nullopt;
    a.add(s);
  } while (take(text, ','));
  if (!text.empty()) return std::nullopt;
  return a;
}

}  // namespace orrery

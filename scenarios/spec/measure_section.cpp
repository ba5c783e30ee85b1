// The section `measure` of a scenario: the jobs that metrics are of.
#include <fmt/format.h>

#include "scenarios/spec/scenario_sections.hpp"
#include "scenarios/spec/yaml_text.hpp"

namespace orrery::app {
namespace {

constexpr int kPercentDigits = 7;  // billionths are percents with so many
constexpr std::int64_t kWholeSpan = 1'000'000'000;

std::optional<SubmitPoint> read_point(YamlWalk& w, const Place& at) {
  if (w.lists()) {
    w.takes(at, "time, or a share of the span of submits: 10%");
    return std::nullopt;
  }
  const std::string text = w.word(at);
  if (text.empty()) return std::nullopt;
  if (text.back() != '%') return SubmitPoint{w.quantity(at, parse_duration)};
  const auto share = parse_fixed(text.substr(0, text.size() - 1), kPercentDigits);
  if (share && *share >= 0 && *share <= kWholeSpan) return SubmitPoint{{}, *share};
  w.complain(at, fmt::format("`{}` is `{}`, which is no share from 0% to 100%", at.path, text),
             "such as `10%` of the span of submits, or a time, `6h`");
  return std::nullopt;
}

std::string point_text(const std::optional<SubmitPoint>& point) {
  if (!point) return {};
  if (point->share_1e9 < 0) return format_duration(point->after);
  return yaml_fixed(point->share_1e9, kPercentDigits) + "%";
}

// clang-format off
YamlWalk::Keys measure_keys(YamlWalk& w, MeasureConfig& c, Place& end) {
  return {
      {"from", "from when on, after the first submit; default: the first",
       [&](const Place& p) { c.from = read_point(w, p); },
       [&](bool) { return point_text(c.from); }},
      {"to", "until when, after the first submit; default: the last",
       [&](const Place& p) {
         c.to = read_point(w, p);
         end = p;
       },
       [&](bool) { return point_text(c.to); }},
  };
}
// clang-format on

}  // namespace

void read_measure(YamlWalk& w, const Place& at, MeasureConfig& c) {
  Place end;
  w.section(at, measure_keys(w, c, end));
  if (!c.from || !c.to || (c.from->share_1e9 < 0) != (c.to->share_1e9 < 0)) return;
  if (c.to->after < c.from->after || c.to->share_1e9 < c.from->share_1e9)
    w.complain(end, fmt::format("`{}` is before `{}.from`: no job is submitted in between", end.path, at.path));
}

std::string write_measure(MeasureConfig c, bool digest) {
  if (c.all()) return {};
  YamlWalk none;
  Place end;
  return yaml_block(measure_keys(none, c, end), digest, 2);
}

}  // namespace orrery::app

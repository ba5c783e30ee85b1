// Slow-downs worked out by hand. Reports are of four steps; a step alone takes 100 ns.
#include "backend/live/slowdown_meter.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <utility>
#include <vector>

namespace {

using namespace orrery;
using live::MeasuredSlowdown;
using live::SlowdownMeter;

constexpr std::int64_t kSteps = 4;

// Shows reports whose steps take so long in all; the steps that each mean was of when it was told.
std::vector<std::int64_t> show(SlowdownMeter& m, const std::vector<std::int64_t>& spent_ns) {
  std::vector<std::int64_t> told;
  for (const std::int64_t ns : spent_ns)
    if (const auto seen = m.report(kSteps, Duration{ns})) told.push_back(seen->steps());
  return told;
}

std::vector<std::int64_t> times(int n, std::int64_t ns) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(n), ns);
}

}  // namespace

TEST_CASE("a step's time: mean, and its standard error from how reports differ", "[live][fillers]") {
  live::StepTime t;
  t.add(4, Duration{396});
  CHECK(t.error_ns() == 0);
  for (const std::int64_t ns : {404, 396, 404}) t.add(4, Duration{ns});
  CHECK(t.mean_ns() == Approx(100));
  // s^2 = 4 x 4 x 1 / 3; over 16 steps.
  CHECK(t.error_ns() == Approx(std::sqrt(16.0 / 3 / 16)));
  // Reports of other lengths weigh as many steps as they have.
  live::StepTime u;
  u.add(1, Duration{130});
  u.add(3, Duration{270});
  CHECK(u.mean_ns() == Approx(100));
  CHECK(u.error_ns() == Approx(std::sqrt((900.0 + 3 * 100) / 1 / 4)));
}

TEST_CASE("a slow-down is known after 16 steps beside fillers and two reports", "[live][fillers]") {
  SlowdownMeter m;
  CHECK(show(m, times(4, 400)) == std::vector<std::int64_t>{16});
  CHECK_FALSE(m.slowdown());
  m.changed(true);
  // The one that was on its way, and the one in which the filler came.
  CHECK(show(m, {400, 425, 440, 440, 440}).empty());
  CHECK_FALSE(m.slowdown());
  CHECK(show(m, {440}) == std::vector<std::int64_t>{16});
  CHECK(m.slowdown() == MeasuredSlowdown{100'000, 0, 16});
  CHECK(show(m, times(60 + 64, 440)) == std::vector<std::int64_t>{32, 64, 128, 256, 256});
  CHECK(m.slowdown() == MeasuredSlowdown{100'000, 0, 256});
}

TEST_CASE("long reports: a mean is of four at least", "[live][fillers]") {
  SlowdownMeter m;
  std::vector<std::int64_t> told;
  for (int i = 0; i < 8; ++i)
    if (const auto seen = m.report(100, Duration{10'000})) told.push_back(seen->steps());
  CHECK(told == std::vector<std::int64_t>{400, 400});
}

TEST_CASE("the error of a slow-down is that of a quotient of two means", "[live][fillers]") {
  SlowdownMeter m;
  (void)show(m, {396, 404, 396, 404});  // 100 ns, error 0.577
  m.changed(true);
  (void)show(m, {400, 420, 440, 440, 440, 440});
  CHECK(m.slowdown() == MeasuredSlowdown{100'000, 6351, 16});  // 1.1 x 0.57735 / 100
}

TEST_CASE("what fillers do is measured anew whenever it changes", "[live][fillers]") {
  SlowdownMeter m;
  (void)show(m, times(8, 400));
  m.changed(true);
  (void)show(m, times(5, 440));
  m.changed(true);  // half as much
  (void)show(m, {440, 430, 420, 420, 420, 420});
  CHECK(m.slowdown() == MeasuredSlowdown{50'000, 0, 16});
  // Alone again: what was measured last stands, and steps count for those alone once the change is over.
  m.changed(false);
  CHECK(show(m, {420, 410, 400, 400, 400, 400}) == std::vector<std::int64_t>{16});
  CHECK(m.slowdown() == MeasuredSlowdown{50'000, 0, 16});
  m.changed(true);
  (void)show(m, times(6, 400));
  CHECK(m.slowdown() == MeasuredSlowdown{0, 0, 16});
  m.forget();
  (void)show(m, times(20, 440));
  CHECK_FALSE(m.slowdown());  // nothing is known of steps alone
}

// The loop of a rule that halves what fillers use while they cost more than 2 %: reports of 4 steps, of which two are
// dropped, so that every 24 steps the slow-down is half of what it was.
TEST_CASE("an injected slow-down of 10 % is halved every 24 steps", "[live][fillers]") {
  SlowdownMeter m;
  (void)show(m, times(4, 400'000));
  std::int64_t fill = 1000, steps = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> told;  // steps beside fillers so far, slow-down
  m.changed(true);
  while (told.empty() || told.back().second > 20'000) {
    steps += kSteps;
    if (!m.report(kSteps, Duration{400'000 + 40 * fill})) continue;
    told.emplace_back(steps, m.slowdown()->millionths);
    fill /= 2;
    m.changed(true);
  }
  CHECK(told ==
        std::vector<std::pair<std::int64_t, std::int64_t>>{{24, 100'000}, {48, 50'000}, {72, 25'000}, {96, 12'500}});
}

// Work, rates and GPU-time: rounding directions, no overflow; legal moves of a job; error text.
#include <catch2/catch.hpp>

#include "sim/core/error.hpp"
#include "sim/core/job.hpp"
#include "sim/core/units.hpp"

using namespace orrery;

TEST_CASE("a job never finishes before its work is done", "[core]") {
  for (const std::int64_t work : {1LL, 7LL, 999'999'937LL, 1'000'000'000'000LL})
    for (const std::int64_t rate : {1LL, 3LL, 333'333'333LL, 999'999'999LL, 1'000'000'000LL, 2'000'000'001LL}) {
      const Duration d = time_for(Work{work}, Rate{rate});
      if (d == kForever) continue;
      CHECK(work_in(d, Rate{rate}).ns >= work);
      CHECK(work_in(d - Duration{1}, Rate{rate}).ns < work);
    }
  CHECK(time_for(Work{5}, Rate{0}) == kForever);
  CHECK(time_for(Work{0}, Rate{0}) == Duration{0});
}

TEST_CASE("GPU-time of 48 GPUs over two months does not overflow", "[core]") {
  const GpuTime t = gpu_time(seconds(60LL * 86400), 48'000);
  CHECK(to_gpu_seconds(t) == 48.0 * 60 * 86400);
  CHECK((t + t) - t == t);
}

TEST_CASE("time saturates at never", "[core]") {
  CHECK(kNever + seconds(1) == kNever);
  CHECK(at_seconds(5) + kForever == kNever);
}

TEST_CASE("a job's life goes one way", "[core]") {
  using S = JobState;
  const std::vector<std::pair<S, S>> legal{
      {S::submitted, S::pending}, {S::submitted, S::rejected}, {S::pending, S::rejected},  {S::pending, S::starting},
      {S::starting, S::running},  {S::running, S::finished},   {S::starting, S::stopping}, {S::running, S::stopping},
      {S::stopping, S::pending},  {S::stopping, S::finished},  {S::running, S::suspended}, {S::suspended, S::running},
      {S::starting, S::pending},  {S::running, S::pending},    {S::starting, S::failed},   {S::running, S::failed},
      {S::stopping, S::failed}};
  for (const auto& [from, to] : legal) {
    INFO(to_string(from) << " -> " << to_string(to));
    CHECK(legal_move(from, to));
  }
  for (int from = 0; from < kJobStates; ++from)
    for (int to = 0; to < kJobStates; ++to)
      if (is_final(static_cast<S>(from))) CHECK_FALSE(legal_move(static_cast<S>(from), static_cast<S>(to)));
  CHECK_FALSE(legal_move(S::pending, S::running));
  CHECK_FALSE(legal_move(S::submitted, S::running));
}

TEST_CASE("the closest word is suggested, a stranger is not", "[core]") {
  CHECK(closest("gpu_per_node", {"name", "gpus_per_node", "gpu"}) == "gpus_per_node");
  CHECK(closest("cuont", {"count", "cpus"}) == "count");
  CHECK(closest("zebra", {"count", "cpus"}).empty());
}

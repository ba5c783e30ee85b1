// Draws of a trace: whole rows with the gaps before them, in blocks; nobody without his parents.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "sim/core/random.hpp"
#include "traces/edit/resample.hpp"

using namespace orrery;

namespace {

// A random trace: bursts, deadlines, estimates, and children of the last few jobs.
Trace random_trace(std::uint64_t seed, std::size_t jobs, std::size_t reach) {
  RandomStream random = stream(seed, "test/resample");
  Trace t;
  t.has_estimates = true;
  Time at{};
  for (std::size_t i = 0; i < jobs; ++i) {
    TraceJob j;
    j.job_id = fmt::format("j{}", i);
    if (i > 0 && uniform_below(random, 3) > 0)
      at = at + milliseconds(1 + 2 * std::int64_t(uniform_below(random, 50'000)));
    j.submit = at;
    j.gpus = 1 + static_cast<std::int32_t>(uniform_below(random, 8));
    j.duration = seconds(1 + std::int64_t(uniform_below(random, 1000)));
    if (uniform_below(random, 2) == 0) j.deadline = j.submit + j.duration;
    if (uniform_below(random, 2) == 0) j.estimate = j.duration;
    if (reach > 0 && i > 0 && uniform_below(random, 4) == 0) {
      const std::size_t parent = i - 1 - uniform_below(random, std::min(reach, i));
      j.after = fmt::format("j{}@hard:0.8;gone@soft", parent);
      j.gain = fmt::format("j{}:0.4", parent);
    }
    t.jobs.push_back(std::move(j));
  }
  return t;
}

std::size_t source_of(const TraceJob& j) {
  return std::stoul(j.job_id.substr(1, j.job_id.find('~') - 1));
}
std::string block_of(const TraceJob& j) {
  return j.job_id.substr(j.job_id.find('~'));
}

// What a row says of the job itself.
auto row(const TraceJob& j) {
  return std::tuple(j.gpus, j.duration, j.estimate, j.deadline.has_value());
}

void check_draw(const Trace& trace, const Trace& draw) {
  const std::size_t n = trace.jobs.size();
  CHECK(draw.jobs.size() >= n);
  CHECK(draw.jobs.size() < n + n / 5);
  CHECK(draw.has_estimates == trace.has_estimates);
  std::map<std::string, Time> ids;
  for (const TraceJob& j : draw.jobs) REQUIRE(ids.emplace(j.job_id, j.submit).second);
  for (std::size_t i = 0; i < draw.jobs.size(); ++i) {
    const TraceJob& j = draw.jobs[i];
    const std::size_t s = source_of(j);
    const TraceJob& was = trace.jobs.at(s);
    REQUIRE(row(j) == row(was));
    if (j.deadline) REQUIRE(*j.deadline - j.submit == *was.deadline - was.submit);
    if (i > 0 && s > 0) REQUIRE(j.submit - draw.jobs[i - 1].submit == was.submit - trace.jobs[s - 1].submit);
    if (i > 0 && block_of(j) == block_of(draw.jobs[i - 1])) REQUIRE(s == (source_of(draw.jobs[i - 1]) + 1) % n);
    if (was.after.empty()) {
      REQUIRE(j.after.empty());
      continue;
    }
    const std::string parent = j.after.str().substr(0, j.after.view().find('@'));
    REQUIRE(ids.count(parent) == 1);
    REQUIRE(parent == was.after.str().substr(0, was.after.view().find('@')) + block_of(j));
    REQUIRE(j.gain == parent + ":0.4");
  }
}

}  // namespace

TEST_CASE("draws of a trace are its rows in blocks, with their gaps, deadlines, estimates and parents",
          "[resample]") {
  int drawn = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    RandomStream random = stream(seed, "test/worlds");
    const Trace trace = random_trace(seed, 50 + uniform_below(random, 300), uniform_below(random, 4));
    const Resampler resampler(trace);
    if (!resampler.refused().empty()) {
      CHECK(resampler.refused().find("cut its lineages") != std::string::npos);
      continue;
    }
    ++drawn;
    RandomStream one = stream(seed, "draw"), same = stream(seed, "draw");
    const Trace draw = resampler.draw(one);
    check_draw(trace, draw);
    CHECK(canonical_text(draw) == canonical_text(resampler.draw(same)));
    CHECK(canonical_text(draw) != canonical_text(resampler.draw(one)));
  }
  CHECK(drawn > 30);
}

TEST_CASE("every job is drawn as often as any other", "[resample]") {
  const Trace trace = random_trace(7, 100, 0);
  const Resampler resampler(trace);
  RandomStream random = stream(1, "draw");
  std::vector<int> times(100, 0);
  for (int k = 0; k < 2000; ++k)
    for (const TraceJob& j : resampler.draw(random).jobs) ++times[source_of(j)];
  for (const int t : times) CHECK(std::abs(t - 2000) < 500);
}

TEST_CASE("a trace that cannot be drawn again says why", "[resample]") {
  CHECK(Resampler(random_trace(1, 49, 0)).refused() == "49 jobs are too few to draw from (at least 50)");
  Trace lineage = random_trace(1, 200, 0);
  lineage.jobs[150].after = "j20@soft";
  CHECK(Resampler(lineage).refused().starts_with(
      "blocks of the trace would cut its lineages, the longest of which spans 13"));  // and bursts at its ends
  lineage.jobs[150].after = "nobody@soft";                                            // left out by a slice
  CHECK(Resampler(lineage).refused().empty());
  lineage.jobs[150].gain = "j20:0.5";  // a gain alone ties as well
  CHECK_FALSE(Resampler(lineage).refused().empty());
  Trace at_once = random_trace(1, 200, 0);
  for (TraceJob& j : at_once.jobs) j.submit = at_seconds(5);
  const Resampler resampler(at_once);
  REQUIRE(resampler.refused().empty());
  RandomStream random = stream(1, "draw");
  for (const TraceJob& j : resampler.draw(random).jobs) CHECK(j.submit == at_seconds(5));
}

TEST_CASE("a burst is drawn whole", "[resample]") {
  Trace trace = random_trace(3, 400, 0);
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)  // eight at a time, seconds apart, every hour
    trace.jobs[i].submit = at_seconds(std::int64_t(i / 8) * 3600 + std::int64_t(i % 8) * 3);
  for (TraceJob& j : trace.jobs) j.deadline.reset();
  const Resampler resampler(trace);
  RandomStream random = stream(1, "draw");
  const Trace draw = resampler.draw(random);
  REQUIRE(draw.jobs.size() % 8 == 0);
  for (std::size_t i = 0; i < draw.jobs.size(); ++i) REQUIRE(source_of(draw.jobs[i]) % 8 == i % 8);
}

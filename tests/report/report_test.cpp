#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
#include "sim/core/json.hpp"
#include "sim/core/random.hpp"

using namespace orrery;
using namespace orrery::report;

namespace {

SeedResult result(std::uint64_t seed, std::vector<double> jct) {
  SeedResult r;
  r.seed = seed;
  double sum = 0;
  for (const double x : jct) {
    r.summary.jobs += 1;
    if (std::isnan(x)) continue;
    r.summary.finished += 1;
    sum += x;
  }
  if (r.summary.finished > 0) r.summary.mean_jct_s = sum / static_cast<double>(r.summary.finished);
  r.jct_by_job_s = std::move(jct);
  return r;
}

}  // namespace

TEST_CASE("intervals: what is removed of the first policy's avoidable delay", "[report][unlimited]") {
  std::vector<CompareRow> rows(3);
  for (std::uint64_t s = 1; s <= 5; ++s) {
    const double noise = static_cast<double>(s);
    for (std::size_t p = 0; p < 3; ++p) rows[p].runs.push_back(result(s, {100.0 + noise * static_cast<double>(p)}));
    rows[0].runs.back().summary.study.avoidable_delay_s = 10 * noise;
    rows[1].runs.back().summary.study.avoidable_delay_s = 6 * noise + (s == 2 ? 1 : 0);
    rows[2].runs.back().summary.study.avoidable_delay_s = s == 1 ? -3 : 5 * noise;
  }
  const Comparison c = compare_rows(rows, WorkloadKind::generated, {});
  CHECK(c.policies[0].removed == std::optional(0.0));
  CHECK(*c.policies[1].removed == Approx(1 - 91.0 / 150));
  REQUIRE(c.policies[1].removed_interval);
  CHECK(c.policies[1].removed_interval->low < 1 - 91.0 / 150);
  CHECK(c.policies[1].removed_interval->high > 1 - 91.0 / 150);
  CHECK(*c.policies[2].removed == Approx(1 - (75 - 8) / 150.0));
  CHECK_FALSE(c.policies[2].removed_interval);  // of a ratio that has a sign there is no logarithm
  const std::string csv = render_csv(rows, &c);
  CHECK(csv.find(",avoidable_removed,avoidable_removed_low,avoidable_removed_high,") != std::string::npos);
  rows[0].runs[2].summary.study.avoidable_delay_s.reset();
  CHECK_FALSE(compare_rows(rows, WorkloadKind::generated, {}).policies[1].removed);
}

TEST_CASE("intervals: the ratio of the means that are printed, paired by seed", "[report]") {
  std::vector<CompareRow> rows(2);
  rows[0].policy = "fifo";
  rows[1].policy = "srtf";
  for (std::uint64_t s = 1; s <= 5; ++s) {
    rows[0].runs.push_back(result(s, {100.0 + 10.0 * static_cast<double>(s)}));
    rows[1].runs.push_back(result(s, {50.0 + 5.0 * static_cast<double>(s)}));
  }
  const Comparison c = compare_rows(rows, WorkloadKind::generated, {});
  REQUIRE(c.method == IntervalMethod::paired);
  // 110..150: mean 130; leaving one out: 540, 530, 520, 510, 500 over 4; t(4, 0.975) = 2.776445
  CHECK(*c.policies[0].mean_jct_s == Approx(130));
  CHECK(c.policies[0].mean_jct_interval_s->low == Approx(111.770).margin(0.001));
  CHECK(c.policies[0].mean_jct_interval_s->high == Approx(151.203).margin(0.001));
  // the pairing takes the common noise out: every ratio is 0.5
  CHECK(*c.policies[1].ratio == Approx(0.5));
  CHECK(c.policies[1].ratio_interval->width() == Approx(0).margin(1e-12));
  CHECK_FALSE(c.policies[0].ratio_interval);

  rows[1].runs[4] = result(5, {750});  // 55, 60, 65, 70, 750: the mean of ratios would be 1.40, that of means is 1.54
  const Comparison skewed = compare_rows(rows, WorkloadKind::generated, {});
  CHECK(*skewed.policies[1].ratio == Approx(1000.0 / 650));
  CHECK(*skewed.policies[1].ratio == Approx(*skewed.policies[1].mean_jct_s / *skewed.policies[0].mean_jct_s));
  CHECK(skewed.policies[1].ratio_interval->low < *skewed.policies[1].ratio);
  CHECK(skewed.policies[1].ratio_interval->high > *skewed.policies[1].ratio);
  CHECK(compare_rows(rows, WorkloadKind::generated, {}, false).method == IntervalMethod::none);
}

// Five seeds of queues as skewed as those of a busy cluster: means that are log-normal, and follow each other. The
// interval is of the ratio that is printed, which is not what the mean of ratios estimates.
TEST_CASE("intervals: over five seeds they hold what they promise", "[report]") {
  RandomStream random = stream(5, "test");
  const double sigma = 0.5, correlation = 0.8, worlds = 2000;
  const double mean = portable_exp(sigma * sigma / 2);
  int means = 0, ratios = 0;
  for (int world = 0; world < static_cast<int>(worlds); ++world) {
    std::vector<double> first, x;
    for (int s = 0; s < 5; ++s) {
      const double a = standard_normal(random), b = standard_normal(random);
      first.push_back(portable_exp(sigma * a));
      x.push_back(portable_exp(0.5 * sigma * (correlation * a + std::sqrt(1 - correlation * correlation) * b)));
    }
    const Interval m = mean_interval(first, 0.95), r = ratio_interval(x, first, 0.95);
    const double truth = portable_exp(0.125 * sigma * sigma) / mean;
    if (m.low <= mean && mean <= m.high) ++means;
    if (r.low <= truth && truth <= r.high) ++ratios;
  }
  CHECK(means / worlds > 0.92);
  CHECK(ratios / worlds > 0.92);
}

TEST_CASE("intervals: of a recorded trace they come from its draws", "[report]") {
  const std::vector<CompareRow> rows = {{"fifo", {result(1, {100, 300})}}, {"srtf", {result(1, {50, 150})}}};
  Resamples draws;
  draws.block_jobs = 7;
  draws.mean_jct_s.resize(2);
  for (int k = 0; k < 100; ++k) {
    draws.mean_jct_s[0].push_back(150 + k);
    draws.mean_jct_s[1].push_back(0.5 * (150 + k));
  }
  const Comparison c = compare_rows(rows, WorkloadKind::recorded, draws);
  REQUIRE(c.method == IntervalMethod::resampled);
  CHECK(c.note.find("blocks of about 7") != std::string::npos);
  CHECK(c.policies[0].mean_jct_interval_s->low < 200);
  CHECK(c.policies[0].mean_jct_interval_s->high > 200);
  CHECK(*c.policies[1].ratio == Approx(0.5));
  CHECK(c.policies[1].ratio_interval->low == Approx(0.5));  // the same draws for both
  CHECK(c.policies[1].ratio_interval->high == Approx(0.5));
}

TEST_CASE("intervals: none, and why", "[report]") {
  std::vector<CompareRow> rows = {{"fifo", {result(1, {1, 2})}}};
  Resamples refused;
  refused.refused = "2 jobs are too few to draw from (at least 50)";
  CHECK(compare_rows(rows, WorkloadKind::generated, {}).note == "no interval: 1 seed, at least 5 are needed");
  CHECK(compare_rows(rows, WorkloadKind::recorded, refused).note ==
        "no interval: 2 jobs are too few to draw from (at least 50)");
  CHECK(compare_rows(rows, WorkloadKind::recorded, {}, false).note ==
        "no interval: none was asked for (`intervals: none`)");
  rows.push_back({"other", {result(2, {1, 2})}});
  CHECK(compare_rows(rows, WorkloadKind::generated, {}).note ==
        "no interval: the policies were not run with the same seeds");
  rows = {{"fifo", {result(1, {std::nan("")})}}};
  CHECK(compare_rows(rows, WorkloadKind::recorded, refused).note == "no interval: in some runs no job finished");
  rows = {{"fifo", {}}};
  for (std::uint64_t s = 1; s <= 5; ++s) rows[0].runs.push_back(result(s, {4}));
  CHECK(compare_rows(rows, WorkloadKind::generated, {}).note == "no interval: all 5 seeds gave the same results");
  CHECK(compare_rows({}, WorkloadKind::generated, {}).method == IntervalMethod::none);
}

TEST_CASE("durations for people", "[report]") {
  CHECK(human_duration(0) == "0s");
  CHECK(human_duration(0.82) == "820ms");
  CHECK(human_duration(42.46) == "42.5s");
  CHECK(human_duration(59.97) == "1m00s");
  CHECK(human_duration(545) == "9m05s");
  CHECK(human_duration(3599.7) == "1h00m");
  CHECK(human_duration(15120) == "4h12m");
  CHECK(human_duration(93720) == "26h02m");
  CHECK(human_duration(1e6) == "11d14h");
}

TEST_CASE("tables: text, markdown, csv, json", "[report]") {
  std::vector<CompareRow> rows = {{"fifo", {result(1, {100, 300})}}, {"srtf", {result(1, {50, 150})}}};
  const Comparison c = compare_rows(rows, WorkloadKind::generated, {});
  const std::string text = render_text(rows, c, false);
  CHECK(text.starts_with("  policy  mean JCT"));
  CHECK(text.find("vs fifo") != std::string::npos);
  CHECK(text.find("3m20s") != std::string::npos);
  CHECK(text.find("0.50") != std::string::npos);
  CHECK(text.find('\033') == std::string::npos);
  CHECK(text.find("no interval: 1 seed") != std::string::npos);
  CHECK(render_text(rows, c, true).find("\033[32m  srtf") != std::string::npos);
  CHECK(render_markdown(rows, c).starts_with("| policy | mean JCT |"));
  CHECK(render_csv(rows).starts_with("policy,seed,jobs,finished,rejected,failed,cancelled,mean_jct_s,"));
  CHECK(render_csv(rows).find("\nsrtf,1,2,2,0,0,0,100,") != std::string::npos);
  const auto j = nlohmann::json::parse(render_json(rows, c));
  REQUIRE(j.size() == 2);
  for (const char* key : {"policy", "seed", "jobs", "rejected", "mean_jct_s", "p50_jct_s", "p99_jct_s", "mean_wait_s",
                          "makespan_s", "gpu_util_ratio", "preemptions"})
    CHECK(j[0].contains(key));
  CHECK(j[1]["mean_jct_s"] == 100);
  CHECK(j[1]["ratio"] == 0.5);
  CHECK(j[1]["interval_note"] == c.note);
  for (const char* key : {"mean_jct_low_s", "mean_jct_high_s", "ratio_low", "ratio_high"}) {
    REQUIRE(j[1].contains(key));
    CHECK(j[1][key].is_null());
  }
  CHECK(nlohmann::json::parse(render_json("fifo", rows[0].runs[0]))["policy"] == "fifo");
  const SeedResult none = result(1, {std::nan("")});
  CHECK(nlohmann::json::parse(render_json("x", none))["mean_jct_s"].is_null());
}

TEST_CASE("progress draws nothing when disabled", "[report]") {
  Progress p(3, false);
  p.advance(1, "fifo");
  p.clear();
  CHECK_FALSE(terminal_style(-1).redraws);
}

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "scenarios/report/progress.hpp"
#include "scenarios/report/table.hpp"
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

TEST_CASE("intervals: paired by seed", "[report]") {
  std::vector<CompareRow> rows(2);
  rows[0].policy = "fifo";
  rows[1].policy = "srtf";
  for (std::uint64_t s = 1; s <= 5; ++s) {
    rows[0].runs.push_back(result(s, {100.0 + 10.0 * static_cast<double>(s)}));
    rows[1].runs.push_back(result(s, {50.0 + 5.0 * static_cast<double>(s)}));
  }
  const Comparison c = compare_rows(rows, Workload::generated, 1);
  REQUIRE(c.method == IntervalMethod::paired_t);
  // 110..150: mean 130, s = 15.8114, t(4, 0.975) = 2.776445, half = 19.6324
  CHECK(*c.policies[0].mean_jct_s == Approx(130));
  CHECK(c.policies[0].mean_jct_interval_s->half_width() == Approx(19.63243));
  // the pairing takes the common noise out: every ratio is 0.5
  CHECK(*c.policies[1].ratio == Approx(0.5));
  CHECK(c.policies[1].ratio_interval->half_width() == Approx(0).margin(1e-12));
  CHECK_FALSE(c.policies[0].ratio_interval);
}

TEST_CASE("intervals: block bootstrap of one recorded trace", "[report]") {
  RandomStream random = stream(3, "test");
  std::vector<double> slow, fast;
  for (int i = 0; i < 2000; ++i) {
    slow.push_back(exponential(random, 100));
    fast.push_back(slow.back() * 0.5);
  }
  fast[7] = std::numeric_limits<double>::quiet_NaN();
  std::vector<CompareRow> rows = {{"fifo", {result(1, slow)}}, {"srtf", {result(1, fast)}}};
  const Comparison c = compare_rows(rows, Workload::recorded, 1);
  REQUIRE(c.method == IntervalMethod::block_bootstrap);
  // independent jobs: the interval is about +- 1.96 * 100 / sqrt(2000) = 4.4
  CHECK(c.policies[0].mean_jct_interval_s->half_width() == Approx(4.4).epsilon(0.25));
  CHECK(c.policies[0].mean_jct_interval_s->low < *c.policies[0].mean_jct_s);
  CHECK(c.policies[0].mean_jct_interval_s->high > *c.policies[0].mean_jct_s);
  CHECK(*c.policies[1].ratio == Approx(0.5));
  CHECK(c.policies[1].ratio_interval->low == Approx(0.5));
  const Comparison again = compare_rows(rows, Workload::recorded, 1);
  CHECK(again.policies[0].mean_jct_interval_s->low == c.policies[0].mean_jct_interval_s->low);
  const Comparison other = compare_rows(rows, Workload::recorded, 2);
  CHECK(other.policies[0].mean_jct_interval_s->low != c.policies[0].mean_jct_interval_s->low);
}

TEST_CASE("intervals: none, and why", "[report]") {
  std::vector<CompareRow> rows = {{"fifo", {result(1, {1, 2})}}};
  CHECK(compare_rows(rows, Workload::generated, 1).note == "no interval: 1 seed, at least 5 are needed");
  CHECK(compare_rows(rows, Workload::recorded, 1).note ==
        "no interval: 2 jobs are too few to resample (at least 50)");
  rows.push_back({"other", {result(2, {1, 2})}});
  CHECK(compare_rows(rows, Workload::generated, 1).note ==
        "no interval: the policies were not run with the same seeds");
  rows = {{"fifo", {result(1, {std::nan("")})}}};
  CHECK(compare_rows(rows, Workload::recorded, 1).note == "no interval: in some runs no job finished");
  rows = {{"fifo", {}}};
  for (std::uint64_t s = 1; s <= 5; ++s) rows[0].runs.push_back(result(s, {4}));
  CHECK(compare_rows(rows, Workload::generated, 1).note == "no interval: all 5 seeds gave the same results");
  CHECK(compare_rows({}, Workload::generated, 1).method == IntervalMethod::none);
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
  const Comparison c = compare_rows(rows, Workload::generated, 1);
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
  const auto j = nlohmann::json::parse(render_json(rows));
  REQUIRE(j.size() == 2);
  for (const char* key : {"policy", "seed", "jobs", "rejected", "mean_jct_s", "p50_jct_s", "p99_jct_s", "mean_wait_s",
                          "makespan_s", "gpu_util_ratio", "preemptions"})
    CHECK(j[0].contains(key));
  CHECK(j[1]["mean_jct_s"] == 100);
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

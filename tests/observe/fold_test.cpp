#include <catch2/catch.hpp>
#include <limits>

#include "sim/core/random.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/metrics/tables.hpp"
#include "tests/observe/stream.hpp"

using namespace orrery;
using orrery::test::Stream;

TEST_CASE("fold: a hand-worked schedule", "[observe]") {
  Stream s(3, 1, 4);
  MetricsFold fold(s.table(), s.node_gpus());
  s.watch(fold);
  orrery::test::play(s);

  const Summary sum = fold.summary();
  CHECK(sum.jobs == 3);
  CHECK(sum.finished == 3);
  CHECK(sum.preemptions == 1);
  CHECK(sum.launches == 4);
  CHECK(sum.decisions == 1);
  CHECK(sum.mean_jct_s == Approx((100.0 + 120 + 60) / 3));
  CHECK(sum.p50_jct_s == 100);
  CHECK(sum.mean_wait_s == Approx((0.0 + 20 + 40) / 3));
  CHECK(sum.makespan_s == 130);
  // held: p0 2 GPUs x 100 s, p1 2 x 100, p2 2 x 20, of 4 x 130
  CHECK(sum.gpu_util_ratio == Approx(440.0 / 520));

  const JobRow p1 = fold.row(JobId(1));
  CHECK(p1.wait == seconds(20));
  CHECK(p1.run == seconds(100));
  CHECK(p1.launches == 2);
  CHECK(p1.preemptions == 1);
  CHECK(to_gpu_seconds(p1.service) == 200);
  CHECK(to_gpu_seconds(p1.held) == 200);

  std::string csv;
  const TextSink sink = [&](std::string_view piece) { csv += piece; };
  write_jobs_csv(fold, sink);
  CHECK(csv ==
        "job_id,tenant,kind,model,gpus,submit_s,first_start_s,finish_s,jct_s,wait_s,run_s,service_gpu_s,held_gpu_s,"
        "launches,preemptions,cpu_per_sample_s,state,reason\n"
        "p0,t,,,2,0,0,100,100,0,100,200,200,1,0,,finished,\n"
        "p1,t,,,2,10,10,130,120,20,100,200,200,2,1,,finished,\n"
        "p2,t,,,2,20,60,80,60,40,20,40,40,1,0,,finished,\n");
  csv.clear();
  write_samples_csv(fold.samples(), sink);
  CHECK(csv ==
        "t_s,gpus_held,gpus_running,gpus_down,queue_jobs,queue_gpus\n"
        "0,2,2,0,0,0\n10,4,4,0,0,0\n20,4,4,0,1,2\n80,4,4,0,0,0\n100,2,2,0,0,0\n130,0,0,0,0,0\n");
}

TEST_CASE("fold: shared GPUs, capacity, unfinished and failed jobs", "[observe]") {
  Stream s(3, 2, 4);
  MetricsFold fold(s.table(), s.node_gpus());
  s.watch(fold);
  s.submit(0, 0);
  s.submit(0, 1);
  s.send(0, event::Launch{nullptr}, 0);  // CPU only
  const Allocation half = orrery::test::gpus(0, 0b1, 500);
  s.launch(0, 1, half);
  s.capacity(10, 1, 0);
  s.send(20, event::Failed{}, 1);
  s.launch(30, 1, half);
  s.send(40, event::Failed{.for_good = true}, 1);
  s.end(50);
  CHECK(fold.rows().size() == 2);
  CHECK_FALSE(fold.submitted(JobId(2)));
  CHECK(fold.row(JobId(1)).state == JobState::failed);
  CHECK(to_gpu_seconds(fold.row(JobId(1)).held) == 15);
  CHECK(fold.row(JobId(1)).wait == seconds(10));
  CHECK(fold.samples()[0].gpus_held_milli == 500);
  CHECK(fold.samples()[1].gpus_down == 4);
  CHECK(fold.summary().finished == 0);
  for (const MetricDefinition& m : metric_definitions()) {
    // There are no stores, and no job has bubbles.
    const std::string_view key = m.key;
    const bool absent = key.starts_with("feature") || key.starts_with("bubble") || key == "filled_ratio";
    CHECK(metric_value(m, fold.summary()).has_value() != (m.needs_finished || absent));
  }
  CHECK(
      summary_json(fold.summary()).find("\"mean_jct_s\": {\n      \"name\": \"mean JCT\",\n      \"value\": null") !=
      std::string::npos);
}

TEST_CASE("fold: over-subscribed GPUs count once in the cluster", "[observe]") {
  Stream s(2, 1, 4);
  MetricsFold fold(s.table(), s.node_gpus());
  s.watch(fold);
  s.submit(0, 0);
  s.submit(0, 1);
  s.launch(0, 0, orrery::test::gpus(0, 0b11));
  s.launch(0, 1, orrery::test::gpus(0, 0b11));
  s.send(10, event::Finished{}, 0);
  s.send(20, event::Finished{}, 1);
  s.end(20);
  CHECK(fold.samples()[0].gpus_held_milli == 2000);
  CHECK(fold.samples()[1].gpus_held_milli == 0);
  CHECK(fold.summary().gpu_util_ratio == Approx(0.5));
}

TEST_CASE("samples are what was put in, however many there are", "[observe]") {
  SampleSeries some;
  CHECK(some.empty());
  CHECK(some.size() == 0);
  constexpr std::int64_t kSamples = 10'000;  // several pieces
  for (std::int64_t i = 0; i < kSamples; ++i) some.push_back({Time{i}, 1000 * i, i, 0, i % 7, 3});
  REQUIRE(some.size() == kSamples);
  const SampleSeries same = some;
  CHECK(same == some);
  for (const std::int64_t i : {0, 1, 4095, 4096, 4097, 8191, 8192, 9999}) {
    const Sample s = same[static_cast<std::size_t>(i)];
    CHECK(s == Sample{Time{i}, 1000 * i, i, 0, i % 7, 3});
  }
  some.push_back({});
  CHECK(!(same == some));
}

TEST_CASE("quantiles of values sorted as far as needed are those of sorted values", "[observe]") {
  RandomStream rng = stream(1, "tests/quantiles");
  for (std::size_t n = 1; n < 60; ++n) {
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(static_cast<double>(uniform_below(rng, 20)));
    auto sorted = values;
    std::sort(sorted.begin(), sorted.end());
    sort_for_quantiles(values, {0.5, 0.9, 0.99, 1});
    for (const double q : {0.5, 0.9, 0.99, 1.0}) CHECK(quantile(values, q) == quantile(sorted, q));
  }
}

TEST_CASE("exact decimals and CSV fields", "[observe]") {
  const auto decimal = [](Int128 v, int digits) {
    std::string out;
    append_decimal(out, v, digits);
    return out;
  };
  CHECK(decimal(0, 9) == "0");
  CHECK(decimal(1, 9) == "0.000000001");
  CHECK(decimal(1'500'000'000, 9) == "1.5");
  CHECK(decimal(-20'000'000'000, 9) == "-20");
  CHECK(decimal(120, 3) == "0.12");
  CHECK(decimal(5, 0) == "5");
  CHECK(decimal(std::numeric_limits<std::int64_t>::max(), 9) == "9223372036.854775807");
  CHECK(decimal(static_cast<Int128>(std::numeric_limits<std::int64_t>::max()) + 1, 9) == "9223372036.854775808");
  CHECK(decimal(static_cast<Int128>(9'000'000'000'000'000'000) * 1000 + 7, 12) == "9000000000.000000000007");
  std::string out;
  append_csv(out, "a,\"b\"");
  append_json(out, "x\"\n");
  CHECK(out == "\"a,\"\"b\"\"\"\"x\\\"\\u000a\"");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(quantile({1, 2, 3, 4}, 0.25) == 1.75);
}

// The metrics of a study on hand-worked streams.
#include <catch2/catch.hpp>

#include "sim/observe/metrics/tables.hpp"
#include "tests/observe/study_stream.hpp"

using namespace orrery;
using orrery::test::fold;
using orrery::test::gpus;
using orrery::test::kAsIs;
using orrery::test::Stream;

TEST_CASE("study: slowdown, fairness, goodput of a hand-worked schedule", "[study]") {
  // As in stream.hpp: p0 runs 0-100; p1 submit 10, runs 10-60, 80-130; p2 submit 20, runs 60-80. 2 GPUs each of 4.
  Stream s(3, 1, 4);
  const Summary sum = fold(s, {100, 100, 20}, kAsIs, [](Stream& x) { orrery::test::play(x); });
  const StudySummary& m = sum.study;
  CHECK(*m.mean_slowdown == Approx((1.0 + 1.2 + 3.0) / 3));
  CHECK(*m.mean_bounded_slowdown == Approx((1.0 + 1.2 + 3.0) / 3));
  CHECK(*m.p99_slowdown == Approx(1.2 + 0.98 * 1.8));
  // At most 3 jobs on 4 GPUs: contention below 1, so rho is the slowdown.
  CHECK(*m.ftf_rho_mean == Approx((1.0 + 1.2 + 3.0) / 3));
  CHECK(*m.ftf_rho_worst == Approx(3));
  CHECK(*m.ftf_unfair_ratio == Approx(2.0 / 3));
  const double a = 1, b = 1 / 1.2, c = 1 / 3.0;
  CHECK(*m.ftf_jain == Approx((a + b + c) * (a + b + c) / (3 * (a * a + b * b + c * c))));
  CHECK_FALSE(m.tenant_jain.has_value());  // one tenant
  CHECK_FALSE(m.slo_ratio.has_value());    // no deadline
  CHECK(*m.work_goodput_ratio == Approx(440.0 / 520));
  CHECK(*m.ettr_ratio == Approx(1));
  CHECK(*m.held_gpu_s == Approx(440));
  CHECK(*m.overhead_gpu_s == Approx(0).margin(1e-9));
  CHECK(*m.lost_gpu_s == 0);
  CHECK(*m.productive_gpu_s == Approx(440));
  CHECK(*m.stretch_ratio == Approx(1));
  CHECK(*m.restarts == 1);
  CHECK(*m.migrations == 0);  // p1 came back to the same GPUs
  CHECK(sum.mean_wait_s == Approx((20 + 40) / 3.0));
  CHECK(sum.mean_initial_wait_s == Approx(40 / 3.0));  // p1 waited only when it had been stopped
  CHECK_FALSE(m.mfu_ratio.has_value());
  CHECK_FALSE(m.cost.has_value());
  CHECK_FALSE(m.energy_kwh.has_value());
  CHECK_FALSE(m.lineage_makespan_s.has_value());
  CHECK_FALSE(m.negative_transfer_ratio.has_value());
  REQUIRE(m.by_tenant.size() == 1);
  CHECK(m.by_tenant[0].name == "t");
  CHECK(m.by_tenant[0].finished == 3);
  CHECK(*m.by_tenant[0].mean_jct_s == Approx(280.0 / 3));
  CHECK(m.by_kind.empty());
}

TEST_CASE("study: what the inputs do not say has no value, never zero", "[study]") {
  Stream s(3, 1, 4);
  const Summary sum = fold(s, {-1, -1, -1}, kAsIs, [](Stream& x) { orrery::test::play(x); });
  const std::vector<std::string> without = {"mean_slowdown",
                                            "p99_slowdown",
                                            "mean_bounded_slowdown",
                                            "ftf_rho_mean",
                                            "ftf_rho_worst",
                                            "ftf_unfair_ratio",
                                            "ftf_unfair_105_ratio",
                                            "ftf_jain",
                                            "tenant_jain",
                                            "themis_rho_mean",
                                            "themis_rho_worst",
                                            "slo_ratio",
                                            "throughput_efficiency",
                                            "stretch_ratio",
                                            "mfu_ratio",
                                            "cost",
                                            "energy_kwh",
                                            "cpu_per_sample_s",
                                            "first_child_s",
                                            "transfer_saved_gpu_s",
                                            "transfer_saved_ratio",
                                            "child_saved_ratio",
                                            "negative_transfer_ratio",
                                            "feature_hits",
                                            "feature_misses",
                                            "features_saved_gpu_s",
                                            "bubble_gpu_s",
                                            "filled_ratio",
                                            "bubble_slowdown_ratio",
                                            "lineage_makespan_s",
                                            "lineage_makespan_max_s",
                                            "avoidable_delay_s",
                                            "gpu_h_per_target",
                                            "independent_jct_s"};
  for (const MetricDefinition& d : metric_definitions()) {
    const bool none = std::find(without.begin(), without.end(), d.key) != without.end();
    INFO(d.key);
    CHECK(metric_value(d, sum).has_value() == !none);
  }
  CHECK(summary_json(sum).find("\"cost\": {\n      \"name\": \"cost\",\n      \"value\": null") != std::string::npos);
}

TEST_CASE("study: contention, deadlines, tenants", "[study]") {
  // One GPU, two jobs of it: p0 0-100, p1 submitted at 0 runs 100-200. Jobs in the system: 2 until 100, 1 until 200.
  Stream s(2, 1, 1);
  s.specs[0].tenant = "a";
  s.specs[1].tenant = "b";
  s.specs[0].deadline = at_seconds(100);
  s.specs[1].deadline = at_seconds(199);
  const Summary sum = fold(s, {100, 100}, kAsIs, [](Stream& x) {
    x.submit(0, 0);
    x.submit(0, 1);
    x.launch(0, 0, gpus(0, 1));
    x.send(100, event::Finished{}, 0);
    x.launch(100, 1, gpus(0, 1));
    x.send(200, event::Finished{}, 1);
    x.end(200);
  });
  const StudySummary& m = sum.study;
  // rho: 100 / (100 x 2) and 200 / (100 x 1.5)
  CHECK(*m.ftf_rho_mean == Approx((0.5 + 200.0 / 150) / 2));
  CHECK(*m.ftf_rho_worst == Approx(4.0 / 3));
  CHECK(*m.slo_ratio == Approx(0.5));
  CHECK(*m.tenant_jain == Approx(2.75 * 2.75 / (2 * (4 + 0.5625))));  // 1/rho: 2 and 0.75
  CHECK(m.by_tenant.size() == 2);
  // Each asks for 2 GPUs: alone on its part of the one, p0 would take 100 x 2 x 2, p1 100 x 2 x 1.5.
  CHECK(*m.themis_rho_mean == Approx((0.25 + 2.0 / 3) / 2));
  CHECK(*m.themis_rho_worst == Approx(2.0 / 3));
  // Equal shares: p0 half a GPU for 100 s, p1 that and a whole one for 100 s more. Both held 100 GPU-s.
  const double a = 100.0 / 50, b = 100.0 / 150;
  CHECK(*m.share_jain == Approx((a + b) * (a + b) / (2 * (a * a + b * b))));
  CHECK(*m.by_tenant[0].slo_ratio == 1);
  CHECK(*m.by_tenant[1].slo_ratio == 0);
}

TEST_CASE("study: cost, energy, MFU, checkpoints, lost work, migrations", "[study]") {
  // Two nodes of 2 GPUs. p0 holds node 0 from 0, starts at 10, saves 5 s, fails at 60 (what it had saved is kept),
  // and runs slowly on node 1 from 60 to 160. 100 s of work on 2 GPUs.
  Stream s(1, 2, 2);
  const Summary sum = fold(
      s, {100},
      [](StudyInputs& in) {
        in.groups[0].price_micro_per_h = 3'600'000;  // 3.6 per GPU-hour: 0.001 per GPU-second
        in.groups[0].idle_milliwatt = 100'000;
        in.groups[0].busy_milliwatt = 600'000;
        in.groups[0].peak_gflop_per_s = 1000;  // 1 TFLOP/s
        in.jobs[0].tflop = 132;
      },
      [](Stream& x) {
        x.submit(0, 0);
        const Allocation first = gpus(0, 0b11);
        x.send(0, event::Launch{&first}, 0);
        x.send(10, event::Started{}, 0);
        x.send(40, event::Checkpointed{Work{25 * kNsPerSecond}, Duration{5 * kNsPerSecond}}, 0);
        x.send(60, event::Failed{.committed = Work{25 * kNsPerSecond}}, 0);
        x.launch(60, 0, gpus(1, 0b11));
        x.send(160, event::Finished{}, 0);
        x.end(160);
      });
  const StudySummary& m = sum.study;
  CHECK(*m.held_gpu_s == Approx(320));
  CHECK(*m.overhead_gpu_s == Approx(20));
  CHECK(*m.checkpoint_gpu_s == Approx(10));
  CHECK(*m.lost_gpu_s == Approx(2 * 20));
  CHECK(*m.productive_gpu_s == Approx(2 * (25 + 100)));
  CHECK(*m.ettr_ratio == Approx(250.0 / 320));
  CHECK(*m.work_goodput_ratio == Approx(250.0 / 640));
  CHECK(*m.stretch_ratio == Approx(250.0 / 200));
  CHECK(*m.restarts == 1);
  CHECK(*m.migrations == 1);
  CHECK(*m.cost == Approx(0.32));
  CHECK(*m.energy_kwh == Approx((100.0 * 4 * 160 + 500.0 * 300) / 3.6e6));
  CHECK(*m.mfu_ratio == Approx(132.0 / 320));
  REQUIRE(m.by_tenant.size() == 1);
  const StudyGroup& t = m.by_tenant[0];
  CHECK(t.held_gpu_s == Approx(320));
  CHECK(t.productive_gpu_s == Approx(250));
  CHECK(*t.ettr_ratio == Approx(250.0 / 320));
  CHECK(*t.work_goodput_ratio == Approx(250.0 / 640));
  CHECK(*t.mfu_ratio == Approx(132.0 / 320));
  CHECK(*t.cost == Approx(0.32));
  CHECK(*t.energy_kwh == Approx((100.0 * 20 + 600.0 * 300) / 3.6e6));  // not of GPUs that nobody held
  CHECK_FALSE(t.slo_ratio.has_value());
  CHECK_FALSE(t.transfer_saved_gpu_s.has_value());
}

TEST_CASE("study: MFU does not count what a child inherited", "[study]") {
  // The parent does 100 TFLOP in 100 s on 2 GPUs of 1 TFLOP/s; the child is spared 90 of its 100 s.
  Stream s(2, 1, 2);
  s.specs[1].after = {{JobId(0), true, 1000}};
  const Summary sum = fold(
      s, {100, 100},
      [](StudyInputs& in) {
        in.groups[0].peak_gflop_per_s = 1000;
        for (StudyJob& j : in.jobs) j.tflop = 100;
      },
      [](Stream& x) {
        x.submit(0, 0);
        x.launch(0, 0, gpus(0, 0b11));
        x.send(0, event::Submit{}, 1);
        x.send(100, event::Finished{}, 0);
        x.send(100, event::Ready{}, 1);
        const Allocation both = gpus(0, 0b11);
        x.send(100, event::Launch{&both}, 1);
        x.send(100, event::Inherited{JobId(0), Work{90 * kNsPerSecond}}, 1);
        x.send(100, event::Started{}, 1);
        x.send(110, event::Finished{}, 1);
        x.end(110);
      });
  CHECK(*sum.study.mfu_ratio == Approx((100.0 + 10) / (200 + 20)));
}

TEST_CASE("study: fewer GPUs than requested are not more than all of their time", "[study]") {
  // 100 s on 2 GPUs; on one it takes 150 s, because that one scales better.
  Stream s(1, 1, 2);
  const Summary sum = fold(s, {100}, kAsIs, [](Stream& x) {
    x.submit(0, 0);
    x.launch(0, 0, gpus(0, 0b1));
    x.send(150, event::Finished{}, 0);
    x.end(150);
  });
  const StudySummary& m = sum.study;
  CHECK(*m.ettr_ratio == Approx(1));
  CHECK(*m.work_goodput_ratio == Approx(150.0 / 300));
  CHECK(*m.lost_gpu_s == 0);
  CHECK(*m.stretch_ratio == Approx(150.0 / 200));
}

TEST_CASE("study: only what was rolled back is lost", "[study]") {
  // p0 runs 0-50, is suspended after standing still for 5 s, goes on 60-70, is killed: 20 s of work were saved at 20.
  // It runs again 80-100 and is stopped, all saved; p1 runs 0-30 and its node fails for good, nothing saved.
  Stream s(2, 1, 4);
  const Summary sum = fold(s, {100, 100}, kAsIs, [](Stream& x) {
    x.submit(0, 0);
    x.submit(0, 1);
    x.launch(0, 0, gpus(0, 0b11));
    x.launch(0, 1, gpus(0, 0b1100));
    x.send(20, event::Checkpointed{Work{20 * kNsPerSecond}}, 0);
    x.send(30, event::Failed{.for_good = true}, 1);
    x.send(50, event::Suspended{Duration{5 * kNsPerSecond}}, 0);
    x.send(60, event::Resumed{}, 0);
    x.send(70, event::Stop{}, 0);
    x.send(70, event::Stopped{Work{20 * kNsPerSecond}}, 0);
    x.launch(80, 0, gpus(0, 0b11));
    x.send(100, event::Stop{}, 0);
    x.send(105, event::Stopped{Work{40 * kNsPerSecond}}, 0);
    x.end(110);
  });
  const StudySummary& m = sum.study;
  CHECK(*m.held_gpu_s == Approx(2 * (70 + 25) + 2 * 30));
  CHECK(*m.overhead_gpu_s == Approx(2 * (10 + 5)));
  CHECK(*m.checkpoint_gpu_s == Approx(2 * 5));
  CHECK(*m.lost_gpu_s == Approx(2 * (25 + 10) + 2 * 30));
  CHECK(*m.productive_gpu_s == Approx(2 * (20 + 20)));
}

TEST_CASE("study: throughput efficiency", "[study]") {
  // As in stream.hpp: 220 s of jobs on 2 GPUs each, at 1.5 times the speed of one; 4 GPUs for 130 s.
  const auto speedup = [](JobId, const Allocation& a) { return std::optional(a.gpu_count() == 2 ? 1.5 : 1.0); };
  Stream s(3, 1, 4);
  const Summary sum = fold(
      s, {100, 100, 20}, [&](StudyInputs& in) { in.speedup = speedup; }, [](Stream& x) { orrery::test::play(x); });
  CHECK(*sum.study.throughput_efficiency == Approx(1.5 * 220 / (4 * 130)));
  Stream again(3, 1, 4);
  const auto unknown = [](JobId job, const Allocation&) {
    return job.value == 2 ? std::nullopt : std::optional<double>(1.5);
  };
  const Summary partly = fold(
      again, {100, 100, 20}, [&](StudyInputs& in) { in.speedup = unknown; },
      [](Stream& x) { orrery::test::play(x); });
  CHECK_FALSE(partly.study.throughput_efficiency.has_value());
}

TEST_CASE("study: what preprocessing costs is the mean over the jobs that measured it", "[study]") {
  Stream s(3, 1, 4);
  std::string csv;
  const Summary sum = fold(s, {100, 100, 20}, kAsIs, [&csv](Stream& x) {
    MetricsFold rows(x.table(), x.node_gpus());
    x.watch(rows);
    for (const int job : {0, 1, 2}) x.submit(0, job);
    const Allocation a = orrery::test::gpus(0, 0b11), b = orrery::test::gpus(0, 0b1100);
    x.launch(0, 0, a);
    x.launch(0, 1, b);
    for (const int job : {0, 1}) x.send(0, event::Started{}, job);
    x.send(1, event::Preprocessing{Duration{9'000}}, 0);
    x.send(1, event::Preprocessing{Duration{50'000}}, 1);
    x.send(9, event::Preprocessing{Duration{30'000}}, 0);  // what it said last counts
    x.send(10, event::Finished{}, 0);
    x.send(10, event::Finished{}, 1);
    x.end(10);
    write_jobs_csv(rows, [&csv](std::string_view piece) { csv += piece; });
  });
  CHECK(sum.study.cpu_per_sample_s == Approx(40e-6));
  CHECK(csv.find(",1,0,0.00003,finished,\n") != std::string::npos);
  CHECK(csv.find(",1,0,0.00005,finished,\n") != std::string::npos);
  CHECK(csv.find(",0,0,,pending,\n") != std::string::npos);
}

TEST_CASE("study: transfer and lineage", "[study]") {
  // p0 <- p1, p0 <- p2, p1 <- p3. p1 saves 30 of 50 s, p2 loses 10 of 20 s.
  Stream s(4, 1, 8);
  for (const std::size_t i : {1U, 2U}) s.specs[i].after = {{JobId(0), true, 500}};
  s.specs[3].after = {{JobId(1), true, 1000}};
  s.specs[3].kind = JobKind::eval;
  const Summary sum = fold(s, {100, 50, 20, 5}, kAsIs, [](Stream& x) {
    x.submit(0, 0);
    x.launch(0, 0, gpus(0, 0b11));
    for (const int child : {1, 2, 3}) x.send(0, event::Submit{}, child);
    x.send(50, event::Published{1, 500}, 0);
    for (const int child : {1, 2}) x.send(50, event::Ready{}, child);
    const Allocation one = gpus(0, 0b1100), two = gpus(0, 0b110000);
    x.send(50, event::Launch{&one}, 1);
    x.send(50, event::Inherited{JobId(0), Work{30 * kNsPerSecond}}, 1);
    x.send(50, event::Started{}, 1);
    x.send(50, event::Launch{&two}, 2);
    x.send(50, event::Inherited{JobId(0), Work{-10 * kNsPerSecond}}, 2);
    x.send(50, event::Started{}, 2);
    x.send(70, event::Finished{}, 1);
    x.send(70, event::Ready{}, 3);
    x.send(80, event::Finished{}, 2);
    x.send(100, event::Finished{}, 0);
    x.launch(120, 3, one);
    x.send(125, event::Finished{}, 3);
    x.end(125);
  });
  const StudySummary& m = sum.study;
  CHECK(*m.first_child_s == Approx(70));  // p0's first is p1; p1's only child is an evaluation
  CHECK(*m.transfer_saved_gpu_s == Approx(2 * 30 - 2 * 10));
  CHECK(*m.transfer_saved_ratio == Approx(20.0 / 70));
  CHECK(*m.child_saved_ratio == Approx((0.6 - 0.5) / 2));
  CHECK(*m.negative_transfer_ratio == Approx(0.5));
  CHECK(*m.lineage_makespan_s == Approx(125));
  CHECK(*m.lineage_makespan_max_s == Approx(125));
  // Slowdowns count from the version: p1 took 70 s for 20, p2 80 for 30, p3 125 for 5.
  CHECK(*m.mean_slowdown == Approx((1 + 70.0 / 20 + 80.0 / 30 + 125.0 / 5) / 4));
  REQUIRE(m.by_kind.size() == 1);
  CHECK(m.by_kind[0].name == "eval");
}

TEST_CASE("study: avoidable delay, GPU-hours per target, jobs beside lineages", "[study][unlimited]") {
  // p0 0-100 <- p1 (transfer) 100-160, ready 50; p2 beside them waits 40 of 50; p3 never runs. All on 2 GPUs.
  Stream s(4, 1, 4);
  s.specs[0].kind = JobKind::pretrain;
  s.specs[1].kind = s.specs[3].kind = JobKind::transfer;
  s.specs[1].after = {{JobId(0), true, 500}};
  const auto with_unlimited = [](StudyInputs& in) {
    in.jobs[0].unlimited = seconds(100);
    in.jobs[1].unlimited = seconds(110);
    in.jobs[2].unlimited = seconds(10);
    in.jobs[3].unlimited = seconds(1);
  };
  const Summary sum = fold(s, {100, 60, 10, 1}, with_unlimited, [](Stream& x) {
    x.submit(0, 0);
    x.launch(0, 0, gpus(0, 0b11));
    x.send(0, event::Submit{}, 1);
    x.send(50, event::Ready{}, 1);
    x.submit(60, 2);
    x.submit(70, 3);
    x.send(100, event::Finished{}, 0);
    x.launch(100, 1, gpus(0, 0b11));
    x.launch(100, 2, gpus(0, 0b1100));
    x.send(110, event::Finished{}, 2);
    x.send(160, event::Finished{}, 1);
    x.end(160);
  });
  const StudySummary& m = sum.study;
  CHECK(*m.avoidable_delay_s == Approx((0 + 50 + 40) / 3.0));
  CHECK(*m.gpu_h_per_target == Approx(2 * (100 + 60 + 10) / 3600.0 / 1));  // p1 alone has reached its target
  CHECK(*m.independent_jct_s == Approx(50));
}

TEST_CASE("Jain's index", "[study]") {
  CHECK(*jain({1, 1, 1, 1}) == Approx(1));
  CHECK(*jain({1, 0, 0, 0}) == Approx(0.25));
  CHECK(*jain({1, 2, 3}) == Approx(36.0 / 42));
  CHECK_FALSE(jain({}).has_value());
}

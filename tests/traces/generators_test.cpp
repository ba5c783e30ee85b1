// The generators against the figures they were made after, and their promise: same seed, same bytes.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "sim/observe/log/digest.hpp"
#include "tests/support/catalogue.hpp"
#include "traces/edit/lineage_stats.hpp"
#include "traces/edit/stats.hpp"
#include "traces/synth/draws.hpp"
#include "traces/synth/generators.hpp"

using namespace orrery;

namespace {

GenerateSpec spec_of(const std::string& model, std::int64_t jobs, std::uint64_t seed = 1) {
  GenerateSpec s;
  s.model = model;
  s.jobs = jobs;
  s.seed = seed;
  s.rate_per_1e9_h = 30'000'000'000;  // 30/h
  if (model == "lineage") s.catalogue = test::shipped_catalogue();
  return s;
}

Workload workload_of(const Trace& trace) {
  NodeGroup g;
  g.count = 64;
  g.gpus_per_node = 8;
  return to_workload(trace, Topology({g})).value();
}

double share(const Trace& t, std::int32_t gpus) {
  const auto n = std::count_if(t.jobs.begin(), t.jobs.end(), [&](const TraceJob& j) { return j.gpus == gpus; });
  return static_cast<double>(n) / static_cast<double>(t.jobs.size());
}

}  // namespace

TEST_CASE("generators: same seed, same bytes; another seed, others; ascending submits", "[generators]") {
  for (const Generator& g : generators()) {
    INFO(g.name);
    const std::string name(g.name);
    const Trace once = generate(spec_of(name, 700)).value();
    CHECK(once.jobs.size() == 700);
    CHECK(canonical_text(once) == canonical_text(generate(spec_of(name, 700)).value()));
    CHECK(canonical_text(once) != canonical_text(generate(spec_of(name, 700, 2)).value()));
    CHECK(std::is_sorted(once.jobs.begin(), once.jobs.end(),
                         [](const TraceJob& a, const TraceJob& b) { return a.submit < b.submit; }));
    // What is written is read as it was.
    const auto again = read_trace_text("t.csv", canonical_text(once), {.format = "canonical"});
    REQUIRE(again.has_value());
    CHECK(canonical_text(*again) == canonical_text(once));
  }
}

TEST_CASE("generators: a load is met, no job is larger than the cluster", "[generators]") {
  for (const Generator& g : generators()) {
    GenerateSpec s = spec_of(std::string(g.name), 2000);
    s.rate_per_1e9_h.reset();
    s.load = 0.85;
    s.cluster_gpus = 96;
    const Trace t = generate(s).value();
    INFO(g.name);
    CHECK(offered_load(t, 96) == Approx(0.85).epsilon(1e-3));
    CHECK(trace_stats(t).max_gpus <= 96);
  }
}

// An arrival an hour before scaling made 700,000 jobs 80 years: refused as too low a rate.
TEST_CASE("generators: more jobs than there are hours in 73 years, at a load", "[generators]") {
  GenerateSpec s = spec_of("poisson", 700'000);
  s.rate_per_1e9_h.reset();
  s.load = 0.9;
  s.cluster_gpus = 100'000;
  const auto t = generate(s);
  REQUIRE(t);
  CHECK(t->jobs.size() == 700'000);
  CHECK(offered_load(*t, 100'000) == Approx(0.9).epsilon(1e-3));
}

TEST_CASE("gavel: the published distributions", "[generators]") {
  GenerateSpec s = spec_of("gavel", 20000);
  s.deadlines = s.priorities = 1;
  const Trace t = generate(s).value();
  CHECK(share(t, 1) == Approx(0.7).margin(0.01));
  CHECK(share(t, 2) == Approx(0.1).margin(0.01));
  CHECK(share(t, 4) == Approx(0.15).margin(0.01));
  CHECK(share(t, 8) == Approx(0.05).margin(0.01));
  double longer = 0, heavy = 0;
  std::map<std::string, int> types;
  std::map<std::int64_t, int> factors;
  for (const TraceJob& j : t.jobs) {
    const double s_ = to_seconds(j.duration);
    CHECK(s_ >= 60 * 31.62);
    CHECK(s_ <= 60 * 10000.0);
    longer += s_ > 60e3;
    heavy += j.weight == 5;
    ++types[fmt::format("{} {}", j.model, j.batch)];
    ++factors[((*j.deadline - j.submit).ns * 10 + j.duration.ns / 2) / j.duration.ns];
  }
  CHECK(longer / 20000 == Approx(0.2).margin(0.01));
  CHECK(heavy / 20000 == Approx(0.2).margin(0.01));
  CHECK(types.size() == 26);
  // As the throughput tables call them; several GPUs only where Gavel's job table says so.
  CHECK(types.count("ResNet-50 (batch size 128) 128") == 1);
  CHECK(types.count("A3C 4") == 1);
  for (const TraceJob& j : t.jobs)
    CHECK((j.gpus == 1 || (j.model.rfind("Recommendation", 0) != 0 && j.model != "A3C" && j.model != "CycleGAN")));
  CHECK(factors.size() == 3);
  CHECK(factors.count(12) + factors.count(20) + factors.count(100) == 3);
  // Mean of 60 x 10^U(a, b) is 60 (10^b - 10^a) / ((b - a) ln 10).
  const double mean = 0.8 * 60 * (1000 - 31.6228) / (1.5 * 2.302585) + 0.2 * 60 * 9000 / 2.302585;
  CHECK(trace_stats(t).mean_s == Approx(mean).epsilon(0.03));
  CHECK(trace_stats(t).arrival_cv == Approx(1).margin(0.03));
}

TEST_CASE("philly-like: the published figures", "[generators]") {
  const Trace t = generate(spec_of("philly", 40000)).value();
  const TraceStats s = trace_stats(t);
  CHECK(s.p50_s == Approx(874).epsilon(0.05));       // published: median 874 s
  CHECK(s.mean_s == Approx(18006).epsilon(0.25));    // mean 18,006.1 s; a heavy tail
  CHECK(s.mean_gpus == Approx(1.928).epsilon(0.1));  // mean 1.928, max 128
  CHECK(s.max_gpus == 128);
  CHECK(s.max_s <= 4240676);
  CHECK(s.tenants == 12);
  // The pattern of the day: 7 o'clock, the busiest hour, has 3.5 times the submits of 13 o'clock.
  CHECK(static_cast<double>(s.by_hour[7]) / static_cast<double>(s.by_hour[13]) == Approx(1.99 / 0.57).epsilon(0.15));
}

TEST_CASE("acme-like: the published shares", "[generators]") {
  const Trace t = generate(spec_of("acme", 60000)).value();
  std::map<std::string, double> jobs, gpu_time;
  double all = 0;
  for (const TraceJob& j : t.jobs) {
    const double g = to_seconds(j.duration) * j.gpus;
    jobs[j.kind] += 1.0 / 60000;
    gpu_time[j.kind] += g;
    all += g;
  }
  CHECK(jobs["eval"] == Approx(0.929).margin(0.005));
  CHECK(jobs["pretrain"] == Approx(0.032).margin(0.003));
  CHECK(gpu_time["eval"] / all < 0.015);  // published: 0.8 %
  CHECK(gpu_time["pretrain"] / all == Approx(0.94).margin(0.03));
  const TraceStats s = trace_stats(t);
  CHECK(s.p50_s == Approx(124).epsilon(0.08));
  CHECK(s.mean_s == Approx(1259.7).epsilon(0.2));
  CHECK(s.mean_gpus == Approx(26.77).epsilon(0.12));
  CHECK(s.max_gpus == 1024);
}

TEST_CASE("lineage workloads: roots, modes, edges, gains", "[generators][lineage]") {
  GenerateSpec s = spec_of("lineage", 3000);
  s.cluster_gpus = 512;
  const Trace t = generate(s).value();
  const Workload w = workload_of(t);
  const LineageStats l = lineage_stats(w);
  CHECK(l.roots > 20);
  CHECK(l.roots < 160);
  CHECK(l.children > 2500);
  CHECK(l.depth == 2);  // pretraining, transfer, evaluation
  CHECK(l.soft_edges > 50);
  CHECK(static_cast<double>(l.max_children) > 4 * l.mean_children);  // Zipf
  for (const char* mode : {"transfer/shape-full", "transfer/shape-lora", "transfer/shape-probe", "hpo/shape-lora",
                           "hpo/shape-probe", "transfer/agreement", "transfer/tone", "eval/quarter"})
    CHECK(l.modes.count(mode) == 1);
  CHECK(l.modes.count("hpo/shape-full") == 0);
  for (const std::int32_t at : {200, 250, 500, 750, 800, 900, 1000}) CHECK(l.thresholds.count(at) == 1);
  CHECK(l.positive_gains > l.negative_gains);
  CHECK(l.negative_gains > 20);
  CHECK(l.gains > l.positive_gains + l.negative_gains);
  // A grid shares parent, version, data set and shape.
  std::map<std::string, int> grids;
  for (const TraceJob& j : t.jobs)
    if (j.kind == "hpo")
      ++grids[fmt::format("{} {} {} {} {}", j.submit.ns, j.after.view(), j.gain.view(), j.gpus, j.model)];
  CHECK(grids.size() > 5);
  CHECK(std::any_of(grids.begin(), grids.end(), [](const auto& g) { return g.second == 16; }));
}

TEST_CASE("lineage workloads: rare large pretraining jobs, many small transfer jobs", "[generators][lineage]") {
  GenerateSpec s = spec_of("lineage", 3000);
  s.cluster_gpus = 512;
  const Trace t = generate(s).value();
  double small = 0, large = 0, all = 0, of_large = 0;
  for (const TraceJob& j : t.jobs) {
    const double gpu_s = to_seconds(j.duration) * j.gpus;
    all += gpu_s;
    small += j.kind != "pretrain" && j.gpus <= 8;
    CHECK((j.gpus < 32 || j.kind == "pretrain"));
    if (j.gpus < 64) continue;
    large += 1;
    of_large += gpu_s;
  }
  CHECK(small / 3000 > 0.85);
  CHECK(large / 3000 < 0.05);
  CHECK(of_large / all > 0.5);
  // Steps times what a step takes, as the catalogue's models and the device say.
  for (const TraceJob& j : t.jobs) {
    const CatalogueJob* job = s.catalogue->find(j.model);
    REQUIRE(job != nullptr);
    const auto steps = static_cast<double>(job->cluster.run.steps);
    const double part = static_cast<double>(j.iterations) / steps;
    const TrainingCost c = training_cost(job->cluster.run, j.gpus, kH200Node);
    // The column holds whole steps, rounded, and the run time is that of the unrounded number.
    const double rounding = 1e-3 + 0.5 / static_cast<double>(j.iterations);
    CHECK(to_seconds(j.duration) == Approx(part * c.total_s(steps)).epsilon(rounding));
    CHECK(static_cast<double>(j.tflop) == Approx(part * c.total_flops(steps) / 1e12).epsilon(rounding));
    CHECK(j.batch % j.gpus == 0);
  }
}

TEST_CASE("lineage workloads: without a catalogue or a speed there are none", "[generators][lineage]") {
  GenerateSpec s = spec_of("lineage", 10);
  s.device.peak_flops = 0;
  CHECK_FALSE(generate(s).has_value());
  s.size = SizeName::live;
  CHECK(generate(s).has_value());
  s.catalogue.reset();
  CHECK_FALSE(generate(s).has_value());
}

// The shares of one seed are those of about sixty pairs of (kind of parent, data set), weighted by how many children
// have them; the mean over seeds is the law's.
TEST_CASE("lineage workloads: as many children gain and lose as were measured", "[generators][lineage]") {
  const auto shares = [](const GainLaw& law, std::uint64_t seed) {
    GenerateSpec s = spec_of("lineage", 1500, seed);
    s.gains = law;
    int gains = 0, positive = 0, negative = 0;
    const Workload w = workload_of(generate(s).value());
    for (const JobTruth& t : w.truths)
      for (const SourceGain& g : t.sources) {
        ++gains;
        positive += g.gain_per_mille >= 91;  // a ratio of 1.1
        negative += g.gain_per_mille < 0;
        CHECK((g.gain_per_mille <= 0 || g.gain_per_mille >= 91));
      }
    return std::pair(static_cast<double>(positive) / gains, static_cast<double>(negative) / gains);
  };
  double positive = 0, negative = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO(seed);
    const auto [gain, lose] = shares({}, seed);
    CHECK(gain >= 0.21);  // docs/formulas.md: 21 to 30 % of pairs
    CHECK(gain <= 0.30);
    CHECK(lose >= 0.06);  // 6 of 72 and 15 of 104 pairs never got there
    CHECK(lose <= 0.20);
    positive += gain / 12;
    negative += lose / 12;
  }
  CHECK(positive == Approx(0.25).margin(0.015));
  CHECK(negative == Approx(0.14).margin(0.02));
  GainLaw generous;
  generous.positive = 0.6;
  generous.negative = 0;
  CHECK(shares(generous, 1).first == Approx(0.6).margin(0.06));
  CHECK(shares(generous, 1).second == 0);
}

TEST_CASE("gains: parents that know the modality gain more often, and all together as often as before", "[lineage]") {
  const GainLaw law;
  const double known = 0.7;
  const GainLaw own = law_of_modality(law, known, true), other = law_of_modality(law, known, false);
  CHECK(own.positive == Approx(2 * other.positive));
  CHECK(known * own.positive + (1 - known) * other.positive == Approx(law.positive));
  CHECK(own.negative == law.negative);
  CHECK(law_of_modality(law, 1, true).positive == law.positive);
  GainLaw often;
  often.positive = 0.5;
  often.own_modality = 100;
  CHECK(law_of_modality(often, 0.1, true).positive == Approx(0.86));  // the rest loses
}

TEST_CASE("gains: a dozen data sets of one task have the law's shares", "[lineage]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto gains = drawn_gains({}, seed, "pairs", "shape", 12);
    REQUIRE(gains.size() == 12);
    const auto positive = std::count_if(gains.begin(), gains.end(), [](std::int32_t g) { return g > 0; });
    const auto negative = std::count_if(gains.begin(), gains.end(), [](std::int32_t g) { return g < 0; });
    CHECK(positive == 3);
    CHECK((negative >= 1 && negative <= 3));  // 1.68
    CHECK(gains == drawn_gains({}, seed, "pairs", "shape", 12));
    CHECK(gains != drawn_gains({}, seed, "pairs", "tone", 12));
  }
}

TEST_CASE("lineage stats of a hand-made graph", "[lineage]") {
  // a <- b (hard 0.8), a <- c (soft), c <- d (hard): depth 2, two parents.
  const auto t = read_trace_text("t.csv",
                                 "job_id,submit_s,gpus,duration_s,kind,model,after,gain\n"
                                 "a,0,2,100,pretrain,m,,\nb,0,1,100,transfer,m/lora,a@hard:0.8,a:0.5\n"
                                 "c,0,1,100,transfer,m/full,a@soft,a:-0.2\nd,1,1,100,eval,,c@hard,\n");
  REQUIRE(t.has_value());
  const LineageStats l = lineage_stats(workload_of(*t));
  CHECK(l.jobs == 4);
  CHECK(l.roots == 1);
  CHECK(l.parents == 2);
  CHECK(l.children == 3);
  CHECK(l.hard_edges == 2);
  CHECK(l.soft_edges == 1);
  CHECK(l.depth == 2);
  CHECK(l.mean_children == 1.5);
  CHECK(l.max_children == 2);
  CHECK(l.child_gpu_time_share == Approx(0.6));
  CHECK(l.thresholds == std::map<std::int32_t, std::int64_t>{{800, 1}, {1000, 1}});
  CHECK(l.modes == std::map<std::string, std::int64_t>{{"eval", 1}, {"transfer/full", 1}, {"transfer/lora", 1}});
  CHECK(l.gains == 2);
  CHECK(l.positive_gains == 1);
  CHECK(l.negative_gains == 1);
}

TEST_CASE("gains are read from the trace, and bad ones named", "[lineage]") {
  const auto read = [](const std::string& gain) {
    const auto t = read_trace_text(
        "t.csv", "job_id,submit_s,gpus,duration_s,after,gain\na,0,1,5,,\nb,0,1,5,a@hard," + gain + "\n");
    if (!t) return Expected<Workload>(tl::make_unexpected(t.error()));
    NodeGroup g;
    g.count = g.gpus_per_node = 1;
    return to_workload(*t, Topology({g}), "t.csv");
  };
  REQUIRE(read("a:-1.5").has_value());
  CHECK(read("a:-1.5")->truths[1].sources[0].gain_per_mille == -1500);
  CHECK(read("a:0.45;elsewhere:0.1")->truths[1].sources.size() == 1);
  for (const char* bad : {"a", "a:", ":0.4", "a:1", "a:0.951", "a:-20.001", "a:x"}) {
    INFO(bad);
    const auto w = read(bad);
    REQUIRE_FALSE(w.has_value());
    CHECK(w.error().items[0].message == fmt::format("`gain` is `{0}`; it has `{0}`, which is no gain", bad));
    CHECK(w.error().items[0].where.line == 3);
  }
}

TEST_CASE("draws: Zipf ranks have their probabilities", "[generators]") {
  RandomStream rng = stream(7, "test/zipf");
  Zipf zipf(1.0);
  std::map<std::size_t, int> count;
  for (int i = 0; i < 60000; ++i) ++count[zipf.draw(rng, 3)];
  // 1 : 1/2 : 1/3 of 11/6
  CHECK(count[0] / 60000.0 == Approx(6.0 / 11).margin(0.01));
  CHECK(count[1] / 60000.0 == Approx(3.0 / 11).margin(0.01));
  CHECK(count[2] / 60000.0 == Approx(2.0 / 11).margin(0.01));
}

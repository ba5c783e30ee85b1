// Golden numbers of simulators in which speed comes from profiles: Pollux' (OSDI'21) and TitanSched's (SoCC'22), to
// the digits they print. Beside every emulated value stands what our defaults give for the same jobs: exact times
// instead of steps, and policies without those simulators' oddities.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <ctime>
#include <map>

#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/text.hpp"
#include "tests/support/traces.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
using orrery::test::as_printed;

// A build that is a hundred times slower takes the first workload of each suite only.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kWorkloads = 1;
#else
constexpr std::size_t kWorkloads = 8;
#endif

Prepared whole_scenario(const std::string& text) {
  auto read = read_scenario_text("golden.yaml", text);
  REQUIRE(read);
  auto p = prepare(std::move(*read));
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

double mean_jct_s(const Prepared& p, const std::string& policy, std::map<std::string, std::string> options = {}) {
  RunRequest request;
  request.policy = policy_named(p.scenario, policy);
  request.policy.options = std::move(options);
  const auto report = simulate(p, request);
  REQUIRE(report);
  INFO(report->failure);
  REQUIRE(report->failure.empty());
  CHECK(report->result.summary.finished == report->result.summary.jobs);
  return report->result.summary.mean_jct_s;
}

std::string scenario(const std::string& trace, const std::string& profiles, int nodes, const std::string& performance,
                     const std::string& more) {
  return fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: n, count: {}, gpus_per_node: 4, gpu: any }} ] }}\n"
      "workload: {{ trace: '{}' }}\nperformance: {{ profiles: '{}', {} }}\n{}\n",
      nodes, trace, profiles, performance, more);
}

}  // namespace

TEST_CASE("golden: Pollux workloads on 64 T4 under Tiresias and Optimus", "[golden]") {
  struct Row {
    const char *tiresias, *optimus;                  // as that simulator prints them
    const char *default_tiresias, *default_optimus;  // exact times
  };
  const std::vector<Row> rows{
      {"2473.65", "4087.0625", "2376.524", "3915.781"},     {"5144.9625", "6913.875", "4783.737", "6900.266"},
      {"3876.25625", "3944.00625", "3797.830", "3833.547"}, {"3280.2625", "5967.75", "3207.593", "5845.526"},
      {"3501.0125", "5656.25", "2989.729", "5643.041"},     {"3469.69375", "5301.875", "3142.152", "5227.418"}};
  double tiresias_s = 0, optimus_s = 0;  // of CPU, reading the workload and compiling its profiles included
  const auto since = [](std::clock_t start) { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; };
  for (std::size_t i = 0; i < std::min(rows.size(), kWorkloads); ++i) {
    const auto trace = test::recorded(fmt::format("pollux/workloads/workload-{}.csv", i + 1));
    const auto profiles = test::recorded("sia/profiles");
    if (!trace || !profiles) {
      test::tally().golden_skipped += 2;
      continue;
    }
    INFO("workload " << i + 1);
    const std::clock_t start = std::clock();
    const Prepared p = whole_scenario(scenario(*trace, *profiles, 16, "hardware: aws", "emulate: pollux"));
    const double read_s = since(start);
    CHECK(as_printed(mean_jct_s(p, "tiresias"), rows[i].tiresias) == rows[i].tiresias);
    const double both_s = since(start);
    tiresias_s += both_s;
    CHECK(as_printed(mean_jct_s(p, "optimus"), rows[i].optimus) == rows[i].optimus);
    optimus_s += since(start) - both_s + read_s;
    test::tally().golden_run += 2;

    const Prepared ours =
        whole_scenario(scenario(*trace, *profiles, 16, "hardware: aws",
                                "overheads: { launch: 30s }\npolicy: { name: fifo, placement: most_free }"));
    CHECK(fmt::format("{:.3f}", mean_jct_s(ours, "tiresias", {{"limits", "[57600GPUs]"}})) ==
          rows[i].default_tiresias);
    CHECK(fmt::format("{:.3f}", mean_jct_s(ours, "optimus", {{"period", "[60s]"}})) == rows[i].default_optimus);
  }
  std::printf("pollux suite (6 x 160 jobs), reading and compiling included: tiresias %.2f, optimus %.2f s of CPU\n",
              tiresias_s, optimus_s);
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  CHECK(tiresias_s < 2);
  CHECK(optimus_s < 2);
#endif
}

TEST_CASE("golden: TitanSched's fine-tuning workloads on 32 V100", "[golden]") {
  struct Row {
    const char* workload;
    const char *srtf, *tiresias, *optimus, *themis;  // as its stored results say
    double titan;                                    // without merging, within 3 %
    const char* corrected_optimus;                   // `gains: corrected`, otherwise emulated
    const char* preemptive_srtf;                     // `running: preempted`, otherwise emulated
    const char *default_srtf, *default_tiresias, *default_optimus, *default_themis, *default_titan;
  };
  const std::vector<Row> rows{{"FM-1-roberta-base", "1278.42", "1288.94", "807.77", "1070.92", 685.08, "733", "1282",
                               "1024.16", "1029.01", "650.77", "1021.58", "787.34"},
                              {"FM-1-roberta-large", "1770.85", "1790.85", "1234.96", "1627.86", 671.42, "1201",
                               "1760", "1584.72", "1617.78", "774.94", "1613.55", "763.15"},
                              {"FM-1-vit-large", "3047.26", "3420.72", "1695.04", "2614.14", 1505.87, "1529", "3238",
                               "2397.24", "2666.70", "1439.87", "2747.30", "1448.02"},
                              {"FM-1-vit", "3719.60", "5335.88", "1653.99", "2864.47", 1372.88, "1597", "3730",
                               "2104.84", "3085.77", "1407.82", "3081.73", "1326.82"},
                              {"FM-1.5-roberta-base", "2123.12", "2032.48", "1160.12", "1449.45", 952.55, "", "",
                               "1270.44", "1334.51", "890.09", "1279.98", "1023.84"},
                              {"FM-1.5-roberta-large", "2668.18", "2569.81", "1743.05", "2294.20", 1054.31, "", "",
                               "2127.47", "2205.99", "1098.61", "2250.59", "1119.23"},
                              {"FM-1.5-vit-large", "5211.90", "6164.62", "2578.81", "4603.58", 2353.85, "", "",
                               "4020.00", "4207.78", "2338.36", "4809.13", "2243.65"},
                              {"FM-1.5-vit", "6334.55", "10956.71", "2752.23", "4876.83", 2169.16, "", "", "3557.18",
                               "5767.73", "2374.72", "5348.43", "2046.55"}};
  for (std::size_t i = 0; i < std::min(rows.size(), kWorkloads); ++i) {
    const Row& row = rows[i];
    const auto trace = test::recorded(fmt::format("titan-fm/traces/{}/workload-0.csv", row.workload));
    const auto profiles = test::recorded("titan-fm/profiles");
    if (!trace || !profiles) {
      test::tally().golden_skipped += 5;
      continue;
    }
    INFO(row.workload);
    const auto digits = [](double v) { return fmt::format("{:.2f}", v); };
    const Prepared p = whole_scenario(
        scenario(*trace, *profiles, 8, "family: titan, hardware: V100, missing: clamp", "emulate: titan"));
    CHECK(digits(mean_jct_s(p, "srtf")) == row.srtf);
    CHECK(digits(mean_jct_s(p, "tiresias")) == row.tiresias);
    CHECK(digits(mean_jct_s(p, "optimus")) == row.optimus);
    CHECK(digits(mean_jct_s(p, "themis")) == row.themis);
    CHECK(mean_jct_s(p, "titan") == Approx(row.titan).epsilon(0.03));
    if (const double v = mean_jct_s(p, "optimus", {{"gains", "corrected"}}); *row.corrected_optimus != '\0')
      CHECK(fmt::format("{}", static_cast<int>(v)) ==
            row.corrected_optimus);  // integer part, as docs/policies/emulations.md gives it
    if (const double v = mean_jct_s(p, "srtf", {{"running", "preempted"}}); *row.preemptive_srtf != '\0')
      CHECK(fmt::format("{}", static_cast<int>(v)) == row.preemptive_srtf);
    test::tally().golden_run += 5;

    const Prepared ours =
        whole_scenario(scenario(*trace, *profiles, 8, "family: titan, hardware: V100, missing: clamp",
                                "overheads: { launch: 30s }\npolicy: { name: fifo, placement: fewest }"));
    CHECK(digits(mean_jct_s(ours, "srtf")) == row.default_srtf);
    CHECK(digits(mean_jct_s(ours, "tiresias", {{"limits", "[14400GPUs]"}})) == row.default_tiresias);
    CHECK(digits(mean_jct_s(ours, "optimus", {{"period", "[300s]"}})) == row.default_optimus);
    CHECK(digits(mean_jct_s(ours, "themis", {{"lease", "[600s]"}})) == row.default_themis);
    CHECK(digits(mean_jct_s(ours, "titan")) == row.default_titan);
  }
}

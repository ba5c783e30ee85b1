// Golden numbers: what published simulators print for recorded traces, to the digit. Each row that needs an
// emulation names it, and asserts the default value (without emulation) beside it. Sources: the simulators of
// Tiresias (NSDI'19) and Muri (SIGCOMM'22), run on their own traces; and one Philly window on which four independent
// simulators agree.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/text.hpp"
#include "tests/support/traces.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
using orrery::test::as_printed;

// Figures are compared as text, with as many decimals as the source printed. Empty = the source gives none.
struct Figures {
  std::string mean_jct_s;
  std::string makespan_s;
  std::string p99_nearest_rank_s;
  std::string mean_wait_s;
  int preemptions = -1;
};

struct Row {
  std::string policy;
  std::map<std::string, std::string> options;
  std::string emulate;  // "" = the golden value is our default
  Figures golden;
  Figures without;  // the same run without emulation
};

double nearest_rank(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size()))) - 1];
}

void check(const Figures& want, const report::SeedResult& got) {
  const Summary& s = got.summary;
  if (!want.mean_jct_s.empty()) CHECK(as_printed(s.mean_jct_s, want.mean_jct_s) == want.mean_jct_s);
  if (!want.makespan_s.empty()) CHECK(as_printed(s.makespan_s, want.makespan_s) == want.makespan_s);
  if (!want.mean_wait_s.empty()) CHECK(as_printed(s.mean_wait_s, want.mean_wait_s) == want.mean_wait_s);
  if (!want.p99_nearest_rank_s.empty())
    CHECK(as_printed(nearest_rank(got.jct_by_job_s, 0.99), want.p99_nearest_rank_s) == want.p99_nearest_rank_s);
  if (want.preemptions >= 0) CHECK(s.preemptions == want.preemptions);
}

report::SeedResult run(const std::string& scenario, const Row& row, const std::string& emulate) {
  auto read = read_scenario_text("golden.yaml", scenario + "emulate: " + (emulate.empty() ? "none" : emulate) + "\n");
  REQUIRE(read);
  auto prepared = prepare(std::move(*read));
  REQUIRE(prepared);
  RunRequest request;
  request.policy = policy_named(prepared->scenario, row.policy);
  request.policy.options = row.options;
  const auto report = simulate(*prepared, request);
  REQUIRE(report);
  INFO(report->failure);
  REQUIRE(report->failure.empty());
  CHECK(report->result.summary.finished == report->result.summary.jobs);
  return report->result;
}

void check_rows(const std::string& scenario, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    std::string options;
    for (const auto& [key, value] : row.options) options += fmt::format(" {}={}", key, value);
    INFO("policy " << row.policy << options << ", emulate " << row.emulate);
    check(row.golden, run(scenario, row, row.emulate));
    ++test::tally().golden_run;
    if (row.emulate.empty()) continue;
    INFO("without emulation");
    check(row.without, run(scenario, row, ""));
  }
}

std::string scenario_for(const std::string& trace, int nodes, int gpus_per_node, const std::string& more = "") {
  return fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: n, count: {}, gpus_per_node: {}, gpu: any }} ] }}\n"
      "workload: {{ trace: '{}'{} }}\n",
      nodes, gpus_per_node, trace, more);
}

// The rows' path, or a visible skip of all of them.
std::optional<std::string> golden_trace(const std::string& name, int rows) {
  auto path = test::recorded(name);
  if (!path) test::tally().golden_skipped += rows;
  return path;
}

using Options = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("golden: Tiresias 60 jobs on 16 GPUs", "[golden]") {
  const auto trace = golden_trace("tiresias/60_job.csv", 7);
  if (!trace) return;
  check_rows(scenario_for(*trace, 4, 4),
             {{"fifo", {}, "", {"200.8167", "3335", "", "22.40", 0}, {}},
              {"fjf", {}, "", {"190.6833", "3271", "", "12.2667", 0}, {}},
              {"smallest", {}, "tiresias", {"198.2000", "", "", "", 8}, {"198.2000", "", "", "", 8}},
              {"srtf", {}, "tiresias", {"192.1167", "", "", "", 4}, {"192.1167", "", "", "", 4}},
              {"srsf", {}, "tiresias", {"195.9", "", "", "", 7}, {"194.9833", "", "", "", 7}},
              {"lpjf", {}, "tiresias", {"205.05", "", "", "", 0}, {"200.8167", "", "", "", 0}},
              {"tiresias", {}, "tiresias", {"190.6833", "", "", "", 0}, {"190.6833", "", "", "", 0}}});
}

TEST_CASE("golden: Tiresias 60 jobs do not queue on 32 or 60 GPUs", "[golden]") {
  constexpr const char* kPolicies[] = {"fifo", "fjf",          "sjf",  "smallest", "lpjf",
                                       "easy", "conservative", "srtf", "srsf",     "tiresias"};
  const auto trace = golden_trace("tiresias/60_job.csv", 2 * static_cast<int>(std::size(kPolicies)));
  if (!trace) return;
  for (const int nodes : {8, 15}) {
    std::vector<Row> rows;
    for (const char* policy : kPolicies) rows.push_back({policy, {}, "", {"178.4167", "", "", "", 0}, {}});
    check_rows(scenario_for(*trace, nodes, 4), rows);
  }
}

TEST_CASE("golden: Tiresias queues with low limits", "[golden]") {
  const auto trace = golden_trace("tiresias/60_job.csv", 8);
  if (!trace) return;
  const auto gpu = [](const char* limits, int starvation) {
    return Options{{"service", "dlas-gpu"}, {"limits", limits}, {"starvation", std::to_string(starvation)}};
  };
  const auto time = [](const char* limits) { return Options{{"service", "dlas"}, {"limits", limits}}; };
  const char* wide = "[325GPUs, 720GPUs]";
  const char* low = "[100GPUs, 400GPUs]";
  check_rows(
      scenario_for(*trace, 4, 4),
      {{"tiresias", time("[325s, 720s]"), "tiresias", {"191.65", "", "", "", 2}, {"191.65", "", "", "", 2}},
       {"tiresias", gpu(wide, 0), "tiresias", {"213.00", "", "", "", 30}, {"217.5271", "", "", "", 29}},
       {"tiresias", gpu(wide, 1), "tiresias", {"207.8667", "", "", "", 30}, {"206.3875", "", "", "", 32}},
       {"tiresias", gpu(wide, 2), "tiresias", {"213.3333", "", "", "", 29}, {"215.5125", "", "", "", 36}},
       {"tiresias", time("[100s, 400s]"), "tiresias", {"208.7167", "", "", "", 34}, {"208.7167", "", "", "", 34}},
       {"tiresias", gpu(low, 0), "tiresias", {"208.8667", "", "", "", 25}, {"207.2000", "", "", "", 29}},
       {"tiresias", gpu(low, 1), "tiresias", {"207.9167", "", "", "", 71}, {"207.8833", "", "", "", 90}},
       {"tiresias", gpu(low, 2), "tiresias", {"219.0167", "", "", "", 61}, {"213.3417", "", "", "", 63}}});
}

TEST_CASE("golden: Muri traces on 64 GPUs", "[golden]") {
  struct Case {
    std::string trace;
    std::vector<Row> rows;
  };
  const std::vector<Case> cases{
      {"trace3.csv",
       {{"srtf",
         {},
         "muri",
         {"193081.796", "8174135.28", "4538890.607", "", -1},
         {"180116.346", "8171961", "", "", -1}},
        {"srsf",
         {},
         "muri",
         {"185021.880", "8174135.28", "4189699.177", "", -1},
         {"172683.743", "8171961", "", "", -1}},
        {"tiresias",
         {},
         "muri",
         {"347213.248", "8174226.28", "4983397.254", "", -1},
         {"327259.552", "8171961", "", "", -1}}}},
      {"trace3_pr.csv",
       {{"srtf", {}, "muri", {"844394.78", "", "", "", -1}, {"826055.875", "7109831", "", "", -1}},
        {"srsf", {}, "muri", {"798057.683", "", "", "", -1}, {"783244.762", "6753329", "", "", -1}},
        {"tiresias", {}, "muri", {"2213110.128", "", "", "", -1}, {"2073321.811", "6637909.3125", "", "", -1}}}},
      {"trace1.csv.gz",
       {{"srtf", {}, "muri", {"1370603.198", "", "", "", -1}, {"1333917.262", "25776881", "", "", -1}},
        {"srsf", {}, "muri", {"980140.57", "", "", "", -1}, {"952245.378", "25662723", "", "", -1}},
        {"tiresias", {}, "muri", {"3330371.307", "", "", "", -1}, {"3172782.211", "23196609", "", "", -1}}}},
      {"trace1_pr.csv.gz",
       {{"srtf", {}, "muri", {"2303543.816", "", "", "", -1}, {"2265534.503", "24034947", "", "", -1}},
        {"srsf", {}, "muri", {"1801859.995", "", "", "", -1}, {"1767622.539", "23995554", "", "", -1}},
        {"tiresias", {}, "muri", {"6921682.793", "", "", "", -1}, {"6443095.912", "21636780.625", "", "", -1}}}}};
  std::size_t turn = 0;
  for (const Case& c : cases) {
    std::vector<Row> rows;
    for (const std::size_t row : test::some_of(c.rows.size(), turn++)) rows.push_back(c.rows[row]);
    const auto trace = golden_trace("muri/trace-data/" + c.trace, static_cast<int>(rows.size()));
    if (!trace) continue;
    INFO(c.trace);
    check_rows(scenario_for(*trace, 8, 8), rows);
  }
}

TEST_CASE("golden: a Philly window of 1,000 jobs under FIFO, without emulation", "[golden]") {
  const auto trace = golden_trace("philly-2017/philly.csv.gz", 1);
  if (!trace) return;
  check_rows(scenario_for(*trace, 32, 4, ", slice: { skip: 9500, jobs: 1000 }"),
             {{"fifo", {}, "", {"30511.264", "664431", "", "", 0}, {}}});
}

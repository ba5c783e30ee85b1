// Jobs of CPUs alone, beside others, where code counts GPUs: links, emulations, saves, nodes that fail. Found by
// trying: a division by their number of GPUs under `network:` and `emulate: tiresias`, and a titan that never started
// them.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "policies/reference/emulations.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "sim/core/random.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
using orrery::test::has;
using orrery::test::prepared;

// A third of the jobs ask for CPUs alone.
std::string random_trace(const test::TempFolder& folder, std::uint64_t seed) {
  RandomStream rng = stream(seed, "cpu-only");
  const std::string path = folder.file(fmt::format("jobs-{}.csv", seed));
  std::ofstream out(path);
  out << "job_id,submit_s,gpus,duration_s,cpus\n";
  for (int i = 0; i < 12; ++i) {
    const auto draw = [&rng](std::uint64_t below) { return static_cast<int>(uniform_below(rng, below)); };
    out << fmt::format("j{},{},{},{},{}\n", i, draw(200), draw(3) == 0 ? 0 : 1 + draw(4), 1 + draw(900), 1 + draw(6));
  }
  return path;
}

std::string scenario(const std::string& trace, std::string_view policy, const std::string& more) {
  return fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: A, count: 2, gpus_per_node: 2, cpus: 12, nvlink: 300GB/s, "
      "nic: 100Gb/s }} ] }}\nworkload: {{ trace: '{}' }}\npolicy: {{ name: {}, placement: consolidated }}\n{}\n",
      trace, policy, more);
}

Summary run(const std::string& text) {
  auto p = prepared(text);
  if (!p) FAIL(render(p.error()));
  RunRequest request;
  request.policy = p->scenario.policy;
  const auto report = simulate(*p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure == "");
  return report->result.summary;
}

}  // namespace

TEST_CASE("jobs of CPUs alone end under every policy, with links, saves and nodes that fail", "[app][cpu-only]") {
  const test::TempFolder folder;
  const char* const sections[] = {
      "network: { step: { compute: 100ms, gradients: 1MB, hidden: 0.5 } }",
      "network: { step: { compute: 100ms, gradients: 1GB } }\ncheckpoints: { every: 50s, cost: 2s }",
      "failures: { node_mtbf: 1h, repair: 1m }\ncheckpoints: { every: 50s, cost: 2s }",
  };
  std::vector<std::string> traces;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) traces.push_back(random_trace(folder, seed));
  std::size_t turn = 0;
  for (const PolicyInfo& info : policy_table()) {
    for (const std::size_t draw : test::some_of(traces.size() * std::size(sections), turn++)) {
      const std::string& trace = traces[draw / std::size(sections)];
      const char* section = sections[draw % std::size(sections)];
      INFO(trace << ", " << info.name << ", " << section);
      const Summary s = run(scenario(trace, info.name, section));
      CHECK(s.finished == s.jobs);
    }
  }
}

TEST_CASE("jobs of CPUs alone end under every version of a policy that a simulator has", "[app][cpu-only]") {
  const test::TempFolder folder;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const std::string trace = random_trace(folder, seed);
    for (const Emulation& e : emulations()) {
      if (e.name == "muri") continue;  // its work is iterations x iteration time, which this trace does not have
      for (const EmulatedPolicy& p : e.policies) {
        INFO("seed " << seed << ", " << p.name << " of " << e.name);
        const Summary s = run(scenario(trace, p.name, fmt::format("emulate: {}", e.name)));
        CHECK(s.finished == s.jobs);
      }
    }
  }
}

TEST_CASE("a run whose clock comes to its end says why that may be", "[app]") {
  const test::TempFolder folder;
  std::ofstream(folder.file("jobs.csv")) << "job_id,submit_s,gpus,duration_s\na,0,128,2592000\n";
  auto p = prepared(fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: A, count: 16, gpus_per_node: 8 }} ] }}\n"
      "workload: {{ trace: '{}' }}\n"
      "failures: {{ node_mtbf: 10d, repair: 4h }}\npolicy: fifo\ncheck: false\noutput: {{ events: false }}\n",
      folder.file("jobs.csv")));
  if (!p) FAIL(render(p.error()));
  RunRequest request;
  request.policy = p->scenario.policy;
  const auto report = simulate(*p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(has(report->failure, "`checkpoints.every` keeps it"));
}

TEST_CASE("a live run on GPUs that this machine does not have is refused", "[app]") {
  const test::TempFolder folder;
  std::ofstream(folder.file("jobs.csv")) << "job_id,submit_s,gpus,duration_s\na,0,1,10\n";
  auto p =
      prepared(fmt::format("version: 1\ncluster: {{ groups: [ {{ name: A, count: 1, gpus_per_node: 128 }} ] }}\n"
                           "workload: {{ trace: '{}' }}\n"
                           "policy: fifo\nlive: {{ time_scale: 10, gpus: true }}\n",
                           folder.file("jobs.csv")));
  if (!p) FAIL(render(p.error()));
  const auto checked = check_live(*p, folder.path());
  REQUIRE_FALSE(checked);
  CHECK(has(render(checked.error()), "`live.gpus` wants the cluster's 128 GPUs of this machine"));
}

// Runs at the same time on one prepared scenario give what they give one after another: nothing that is shared is
// changed. (Also run under ThreadSanitizer.)
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "orrery_paths.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/scenario_reader.hpp"
#include "scenarios/app/simulate.hpp"
#include "tests/support/temp_dir.hpp"

using namespace orrery;
using namespace orrery::app;

TEST_CASE("parallel runs equal sequential ones", "[threads]") {
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/quickstart.yaml");
  REQUIRE(scenario);
  const auto prepared = prepare(std::move(*scenario));
  REQUIRE(prepared);
  const auto run = [&prepared](const PolicyInfo& info) {
    RunRequest request;
    request.policy = policy_named(prepared->scenario, std::string(info.name));
    const auto report = simulate(*prepared, request);
    return report && report->failure.empty() ? report->result.jct_by_job_s : std::vector<double>{};
  };
  const auto& table = policy_table();
  std::vector<std::vector<double>> together(table.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < table.size(); ++i) threads.emplace_back([&, i] { together[i] = run(table[i]); });
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < table.size(); ++i) {
    INFO(table[i].name);
    REQUIRE_FALSE(together[i].empty());
    CHECK(together[i] == run(table[i]));
  }
}

// The command itself, as a process of this build: what its threads share is watched by ThreadSanitizer as well, which
// would make it exit with a code of its own.
TEST_CASE("compare -j 4 writes what compare -j 1 writes", "[threads]") {
  const test::TempFolder folder;
  const auto compare = [&folder](int threads) {
    const std::string out = folder.file(fmt::format("j{}", threads));
    const std::string command = fmt::format(
        "cd '{}' && '{}' compare scenarios/load.yaml --set workload.generate.jobs=60 "
        "--set failures.node_mtbf=2d --set failures.stragglers.node_mtbs=6h "
        "--set failures.lemons.share=0.2 --set failures.lemons.rate=3 --seeds 3 -j {} -o '{}' --json "
        ">'{}.json'",
        ORRERY_SOURCE_DIR, ORRERY_BINARY, threads, out, out);
    INFO(command);
    REQUIRE(std::system(command.c_str()) == 0);
    return out;
  };
  const std::string one = compare(1), four = compare(4);
  const auto text = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(text(one + ".json").size() > 1000);
  CHECK(text(one + ".json") == text(four + ".json"));
  for (const char* run : {"fifo-s1", "easy-s2", "tiresias-s3"}) {
    for (const char* table : {"jobs.csv", "samples.csv", "events.jsonl.zst", "summary.json"}) {
      INFO(run << "/" << table);
      const std::string path = fmt::format("/{}/{}", run, table);
      CHECK_FALSE(text(one + path).empty());
      CHECK(text(one + path) == text(four + path));
    }
  }
}

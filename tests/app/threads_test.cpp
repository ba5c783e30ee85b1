// Runs at the same time on one prepared scenario give what they give one after another: nothing that is shared is
// changed. Every section of a scenario that bears on a run is in one of these. (Also run under ThreadSanitizer, which
// sees what they share.)
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "orrery_paths.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_keys.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

using namespace orrery;
using namespace orrery::app;
using orrery::test::text_of;

namespace {

struct Case {
  std::string name, text;
};

// Files that the scenarios below read: step times of an application by placement, a calibrated table with co-runners,
// traces, a script.
struct Files : test::TempFolder {
  Files() {
    write("prof/net/validation-128.csv", "progress,iteration,grad_sqr,grad_var\n100,100,1,1\n200,200,1,2\n");
    std::string placements = "placement,local_bsz,step_time,sync_time\n";
    for (const char* p : {"1", "2", "3", "4", "11", "12", "13", "22"})
      for (const int b : {16, 32, 64, 128})
        placements += fmt::format("{},{},{},{}\n", p, b, 0.5 + 0.01 * b, std::string(p).size() > 1 ? 0.1 : 0.02);
    write("prof/net/placements-k.csv", placements);
    std::string pollux = "name,time,application,num_replicas,batch_size\n";
    for (int i = 0; i < 12; ++i) pollux += fmt::format("p{},{},net,{},128\n", i, 40 * i, 1 + i % 4);
    write("pollux.csv", pollux);
    std::string table =
        "model,mode,gpu,world,local_batch,corunners,step_s,step_cv,start_s,save_s,restore_s,stop_s,bytes\n";
    for (int world = 1; world <= 4; ++world)
      for (int with = 1; with <= 3; ++with)
        table += fmt::format("m,,k,{},0,{},{},0,1,1,1,1,0\n", world, with, 0.1 * with);
    write("table.csv", table);
    std::string jobs = "job_id,submit_s,gpus,duration_s,model,tenant,gpu_fraction,min_gpus,max_gpus\n";
    for (int i = 0; i < 16; ++i)
      jobs += fmt::format("j{},{},{},{},m,t{},{},{},{}\n", i, 20 * i, i % 4 == 0 ? 1 : 1 + i % 3, 100 + 37 * i, i % 3,
                          i % 4 == 0 ? "0.5" : "", i % 4 == 0 ? "" : "1", i % 4 == 0 ? "" : "4");
    write("jobs.csv", jobs);
    write("script", "0s j1 run n0:0 group 1\n30s j2 run n0:0-1 group 1\n90s j1 suspend\n120s j1 run n0:0 group 1\n");
    std::string muri = "job_id,submit_s,gpus,duration_s,model,iterations,iteration_s\n";
    for (int i = 0; i < 12; ++i) muri += fmt::format("u{},{},{},{},bert,{},0.5\n", i, 50 * i, 1 << (i % 3), 100, 200);
    write("muri.csv", muri);
  }
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path at = std::filesystem::path(path()) / name;
    std::filesystem::create_directories(at.parent_path());
    std::ofstream(at) << text;
  }

  [[nodiscard]] std::vector<Case> cases() const {
    const std::string two = "cluster: { groups: [ { name: a, count: 2, gpus_per_node: 4, gpu: k } ] }\n";
    const auto traced = [this](const char* file) {
      return fmt::format("workload: {{ trace: '{}', estimates: oracle }}\n", this->file(file));
    };
    return {
        {"links",
         "version: 1\nname: links\ncluster: { groups: [ { name: a, count: 16, gpus_per_node: 4, gpu: a100, "
         "rack_size: "
         "4, nvlink: 300GB/s, nic: 100Gb/s, uplink: 133Gb/s } ] }\n"
         "workload: { generate: { jobs: 60, gpus: { 1: 1, 4: 1, 8: 2, 16: 1 }, law: lognormal, mean: 1h, sigma: 1.0 "
         "}, "
         "load: 0.9 }\n"
         "network: { step: { compute: 300ms, gradients: 1400MB, hidden: 0.3 }, contention: true }\n"
         "compare: { policies: [ { name: fifo, placement: random }, { name: srtf, placement: consolidated }, easy ] "
         "}\n"},
        {"applications",
         "version: 1\n" + two + traced("pollux.csv") +
             fmt::format("performance: {{ profiles: '{}/prof', missing: clamp }}\n", path()) +
             "overheads: { launch: 5s, restart: 10s, stop: 2s }\ncheckpoints: { every: 60s, cost: 3s }\n"
             "compare: { policies: [optimus, titan, srtf, gandiva] }\n"},
        {"calibrated", "version: 1\n" + two + traced("jobs.csv") +
                           fmt::format("performance: {{ profiles: '{}', family: calibrated, hardware: k, missing: "
                                       "clamp }}\n",
                                       file("table.csv")) +
                           "compare: { policies: [ { name: fifo, placement: spread }, gandiva, "
                           "{ name: scripted, file: '" +
                           file("script") + "' } ] }\n"},
        {"sharing", "version: 1\n" + two + traced("jobs.csv") +
                        "failures: { stragglers: { node_mtbs: 5m, lasts: 2m } }\n"
                        "compare: { policies: [ gandiva, optimus, themis, { name: scripted, file: '" +
                        file("script") + "' } ] }\n"},
        {"lineage",
         fmt::format(
             "version: 1\ncluster: {{ groups: [ {{ name: h, count: 16, gpus_per_node: 8, gpu: h200, cpus: 96, "
             "gpu_memory: 141GB, rack_size: 8, nvlink: 900GB/s, nic: 400Gb/s, peak_tflops: 989 }} ] }}\n"
             "workload: {{ catalogue: '{}/scenarios/jobs/catalogue.yaml', generate: {{ model: lineage, jobs: "
             "60, tenants: 3, phases: {{ pairs: 'projector@0:2:9;full@0.3:3', shape-lora: 'full@0:1:24' }} }}, "
             "load: 0.8 }}\n",
             ORRERY_SOURCE_DIR) +
             "overheads: { launch: 10s, restart: { by: checkpoint, bandwidth: 2GB/s }, stop: 20s }\n"
             "failures: { node_mtbf: 5d, repair: 4h, outages: [ { node: 3, from: 0s, to: 12h } ], stragglers: { "
             "node_mtbs: 2d }, lemons: { share: 0.2, rate: 4 } }\n"
             "checkpoints: { every: 1h, cost: { by: checkpoint, bandwidth: 2GB/s } }\n"
             "measure: { from: 10% }\npublish: { every: 0.1, cost: 60s }\nfeatures: { limit: 20GB }\n"
             "merging: { gamma: 0.9 }\ndecoding: { contend: true }\nbubbles: { share: 0.25, interference: 0.01 }\n"
             "compare: { policies: [fifo, easy, srtf, drf, { name: lineage, rules: [index, hold, "
             "publish, learn, abort, groups, phases] }] }\n"},
        {"history",
         "version: 1\n" + two +
             "workload: { generate: { jobs: 80, gpus: { 1: 3, 2: 1, 4: 1 }, law: lognormal, mean: 20m, sigma: "
             "1.4, tenants: 4 }, load: 0.9, estimates: history }\n"
             "compare: { policies: [easy, conservative, srsf, las] }\n"},
        {"muri",
         "version: 1\n" + two + traced("muri.csv") + "emulate: muri\ncompare: { policies: [srsf, las, tiresias] }\n"},
        {"pollux", "version: 1\n" + two + traced("pollux.csv") +
                       fmt::format("performance: {{ profiles: '{}/prof', hardware: k }}\n", path()) +
                       "emulate: pollux\ncompare: { policies: [optimus, tiresias] }\n"},
    };
  }
};

Prepared prepared_of(const Case& c) {
  auto scenario = read_scenario_text(c.name + ".yaml", c.text);
  if (!scenario) FAIL(render(scenario.error()));
  auto prepared = prepare(std::move(*scenario));
  if (!prepared) FAIL(render(prepared.error()));
  return std::move(*prepared);
}

struct Result {
  std::vector<double> jct;
  std::string failure;
};

Result result_of(const Prepared& p, const PolicyConfig& policy, std::uint64_t seed) {
  RunRequest request;
  request.policy = policy;
  request.seed = seed;
  const auto report = simulate(p, request);
  if (!report) return {{}, render(report.error())};
  return {report->result.jct_by_job_s, report->failure};
}

void compare_threads(const Prepared& p, const std::vector<PolicyConfig>& policies) {
  std::vector<Result> together(2 * policies.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < together.size(); ++i)
    threads.emplace_back([&, i] { together[i] = result_of(p, policies[i / 2], 1 + i % 2); });
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < together.size(); ++i) {
    INFO(policies[i / 2].name << ", seed " << 1 + i % 2);
    CHECK(together[i].failure.empty());
    if (!together[i].failure.empty()) WARN(together[i].failure);
    REQUIRE_FALSE(together[i].jct.empty());
    const Result alone = result_of(p, policies[i / 2], 1 + i % 2);
    REQUIRE(alone.jct.size() == together[i].jct.size());
    for (std::size_t j = 0; j < alone.jct.size(); ++j)
      CHECK((alone.jct[j] == together[i].jct[j] || (std::isnan(alone.jct[j]) && std::isnan(together[i].jct[j]))));
  }
}

}  // namespace

TEST_CASE("parallel runs equal sequential ones", "[threads]") {
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/quickstart.yaml");
  REQUIRE(scenario);
  scenario->workload.jobs = 100;
  const auto prepared = prepare(std::move(*scenario));
  REQUIRE(prepared);
  std::vector<PolicyConfig> policies;
  for (const PolicyInfo& info : policy_table())
    policies.push_back(policy_named(prepared->scenario, std::string(info.name)));
  compare_threads(*prepared, policies);
}

TEST_CASE("parallel runs equal sequential ones in every section of a scenario", "[threads]") {
  const Files files;
  for (const Case& c : files.cases()) {
    INFO(c.name);
    const Prepared p = prepared_of(c);
    compare_threads(p, p.scenario.compare_policies);
  }
}

// So that a new section comes here, too: those that the reader knows, but for what does not bear on a run.
TEST_CASE("every section of a scenario is run on threads", "[threads]") {
  const Files files;
  std::string all;
  for (const Case& c : files.cases()) all += "\n" + c.text;
  const std::set<std::string> elsewhere{"version", "name", "policy", "live", "seeds", "check", "output", "intervals"};
  int sections = 0;
  for (const ScenarioKey& key : scenario_keys()) {
    if (key.path.find('.') != std::string::npos) continue;
    ++sections;
    INFO("section `" << key.path << "`");
    CHECK((elsewhere.count(key.path) == 1 || all.find("\n" + key.path + ":") != std::string::npos));
  }
  CHECK(sections >= 15);
}

// The command itself, as a process of this build: what its threads share is watched by ThreadSanitizer as well, which
// would make it exit with a code of its own.
TEST_CASE("compare -j 4 writes what compare -j 1 writes", "[threads]") {
  const test::TempFolder folder;
  const auto compare = [&folder](const std::string& what, int threads) {
    const std::string out = folder.file(fmt::format("j{}", threads));
    const std::string command = fmt::format("cd '{}' && '{}' compare {} -j {} -o '{}' --json >'{}.json'",
                                            ORRERY_SOURCE_DIR, ORRERY_BINARY, what, threads, out, out);
    INFO(command);
    REQUIRE(std::system(command.c_str()) == 0);
    return out;
  };
  const auto check = [&](const std::string& what, const std::vector<std::string>& runs) {
    const std::string one = compare(what, 1), four = compare(what, 4);
    CHECK(text_of(one + ".json").size() > 1000);
    CHECK(text_of(one + ".json") == text_of(four + ".json"));
    for (const std::string& run : runs) {
      for (const char* table : {"jobs.csv", "samples.csv", "events.jsonl.zst", "summary.json"}) {
        INFO(run << "/" << table);
        const std::string path = fmt::format("/{}/{}", run, table);
        CHECK_FALSE(text_of(one + path).empty());
        CHECK(text_of(one + path) == text_of(four + path));
      }
    }
    std::filesystem::remove_all(one);
    std::filesystem::remove_all(four);
  };
  check(
      "scenarios/studies/load.yaml --set workload.generate.jobs=60 --set failures.node_mtbf=2d "
      "--set failures.stragglers.node_mtbs=6h --set failures.lemons.share=0.2 --set failures.lemons.rate=3 --seeds 3",
      {"fifo-s1", "easy-s2", "tiresias-s3"});
  // The graph of the links was once made by whoever asked first, all at once.
  check("scenarios/quick/network.yaml --set workload.generate.jobs=40 --set cluster.groups.0.count=200 --seeds 2",
        {"easy-s1", "easy-random-s2", "srtf-s2"});
}

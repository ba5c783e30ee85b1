// Scenario files: what is read, what is written back, and the exact text of errors.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

#include "orrery_paths.hpp"
#include "scenarios/spec/job_file.hpp"
#include "scenarios/spec/moved_file.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

const std::string kGood = R"(version: 1
cluster:
  groups:
    - { name: a, count: 2, gpus_per_node: 8, gpu: h200, cpus: 96, mem: 2TiB, rack_size: 2, nvlink: 900GB/s,
        nic: 400Gb/s }
    - { name: b, count: 1, gpus_per_node: 4, gpu: a100, mem: 512GB }
workload:
  trace: t.csv
  format: canonical
  slice: { skip: 10, jobs: 5 }
  load: 0.85
  estimates: history
policy: { name: tiresias, placement: yarn, limits: [1GPUh, 5GPUh], starvation: 3 }
overheads: { launch: 2s, restart: { default: 30s, bert: 1m30s } }
seeds: 3
output: { dir: out, events: false }
)";

std::string errors_of(const std::string& text, const std::vector<Override>& overrides = {}) {
  const auto s = read_scenario_text("s.yaml", text, overrides);
  return s ? std::string() : render(s.error());
}

std::string minimal(const std::string& more = "") {
  return "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 8, gpu: g } ] }\n"
         "workload: { trace: t.csv }\n" +
         more;
}

}  // namespace

TEST_CASE("a full scenario is read", "[app]") {
  std::string text = kGood;
  text.replace(text.find("1m30s"), 5, "90s");
  const auto s = read_scenario_text("dir/s.yaml", text);
  REQUIRE(s);
  CHECK(s->name == "s");
  REQUIRE(s->cluster.groups.size() == 2);
  CHECK(s->cluster.groups[0].cpu_milli == 96'000);
  CHECK(s->cluster.groups[0].mem_bytes == std::int64_t{2} << 40);
  CHECK(s->cluster.groups[0].nic_bytes_per_s == 50'000'000'000);
  CHECK(s->cluster.groups[0].nvlink_bytes_per_s == 900'000'000'000);
  CHECK(s->cluster.groups[1].mem_bytes == 512'000'000'000);
  CHECK(s->workload.skip == 10);
  CHECK(s->workload.jobs == 5);
  CHECK(*s->workload.load == 0.85);
  CHECK(s->workload.estimates == EstimateSource::history);
  CHECK(s->policy.name == "tiresias");
  CHECK(s->policy.options.at("limits") == "[1GPUh, 5GPUh]");
  CHECK(s->overheads.restart == "per_model");
  CHECK(s->overheads.restart_models.at("bert") == seconds(90));
  CHECK(s->seeds == 3);
  CHECK_FALSE(*s->log_events);
}

TEST_CASE("the effective scenario reads back as itself", "[app]") {
  std::string text = kGood;
  text.replace(text.find("1m30s"), 5, "90s");
  for (const std::string& one :
       {text, minimal(),
        minimal("policy: fifo\ncompare: { policies: [fifo, { name: easy, depth: 4, label: deep }] }\n"),
        std::string("version: 1\nname: \"odd: \\\"name\\\"\"\ncluster: { groups: [ { name: a, count: 1, "
                    "gpus_per_node: 1 } ] }\n"
                    "workload: { generate: { jobs: 10, gpus: { 1: 0.7, 8: 0.3 }, law: lognormal, mean: 2h }, load: "
                    "0.9 }\n")}) {
    const auto first = read_scenario_text("/d/s.yaml", one);
    REQUIRE(first);
    const std::string written = effective_yaml(*first);
    INFO(written);
    const auto second = read_scenario_text("/elsewhere/x.yaml", written);
    REQUIRE(second);
    CHECK(effective_yaml(*second) == written);
    CHECK(config_digest_text(*second) == config_digest_text(*first));
  }
}

TEST_CASE("the effective scenario holds every option of its policies", "[app]") {
  const auto s = read_scenario_text("s.yaml", minimal("policy: { name: tiresias, starvation: 3 }\n"
                                                      "compare: { policies: [easy, fifo] }\n"));
  REQUIRE(s);
  const std::string written = effective_yaml(*s);
  INFO(written);
  CHECK(written.find("policy: { name: tiresias, placement: count, limits: [3250GPUs, 7200GPUs], service: dlas-gpu, "
                     "starvation: 3 }\n") != std::string::npos);
  CHECK(written.find("- { name: easy, placement: count, depth: 1 }\n") != std::string::npos);
  CHECK(written.find("- { name: fifo, placement: count }\n") != std::string::npos);
  // Saying what is the default changes nothing.
  const auto said = read_scenario_text(
      "s.yaml", minimal("policy: { name: tiresias, starvation: 3, limits: [3250GPUs, 7200GPUs] }\n"));
  REQUIRE(said);
  CHECK(config_digest_text(*said) == config_digest_text(*s));
}

TEST_CASE("--set overrides any key and obeys the same rules", "[app]") {
  const auto s =
      read_scenario_text("s.yaml", minimal("policy: { name: easy }\n"),
                         {{"cluster.groups.0.count", "32"}, {"policy.depth", "5"}, {"workload.load", "0.5"}});
  REQUIRE(s);
  CHECK(s->cluster.groups[0].count == 32);
  CHECK(s->policy.options.at("depth") == "5");
  CHECK(*s->workload.load == 0.5);
  CHECK(errors_of(minimal(), {{"cluster.groups.0.cuont", "3"}}) ==
        "error: unknown key `cuont` in cluster.groups.0\n"
        "  --> --set cluster.groups.0.cuont=3\n"
        "   = did you mean `count`?\n"
        "   = keys here: name, count, gpus_per_node, gpu, cpus, mem, rack_size, nvlink, nic, gpu_memory, "
        "uplink, price, idle_watt, busy_watt, peak_tflops, market, vcluster, mig_slices, gpu_speeds\n");
  CHECK(errors_of(minimal(), {{"cluster.groups.7.count", "3"}}) ==
        "error: `7` is no index of a list of 1\n  --> --set cluster.groups.7.count=3\n");
}

TEST_CASE("an unknown key is shown where it stands, with a suggestion", "[app]") {
  CHECK(errors_of("version: 1\ncluster:\n  groups:\n    - { name: h, count: 2, gpu_per_node: 8, gpus_per_node: 8 }\n"
                  "workload: { trace: t.csv }\n") ==
        "error: unknown key `gpu_per_node` in cluster.groups.0\n"
        "  --> s.yaml:4:28\n"
        "   |\n"
        " 4 |     - { name: h, count: 2, gpu_per_node: 8, gpus_per_node: 8 }\n"
        "   |                            ^^^^^^^^^^^^ did you mean `gpus_per_node`?\n"
        "   = keys here: name, count, gpus_per_node, gpu, cpus, mem, rack_size, nvlink, nic, gpu_memory, "
        "uplink, price, idle_watt, busy_watt, peak_tflops, market, vcluster, mig_slices, gpu_speeds\n");
}

TEST_CASE("all errors of a file are reported at once", "[app]") {
  const auto s = read_scenario_text("s.yaml",
                                    "version: 2\n"
                                    "cluster: { groups: [ { name: a, count: 0, gpus_per_node: 8, mem: 64 } ] }\n"
                                    "workload: { trace: t.csv, estimates: orakel }\n"
                                    "policy: { name: tiresia, placement: yarm }\n"
                                    "overheads: { launch: 5 }\n"
                                    "seed: 3\n");
  REQUIRE_FALSE(s);
  std::vector<int> lines;
  for (const Diagnostic& d : s.error().items) lines.push_back(d.where.line);
  std::sort(lines.begin(), lines.end());
  CHECK(lines == std::vector<int>{1, 2, 2, 3, 4, 4, 5, 6});
  const std::string text = render(s.error());
  for (const char* part :
       {"version is `2`", "whole number from 1", "a size without a unit", "did you mean `oracle`?",
        "did you mean `tiresias`?", "did you mean `yarn`?", "a time without a unit", "did you mean `seeds`?"}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("each wrong scenario has one clear message", "[app]") {
  struct Wrong {
    std::string text, part;
  };
  for (const Wrong& w : {
           Wrong{"", "a scenario is a map of keys"},
           Wrong{"[1, 2]", "a scenario is a map of keys"},
           Wrong{"a: [1, 2", "this is not YAML"},
           Wrong{"version: 1\n---\nversion: 1\n", "several YAML documents"},
           Wrong{"version: 1\nversion: 1\n", "key `version` appears twice"},
           Wrong{"version: 1\n", "`cluster` is missing"},
           Wrong{"cluster: 3\nversion: 1\nworkload: {trace: t}\n", "`cluster` must be a map of keys, not a value"},
           Wrong{"version: 1\ncluster: {}\nworkload: {trace: t}\n", "`cluster.groups` is missing"},
           Wrong{"version: 1\ncluster: {groups: {}}\nworkload: {trace: t}\n",
                 "`cluster.groups` must be a list, not a map"},
           Wrong{"version: 1\ncluster: {groups: [{name: a, count: 1, gpus_per_node: 0}]}\nworkload: {trace: t}\n",
                 "the cluster has no GPUs"},
           Wrong{minimal("overheads: { restart: -3s }\n"), "is negative"},
           Wrong{minimal("overheads: { restart: 3 parsecs }\n"), "has the unit `parsecs`"},
           Wrong{minimal("overheads: { launch: 99999999999999d }\n"), "too large"},
           Wrong{minimal("policy: { placement: yarn }\n"), "`policy.name` is missing"},
           Wrong{minimal("policy: { name: fifo, depth: 3 }\n"), "policy `fifo` has no option `depth`"},
           Wrong{minimal("policy: { name: easy, depth: many }\n"), "must be a whole number"},
           Wrong{minimal("policy: { name: tiresias, limits: [5GPUh, 1GPUh] }\n"), "limits must increase"},
           Wrong{minimal("emulate: tiresia\n"), "did you mean `tiresias`?"},
           Wrong{minimal("seeds: 0\n"), "whole number from 1"},
           Wrong{minimal("check: perhaps\n"), "must be true or false"},
           Wrong{"version: 1\ncluster: {groups: [{name: a, count: 1, gpus_per_node: 1}]}\nworkload: {}\n",
                 "`workload.trace` is missing"},
           Wrong{"version: 1\ncluster: {groups: [{name: a, count: 1, gpus_per_node: 1}]}\n"
                 "workload: {generate: {jobs: 5}}\n",
                 "need `load` or `generate.rate`"},
           Wrong{minimal("compare: { policies: [fifo, fifo] }\n"), "`fifo` twice"},
       }) {
    const std::string text = errors_of(w.text);
    INFO(w.text << "\n" << text);
    CHECK(text.find(w.part) != std::string::npos);
  }
}

TEST_CASE("policies are found by label, by name, or made with defaults", "[app]") {
  const auto s =
      read_scenario_text("s.yaml", minimal("policy: { name: easy, depth: 2, placement: pack }\n"
                                           "compare: { policies: [fifo, { name: easy, depth: 9, label: deep }] }\n"));
  REQUIRE(s);
  CHECK(policy_named(*s, "deep").options.at("depth") == "9");
  CHECK(policy_named(*s, "easy").options.at("depth") == "2");
  CHECK(policy_named(*s, "srtf").options.empty());
  CHECK(policy_named(*s, "srtf").placement == "pack");
}

TEST_CASE("generated lineages, publications and what GPUs cost are read and written back", "[app][lineage]") {
  const std::string text =
      "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 8, gpu: g, price: 2.485, idle_watt: 90,\n"
      "  busy_watt: 650.5, peak_tflops: 989, gpu_memory: 141GB } ] }\n"
      "workload: { load: 0.5, catalogue: models/c.yaml,\n"
      "  generate: { model: lineage, jobs: 10, zipf: 1.3, tenants: 2, size: live,\n"
      "    gains: { positive: 0.5, negative: 0, own_modality: 3 } } }\n"
      "publish: { every: 0.125, cost: 30s }\n";
  const auto s = read_scenario_text("s.yaml", text);
  REQUIRE(s);
  CHECK(s->cluster.groups[0].price_micro_per_h == 2'485'000);
  CHECK(s->cluster.groups[0].idle_milliwatt == 90'000);
  CHECK(s->cluster.groups[0].busy_milliwatt == 650'500);
  CHECK(s->cluster.groups[0].peak_gflop_per_s == 989'000);
  CHECK(s->cluster.groups[0].gpu_mem_bytes == 141'000'000'000);
  CHECK(s->workload.generate->model == "lineage");
  CHECK(s->workload.generate->size == SizeName::live);
  CHECK(s->workload.catalogue == "models/c.yaml");
  CHECK(s->workload.generate->zipf == 1.3);
  CHECK(s->workload.generate->gains.positive == 0.5);
  CHECK(s->workload.generate->gains.negative == 0);
  CHECK(s->workload.generate->gains.mean_loss == GainLaw{}.mean_loss);
  CHECK(s->publish.every_per_mille == 125);
  CHECK(s->publish.cost == seconds(30));
  const std::string once = effective_yaml(*s);
  const auto again = read_scenario_text("s.yaml", once);
  REQUIRE(again);
  CHECK(effective_yaml(*again) == once);
  CHECK(once.find("price: 2.485") != std::string::npos);
}

TEST_CASE("keys of another generator are refused", "[app][lineage]") {
  const auto workload = [](const std::string& generate) {
    return errors_of(
        "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 8, gpu: g } ] }\n"
        "workload: { load: 1, generate: " +
        generate + " }\n");
  };
  CHECK(workload("{ model: gavel, deadlines: true }").empty());
  CHECK(workload("{ model: gavel, mean: 1h }").find("`workload.generate.mean` is no key of the generator `gavel`") !=
        std::string::npos);
  CHECK(workload("{ model: poisson, zipf: 2 }").find("no key of the generator `poisson`") != std::string::npos);
  CHECK(workload("{ model: linage }").find("did you mean `lineage`") != std::string::npos);
  CHECK(workload("{ model: lineage, zipf: 11 }").find("a number from 0 to 10") != std::string::npos);
  CHECK(workload("{ model: lineage, gains: { positive: 0.9, negative: 0.2 } }").find("is 1.1, more than all") !=
        std::string::npos);
  CHECK(workload("{ model: lineage, gains: { positive: 2 } }").find("a number from 0 to 1") != std::string::npos);
  CHECK(workload("{ model: lineage, gains: { positiv: 1 } }").find("did you mean `positive`") != std::string::npos);
  CHECK(workload("{ model: gavel, gains: { positive: 1 } }").find("no key of the generator") != std::string::npos);
  CHECK(workload("{ model: lineage }").find("`workload.catalogue` is missing") != std::string::npos);
  CHECK(workload("{ model: lineage }").find("group `a` says no `peak_tflops`") != std::string::npos);
  CHECK(workload("{ model: gavel, size: live }").find("no key of the generator `gavel`") != std::string::npos);
  CHECK(errors_of("version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 8, gpu: g } ] }\n"
                  "workload: { load: 1, catalogue: c.yaml, generate: { model: gavel } }\n")
            .find("of no use to the generator `gavel`") != std::string::npos);
  CHECK(errors_of(minimal("publish: { every: 1.5 }\n")).find("a number from 0.001 to 0.999") != std::string::npos);
}

TEST_CASE("The misspelt name of a scenario or job file is told the one that is meant", "[app][scenario]") {
  const std::string root = ORRERY_SOURCE_DIR;
  using orrery::test::has;
  const auto s = read_scenario(root + "/scenarios/quickstrat.yaml");
  REQUIRE_FALSE(s);
  CHECK(has(render(s.error()), "did you mean `" + root + "/scenarios/quickstart.yaml`?"));
  const auto job = read_job_file(root + "/scenarios/jobs/toi.yaml");
  REQUIRE_FALSE(job);
  CHECK(has(render(job.error()), "did you mean `" + root + "/scenarios/jobs/toy.yaml`?"));
  CHECK_FALSE(has(render(read_scenario(root + "/scenarios/nobody.yaml").error()), "did you mean"));
  CHECK_FALSE(has(render(read_scenario(root + "/nowhere/quickstart.yaml").error()), "did you mean"));
}

TEST_CASE("What is wrong with a key that the user chooses is shown at the key", "[app][scenario]") {
  using orrery::test::has;
  const auto at_key = [](const std::string& rest, const std::string& key) {
    const std::string text = minimal(rest + "\n"), line = text.substr(text.find(rest), rest.size());
    const std::string said = errors_of(text), column = std::to_string(line.find(key + ":") + 1);
    INFO(said);
    CHECK(has(said, ":" + column + "\n"));
    CHECK(has(said, std::string(line.find(key + ":"), ' ') + std::string(key.size(), '^')));
  };
  at_key("policy: { name: tiresias, quees: 2 }", "quees");
  at_key("policy: { name: external, comand: [a] }", "comand");
  at_key("compare: { policies: [ { name: fifo, deep: 2 } ] }", "deep");
  at_key("performance: { profiles: p, hardware: { h201: x } }", "h201");
  CHECK(has(errors_of("version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 8, gpu: g } ] }\n"
                      "workload: { load: 1, generate: { gpus: { some: 1 } } }\n"),
            ":3:42\n"));
  // What is wrong with a value stays there; what stands on the command line has no place in the file.
  CHECK(has(errors_of(minimal("policy: { name: tiresias, starvation: x }\n")), ":39\n"));
  const auto set = read_scenario_text("s.yaml", minimal(""), {{"policy", "{ name: tiresias, quees: 2 }"}});
  REQUIRE_FALSE(set);
  CHECK(has(render(set.error()), "--> --set policy={ name: tiresias, quees: 2 }\n"));
}

TEST_CASE("A scenario or job file that is asked for where it used to lie is shown where it is", "[app][scenario]") {
  const std::string root = ORRERY_SOURCE_DIR;
  const auto said = [&root](const std::string& path) {
    const auto s = read_scenario(root + path);
    return s ? std::string() : render(s.error());
  };
  using orrery::test::has;
  CHECK(has(said("/scenarios/load.yaml"), "it is at `" + root + "/scenarios/studies/load.yaml`"));
  CHECK(has(said("/scenarios/philly-full.yaml"), "it is at `" + root + "/scenarios/recorded/philly-full.yaml`"));
  CHECK(has(said("/scenarios/live/quickstart.yaml"), "it is at `" + root + "/scenarios/quickstart.yaml`"));
  CHECK_FALSE(has(said("/scenarios/nobody.yaml"), "it is at"));
  const auto job = read_job_file(root + "/scenarios/models/toy.yaml");
  REQUIRE_FALSE(job);
  CHECK(has(render(job.error()), "it is at `" + root + "/scenarios/jobs/toy.yaml`"));
  CHECK(where_now(root + "/scenarios/quickstart.yaml").empty());
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(root + "/scenarios");
  CHECK(where_now("models/toy.yaml") == "jobs/toy.yaml");
  CHECK(where_now("live/quickstart.yaml") == "quickstart.yaml");
  std::filesystem::current_path(here);
}

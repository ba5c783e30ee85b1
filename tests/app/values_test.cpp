// Values that make no sense, for every option of every policy and for every number of every section of a scenario:
// each is an error that says where it stands, or a run that ends. Flags of the command line likewise.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <set>
#include <stdexcept>

#include "orrery_paths.hpp"
#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/args.hpp"
#include "scenarios/run/sim_world.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/control/controller.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

// Ends a run that does not end by itself.
class Bounded final : public Observer {
 public:
  void on_event(const Event&) override {
    if (++events_ > 200'000) throw std::runtime_error("the run does not end");
  }

 private:
  std::int64_t events_ = 0;
};

void run_to_its_end(Scenario scenario) {
  const std::string emulate = scenario.emulate;
  const PolicyConfig chosen = scenario.policy;
  const auto prepared = prepare(std::move(scenario));
  if (!prepared) {
    CHECK_FALSE(render(prepared.error()).empty());
    return;
  }
  const Scenario& s = prepared->scenario;
  const auto policy = make_policy(chosen, emulate, 1);
  REQUIRE(policy.has_value());
  RunRequest request;
  request.policy = chosen;
  const SimWorld world(*prepared, request, (*policy)->publishes());
  const PerformanceModel& model = world.truth();
  SimExecutor executor(*prepared->topology, prepared->workload, model, world.options());
  JobSource source(prepared->workload.specs, [](const JobSpec& j) { return j.user_estimate; });
  const Inventory empty(*prepared->topology);
  const auto placement = make_placement(chosen.placement, 1);
  ControllerOptions options;
  options.retry_budget = static_cast<std::uint32_t>(s.failures.retries);
  options.feasible = [&](const Demand& d) {
    Allocation ignored;
    return placement->place(d, empty, ignored);
  };
  Bounded bounded;
  Controller controller(executor, **policy, source, prepared->workload.specs, prepared->workload.demands, model,
                        options, {&bounded});
  (void)controller.run();
}

// An error of which every item has its place and line, or a scenario that runs to its end; which of both.
enum class Verdict { refused, ran };
Verdict judge(const std::string& text, int line) {
  auto scenario = read_scenario_text("s.yaml", text, {});
  if (scenario) {
    run_to_its_end(std::move(*scenario));
    return Verdict::ran;
  }
  for (const Diagnostic& d : scenario.error().items) {
    INFO(render(scenario.error()));
    CHECK(d.where.file == "s.yaml");
    CHECK(d.where.line == line);
    CHECK(d.where.column > 0);
  }
  return Verdict::refused;
}

const char* const kHead = "version: 1\n";
const char* const kCluster = "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4}]}\n";
const char* const kWorkload = "workload: {generate: {jobs: 6, mean: 20s}, load: 1.5}\n";

}  // namespace

TEST_CASE("every option of every policy: an error with its place, or a run that ends", "[app]") {
  std::size_t options = 0;
  for (const PolicyInfo& info : policy_table()) {
    for (const OptionSpec& option : info.options) {
      ++options;
      for (const char* value : {"0",
                                "0s",
                                "0GPUs",
                                "-1",
                                "-1s",
                                "-1GPUs",
                                "1",
                                "1s",
                                "1GPUs",
                                "999999999999",
                                "36500d",
                                "36501d",
                                "36500GPUd",
                                "99999999999999999999999",
                                "100000000000d",
                                "1e400",
                                "1e400s",
                                "many",
                                "[]",
                                "[1, 2]",
                                "[1s, 2s]",
                                "[2s, 1s]",
                                "[0s, 1s]",
                                "{a: 1}",
                                "~",
                                "''",
                                "nan",
                                "0.5",
                                "1.5s",
                                "yes"}) {
        INFO(info.name << " " << option.name << ": " << value);
        const std::string policy = fmt::format("policy: {{name: {}, {}: {}}}\n", info.name, option.name, value);
        const Verdict verdict = judge(std::string(kHead) + kCluster + kWorkload + policy, 4);
        const std::string text = value;
        if (text[0] == '-' || text == "many" || text == "nan" || text == "{a: 1}" || text == "~")
          CHECK(verdict == Verdict::refused);
      }
    }
  }
  CHECK(options > 15);
}

TEST_CASE("what the ranges of options refuse and take", "[app]") {
  const auto verdict = [](const std::string& policy) {
    return judge(std::string(kHead) + kCluster + kWorkload + "policy: " + policy + "\n", 4);
  };
  for (const char* policy :
       {"{name: gandiva, quantum: 0s}", "{name: gandiva, quantum: [60s, 90s]}", "{name: gandiva, quantum: 60GPUs}",
        "{name: gandiva, most: 0}", "{name: optimus, period: 0s}", "{name: titan, period: 0s}",
        "{name: themis, lease: 0s}", "{name: themis, percent: 500}", "{name: themis, percent: 0}",
        "{name: easy, depth: 0}", "{name: las, quantum: 0s}", "{name: gittins, quantum: 0s}",
        "{name: las, hold: 9GPUs}", "{name: tiresias, limits: [0s, 1h]}", "{name: tiresias, starvation: 1000001}"}) {
    INFO(policy);
    CHECK(verdict(policy) == Verdict::refused);
  }
  for (const char* policy :
       {"{name: gandiva, quantum: 1s, most: 1}", "{name: gandiva, quantum: [90s]}", "{name: easy, depth: 1000000}",
        "{name: themis, percent: 100, lease: 1.5h}", "{name: las, quantum: 40s, hold: 0s}",
        "{name: tiresias, limits: []}", "{name: gittins, quantum: [16GPUh], horizon: sup}",
        "{name: tiresias, starvation: 1000000}"}) {
    INFO(policy);
    CHECK(verdict(policy) == Verdict::ran);
  }
  const auto error = read_scenario_text(
      "s.yaml", std::string(kHead) + kCluster + kWorkload + "policy: {name: themis, percent: 500}\n", {});
  REQUIRE_FALSE(error.has_value());
  CHECK(render(error.error())
            .find("option `percent` of policy `themis` is `500`, must be a whole number from 1 to 100") !=
        std::string::npos);
}

TEST_CASE("every number of every section: an error with its place, or a run that ends", "[app]") {
  // One line each; # is the value.
  const std::vector<std::string> cluster{
      "cluster: {groups: [{name: n, count: #, gpus_per_node: 4}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, cpus: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, mem: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, rack_size: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, nvlink: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, nic: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, uplink: #, rack_size: 1}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, gpu_memory: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, price: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, idle_watt: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, busy_watt: #}]}",
      "cluster: {groups: [{name: n, count: 2, gpus_per_node: 4, peak_tflops: #}]}"};
  const std::vector<std::string> workload{
      "workload: {generate: {jobs: #, mean: 20s}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: #}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: 20s}, load: #}",
      "workload: {generate: {jobs: 6, mean: 20s, rate: #}}",
      "workload: {generate: {jobs: 6, mean: 20s, gpus: {1: #, 2: 1}}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: 20s, law: lognormal, sigma: #}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: 20s, tenants: #}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: 20s, overestimate: #}, load: 1.5}",
      "workload: {generate: {jobs: 6, mean: 20s}, load: 1.5, slice: {skip: #}}",
      "workload: {generate: {jobs: 6, mean: 20s}, load: 1.5, slice: {jobs: #}}"};
  const std::vector<std::string> others{
      "overheads: {launch: #}",
      "overheads: {stop: #}",
      "overheads: {restart: #}",
      "overheads: {restart: {default: #}}",
      "overheads: {restart: {m: #}}",
      "overheads: {restart: {by: checkpoint, bandwidth: #}}",
      "overheads: {restart: {by: checkpoint, bandwidth: 1GB/s, storage: #}}",
      "overheads: {restart: {by: checkpoint, bandwidth: 1GB/s, bytes: {default: #}}}",
      "overheads: {restart: {by: checkpoint, bandwidth: 1GB/s, start: #}}",
      "overheads: {restart: {by: checkpoint, bandwidth: 1GB/s, per_rank: #}}",
      "failures: {node_mtbf: #}",
      "failures: {node_mtbf: 2m, repair: #}",
      "failures: {node_mtbf: 2m, retries: #}",
      "failures: {outages: [{node: #, from: 0s, to: 9s}]}",
      "failures: {outages: [{node: 0, from: #, to: 9s}]}",
      "failures: {outages: [{node: 0, from: 1s, to: #}]}",
      "failures: {stragglers: {node_mtbs: #}}",
      "failures: {stragglers: {node_mtbs: 1m, slowdown: #}}",
      "failures: {stragglers: {node_mtbs: 1m, lasts: #}}",
      "failures: {stragglers: {spells: [{node: 0, from: 1s, to: 9s, slowdown: #}]}}",
      "failures: {node_mtbf: 1h, lemons: {share: #, rate: 2}}",
      "failures: {node_mtbf: 1h, lemons: {share: 0.5, rate: #}}",
      "checkpoints: {every: #}",
      "checkpoints: {every: 10s, cost: #}",
      "checkpoints: {every: 10s, cost: {by: checkpoint, bandwidth: #}}",
      "publish: {every: #}",
      "publish: {every: 0.5, cost: #}",
      "merging: {gamma: #}",
      "bubbles: {step: #}",
      "bubbles: {share: #}",
      "bubbles: {stages: #}",
      "bubbles: {micro_batches: #}",
      "bubbles: {towers: [#]}",
      "bubbles: {towers: [1s], ranks: #}",
      "bubbles: {towers: [1s], gradients: #}",
      "bubbles: {towers: [1s], link: #}",
      "bubbles: {unit: #}",
      "bubbles: {switch: #}",
      "bubbles: {interference: #}",
      "bubbles: {report: #}",
      "network: {step: {compute: #, gradients: 1MB}}",
      "network: {step: {compute: 100ms, gradients: #}}",
      "network: {step: {compute: 100ms, gradients: 1MB, hidden: #}}",
      "network: {step: {gradients: 1MB}, models: {m: {gradients: #}}}",
      "live: {time_scale: #}",
      "live: {step: #}",
      "live: {lease: #}",
      "live: {watchdog: #}",
      "seeds: #"};
  std::size_t refused = 0, ran = 0;
  const auto try_all = [&](const std::string& line, int at, const auto& text_of) {
    for (const char* value : {"0",
                              "0s",
                              "0B",
                              "0Gb/s",
                              "0/h",
                              "-1",
                              "-1s",
                              "-1GB",
                              "0.5",
                              "1",
                              "1s",
                              "1ns",
                              "100000d",
                              "1B",
                              "1b/s",
                              "9e9TB",
                              "1e18",
                              "99999999999999999999999",
                              "1000000000000000d",
                              "many",
                              "[1]",
                              "{a: {b: 1}}",
                              "~",
                              "nan",
                              "inf"}) {
      std::string one = line;
      one.replace(one.find('#'), 1, value);
      INFO(one);
      const std::string text = value;
      const Verdict verdict = judge(text_of(one + "\n"), at);
      ++(verdict == Verdict::ran ? ran : refused);
      if (text[0] == '-' || text == "many" || text == "~" || text == "nan" || text == "inf" || text.size() > 16)
        CHECK(verdict == Verdict::refused);
    }
  };
  const std::string policy = "policy: fifo\n";
  for (const std::string& line : cluster)
    try_all(line, 2, [&](const std::string& one) { return kHead + one + kWorkload + policy; });
  for (const std::string& line : workload)
    try_all(line, 3, [&](const std::string& one) { return std::string(kHead) + kCluster + one + policy; });
  for (const std::string& line : others)
    try_all(line, 5,
            [&](const std::string& one) { return std::string(kHead) + kCluster + kWorkload + policy + one; });
  CHECK(refused > 1000);
  CHECK(ran > 100);
}

TEST_CASE("zero is a number where nothing is a value, and none where it is not", "[app]") {
  const auto verdict = [](const std::string& line) {
    return judge(std::string(kHead) + kCluster + kWorkload + "policy: fifo\n" + line + "\n", 5);
  };
  CHECK(verdict("network: {step: {compute: 100ms, gradients: 1MB, hidden: 0}}") == Verdict::ran);
  CHECK(verdict("network: {step: {compute: 100ms, gradients: 1MB, hidden: 1}}") == Verdict::ran);
  CHECK(verdict("network: {step: {compute: 100ms, gradients: 1MB, hidden: 1.01}}") == Verdict::refused);
  CHECK(verdict("checkpoints: {every: 0s}") == Verdict::ran);
  CHECK(verdict("checkpoints: {every: 1ms}") == Verdict::refused);
  CHECK(verdict("failures: {node_mtbf: 0s}") == Verdict::ran);
  CHECK(verdict("failures: {node_mtbf: 1s}") == Verdict::refused);
  // A model that hides nothing, beside a step that does: written and read again it still hides nothing.
  const auto s = read_scenario_text(
      "s.yaml",
      std::string(kHead) + kCluster + kWorkload +
          "network: {step: {compute: 100ms, gradients: 1MB, hidden: 0.5}, models: {m: {hidden: 0}}}\n",
      {});
  REQUIRE(s.has_value());
  const auto again = read_scenario_text("t.yaml", effective_yaml(*s), {});
  REQUIRE(again.has_value());
  CHECK(again->network->step.hidden_per_mille == 500);
  CHECK(again->network->models.at("m").hidden_per_mille == 0);
}

TEST_CASE("numbers of the command line have ranges", "[app]") {
  const auto said = [](const std::vector<std::string>& arguments) {
    Args args("orrery test", {});
    args.options()("threads,j", taking<unsigned>(), "")("seeds", taking<int>(), "")("steps", taking<std::int64_t>(),
                                                                                    "")("gate", taking<double>(), "");
    args.within("threads", 1, 1024);
    args.within("seeds", 1, 1000);
    args.within("steps", 2, 10);
    args.within("gate", 0, 1000);
    const auto ok = args.parse(arguments);
    return ok ? std::string() : ok.error().items.front().message;
  };
  CHECK(said({"-j", "4", "--seeds", "1000", "--steps", "2", "--gate", "0.5"}).empty());
  CHECK(said({"-j", "0"}) == "--threads is `0`; it must be from 1 to 1024");
  CHECK(said({"-j", "-1"}) == "--threads is `-1`; it must be a whole number >= 0");
  CHECK(said({"--seeds", "-3"}) == "--seeds is `-3`; it must be from 1 to 1000");
  CHECK(said({"--steps", "1"}) == "--steps is `1`; it must be from 2 to 10");
  CHECK(said({"--gate", "nan"}) == "--gate is `nan`; it must be from 0 to 1000");
  CHECK(said({"--gate", "-1"}) == "--gate is `-1`; it must be from 0 to 1000");
  CHECK_FALSE(said({"--seeds", "99999999999999999999"}).empty());
}

TEST_CASE("an option or an argument without a value is named", "[app]") {
  const auto said = [](const std::vector<std::string>& arguments) {
    Args args("orrery test", {"scenario"});
    args.options()("policy", taking<std::string>(), "")("set", taking<std::vector<std::string>>(), "")("quiet,q", "");
    const auto ok = args.parse(arguments);
    return ok ? std::string() : ok.error().items.front().message;
  };
  CHECK(said({"a.yaml", "--policy", "fifo", "-q", "--set", "a=1", "--set", "b="}).empty());
  CHECK(said({"a.yaml", "--policy", ""}) == "--policy is empty; it wants a value");
  CHECK(said({"a.yaml", "--set", "a=1", "--set", ""}) == "--set is empty; it wants a value");
  CHECK(said({""}) == "the argument scenario is empty");
}

// One catalogue for the simulated and the live lineage scenario: both take their jobs from it, and what is changed in
// it changes in both.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <map>
#include <set>

#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "tests/support/catalogue.hpp"
#include "tests/support/temp_dir.hpp"
#include "traces/format/text_file.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;
namespace fs = std::filesystem;

const std::string kSimulated = std::string(ORRERY_SOURCE_DIR) + "/scenarios/studies/lineage.yaml";
const std::string kLive = std::string(ORRERY_SOURCE_DIR) + "/scenarios/live/lineage.yaml";
const std::string kStudy = std::string(ORRERY_SOURCE_DIR) + "/scenarios/live/lineage-study.yaml";

// A scenario with the catalogue of another folder; empty = its own.
Prepared prepared_with(const std::string& file, const std::string& catalogue = {}) {
  std::vector<Override> overrides;
  if (!catalogue.empty()) overrides.emplace_back("workload.catalogue", catalogue);
  auto scenario = read_scenario(file, overrides);
  if (!scenario) FAIL(render(scenario.error()));
  auto p = prepare(*std::move(scenario));
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

// GPU-seconds of the jobs by model.
std::map<std::string, double> gpu_seconds(const Prepared& p) {
  std::map<std::string, double> out;
  for (const JobSpec& spec : p.workload.specs)
    out[spec.model] += to_seconds(Duration{p.workload.truths[spec.id.index()].work.ns}) * spec.demand.gpus;
  return out;
}

void replace_in(const std::string& file, const std::string& from, const std::string& to) {
  std::string text = read_text_file(file).value();
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(write_text_file(file, text.replace(at, from.size(), to)).has_value());
}

TEST_CASE("catalogue: the simulated and the live lineage have their jobs from one file", "[catalogue][lineage]") {
  const Prepared simulated = prepared_with(kSimulated), live = prepared_with(kLive);
  REQUIRE(simulated.catalogue);
  REQUIRE(live.catalogue);
  CHECK(fs::equivalent(simulated.catalogue->catalogue.file, live.catalogue->catalogue.file));
  std::set<std::string> simulated_models, live_models;
  for (const JobSpec& spec : simulated.workload.specs) {
    INFO(spec.name << " " << spec.model);
    simulated_models.insert(spec.model);
    const CatalogueJob* job = simulated.catalogue->catalogue.find(spec.model);
    REQUIRE(job != nullptr);
    CHECK((spec.kind == job->kind || spec.kind == JobKind::hpo));
    // What the live scenario would train under this name.
    const auto trained = trained_job(live, spec.model);
    REQUIRE(trained.has_value());
    REQUIRE(trained->has_value());
    CHECK((*trained)->steps == job->live.run.steps);
  }
  CHECK(simulated_models.size() == simulated.catalogue->catalogue.jobs.size());
  for (const JobSpec& spec : live.workload.specs) {
    INFO(spec.name << " " << spec.model);
    live_models.insert(spec.model);
    CHECK(simulated_models.count(spec.model) == 1);
    // Run times that the trace leaves out are those of the catalogue's steps.
    const CatalogueSize& size = live.catalogue->catalogue.find(spec.model)->live;
    CHECK(live.workload.truths[spec.id.index()].work.ns == size.step.ns * size.run.steps);
  }
  CHECK(live_models.size() == 7);
}

TEST_CASE("catalogue: a changed entry changes the simulated and the live jobs", "[catalogue][lineage]") {
  const test::TempFolder folder;
  for (const auto& entry : fs::directory_iterator(fs::path(test::kShippedCatalogue).parent_path()))
    fs::copy(entry.path(), folder.file(entry.path().filename().string()));
  const std::string catalogue = folder.file("catalogue.yaml");
  const auto before = gpu_seconds(prepared_with(kSimulated, catalogue));
  const auto live_before = gpu_seconds(prepared_with(kLive, catalogue));
  CHECK(before == gpu_seconds(prepared_with(kSimulated)));
  CHECK(live_before == gpu_seconds(prepared_with(kLive)));

  // The model file: what is trained, and how much work its grown size is.
  replace_in(folder.file("transfer-lora.yaml"), "rank: 4", "rank: 64");
  const auto wider = gpu_seconds(prepared_with(kSimulated, catalogue));
  CHECK(wider.at("shape-lora") > before.at("shape-lora") * 1.01);
  CHECK(wider.at("shape-probe") == Approx(before.at("shape-probe")));
  const auto trained = trained_job(prepared_with(kLive, catalogue), "shape-lora").value();
  CHECK((*trained->config)["model"]["transfer"]["rank"] == 64);

  // The entry: other names and other numbers of steps.
  replace_in(catalogue, "  shape-lora:", "  shape-low-rank:");
  CHECK(gpu_seconds(prepared_with(kSimulated, catalogue)).count("shape-low-rank") == 1);
  auto renamed = read_scenario(kLive, {{"workload.catalogue", catalogue}});
  REQUIRE(renamed);
  const auto refused = prepare(*std::move(renamed));
  REQUIRE_FALSE(refused);
  CHECK(render(refused.error()).find("job `shape-lora` is of model `shape-lora`, which is not in the catalogue") !=
        std::string::npos);
  replace_in(catalogue, "  shape-low-rank:", "  shape-lora:");
  replace_in(catalogue, "steps: 160\n", "steps: 320\n");
  replace_in(catalogue, "steps: 90000\n", "steps: 180000\n");
  CHECK(gpu_seconds(prepared_with(kLive, catalogue)).at("pairs") == Approx(2 * live_before.at("pairs")));
  CHECK(gpu_seconds(prepared_with(kSimulated, catalogue)).at("pairs") == Approx(2 * wider.at("pairs")).epsilon(1e-6));
  CHECK(trained_job(prepared_with(kLive, catalogue), "pairs").value()->steps == 320);
}

TEST_CASE("catalogue: the generator makes live-sized workloads, too", "[catalogue][lineage]") {
  const auto text = fmt::format(
      "version: 1\ncluster: {{ groups: [ {{ name: slots, count: 1, gpus_per_node: 4, gpu: cpu }} ] }}\n"
      "workload: {{ catalogue: {}, load: 0.9, generate: {{ model: lineage, size: live, jobs: 40 }} }}\nlive: {{}}\n",
      test::kShippedCatalogue);
  auto scenario = read_scenario_text("s.yaml", text);
  if (!scenario) FAIL(render(scenario.error()));
  const auto p = prepare(*std::move(scenario));
  REQUIRE(p);
  for (const JobSpec& spec : p->workload.specs) {
    const CatalogueSize& size = p->catalogue->catalogue.find(spec.model)->live;
    CHECK(spec.demand.gpus <= 2);
    CHECK(p->workload.truths[spec.id.index()].work.ns == size.step.ns * size.run.steps);
    CHECK(trained_job(*p, spec.model).value()->steps == size.run.steps);
  }
}

TEST_CASE("catalogue: sizes are merged over the job file, towers come from the parent", "[catalogue]") {
  const auto read = test::read_small();
  if (!read) FAIL(render(read.error()));
  const Catalogue& c = (*read)->catalogue;
  REQUIRE(c.jobs.size() == 3);
  const CatalogueJob &base = c.jobs[0], &tune = c.jobs[1], &look = c.jobs[2];
  CHECK(base.live.run.steps == 20);
  CHECK(base.live.run.global_batch == 32);
  CHECK(base.cluster.run.steps == 5000);
  CHECK(base.cluster.run.model.image->stack == StackConfig{256, 4, 4, 4});
  CHECK(base.cluster.run.model.image->patch == 8);
  CHECK(base.live.run.model.image->stack.width == 64);
  CHECK(tune.cluster.run.model.image == base.cluster.run.model.image);
  CHECK(tune.live.run.model.image == base.live.run.model.image);
  CHECK(tune.after[0].hard_per_mille == std::vector<std::int32_t>{500, 1000});
  CHECK(look.cluster.run.samples == 256);
  CHECK((*read)->live.at("base").steps == 20);
  CHECK((*(*read)->live.at("base").config)["steps"] == 20);
  CHECK((*read)->live.at("tune").path == "full.yaml");
}

TEST_CASE("catalogue: rows of a trace that do not agree with it", "[catalogue]") {
  const auto read = test::read_small();
  REQUIRE(read);
  const Catalogue& c = (*read)->catalogue;
  const auto apply = [&c](const std::string& rows, SizeName size, const TrainingDevice& device) {
    auto trace = read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s,kind,model,after\n" + rows);
    if (!trace) FAIL(render(trace.error()));
    const auto ok = apply_catalogue(c, size, device, "t.csv", *trace);
    return ok ? fmt::format("{}", to_seconds(trace->jobs[0].duration)) : render(ok.error());
  };
  CHECK(apply("a,0,1,,,base,\n", SizeName::live, {}) == "1");
  CHECK(apply("a,0,1,7,pretrain,base,\n", SizeName::live, {}) == "7");
  CHECK(apply("a,0,1,7,hpo,tune,\n", SizeName::live, {}) == "7");
  const double s = std::stod(apply("a,0,8,,,base,\n", SizeName::cluster, kH200Node));
  CHECK(s == Approx(training_cost(c.jobs[0].cluster.run, 8, kH200Node).total_s(5000)));
  CHECK(apply("a,0,1,,,bas,\n", SizeName::live, {}).find("did you mean `base`?") != std::string::npos);
  CHECK(apply("a,0,1,7,eval,base,\n", SizeName::live, {}).find("is of kind `pretrain` in the catalogue c.yaml") !=
        std::string::npos);
  CHECK(apply("a,0,1,,,base,\n", SizeName::cluster, {}).find("says no `peak_tflops`") != std::string::npos);
  const auto t = read_trace_text("t.csv",
                                 "job_id,submit_s,gpus,duration_s,kind,model,after\n"
                                 "a,0,1,5,transfer,tune,\nb,0,1,5,transfer,tune,a@hard\n");
  NodeGroup one;
  one.count = one.gpus_per_node = 1;
  const auto w = to_workload(*t, Topology({one}), "t.csv");
  REQUIRE(w);
  const auto unknown = check_parents(c, *w);
  REQUIRE_FALSE(unknown);
  CHECK(render(unknown.error()).find("job `b` (`tune`) descends from `a` (`tune`)") != std::string::npos);
}

TEST_CASE("catalogue: what does not fit the memory of a GPU is an error", "[catalogue]") {
  TrainingDevice small = kH200Node;
  small.memory_bytes = 40e9;
  const auto read = read_catalogue(test::kShippedCatalogue, &small);
  REQUIRE_FALSE(read);
  const std::string said = render(read.error());
  INFO(said);
  CHECK(said.find("`jobs.pairs.cluster.gpus`: on 64 GPUs each has to hold") != std::string::npos);
  CHECK(said.find("catalogue.yaml:") != std::string::npos);
  CHECK(read_catalogue(test::kShippedCatalogue, &kH200Node).has_value());
}

TEST_CASE("catalogue: members of a grid differ in what they try, and in nothing else", "[catalogue][grid]") {
  const auto with = [](const std::string& live) {
    std::string text = test::kSmallCatalogue;
    const std::string plain = "live: { step: 20ms }";
    return test::read_small(text.replace(text.find(plain), plain.size(), "live: " + live));
  };
  // `set` holds for all members, wherever it stands.
  const auto read = with(
      "{ step: 20ms, grid: [ { optimizer: { lr: 0.01 } }, { optimizer: { lr: 0.1 }, seed: 7 }, {} ],\n"
      "            set: { steps: 30, optimizer: { lr: 0.5, warmup: 4 } } }");
  if (!read) FAIL(render(read.error()));
  REQUIRE((*read)->grids.size() == 1);
  const std::vector<JobFile>& grid = (*read)->grids.at("tune");
  REQUIRE(grid.size() == 3);
  const double rates[] = {0.01, 0.1, 0.5};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(grid[i].steps == 30);
    CHECK((*grid[i].config)["optimizer"]["lr"] == rates[i]);
    CHECK((*grid[i].config)["optimizer"]["warmup"] == 4);
    CHECK(grid[i].config->value("seed", 1) == (i == 1 ? 7 : 1));
    CHECK((*grid[i].config)["model"] == (*(*read)->live.at("tune").config)["model"]);
  }
  CHECK((*(*read)->live.at("tune").config)["optimizer"]["lr"] == 0.5);

  const auto said = [&with](const std::string& live) {
    const auto refused = with(live);
    return refused ? std::string() : render(refused.error());
  };
  CHECK(said("{ step: 20ms, grid: [ { steps: 10 } ] }").find("unknown key `steps`") != std::string::npos);
  CHECK(said("{ step: 20ms, grid: [] }").find("`jobs.tune.live.grid` has no members") != std::string::npos);
  CHECK(said("{ step: 20ms, grid: [ { optimizer: { lr: fast } } ] }").find("jobs.tune.live.grid") !=
        std::string::npos);
  CHECK(said("{ step: 20ms, grid: 3 }").find("jobs.tune.live.grid") != std::string::npos);
  // Only what is trained live has learning rates.
  std::string cluster = test::kSmallCatalogue;
  const std::string plain = "cluster: { gpus: 2 }";
  const auto refused =
      test::read_small(cluster.replace(cluster.find(plain), plain.size(), "cluster: { grid: [ {} ] }"));
  REQUIRE_FALSE(refused);
  CHECK(render(refused.error()).find("unknown key `grid`") != std::string::npos);
}

TEST_CASE("catalogue: the live study's grids, lineages and foretold gain", "[catalogue][grid][lineage]") {
  const Prepared study = prepared_with(kStudy);
  std::map<std::string, std::size_t> of_model;
  std::map<std::string, std::set<double>> rates;
  int descendants = 0;
  for (const JobSpec& spec : study.workload.specs) {
    descendants += spec.after.empty() ? 0 : 1;
    const JobFile* const member = grid_member(study, spec.model, of_model[spec.model]++);
    REQUIRE((member != nullptr) == (spec.kind == JobKind::hpo));
    if (member != nullptr) rates[spec.model].insert((*member->config)["optimizer"]["lr"].get<double>());
  }
  CHECK(descendants >= 16);
  REQUIRE(rates.size() == 2);
  for (const auto& [model, tried] : rates) CHECK(tried.size() == 6);
  // In turn: the seventh job of a grid of six is its first member again.
  CHECK(grid_member(study, "count-lora", 6) == grid_member(study, "count-lora", 0));
  CHECK(grid_member(study, "pairs", 0) == nullptr);

  std::map<std::string, double> mean_jct_s;
  for (const PolicyConfig& policy : study.scenario.compare_policies) {
    RunRequest request;
    request.policy = policy;
    const auto report = simulate(study, request);
    if (!report) FAIL(render(report.error()));
    CHECK(report->violations == 0);
    CHECK(report->result.summary.finished == static_cast<std::int64_t>(study.workload.specs.size()));
    CHECK(report->result.summary.makespan_s < 480);
    mean_jct_s[policy.name] = report->result.summary.mean_jct_s;
  }
  CHECK(mean_jct_s.size() == 3);
  CHECK(mean_jct_s.at("lineage") < 0.9 * mean_jct_s.at("srsf"));
}

}  // namespace

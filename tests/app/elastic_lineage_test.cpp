// Elastic jobs of a catalogue: their speed is the cost model's, and what they ask for is the measure of it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

#include "orrery_paths.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "traces/format/text_file.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

Prepared with_elastic(const std::string& share) {
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/studies/lineage.yaml",
                                {{"workload.generate.elastic", share}, {"workload.generate.jobs", "150"}});
  if (!scenario) FAIL(render(scenario.error()));
  auto p = prepare(*std::move(scenario));
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

double mean_jct(const Prepared& p, const std::string& policy) {
  RunRequest request;
  request.policy.name = policy;
  request.policy.placement = "consolidated";
  const auto report = simulate(p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->failure == "");
  return report->result.summary.mean_jct_s;
}

}  // namespace

TEST_CASE("elastic lineages: speed follows the cost model, at rate 1 on what a job asks for", "[app][lineage]") {
  const Prepared p = with_elastic("1");
  REQUIRE(p.profiled != nullptr);
  const TrainingDevice device = training_device(p.scenario.cluster.groups);
  int checked = 0;
  for (const JobSpec& spec : p.workload.specs) {
    if (spec.max_gpus == spec.min_gpus) continue;
    ++checked;
    const CatalogueJob& job = *p.catalogue->catalogue.find(spec.model);
    const double asked = size_cost(job, SizeName::cluster, spec.demand.gpus, device).seconds;
    std::int64_t before = 0;
    for (std::int32_t g = spec.min_gpus; g <= spec.max_gpus; g += std::max(1, spec.min_gpus / 2)) {
      const Speed speed = p.model().speed(spec, Shape::packed(g), {}, {});
      REQUIRE(speed.known);
      CHECK(speed.rate.per_billion > before);  // a GPU more is never for nothing
      before = speed.rate.per_billion;
      if ((g & (g - 1)) != 0) continue;
      const double there = size_cost(job, SizeName::cluster, g, device).seconds;
      CHECK(static_cast<double>(speed.rate.per_billion) / 1e9 == Approx(asked / there).epsilon(1e-6));
    }
    CHECK(p.model().speed(spec, Shape::packed(spec.demand.gpus), {}, {}).rate == kUnitRate);
  }
  CHECK(checked > 100);
}

TEST_CASE("elastic lineages: rigid policies do not notice, elastic ones gain", "[app][lineage]") {
  const Prepared rigid = with_elastic("0"), half = with_elastic("0.5");
  CHECK(rigid.profiled == nullptr);
  CHECK(mean_jct(rigid, "srsf") == mean_jct(half, "srsf"));
  CHECK(mean_jct(half, "optimus") < mean_jct(half, "srsf"));
}

TEST_CASE("keys of generated lineages that say what cannot be", "[app][lineage]") {
  const auto wrong = [](const std::string& keys) {
    const auto read = read_scenario_text(
        "/d/s.yaml",
        "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 1, peak_tflops: 9 } ] }\n"
        "workload:\n  catalogue: /c.yaml\n  load: 1\n  generate: { jobs: 9, " +
            keys + " }\npolicy: fifo\n");
    REQUIRE_FALSE(read.has_value());
    const Diagnostic& d = read.error().items.front();
    CHECK(d.where.line == 6);
    CHECK(d.where.column > 0);
    return d.message + "; " + d.hint;
  };
  CHECK(wrong("model: lineage, parents: busrt") ==
        "`workload.generate.parents` is `busrt`; it must be one of natural, burst, staggered; did you mean `burst`?");
  CHECK(wrong("model: lineage, children: 1") ==
        "`workload.generate.children` is `1`; it must be a number from 0.001 to 0.99; ");
  CHECK(wrong("model: lineage, independent: 2") ==
        "`workload.generate.independent` is `2`; it must be a number from 0 to 0.99; ");
  CHECK(wrong("model: lineage, size: live, elastic: 0.5").find("is for jobs of size `cluster`") != std::string::npos);
  CHECK(wrong("edges: false") == "`workload.generate.edges` is no key of the generator `poisson`; ");
}

// The comment at the head of a study says the share of GPU-time in children; here it is what is generated.
TEST_CASE("lineage studies: what is in children is what they say", "[app][lineage]") {
  int studies = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(ORRERY_SOURCE_DIR) + "/scenarios/studies")) {
    const std::string file = entry.path().string();
    if (entry.path().filename().string().rfind("lineage-", 0) != 0) continue;
    INFO(file);
    ++studies;
    const std::string text = read_text_file(file).value();
    CHECK(text[0] == '#');
    CHECK(text.substr(0, text.find("version:")).find(" GPU-time") != std::string::npos);
    auto scenario = read_scenario(file);
    if (!scenario) FAIL(render(scenario.error()));
    const GenerateSpec made = *scenario->workload.generate;
    CHECK(scenario->name == entry.path().stem().string());
    CHECK(scenario->compare_policies.size() == (made.phases.empty() ? 9U : 10U));
    CHECK(scenario->workload.estimates == EstimateSource::oracle);
    const auto p = prepare(*std::move(scenario));
    if (!p) FAIL(render(p.error()));
    double children = 0, all = 0;
    for (const JobSpec& spec : p->workload.specs) {
      const double gpu_s = to_seconds(Duration{p->workload.truths[spec.id.index()].work.ns}) * spec.demand.gpus;
      all += gpu_s;
      if (!spec.after.empty()) children += gpu_s;
    }
    if (made.children > 0)
      CHECK(children / all == Approx(made.children * (1 - made.independent)).epsilon(0.01));
    else
      CHECK(children / all == Approx(made.edges ? 0.12 : 0).margin(0.04));
  }
  CHECK(studies == 15);
}

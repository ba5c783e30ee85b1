// `by: checkpoint`: each job pays for its own bytes when it restarts and when it saves. Vectors worked out by hand.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "orrery_paths.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using orrery::test::has;
using namespace orrery::app;
using orrery::test::prepared;

// A job of 16 GPUs, which fill two nodes, and one of one GPU.
struct Folder : test::TempFolder {
  Folder() { write("large,0,16,100,gpt\nsmall,0,1,100,probe\n"); }
  void write(const std::string& rows) const {
    std::ofstream(file("jobs.csv")) << "job_id,submit_s,gpus,duration_s,model\n" << rows;
  }
  [[nodiscard]] std::string scenario(const std::string& more) const {
    return fmt::format(
        "version: 1\ncluster: {{ groups: [ {{ name: a, count: 4, gpus_per_node: 8 }} ] }}\n"
        "workload: {{ trace: '{}' }}\npolicy: {{ name: fifo, placement: consolidated }}\n{}\n",
        file("jobs.csv"), more);
  }
};

std::vector<double> in_seconds(const std::vector<Duration>& all) {
  std::vector<double> out;
  for (const Duration d : all) out.push_back(to_seconds(d));
  return out;
}

std::string refusal(const std::string& text) {
  const auto p = prepared(text);
  return p ? std::string() : render(p.error());
}

}  // namespace

TEST_CASE("a restart loads the job's own checkpoint, a part on each of its nodes", "[app][checkpoints]") {
  const Folder f;
  const std::string sizes = "bytes: { gpt: 320GB, default: 1GB }";
  const auto p = prepared(f.scenario(fmt::format(
      "overheads: {{ restart: {{ by: checkpoint, bandwidth: 2GB/s, start: 10s, per_rank: 100ms, {0} }} }}\n"
      "checkpoints: {{ every: 10m, cost: {{ by: checkpoint, bandwidth: 1GB/s, storage: 1GB/s, {0} }} }}\n",
      sizes)));
  if (!p) FAIL(render(p.error()));
  // 10 s, 16 GPUs connect for 0.1 s each, 160 GB on each of two nodes at 2 GB/s; 1 GB on one.
  CHECK(in_seconds(p->checkpoint_costs.restart) == std::vector<double>{10 + 1.6 + 80, 10 + 0.1 + 0.5});
  // Both nodes together write no faster than the storage takes it.
  CHECK(in_seconds(p->checkpoint_costs.save) == std::vector<double>{320, 1});

  const auto written = read_scenario_text("/t.yaml", effective_yaml(p->scenario));
  REQUIRE(written);
  CHECK(effective_yaml(*written) == effective_yaml(p->scenario));
}

TEST_CASE("in the simulation a job that lost its node pays for its bytes once more", "[app][checkpoints]") {
  const Folder f;
  f.write("small,0,8,100,probe\n");
  // All of the work is lost at 50 s; from 60 s on 1 GB is loaded, after 26 s and 8 x 10 ms.
  const auto p = prepared(
      f.scenario("overheads: { launch: 3s, restart: { by: checkpoint, bandwidth: 2GB/s, bytes: { probe: 1GB } } }\n"
                 "failures: { outages: [ { node: 0, from: 50s, to: 60s }, { node: 1, from: 0s, to: 60s },\n"
                 "  { node: 2, from: 0s, to: 60s }, { node: 3, from: 0s, to: 60s } ] }"));
  if (!p) FAIL(render(p.error()));
  RunRequest request;
  request.policy = p->scenario.policy;
  const auto report = simulate(*p, request).value();
  CHECK(report.failure.empty());
  REQUIRE(report.result.jct_by_job_s.size() == 1);
  CHECK(report.result.jct_by_job_s[0] == Approx(60 + 3 + 26.08 + 0.5 + 100).epsilon(1e-12));
}

TEST_CASE("a job whose checkpoint nobody knows the size of is named", "[app][checkpoints]") {
  const Folder f;
  const std::string unknown =
      refusal(f.scenario("overheads: { restart: { by: checkpoint, bandwidth: 2GB/s, bytes: { gpt: 320GB } } }"));
  CHECK(has(unknown, "job `small` is of model `probe`: nobody knows how large its checkpoint is"));
  CHECK(has(unknown, "overheads.restart.bytes: { probe: 5GB }"));
  CHECK_FALSE(has(unknown, "large`"));
  const std::string slow = refusal(f.scenario("overheads: { restart: { by: checkpoint } }"));
  CHECK(has(slow, "`overheads.restart.bandwidth` is missing"));
  CHECK(has(refusal(f.scenario("overheads: { restart: { by: chekpoint, bandwidth: 1GB/s } }")), "chekpoint"));
  CHECK(has(refusal(f.scenario("checkpoints: { cost: { by: checkpoint, bandwidth: 1GB/s } }")),
            "`checkpoints.cost` does nothing without `checkpoints.every`"));
}

TEST_CASE("in the lineage scenario every job restarts from the parameters of its catalogue entry",
          "[app][checkpoints][lineage]") {
  auto scenario = read_scenario(std::string(ORRERY_SOURCE_DIR) + "/scenarios/studies/lineage.yaml");
  REQUIRE(scenario);
  scenario->workload.generate->jobs = 300;
  const auto p = prepare(std::move(*scenario));
  if (!p) FAIL(render(p.error()));
  double least = 1e9, most = 0;
  for (const JobSpec& spec : p->workload.specs) {
    const ParameterCount n = parameter_count(p->catalogue->catalogue.find(spec.model)->cluster.run.model);
    const bool eval = spec.kind == JobKind::eval;
    const double bytes = 2.0 * static_cast<double>(n.total) + (eval ? 0 : 12.0 * static_cast<double>(n.trainable));
    const int nodes = (spec.demand.gpus + 7) / 8;
    const double restart = to_seconds(p->checkpoint_costs.restart[spec.id.index()]);
    INFO(spec.model << " on " << spec.demand.gpus);
    CHECK(restart == Approx(26 + 0.01 * spec.demand.gpus + bytes / nodes / 2e9));
    least = std::min(least, restart);
    most = std::max(most, restart);
  }
  CHECK(most > least + 1);
}

// The first job saves four times, for 2 s each: it ends at 108. That is what `wide` is promised, and what `late`,
// which ends at 105, does not delay; reckoned without saves it could not pass from 90 on.
TEST_CASE("true run times as estimates hold what checkpoints take", "[app][checkpoints]") {
  const Folder f;
  f.write("long,0,6,100,m\nwide,1,8,10,m\nlate,90,1,15,m\n");
  std::string text = f.scenario("checkpoints: { every: 20s, cost: 2s }");
  text.replace(text.find("count: 4"), 8, "count: 1");
  text.replace(text.find("name: fifo"), 10, "name: easy");
  const auto p = prepared(text);
  if (!p) FAIL(render(p.error()));
  CHECK(has(p->notes.back(), "oracle (true run times, with what checkpoints take)"));
  RunRequest request;
  request.policy = p->scenario.policy;
  request.folder = f.file("run");
  const auto report = simulate(*p, request);
  if (!report) FAIL(render(report.error()));
  CHECK(report->result.jct_by_job_s == std::vector<double>{108, 117, 15});

  class Submitted final : public Observer {
   public:
    void on_event(const Event& e) override {
      if (const auto* submit = e.get_if<event::Submit>()) estimates_s.push_back(to_seconds(submit->estimate.value()));
    }
    void on_plan(Time, std::uint64_t, const Plan& plan) override {
      for (const Reservation& r : plan.reservations) promised_s.push_back(to_seconds(r.start));
    }
    std::vector<double> estimates_s, promised_s;
  } seen;
  REQUIRE(read_event_log(f.file("run/events.jsonl.zst"), seen));
  CHECK(seen.estimates_s == std::vector<double>{108, 10, 15});
  CHECK(seen.promised_s == std::vector<double>{108});
}

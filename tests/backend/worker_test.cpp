// orrery-trainer as real processes under the local engine: training, preemption, resizing, death at any moment.
#include "tests/backend/support_catch.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include "backend/engine/local/local_engine.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/trainer/safetensors.hpp"
#include "orrery_paths.hpp"
#include "sim/core/json.hpp"
#include "sim/core/random.hpp"
#include "tests/backend/support_toy_job.hpp"
#include "tests/support/kill_rank.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;
using Kind = EngineEvent::Kind;
using Job = test::ToyJob;

// Says `stop` after step `at`.
auto stop_after(std::int64_t at) {
  return [at](Engine& engine, GangHandle gang, const EngineEvent& e) {
    if (e.kind != Kind::said) return;
    const auto* step = std::get_if<Step>(&e.message);
    if (step != nullptr && step->step == at) engine.stop(gang, seconds(60));
  };
}

TEST_CASE("A job trains, reports every step and leaves its last checkpoint", "[torch][worker]") {
  Job job(30);
  const Job::End end = job.run(1);
  INFO(end.text);
  REQUIRE(end.verdict == kExitDone);
  CHECK(end.last_step() == 30);
  const auto found = load_checkpoint(job.checkpoints());
  REQUIRE(found.newest);
  CHECK(found.newest->checkpoint.stamp.step == 30);
  const auto model = trainer::load_model(job.checkpoints());
  REQUIRE(model);
  CHECK(model->count("first.weight") == 1);
  CHECK(model->count("frozen.scale") == 1);
  std::ifstream metrics(job.folder() + "/launch-1/metrics.jsonl");
  std::string line;
  int lines = 0;
  while (std::getline(metrics, line)) {
    const auto report = nlohmann::json::parse(line);
    CHECK(report.contains("loss"));
    ++lines;
  }
  CHECK(lines == 3);  // the task reports every ten steps
}

TEST_CASE("Preempted and resumed on equal ranks, every bit is as without", "[torch][worker]") {
  for (const int ranks : {1, 2}) {
    Job straight(40, {{"model", {{"pause_ms", 2}}}});
    REQUIRE(straight.run(ranks).verdict == kExitDone);
    Job stopped(40, {{"model", {{"pause_ms", 2}}}});
    const Job::End first = stopped.run(ranks, stop_after(10));
    INFO(first.text);
    REQUIRE(first.verdict == kExitStopped);
    const Job::End second = stopped.run(ranks);
    REQUIRE(second.verdict == kExitDone);
    CHECK(second.ready_step() == first.last_step());
    CHECK((stopped.state() == straight.state()));
  }
}

// Of 30 steps' work ten are done when it is told, at the earliest; the rest takes half as many steps.
TEST_CASE("A job goes on with another batch on all ranks, and says what it cannot do",
          "[torch][worker][reconfigure]") {
  for (const int ranks : {1, 2}) {
    Job job(30, {{"model", {{"pause_ms", 5}}}});
    const Job::End end = job.run(ranks, [](Engine& engine, GangHandle gang, const EngineEvent& e) {
      const auto* step = e.kind == Kind::said ? std::get_if<Step>(&e.message) : nullptr;
      if (step == nullptr) return;
      if (step->step == 2) engine.say(gang, Reconfigure{.batch = 1, .accumulation = 3});
      if (step->step == 10) engine.say(gang, Reconfigure{.batch = 24, .accumulation = 1});
    });
    INFO(end.text);
    REQUIRE(end.verdict == kExitDone);
    int refused = 0;
    std::int64_t changed_after = -1, last = 0;
    for (const FromWorker& m : end.said) {
      if (const auto* step = std::get_if<Step>(&m)) last = step->step;
      if (const auto* no = std::get_if<Refused>(&m)) refused += no->why == Refusal::out_of_range ? 1 : 0;
      if (const auto* now = std::get_if<Reconfigured>(&m)) {
        CHECK(now->batch == 24);
        changed_after = last;
      }
    }
    CHECK(refused == 1);
    REQUIRE(changed_after >= 10);
    CHECK(end.last_step() == changed_after + (30 - changed_after + 1) / 2);
  }
}

TEST_CASE("A trainer refuses a member more in words, and goes on", "[torch][worker][merged]") {
  Job job(20, {{"model", {{"pause_ms", 5}}}});
  const Job::End end = job.run(1, [](Engine& engine, GangHandle gang, const EngineEvent& e) {
    if (e.kind != Kind::said || !std::holds_alternative<Ready>(e.message)) return;
    Join join;
    join.start.job = "other";
    join.start.run_folder = join.start.checkpoint_dir = "nowhere";
    engine.say(gang, join);
  });
  CHECK(end.verdict == kExitDone);
  CHECK(end.last_step() == 20);
  bool told = false;
  for (const FromWorker& m : end.said)
    if (const auto* line = std::get_if<FromMember>(&m))
      told = line->job == "other" && std::holds_alternative<WorkerError>(line->what);
  CHECK(told);
}

TEST_CASE("A job goes on with another number of ranks", "[torch][worker]") {
  Job job(40, {{"model", {{"dropout", 0.0}, {"pause_ms", 2}}}});
  REQUIRE(job.run(1, stop_after(8)).verdict == kExitStopped);
  REQUIRE(job.run(3, stop_after(20)).verdict == kExitStopped);
  const Job::End end = job.run(2);
  INFO(end.text);
  REQUIRE(end.verdict == kExitDone);
  Job straight(40, {{"model", {{"dropout", 0.0}}}});
  REQUIRE(straight.run(1).verdict == kExitDone);
  const auto a = trainer::load_model(job.checkpoints()), b = trainer::load_model(straight.checkpoints());
  REQUIRE((a && b));
  for (const auto& [name, t] : *a) CHECK(at::allclose(t, b->at(name), 1e-3, 1e-5));
}

// Changes to the toy job that make it the real model: three modalities, cross-attention, all objectives.
nlohmann::json real_model() {
  return nlohmann::json::parse(R"({
    "task": "multimodal", "global_batch": 8,
    "model": {"dropout": null,
              "text": {"vocabulary": 400, "length": 16, "width": 32, "layers": 1, "heads": 4, "mlp": 2},
              "image": {"size": 16, "patch": 8, "width": 32, "layers": 1, "heads": 4, "mlp": 2},
              "audio": {"mels": 16, "frames": 16, "patch_mels": 8, "patch_frames": 8, "width": 32, "layers": 1,
                        "heads": 4, "mlp": 2},
              "fusion": {"kind": "cross_attention", "width": 32, "layers": 1, "heads": 4, "mlp": 2},
              "objectives": {"contrastive": 1, "masked_text": 0.5, "masked_image": 0.5}},
    "data": {"folder": "data", "make": {"kind": "pairs", "samples": 64, "size": 16, "sound": true}}})");
}

// Kills `job` `kills` times on `ranks` ranks, some steps into the launch or while it starts; of several ranks either
// one, which the engine has to notice. Nothing that was committed is lost.
void kill_often(Job& job, int ranks, int kills, std::int64_t most_steps, RandomStream& rng) {
  std::int64_t committed = 0;
  if (const auto found = load_checkpoint(job.checkpoints()); found.newest)
    committed = found.newest->checkpoint.stamp.step;
  for (int k = 0; k < kills; ++k) {
    const auto moment = static_cast<std::int64_t>(uniform_below(rng, static_cast<std::uint64_t>(most_steps) + 1));
    const std::size_t victim = uniform_below(rng, static_cast<std::uint64_t>(ranks));
    bool shot = false;
    std::int64_t steps = 0;
    const Job::End end = job.run(ranks, [&](Engine& engine, GangHandle gang, const EngineEvent& e) {
      if (e.kind == Kind::said && std::holds_alternative<Step>(e.message)) ++steps;
      const bool now = moment == 0 ? e.kind == Kind::launched : steps >= moment;
      if (now && !std::exchange(shot, true)) test::kill_rank(engine.processes(gang).at(victim));
    });
    INFO("kill " << k << " of rank " << victim << " of " << ranks << ": " << end.text);
    REQUIRE(end.verdict != kExitDone);
    if (end.ready_step() >= 0) CHECK(end.ready_step() >= committed);
    const auto found = load_checkpoint(job.checkpoints());
    CHECK(found.passed_over.empty());
    if (found.newest) {
      CHECK(found.newest->checkpoint.stamp.step >= committed);
      committed = found.newest->checkpoint.stamp.step;
    }
    if (end.last_step() >= 0 && found.newest) CHECK(end.last_step() - committed <= job.save_every);
  }
}

TEST_CASE("Killed at fifty moments, a job loses at most what came after its last commit, and no bit",
          "[torch][worker][kill]") {
  RandomStream rng = stream(20260801, "tests/backend/kills");
  for (const auto& [ranks, kills] : {std::pair{1, 34}, std::pair{2, 16}}) {
    Job straight(600), job(600, {{"model", {{"pause_ms", 1}}}});
    straight.save_every = job.save_every = 5;
    REQUIRE(straight.run(ranks).verdict == kExitDone);
    kill_often(job, ranks, kills, 8, rng);
    REQUIRE(job.run(ranks).verdict == kExitDone);
    CHECK((job.state() == straight.state()));
  }
}

TEST_CASE("Killed on two ranks, the real model loses no bit either", "[torch][worker][kill]") {
  RandomStream rng = stream(20260802, "tests/backend/kills");
  Job straight(60, real_model()), job(60, real_model());
  straight.save_every = job.save_every = 3;
  REQUIRE(straight.run(2).verdict == kExitDone);
  kill_often(job, 2, 4, 5, rng);
  const Job::End end = job.run(2);
  INFO(end.text);
  REQUIRE(end.verdict == kExitDone);
  CHECK((job.state() == straight.state()));
}

TEST_CASE("A damaged checkpoint is passed over", "[torch][worker]") {
  Job job(30, {{"model", {{"pause_ms", 2}}}});
  job.save_every = 5;
  REQUIRE(job.run(1, stop_after(12)).verdict == kExitStopped);
  const auto newest = load_checkpoint(job.checkpoints()).newest;
  REQUIRE(newest);
  const std::string file = newest->path + "/optim.safetensors";
  auto bytes = read_file(file);
  REQUIRE(bytes);
  bytes->back() = static_cast<char>(bytes->back() ^ 1);
  REQUIRE(write_file(file, *bytes));
  const Job::End end = job.run(1);
  CHECK(end.verdict == kExitDone);
  CHECK(end.ready_step() == 10);
}

TEST_CASE("A rank that dies ends its gang; the failure names it", "[torch][worker]") {
  Job job(2000, {{"model", {{"pause_ms", 2}}}});
  const Job::End end = job.run(3, [](Engine& engine, GangHandle gang, const EngineEvent& e) {
    if (e.kind != Kind::said) return;
    const auto* step = std::get_if<Step>(&e.message);
    if (step != nullptr && step->step == 5) test::kill_rank(engine.processes(gang).at(2));
  });
  CHECK(end.verdict == kExitError);
  CHECK(end.text.find("rank 2 was ended by SIGKILL") != std::string::npos);
}

TEST_CASE("A gang suspended in the middle of training goes on where it was", "[torch][worker]") {
  Job job(60, {{"model", {{"pause_ms", 5}}}});
  std::int64_t frozen_at = 0, away = 0, slowest = 0;
  const Job::End end = job.run(2, [&](Engine& engine, GangHandle gang, const EngineEvent& e) {
    if (e.kind != Kind::said) return;
    const auto* step = std::get_if<Step>(&e.message);
    if (step == nullptr) return;
    slowest = std::max(slowest, step->spent.ns);
    if (step->step == 10 && frozen_at == 0) {
      frozen_at = monotonic_ns();
      engine.freeze(gang);
      while (monotonic_ns() < frozen_at + 1'500'000'000) (void)engine.poll(frozen_at + 1'500'000'000);
      engine.thaw(gang);
      away = monotonic_ns() - frozen_at;
    }
  });
  INFO(end.text);
  CHECK(end.verdict == kExitDone);
  CHECK(away >= 1'500'000'000);
  CHECK(slowest < away);  // the time it stood still is no step's
}

TEST_CASE("A gang without a task is refused with the reason", "[torch][worker]") {
  Job job(5, {{"task", "nothing"}});
  const Job::End end = job.run(1);
  CHECK(end.verdict == kExitError);
  CHECK(end.text.find("unknown task `nothing`") != std::string::npos);
}

#ifdef ORRERY_TRAINER_CUDA
TEST_CASE("The CUDA trainer without a driver fails with a sentence, not a crash", "[torch][cuda]") {
  if (std::filesystem::exists("/dev/nvidia0")) return;
  const test::TempFolder folder;
  REQUIRE(write_file(folder.file("task.json"), R"({"task": "toy", "steps": 2})"));
  LocalEngine engine({.nodes = {1}});
  GangSpec spec;
  spec.name = "cuda.1";
  spec.argv = {ORRERY_TRAINER_CUDA};
  spec.ranks = {{NodeId(0), GpuMask::one(0)}};
  spec.start.job = "cuda";
  spec.start.run_folder = folder.file("run");
  spec.start.checkpoint_dir = folder.file("checkpoints");
  spec.start.total_work = {2};
  spec.start.costs.start = seconds(60);
  spec.start.task = folder.file("task.json");
  engine.launch({1}, spec);
  const std::int64_t limit = monotonic_ns() + Job::kPatience;
  while (monotonic_ns() < limit)
    for (const EngineEvent& e : engine.poll(limit))
      if (e.kind == Kind::gone) {
        CHECK(e.verdict == kExitError);
        CHECK(e.text.find("left with status 1: no GPU can be used") != std::string::npos);
        return;
      }
  FAIL("the gang did not end");
}
#endif

}  // namespace

#include "scenarios/run/train_alone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "backend/engine/registry.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/stop_signals.hpp"
#include "scenarios/spec/scenario.hpp"
#include "sim/core/gpu_mask.hpp"
#include "sim/core/json.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

constexpr Work kTrainStepWork{1'000'000};
constexpr Duration kTrainGrace = seconds(60);       // for a stop: a step and a checkpoint
constexpr Duration kTrainSlowStart = seconds(120);  // loading LibTorch on a busy machine

live::GangSpec training_gang(const TrainingRun& run, const std::string& trainer) {
  live::GangSpec spec;
  spec.name = fmt::format("{}.{}", run.job.name, run.incarnation);
  spec.argv = {trainer};
  for (int r = 0; r < run.job.ranks; ++r) spec.ranks.push_back({NodeId(0), GpuMask::one(r)});
  live::Start& s = spec.start;
  s.job = run.job.name;
  s.incarnation = run.incarnation;
  s.run_folder = run.launch;
  s.checkpoint_dir = run.checkpoints();
  s.restore = true;
  s.total_work = {run.job.steps * kTrainStepWork.ns};
  s.step_work = kTrainStepWork;
  const nlohmann::json every = run.job.config->value("report_every", nlohmann::json(10));
  s.report_every_steps = every.is_number_integer() ? std::max<std::int64_t>(1, every.get<std::int64_t>()) : 10;
  s.costs.start = kTrainSlowStart;
  s.task = run.task;
  return spec;
}

// Where `from` leads: a folder, or the run of another job beside this one.
Expected<std::string> training_source(const TrainingRun& run) {
  if (run.job.from.empty()) return std::string();
  std::error_code ignored;
  const fs::path beside = fs::path(run.folder).parent_path() / run.job.from;
  for (const fs::path& p : {beside / "checkpoints", fs::path(run.job.from) / "checkpoints", fs::path(run.job.from)})
    if (fs::is_directory(p, ignored)) return fs::absolute(p, ignored).string();
  Diagnostic d{fmt::format("`from: {}`: there is no such run and no such folder of checkpoints", run.job.from)};
  d.notes.push_back(fmt::format("looked for {}", (beside / "checkpoints").string()));
  d.hint = "train that job first";
  return fail(std::move(d));
}

}  // namespace

Expected<void> remove_training(const TrainingRun& run) {
  std::error_code ignored;
  if (!fs::exists(run.folder, ignored)) return {};
  if (!fs::is_empty(run.folder, ignored) && !fs::exists(run.folder + "/task.json", ignored)) {
    Diagnostic d{fmt::format("`{}` exists and is not a folder of `orrery train`", run.folder)};
    d.notes = {"it is left as it is; choose another folder with -o"};
    return fail(std::move(d));
  }
  fs::remove_all(run.folder, ignored);
  return {};
}

std::optional<std::string> trained_already(const TrainingRun& run) {
  const live::CheckpointSearch found = live::load_checkpoint(run.checkpoints());
  if (!found.newest || found.newest->checkpoint.stamp.step < run.job.steps) return std::nullopt;
  return found.newest->path;
}

Expected<void> prepare_training(TrainingRun& run) {
  auto from = training_source(run);
  if (!from) return tl::make_unexpected(std::move(from.error()));
  std::error_code ignored;
  while (fs::exists(fmt::format("{}/launch-{}", run.folder, run.incarnation), ignored)) ++run.incarnation;
  run.launch = fmt::format("{}/launch-{}", run.folder, run.incarnation);
  if (trained_already(run)) return {};
  auto task = write_task(*run.job.config, *from, run.folder);
  if (!task) return tl::make_unexpected(std::move(task.error()));
  run.task = *std::move(task);
  return {};
}

TrainingEnd train_alone(const TrainingRun& run, const std::string& trainer,
                        const std::function<void(const live::EngineEvent&)>& tell) {
  live::Engine* stoppable = nullptr;
  std::atomic<bool> stop = false;
  StopSignals signals(
      [&] {
        stop = true;
        stoppable->wake();
      },
      [] {});
  live::EngineOptions options;
  options.nodes = {run.job.ranks};
  options.gpus = run.gpus;
  const auto engine = live::make_engine(LiveConfig{}.engine, options);
  stoppable = engine.get();
  signals.listen();
  engine->launch({1}, training_gang(run, trainer));
  while (true) {
    const auto events = engine->poll(kNever.ns);
    if (stop.exchange(false)) engine->stop({1}, kTrainGrace);
    for (const live::EngineEvent& e : events) {
      tell(e);
      if (e.kind != live::EngineEvent::Kind::gone) continue;
      if (e.verdict == live::kExitStopped) return TrainingEnd::stopped;
      return e.verdict == live::kExitDone ? TrainingEnd::done : TrainingEnd::failed;
    }
  }
}

}  // namespace orrery::app

// `orrery train FILE.yaml`: one training job by itself on this machine, 1 to N ranks; goes on where it was stopped.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "backend/engine/registry.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/stop_signals.hpp"
#include "scenarios/spec/job_file.hpp"
#include "sim/core/gpu_mask.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

constexpr Work kTrainStepWork{1'000'000};
constexpr Duration kTrainGrace = seconds(60);       // for a stop: a step and a checkpoint
constexpr Duration kTrainSlowStart = seconds(120);  // loading LibTorch on a busy machine

struct Run {
  JobFile job;
  std::string folder, checkpoints, launch;  // absolute
  std::int64_t incarnation = 1;
  bool gpus = false, quiet = false;
};

// What people see while it runs: lines of metrics.jsonl, and checkpoints.
class Screen {
 public:
  explicit Screen(const Run& run) : run_(&run), path_(run.launch + "/metrics.jsonl") {}
  void show(const live::EngineEvent& e) {
    if (run_->quiet) return;
    if (e.kind == live::EngineEvent::Kind::gone) show_metrics();
    if (e.kind != live::EngineEvent::Kind::said) return;
    if (const auto* ready = std::get_if<live::Ready>(&e.message); ready != nullptr && ready->step > 0)
      print(fmt::format("goes on after step {}\n", ready->step));
    if (std::holds_alternative<live::Step>(e.message)) show_metrics();
    if (const auto* saved = std::get_if<live::Saved>(&e.message)) {
      show_metrics();
      print(fmt::format("saved {}\n", saved->path));
    }
  }

 private:
  void show_metrics() {
    std::ifstream file(path_);
    file.seekg(at_);
    std::string line;
    while (std::getline(file, line) && !file.eof()) {
      at_ = file.tellg();
      const auto json = read_ordered_json(line);
      if (json.is_object()) print(text_of(json));
    }
  }
  [[nodiscard]] std::string text_of(const nlohmann::ordered_json& json) const {
    std::string out;
    for (const auto& [key, value] : json.items()) {
      if (!value.is_number()) continue;
      if (key == "step")
        out += fmt::format("step {:>6} / {}", value.get<std::int64_t>(), run_->job.steps);
      else
        out += fmt::format("  {} {:.5g}", key, value.get<double>());
    }
    return out + "\n";
  }
  const Run* run_;
  std::string path_;
  std::streamoff at_ = 0;
};

live::GangSpec gang_of(const Run& run, const std::string& trainer, const std::string& task) {
  live::GangSpec spec;
  spec.name = fmt::format("{}.{}", run.job.name, run.incarnation);
  spec.argv = {trainer};
  for (int r = 0; r < run.job.ranks; ++r) spec.ranks.push_back({NodeId(0), GpuMask::one(r)});
  live::Start& s = spec.start;
  s.job = run.job.name;
  s.incarnation = run.incarnation;
  s.run_folder = run.launch;
  s.checkpoint_dir = run.checkpoints;
  s.restore = true;
  s.total_work = {run.job.steps * kTrainStepWork.ns};
  s.step_work = kTrainStepWork;
  const nlohmann::json every = run.job.config->value("report_every", nlohmann::json(10));
  s.report_every_steps = every.is_number_integer() ? std::max<std::int64_t>(1, every.get<std::int64_t>()) : 10;
  s.costs.start = kTrainSlowStart;
  s.task = task;
  return spec;
}

// Where `from` leads: a folder, or the run of another job beside this one.
Expected<std::string> source_of(const Run& run) {
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

// For --fresh: nothing but a run of `train` is removed.
Expected<void> remove_run(const Run& run) {
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

int train(Run& run, const std::string& trainer) {
  std::error_code ignored;
  auto from = source_of(run);
  if (!from) return report_error(from.error());
  while (fs::exists(fmt::format("{}/launch-{}", run.folder, run.incarnation), ignored)) ++run.incarnation;
  run.launch = fmt::format("{}/launch-{}", run.folder, run.incarnation);
  const live::CheckpointSearch found = live::load_checkpoint(run.checkpoints);
  if (found.newest && found.newest->checkpoint.stamp.step >= run.job.steps)
    return print(fmt::format("{}: all {} steps are done: {}\n(--fresh begins again, --steps N goes further)\n",
                             run.job.name, run.job.steps, found.newest->path))
               ? kOk
               : kRunFailed;
  auto task = write_task(*run.job.config, *from, run.folder);
  if (!task) return report_error(task.error());
  if (!run.quiet)
    print(fmt::format("{}: {} steps of {} samples on {} rank{}\n", run.job.name, run.job.steps, run.job.global_batch,
                      run.job.ranks, run.job.ranks == 1 ? "" : "s"));
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
  engine->launch({1}, gang_of(run, trainer, *task));
  Screen screen(run);
  while (true) {
    const auto events = engine->poll(kNever.ns);
    if (stop.exchange(false)) engine->stop({1}, kTrainGrace);
    for (const live::EngineEvent& e : events) {
      screen.show(e);
      if (e.kind != live::EngineEvent::Kind::gone) continue;
      if (e.verdict == live::kExitStopped) return kInterrupted;
      if (e.verdict == live::kExitDone) return print(fmt::format("-> {}\n", run.folder)) ? kOk : kRunFailed;
      fmt::print(stderr, "error: {}\n", e.text);
      return kRunFailed;
    }
  }
}

}  // namespace

int train_verb(const std::vector<std::string>& arguments) {
  Args args("orrery train FILE.yaml [--ranks N] [--steps N] [-o DIR]", {"file"});
  args.options()("output,o", taking<std::string>(), "run folder (default: runs/NAME); goes on with what is there")(
      "ranks", taking<int>(), "ranks instead of the file's")(
      "steps", taking<std::int64_t>(), "steps instead of the file's")("seed", taking<std::int64_t>(),
                                                                      "seed instead of the file's")(
      "from", taking<std::string>(), "run or folder of checkpoints to start from, instead of the file's")(
      "fresh", "remove what is in the run folder first")("gpus", "ranks use GPUs of this machine")(
      "worker", taking<std::string>(), "trainer program (default: orrery-trainer beside orrery)")(
      "quiet,q", "no lines while it runs");
  args.within("ranks", 1, GpuMask::kMost);
  args.within("steps", 1, 1'000'000'000'000);
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  if (!args.has("file")) return report_error(Error(Diagnostic{"which job file? such as scenarios/jobs/*.yaml"}));
  Run run;
  auto job = read_job_file(args.text("file"));
  if (!job) return report_error(job.error());
  run.job = *std::move(job);
  run.gpus = args.has("gpus");
  run.quiet = args.has("quiet");
  if (args.has("ranks")) run.job.ranks = args.get<int>("ranks");
  if (args.has("steps")) run.job.steps = args.get<std::int64_t>("steps");
  if (args.has("seed")) (*run.job.config)["seed"] = args.get<std::int64_t>("seed");
  run.job.from = args.text("from", run.job.from);
  (*run.job.config)["steps"] = run.job.steps;
  std::error_code ignored;
  run.folder = fs::absolute(args.text("output", "runs/" + run.job.name), ignored).lexically_normal().string();
  run.checkpoints = run.folder + "/checkpoints";
  const std::string beside = fs::path(run.folder).parent_path().string();
  if (auto ok = check_data(run.job, beside); !ok) return report_error(ok.error());
  if (args.has("fresh"))
    if (auto ok = remove_run(run); !ok) return report_error(ok.error());
  std::string trainer = args.text("worker");
  if (trainer.empty()) {
    auto found = find_trainer(run.gpus);
    if (!found) return report_error(found.error()), kEngineUnavailable;
    trainer = *found;
  }
  return train(run, trainer);
}

}  // namespace orrery::app

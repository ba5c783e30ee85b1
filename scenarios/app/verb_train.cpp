// `orrery train FILE.yaml`: one training job by itself on this machine, 1 to N ranks; goes on where it was stopped.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/train_alone.hpp"
#include "sim/core/gpu_mask.hpp"
#include "sim/core/json.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

// What people see while it runs: lines of metrics.jsonl, and checkpoints.
class Screen {
 public:
  Screen(const TrainingRun& run, bool quiet) : run_(&run), quiet_(quiet), path_(run.launch + "/metrics.jsonl") {}
  void show(const live::EngineEvent& e) {
    if (quiet_) return;
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
  const TrainingRun* run_;
  bool quiet_;
  std::string path_;
  std::streamoff at_ = 0;
};

int train(TrainingRun& run, const std::string& trainer, bool quiet) {
  if (auto ok = prepare_training(run); !ok) return report_error(ok.error());
  if (const auto newest = trained_already(run))
    return print(fmt::format("{}: all {} steps are done: {}\n(--fresh begins again, --steps N goes further)\n",
                             run.job.name, run.job.steps, *newest))
               ? kOk
               : kRunFailed;
  if (!quiet)
    print(fmt::format("{}: {} steps of {} samples on {} rank{}\n", run.job.name, run.job.steps, run.job.global_batch,
                      run.job.ranks, run.job.ranks == 1 ? "" : "s"));
  Screen screen(run, quiet);
  std::string why;
  const TrainingEnd end = train_alone(run, trainer, [&](const live::EngineEvent& e) {
    screen.show(e);
    why = e.text;
  });
  if (end == TrainingEnd::stopped) return kInterrupted;
  if (end == TrainingEnd::done) return print(fmt::format("-> {}\n", run.folder)) ? kOk : kRunFailed;
  fmt::print(stderr, "error: {}\n", why);
  return kRunFailed;
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
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("file")) return report_error(Error(Diagnostic{"which job file? such as scenarios/jobs/*.yaml"}));
  TrainingRun run;
  auto job = read_job_file(args.text("file"));
  if (!job) return report_error(job.error());
  run.job = *std::move(job);
  run.gpus = args.has("gpus");
  if (args.has("ranks")) run.job.ranks = args.get<int>("ranks");
  if (args.has("steps")) run.job.steps = args.get<std::int64_t>("steps");
  if (args.has("seed")) (*run.job.config)["seed"] = args.get<std::int64_t>("seed");
  run.job.from = args.text("from", run.job.from);
  (*run.job.config)["steps"] = run.job.steps;
  std::error_code ignored;
  run.folder = fs::absolute(args.text("output", "runs/" + run.job.name), ignored).lexically_normal().string();
  const std::string beside = fs::path(run.folder).parent_path().string();
  if (auto ok = check_data(run.job, beside); !ok) return report_error(ok.error());
  if (args.has("fresh"))
    if (auto ok = remove_training(run); !ok) return report_error(ok.error());
  std::string trainer = args.text("worker");
  if (trainer.empty()) {
    auto found = find_trainer(run.gpus);
    if (!found) return report_error(found.error()), kEngineUnavailable;
    trainer = *found;
  }
  return train(run, trainer, args.has("quiet"));
}

}  // namespace orrery::app

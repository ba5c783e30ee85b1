// See trainer_job.hpp.
#include "backend/trainer/trainer_job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "sim/core/json.hpp"

namespace orrery::trainer {
namespace {

constexpr std::int64_t kSoon = 100'000'000;  // ns, for a word that must not wait for the end of a save

}  // namespace

std::string sentence(const Error& error) {
  const Diagnostic& d = error.items.at(0);
  return d.hint.empty() ? d.message : fmt::format("{} ({})", d.message, d.hint);
}

TrainerJob::TrainerJob(Place place, live::Start start, bool first)
    : place_(place), start_(std::move(start)), first_(first) {}

// Lines about the first member name no job, but where the others must be told from it.
void TrainerJob::say(const decltype(live::FromMember::what)& what) const {
  if (!first_ || std::holds_alternative<live::Left>(what) || std::holds_alternative<live::WorkerError>(what))
    return place_.wire->say(live::FromMember{start_.job, what});
  const auto bare = [this](const auto& message) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(message)>, live::Left>)
      place_.wire->say(live::FromWorker(message));
  };
  std::visit(bare, what);
}

Expected<live::Ok> TrainerJob::read_task() {
  if (start_.task.empty()) return fail("`start` has no `task`: there is nothing to train");
  const auto text = live::read_file(start_.task);
  if (!text) return tl::make_unexpected(text.error());
  config_ = nlohmann::json::parse(*text, nullptr, false);
  if (!config_->is_object()) return fail(fmt::format("`{}` is not a JSON object", start_.task));
  const auto job = job_config(*config_);
  if (!job) return tl::make_unexpected(job.error());
  threads_ = job->threads;
  from_ = start_.from.empty() ? job->from : start_.from;
  return live::Ok{};
}

Expected<live::Ok> TrainerJob::make_session() {
  TaskContext context;
  context.device = place_.device;
  context.comm = place_.own;
  context.from = from_;
  context.features = start_.features;
  context.work_folder = std::filesystem::path(start_.checkpoint_dir).parent_path().string();
  if (auto ok = live::make_folders(context.work_folder); !ok) return ok;
  if (auto ok = live::make_folders(start_.run_folder); !ok) return ok;
  auto session = Session::make(*config_, context, *place_.gradients);
  if (!session) return tl::make_unexpected(session.error());
  session_ = *std::move(session);
  return session_->reconfigure(start_.batch, start_.accumulation);
}

Expected<live::Ok> TrainerJob::restore() {
  if (start_.restore)
    if (auto ok = take_checkpoint(); !ok) return ok;
  if (!config().assess) return live::Ok{};
  const std::string work_folder = std::filesystem::path(start_.checkpoint_dir).parent_path().string();
  epochs_.emplace(curve_path(work_folder, config_->dump()), start_.job, !start_.from.empty(), place_.rank == 0);
  epochs_->begin(*session_);
  return live::Ok{};
}

Expected<live::Ok> TrainerJob::take_checkpoint() {
  live::CheckpointSearch found = live::load_checkpoint(start_.checkpoint_dir);
  for (const std::string& bad : found.passed_over) place_.log->note("passed over " + bad);
  if (!found.newest && !found.passed_over.empty())
    return fail("every checkpoint is damaged, such as " + found.passed_over.front());
  if (!found.newest) return live::Ok{};
  const live::CheckpointStamp& stamp = found.newest->checkpoint.stamp;
  if (stamp.job != start_.job) return fail(fmt::format("`{}` is of job {}", found.newest->path, stamp.job));
  if (auto ok = session_->load(found.newest->checkpoint.files); !ok)
    return fail(fmt::format("`{}`: {}", found.newest->path, ok.error().items.at(0).message));
  if (stamp.step != session_->steps_done())
    return fail(fmt::format("`{}` is of step {}", found.newest->path, session_->steps_done()));
  saved_step_ = stamp.step;
  done_ = stamp.done;
  saved_path_ = found.newest->path;
  place_.log->note("restored " + saved_path_);
  return live::Ok{};
}

// Of a step with the present batch: `start` says that of one with the job's own.
Work TrainerJob::step_work() const {
  const Int128 whole = static_cast<Int128>(start_.step_work.ns) * session_->batch();
  return {std::max<std::int64_t>(1, static_cast<std::int64_t>(whole / session_->config().global_batch))};
}

bool TrainerJob::wants_report() const {
  const bool last = step_work() >= start_.total_work - done_;
  const std::int64_t next = session_->steps_done() + 1;
  return last || due(next, config().report_every) || due(next, config().evaluate_every);
}

void TrainerJob::stepped(StepReport report, Duration spent, bool suspended) {
  done_ = done_ + std::min(step_work(), start_.total_work - done_);
  report_ = std::move(report);
  if (!suspended || last_step_ns_ == 0) last_step_ns_ = spent.ns;
  spent_ += Duration{last_step_ns_};
}

bool TrainerJob::save_due() const {
  const std::int64_t every = start_.save_every_steps > 0 ? start_.save_every_steps : config().save_every;
  return due(session_->steps_done(), every);
}

void TrainerJob::say_ready() {
  session_->task().look_up();
  say_features();
  say(live::Ready{session_->steps_done(), done_});
}

void TrainerJob::say_resting() {
  say(live::Step{session_->steps_done(), done_, std::exchange(spent_, Duration{})});
}

void TrainerJob::say_features() {
  for (const live::FeaturesUsed& use : session_->task().features_used()) say(use);
}

void TrainerJob::tell() {
  say_features();
  const std::int64_t step = session_->steps_done();
  StepReport full = std::exchange(report_, {});
  const bool epoch = epochs_ && epochs_->epoch_ended(*session_);
  std::optional<EpochWorth> worth;
  if (epoch || due(step, config().evaluate_every) || (finished() && config().evaluate_every > 0)) {
    const std::int64_t began = worker::monotonic_ns();
    const auto evaluated = session_->task().evaluate();
    for (const auto& [name, value] : evaluated) full.metrics.emplace_back("eval_" + name, value);
    if (epoch) worth = epochs_->ended(*session_, evaluated);
    spent_ += Duration{worker::monotonic_ns() - began};
  }
  note_metrics(full);
  if (due(step, start_.report_every_steps) || (finished() && start_.report_every_steps > 0)) {
    say(live::Step{step, done_, spent_, cpu_per_sample()});
    spent_ = {};
  }
  if (worth && !finished()) say(live::Assessed{worth->worth, worth->error});
}

// Since this was asked last; nothing where no sample was prepared.
Duration TrainerJob::cpu_per_sample() {
  const Task::DataCost now = session_->task().data_cost();
  const Task::DataCost before = std::exchange(told_cost_, now);
  const auto samples = static_cast<std::int64_t>(now.samples - before.samples);
  if (samples == 0) return {};
  return {std::max<std::int64_t>(1, (now.cpu_ns - before.cpu_ns) / samples)};
}

void TrainerJob::note_metrics(const StepReport& report) {
  if (place_.rank != 0 || report.rate == 0) return;
  if (report.loss == 0 && report.gradient_norm == 0 && report.metrics.empty()) return;
  nlohmann::ordered_json line = {{"step", session_->steps_done()},
                                 {"loss", report.loss},
                                 {"rate", report.rate},
                                 {"gradient_norm", report.gradient_norm},
                                 {"step_s", static_cast<double>(last_step_ns_) / 1e9}};
  // Of all ranks: what the model asks for, by its configuration, over the time that the step took.
  if (const double flops = session_->task().flops_per_sample(); flops > 0 && last_step_ns_ > 0) {
    const auto samples = static_cast<double>(session_->batch());
    line["model_flops_per_s"] = std::round(flops * samples * 1e9 / static_cast<double>(last_step_ns_));
  }
  for (const auto& [name, value] : report.metrics) line[name] = value;
  if (const Task::DataCost cost = session_->task().data_cost(); cost.samples > 0) {
    const double us = static_cast<double>(cost.cpu_ns) / 1e3 / static_cast<double>(cost.samples);
    line["data_us_per_sample"] = std::round(us * 10) / 10;
    line["corrupt_samples"] = cost.corrupt;
  }
  const std::string text = line.dump() + "\n";
  const live::Fd file(
      ::open((start_.run_folder + "/metrics.jsonl").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file && ::write(file.get(), text.data(), text.size()) < 0) place_.log->note("metrics.jsonl cannot be written");
}

Expected<live::Ok> TrainerJob::save() {
  const std::int64_t step = session_->steps_done(), began = worker::monotonic_ns();
  if (saved_step_ != step) {
    say(live::Saving{step});
    place_.wire->flush(kSoon);  // it has to be heard before the save ends
    if (!session_->ranks_agree()) return fail(fmt::format("the ranks' parameters differ after step {}", step));
    const std::vector<live::CheckpointFile> files = session_->save();
    saved_step_ = step;
    if (place_.rank != 0) return live::Ok{};
    auto path = live::save_checkpoint(start_.checkpoint_dir, checkpoint(files));
    if (!path) return tl::make_unexpected(path.error());
    saved_path_ = *std::move(path);
    place_.log->note(fmt::format("saved {} in {} ms, checksum {:08x}", saved_path_,
                                 (worker::monotonic_ns() - began) / 1'000'000, session_->checksum()));
  }
  if (place_.rank == 0) say(live::Saved{step, done_, saved_path_});
  return live::Ok{};
}

Expected<live::Ok> TrainerJob::publish() {
  auto version = live::publish_version(start_.checkpoint_dir + "/versions", checkpoint({session_->model_file()}));
  if (!version) return tl::make_unexpected(version.error());
  place_.log->note("published " + version->path);
  say(live::Published{version->version, session_->steps_done(), version->path});
  return live::Ok{};
}

void TrainerJob::reconfigure(std::int64_t batch, std::int64_t accumulation) {
  const auto ok = session_->reconfigure(batch, accumulation);
  place_.log->note(fmt::format("batch {}, accumulation {} from step {} on: {}", batch, accumulation,
                               session_->steps_done() + 1, ok ? "yes" : ok.error().items.at(0).message));
  if (ok)
    say(live::Reconfigured{batch, accumulation});
  else
    say(live::Refused{Refusal::out_of_range, ok.error().items.at(0).message});
}

live::Checkpoint TrainerJob::checkpoint(std::vector<live::CheckpointFile> files) const {
  return {{start_.job, start_.incarnation, start_.generation, session_->steps_done(), done_},
          std::move(files),
          start_.fence};
}

}  // namespace orrery::trainer

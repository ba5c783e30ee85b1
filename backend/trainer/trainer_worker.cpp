// See trainer_worker.hpp. Every wait may be the last one, so leaving is an exception of the class's own, caught in
// run(); what torch throws (a peer that died, no memory) ends the rank with `error`.
#include "backend/trainer/trainer_worker.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "sim/core/json.hpp"

namespace orrery::trainer {
namespace {

using worker::monotonic_ns;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTick = 2'000'000;     // between two looks at the rendezvous
constexpr std::int64_t kFlush = 2 * kSecond;  // for the last words
constexpr std::int64_t kSoon = kSecond / 10;  // for a word that must not wait for the end of a save

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// The first error as one line, with what it suggests.
std::string sentence(const Error& error) {
  const Diagnostic& d = error.items.at(0);
  return d.hint.empty() ? d.message : fmt::format("{} ({})", d.message, d.hint);
}

}  // namespace

TrainerWorker::TrainerWorker(TrainerOptions options, worker::Log& log)
    : options_(std::move(options)), log_(&log), wire_(options_.rank == 0, log) {}

int TrainerWorker::run(const std::function<Expected<Platform>()>& platform) {
  int status = live::kExitDone;
  try {
    live(platform);
  } catch (const Exit& exit) {
    status = exit.status;
  } catch (const std::exception& e) {
    // A rank whose peer has left for a reason of its own says that of the collective in which it noticed.
    status = !ready_ && !wire_.wants().stop.empty() ? live::kExitStopped : live::kExitError;
    const std::string why = first_line(e.what());
    log_->note("error: " + why);
    if (status == live::kExitError) wire_.say(live::WorkerError{why});
    if (status == live::kExitError) ::dprintf(STDERR_FILENO, "orrery-trainer: %s\n", why.c_str());
  }
  wire_.flush(kFlush);
  log_->note(fmt::format("exit {} after step {}", status, session_ ? session_->steps_done() : 0));
  return status;
}

void TrainerWorker::live(const std::function<Expected<Platform>()>& platform) {
  wire_.say(live::Hello{live::kProtocolVersion, "trainer"});
  await_start();
  const std::int64_t began = monotonic_ns();
  auto place = platform();
  if (!place) fail(place.error().items.at(0).message);
  assemble();
  const std::int64_t met = monotonic_ns();
  make_session(*place);
  const std::int64_t made = monotonic_ns();
  restore();
  if ((control_->max(wanted()) & kStop) != 0) throw Exit{live::kExitStopped};
  ready_ = true;
  wire_.say(live::Ready{session_->steps_done(), done_});
  log_->note(fmt::format("ready at step {} with {} ns of {} done; rendezvous {} ms, model {} ms, restore {} ms",
                         session_->steps_done(), done_.ns, start_.total_work.ns, (met - began) / 1'000'000,
                         (made - met) / 1'000'000, (monotonic_ns() - made) / 1'000'000));
  do_steps();
}

void TrainerWorker::await_start() {
  while (!wire_.wants().start) {
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, live::kExitUsage);
    listen(monotonic_ns() + kSecond);
  }
  start_ = *wire_.wants().start;
  if (start_.world != options_.world)
    fail(fmt::format("`start` speaks of {} ranks, the command line of {}", start_.world, options_.world),
         live::kExitUsage);
  if (start_.task.empty()) fail("`start` has no `task`: there is nothing to train", live::kExitUsage);
  const auto text = live::read_file(start_.task);
  if (!text) fail(text.error().items.at(0).message, live::kExitUsage);
  config_ = nlohmann::json::parse(*text, nullptr, false);
  if (!config_->is_object()) fail(fmt::format("`{}` is not a JSON object", start_.task), live::kExitUsage);
  log_->note(fmt::format("job {} incarnation {} generation {}: rank {} of {}", start_.job, start_.incarnation,
                         start_.generation, options_.rank, options_.world));
}

void TrainerWorker::assemble() {
  rendezvous_ = std::make_unique<Rendezvous>(start_, options_.rank);
  if (auto ok = rendezvous_->open(); !ok) fail(ok.error().items.at(0).message);
  const std::int64_t limit = monotonic_ns() + options_.rendezvous_s * kSecond;
  while (true) {
    auto there = rendezvous_->assembled();
    if (!there && !wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (!there) fail(there.error().items.at(0).message);
    if (*there) return;
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (monotonic_ns() >= limit)
      fail(fmt::format("not all {} ranks came within {} s", options_.world, options_.rendezvous_s));
    listen(std::min(limit, monotonic_ns() + kTick));
  }
}

void TrainerWorker::make_session(const Platform& platform) {
  const auto& store = rendezvous_->store();
  const int rank = options_.rank, world = options_.world;
  control_ = make_gloo_communicator(store, "control", rank, world);
  gradients_ = platform.communicator(store, "gradients", rank, world);
  own_ = platform.communicator(store, "task", rank, world);
  const auto job = job_config(*config_);
  if (!job) fail(sentence(job.error()), live::kExitUsage);
  at::set_num_threads(static_cast<int>(job->threads));
  TaskContext context;
  context.device = platform.device;
  context.comm = own_.get();
  context.from = start_.from.empty() ? job->from : start_.from;
  context.work_folder = std::filesystem::path(start_.checkpoint_dir).parent_path().string();
  auto session = Session::make(*config_, context, *gradients_);
  if (!session) fail(sentence(session.error()));
  session_ = *std::move(session);
  if (auto ok = session_->reconfigure(start_.batch, start_.accumulation); !ok) fail(sentence(ok.error()));
}

// Of a step with the present batch: `start` says that of one with the job's own.
Work TrainerWorker::step_work() const {
  const Int128 whole = static_cast<Int128>(start_.step_work.ns) * session_->batch();
  return {std::max<std::int64_t>(1, static_cast<std::int64_t>(whole / session_->config().global_batch))};
}

// Training in merged gangs is not known here: whoever wants to join is told so, and the gang goes on.
void TrainerWorker::hear_of_members() {
  for (const worker::MemberWish& wish : std::exchange(wire_.wants().members, {})) {
    if (const auto* join = std::get_if<live::Join>(&wish.what)) {
      wire_.say(live::FromMember{join->start.job, live::WorkerError{"this worker trains one job: it merges none"}});
      continue;
    }
    const auto& [job, what] = std::get<live::ToMember>(wish.what);
    if (job != start_.job) continue;
    if (std::holds_alternative<live::Save>(what)) wire_.wants().save = true;
    if (std::holds_alternative<live::Publish>(what)) ++wire_.wants().publish;
    if (const auto* r = std::get_if<live::Reconfigure>(&what)) wire_.wants().reconfigure = *r;
    if (std::holds_alternative<live::Stop>(what) || std::holds_alternative<live::Drop>(what))
      wire_.want_stop("`stop`");
  }
}

// On all ranks after the same step; rank 0 knows to what.
void TrainerWorker::reconfigure() {
  const auto wish = std::exchange(wire_.wants().reconfigure, std::nullopt);
  const std::int64_t batch = control_->max(wish ? wish->batch : 0);
  const std::int64_t accumulation = control_->max(wish ? wish->accumulation : 0);
  const auto ok = session_->reconfigure(batch, accumulation);
  log_->note(fmt::format("batch {}, accumulation {} from step {} on: {}", batch, accumulation,
                         session_->steps_done() + 1, ok ? "yes" : ok.error().items.at(0).message));
  if (ok)
    wire_.say(live::Reconfigured{batch, accumulation});
  else
    wire_.say(live::Refused{Refusal::out_of_range, ok.error().items.at(0).message});
}

// Every rank reads the same folder; they compare what they found.
void TrainerWorker::restore() {
  std::int64_t step = 0;
  if (start_.restore) {
    live::CheckpointSearch found = live::load_checkpoint(start_.checkpoint_dir);
    for (const std::string& bad : found.passed_over) log_->note("passed over " + bad);
    if (!found.newest && !found.passed_over.empty())
      fail("every checkpoint is damaged, such as " + found.passed_over.front());
    if (found.newest) {
      const live::CheckpointStamp& stamp = found.newest->checkpoint.stamp;
      if (stamp.job != start_.job) fail(fmt::format("`{}` is of job {}", found.newest->path, stamp.job));
      if (auto ok = session_->load(found.newest->checkpoint.files); !ok)
        fail(fmt::format("`{}`: {}", found.newest->path, ok.error().items.at(0).message));
      step = saved_step_ = stamp.step;
      done_ = stamp.done;
      saved_path_ = found.newest->path;
      log_->note("restored " + saved_path_);
    }
  }
  if (!control_->same(step)) fail("the ranks see different checkpoints: is the folder shared?");
  if (step != session_->steps_done()) fail(fmt::format("`{}` is of step {}", saved_path_, session_->steps_done()));
}

void TrainerWorker::do_steps() {
  while (done_ < start_.total_work) {
    const std::int64_t began = monotonic_ns();
    const Work part = std::min(step_work(), start_.total_work - done_);
    const JobConfig& config = session_->config();
    const auto due = [next = session_->steps_done() + 1](std::int64_t every) {
      return every > 0 && next % every == 0;
    };
    const bool last = part >= start_.total_work - done_;
    const StepReport report = session_->step(last || due(config.report_every) || due(config.evaluate_every));
    listen(0);
    hear_of_members();
    const std::int64_t word = control_->max(wanted());
    done_ = done_ + part;
    // The wall time of a step in which the process was suspended says nothing of the step.
    const bool suspended = std::exchange(wire_.wants().continued, false);
    if (!suspended || last_step_ns_ == 0) last_step_ns_ = monotonic_ns() - began;
    spent_ += Duration{last_step_ns_};
    after_step(word & ~kReconfigure, report);
    if (word >= kReconfigure) reconfigure();
  }
  publish();
  wire_.say(live::Done{session_->steps_done()});
}

void TrainerWorker::after_step(std::int64_t word, const StepReport& report) {
  const bool last = done_ >= start_.total_work;
  const std::int64_t step = session_->steps_done();
  const auto due = [step](std::int64_t every) { return every > 0 && step % every == 0; };
  const std::int64_t save_every =
      start_.save_every_steps > 0 ? start_.save_every_steps : session_->config().save_every;
  StepReport full = report;
  if (due(session_->config().evaluate_every) || (last && session_->config().evaluate_every > 0)) {
    const std::int64_t began = monotonic_ns();
    for (auto& [name, value] : session_->task().evaluate()) full.metrics.emplace_back("eval_" + name, value);
    spent_ += Duration{monotonic_ns() - began};
  }
  note_metrics(full);
  if ((due(start_.report_every_steps) || (last && start_.report_every_steps > 0))) {
    wire_.say(live::Step{step, done_, spent_, cpu_per_sample()});
    spent_ = {};
  }
  publish();
  // The end is saved as well: children start from it.
  if (word == kStop && !last) stop();
  if (last || word == kSave || due(save_every)) save();
  listen(0);
}

// Since this was asked last; nothing where no sample was prepared.
Duration TrainerWorker::cpu_per_sample() {
  const Task::DataCost now = session_->task().data_cost();
  const Task::DataCost before = std::exchange(told_cost_, now);
  const auto samples = static_cast<std::int64_t>(now.samples - before.samples);
  if (samples == 0) return {};
  return {std::max<std::int64_t>(1, (now.cpu_ns - before.cpu_ns) / samples)};
}

void TrainerWorker::note_metrics(const StepReport& report) {
  if (options_.rank != 0 || report.rate == 0) return;
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
  if (file && ::write(file.get(), text.data(), text.size()) < 0) log_->note("metrics.jsonl cannot be written");
}

void TrainerWorker::save() {
  const std::int64_t step = session_->steps_done(), began = monotonic_ns();
  wire_.wants().save = false;
  if (saved_step_ != step) {
    wire_.say(live::Saving{step});
    wire_.flush(kSoon);  // it has to be heard before the save ends
    if (!session_->ranks_agree()) fail(fmt::format("the ranks' parameters differ after step {}", step));
    const std::vector<live::CheckpointFile> files = session_->save();
    saved_step_ = step;
    if (options_.rank != 0) return;
    auto path = live::save_checkpoint(start_.checkpoint_dir, checkpoint(files));
    if (!path) fail(path.error().items.at(0).message);
    saved_path_ = *std::move(path);
    log_->note(fmt::format("saved {} in {} ms, checksum {:08x}", saved_path_, (monotonic_ns() - began) / 1'000'000,
                           session_->checksum()));
  }
  if (options_.rank == 0) wire_.say(live::Saved{step, done_, saved_path_});
}

void TrainerWorker::publish() {
  for (; wire_.wants().publish > 0; --wire_.wants().publish) {
    auto version = live::publish_version(start_.checkpoint_dir + "/versions", checkpoint({session_->model_file()}));
    if (!version) fail(version.error().items.at(0).message);
    log_->note("published " + version->path);
    wire_.say(live::Published{version->version, session_->steps_done(), version->path});
  }
}

void TrainerWorker::stop() {
  save();
  (void)control_->max(kGoOn);  // the others leave when the checkpoint is there, not before
  throw Exit{live::kExitStopped};
}

live::Checkpoint TrainerWorker::checkpoint(std::vector<live::CheckpointFile> files) const {
  return {{start_.job, start_.incarnation, start_.generation, session_->steps_done(), done_},
          std::move(files),
          start_.fence};
}

std::int64_t TrainerWorker::wanted() {
  const std::int64_t flag = wire_.wants().reconfigure ? std::int64_t{kReconfigure} : 0;
  if (!wire_.wants().stop.empty()) return flag + kStop;
  return flag + (wire_.wants().save ? kSave : kGoOn);
}

// One poll of everything there is; returns at `until` at the latest, at once when that is past.
void TrainerWorker::listen(std::int64_t until) {
  std::vector<pollfd> polled;
  wire_.add_to(polled);
  const std::int64_t left = std::max<std::int64_t>(0, std::min(until, wire_.lease_ends()) - monotonic_ns());
  const timespec wait{left / kSecond, left % kSecond};
  if (::ppoll(polled.data(), polled.size(), &wait, nullptr) < 0) return;
  wire_.take(polled);
  if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, session_ ? live::kExitError : live::kExitUsage);
}

void TrainerWorker::fail(const std::string& why, int status) {
  log_->note("error: " + why);
  wire_.say(live::WorkerError{why});
  ::dprintf(STDERR_FILENO, "orrery-trainer: %s\n", why.c_str());
  throw Exit{status};
}

}  // namespace orrery::trainer

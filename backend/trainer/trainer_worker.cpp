// See trainer_worker.hpp. Every wait may be the last one, so leaving is an exception of the class's own, caught in
// run(); what torch throws (a peer that died, no memory) ends the rank with `error`.
#include "backend/trainer/trainer_worker.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace orrery::trainer {
namespace {

using worker::monotonic_ns;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTick = 2'000'000;                               // between two looks at the rendezvous
constexpr std::int64_t kFlush = 2 * kSecond;                            // for the last words
constexpr std::int64_t kNap = kSecond / 10, kSignOfLife = 5 * kSecond;  // of a filler that rests, see rest()

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
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
  log_->note(fmt::format("exit {} after step {}", status, steps_done_));
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
  make_first(*place);
  if ((control_->max(wanted()) & kStop) != 0) throw Exit{live::kExitStopped};
  ready_ = true;
  TrainerJob& job = *jobs_.front();
  job.say_ready();
  log_->note(fmt::format("ready at step {} with {} ns of {} done; rendezvous {} ms, model and restore {} ms",
                         job.session().steps_done(), job.done().ns, job.start().total_work.ns,
                         (met - began) / 1'000'000, (monotonic_ns() - met) / 1'000'000));
  do_steps();
}

void TrainerWorker::await_start() {
  while (!wire_.wants().start) {
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, live::kExitUsage);
    listen(monotonic_ns() + kSecond);
  }
  const live::Start& start = *wire_.wants().start;
  if (start.world != options_.world)
    fail(fmt::format("`start` speaks of {} ranks, the command line of {}", start.world, options_.world),
         live::kExitUsage);
  place_ = {.rank = options_.rank, .wire = &wire_, .log = log_};
  TrainerJob job(place_, start, true);
  if (auto ok = job.read_task(); !ok) fail(sentence(ok.error()), live::kExitUsage);
  first_name_ = start.job;
  fill_ = start.fill;
  log_->note(fmt::format("job {} incarnation {} generation {}: rank {} of {}", start.job, start.incarnation,
                         start.generation, options_.rank, options_.world));
}

void TrainerWorker::assemble() {
  rendezvous_ = std::make_unique<Rendezvous>(*wire_.wants().start, options_.rank);
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

void TrainerWorker::make_first(const Platform& platform) {
  const auto& store = rendezvous_->store();
  const int rank = options_.rank, world = options_.world;
  control_ = make_gloo_communicator(store, "control", rank, world);
  gradients_ = platform.communicator(store, "gradients", rank, world);
  own_ = platform.communicator(store, "task", rank, world);
  place_.device = platform.device;
  place_.gradients = gradients_.get();
  place_.own = own_.get();
  auto job = std::make_unique<TrainerJob>(place_, *wire_.wants().start, true);
  if (auto ok = job->read_task(); !ok) fail(sentence(ok.error()), live::kExitUsage);
  at::set_num_threads(static_cast<int>(job->threads()));
  if (auto ok = job->make_session(); !ok) fail(sentence(ok.error()));
  if (auto ok = job->restore(); !ok) fail(sentence(ok.error()));
  // Every rank reads the same folder; they compare what they found.
  if (!control_->same(job->session().steps_done()))
    fail("the ranks see different checkpoints: is the folder shared?");
  jobs_.push_back(std::move(job));
}

// On all ranks after the same step; rank 0 knows to what.
void TrainerWorker::reconfigure_first() {
  const auto wish = std::exchange(wire_.wants().reconfigure, std::nullopt);
  const std::int64_t batch = control_->max(wish ? wish->batch : 0);
  const std::int64_t accumulation = control_->max(wish ? wish->accumulation : 0);
  if (TrainerJob* const job = first()) job->reconfigure(batch, accumulation);
}

void TrainerWorker::do_steps() {
  if (jobs_.front()->finished()) {
    (void)publish(*jobs_.front(), std::exchange(wire_.wants().publish, 0));
    ended(*jobs_.front(), live::kExitDone, true);
  }
  let_go();
  if (fill_ == 0) rest(0);
  while (!jobs_.empty()) {
    const std::int64_t began = monotonic_ns();
    std::vector<MergedGang::Outcome> made = step();
    listen(0);
    const std::int64_t word = control_->max(wanted());
    // The wall time of a step in which the process was suspended says nothing of the step.
    const bool suspended = std::exchange(wire_.wants().continued, false);
    const Duration took{monotonic_ns() - began};
    if (word >= kMembers) hear_of_members();
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (!made[i].failure.empty()) {
        failed(*jobs_[i], made[i].failure);
        continue;
      }
      jobs_[i]->stepped(std::move(made[i].report), took, suspended);
      after_step(*jobs_[i], word % kReconfigure);
    }
    if ((word & kReconfigure) != 0) reconfigure_first();
    let_go();
    for (live::Start& start : std::exchange(joining_, {}))
      if (!jobs_.empty()) join(std::move(start));
    if (!jobs_.empty()) rest(monotonic_ns() - began);
  }
  if (status_ != live::kExitStopped) return;
  (void)control_->max(kGoOn);  // the others leave when the checkpoint is there, not before
  throw Exit{live::kExitStopped};
}

void TrainerWorker::note_fill() {
  const auto wanted = std::exchange(wire_.wants().fill, std::nullopt);
  if (!wanted || !fill_) return;
  fill_ = wanted->per_mille;
  log_->note(fmt::format("{} per mille of the time after step {}", *fill_, steps_done_));
  wire_.say(live::Filling{*fill_});
}

// A filler rests so long that it has worked for its share of the time. Rank 0 knows for how long, and what it is told
// in between may end it; the others wait for its word, of which there is one at least every kNap.
void TrainerWorker::rest(std::int64_t worked_ns) {
  if (!fill_) return;
  const std::int64_t began = monotonic_ns();
  std::int64_t said = began;
  while (true) {
    note_fill();
    const worker::Wants& wants = wire_.wants();
    const bool wanted = !wants.stop.empty() || wants.save || wants.publish > 0 || !wants.members.empty();
    const std::int64_t share = *fill_, now = monotonic_ns();
    const std::int64_t until = share == 0 ? kNever.ns : began + worked_ns / share * (live::kFillAlways - share);
    const bool over = options_.rank != 0 || wanted || now >= until;
    if (control_->max(over ? 0 : 1) == 0) return;
    if (options_.rank != 0) continue;
    listen(std::min(until, now + kNap));
    if (now - said < kSignOfLife) continue;
    said = now;
    for (const auto& job : jobs_) job->say_resting();
  }
}

std::vector<MergedGang::Outcome> TrainerWorker::step() {
  std::vector<bool> report;
  for (const auto& job : jobs_) report.push_back(job->wants_report());
  if (jobs_.size() > 1) return merged_->step(report);
  return {{jobs_.front()->session().step(report.front()), {}}};
}

void TrainerWorker::after_step(TrainerJob& job, std::int64_t word) {
  steps_done_ = job.session().steps_done();
  TrainerJob::Wishes wishes = std::exchange(job.wishes(), {});
  const bool is_first = &job == first(), alone = staying() == 1;
  if (is_first) {
    wishes.publish += std::exchange(wire_.wants().publish, 0);
    wishes.save = wishes.save || word == kSave;
    wire_.wants().save = wire_.wants().save && word != kSave;
  }
  try {
    job.tell();
  } catch (const std::exception& e) {  // what it is evaluated on cannot be read, say
    if (alone) throw;
    return failed(job, first_line(e.what()));
  }
  const bool last = job.finished(), stops = (word == kStop || wishes.stop) && !last;
  bool well = publish(job, wishes.publish);
  // The end is saved as well: children start from it.
  if (last || stops || (!wishes.drop && (wishes.save || job.save_due())))
    if (auto ok = job.save(); !ok) well = excuse(job, sentence(ok.error()));
  listen(0);
  if (last && is_first) well = publish(job, std::exchange(wire_.wants().publish, 0)) && well;
  if (last || stops || wishes.drop) return ended(job, last ? live::kExitDone : live::kExitStopped, well);
  if (wishes.reconfigure) job.reconfigure(wishes.reconfigure->batch, wishes.reconfigure->accumulation);
}

std::int64_t TrainerWorker::wanted() {
  std::int64_t flag = wire_.wants().reconfigure ? std::int64_t{kReconfigure} : 0;
  if (ready_ && !wire_.wants().members.empty()) flag += kMembers;
  if (!wire_.wants().stop.empty()) return flag + kStop;
  return flag + (wire_.wants().save && first() != nullptr ? kSave : kGoOn);
}

// One poll of everything there is; returns at `until` at the latest, at once when that is past.
void TrainerWorker::listen(std::int64_t until) {
  std::vector<pollfd> polled;
  wire_.add_to(polled);
  const std::int64_t left = std::max<std::int64_t>(0, std::min(until, wire_.lease_ends()) - monotonic_ns());
  const timespec wait{left / kSecond, left % kSecond};
  if (::ppoll(polled.data(), polled.size(), &wait, nullptr) < 0) return;
  wire_.take(polled);
  if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, control_ ? live::kExitError : live::kExitUsage);
}

void TrainerWorker::fail(const std::string& why, int status) {
  log_->note("error: " + why);
  wire_.say(live::WorkerError{why});
  ::dprintf(STDERR_FILENO, "orrery-trainer: %s\n", why.c_str());
  throw Exit{status};
}

}  // namespace orrery::trainer

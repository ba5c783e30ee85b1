// See worker.hpp. Every wait may be the last one, so leaving is an exception of the class's own, caught in run().
#include "backend/paced/worker.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

namespace orrery::paced {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTick = 2'000'000;                                     // between two looks at the rendezvous
constexpr std::size_t kBacklog = 256 * 1024;                                  // beyond this, step reports wait
constexpr std::int64_t kFlush = 2 * kSecond;                                  // for the last words
constexpr std::int64_t kShortestWait = 2'000'000, kLongestWait = 50'000'000;  // while it works, see listen()
constexpr std::int64_t kStopPatience = 10 * kSecond;                          // with silent peers, once asked to stop

// The time of a step that does `part` of `whole`, rounded up.
std::int64_t scaled(Duration step, Work part, Work whole) {
  return static_cast<std::int64_t>((static_cast<Int128>(step.ns) * part.ns + whole.ns - 1) / whole.ns);
}

}  // namespace

Worker::Worker(WorkerOptions options, Log& log)
    : options_(std::move(options)),
      log_(&log),
      wire_(options_.rank == 0, log),
      began_(monotonic_ns()),
      awake_(began_) {}

int Worker::run() {
  int status = live::kExitDone;
  try {
    live();
  } catch (const Exit& exit) {
    status = exit.status;
  }
  wire_.flush(kFlush);
  log_->note(fmt::format("exit {} after step {}", status, step_));
  return status;
}

void Worker::live() {
  wire_.say(live::Hello{live::kProtocolVersion, "paced"});
  await_start();
  assemble();
  restore();
  anchor_ = add_ns(began_, add_ns(start_.costs.start.ns, start_.restore ? start_.costs.restore.ns : 0));
  rest_until(anchor_);
  if (agree(wanted()) == kStop) throw Exit{live::kExitStopped};
  ready_ = true;
  wire_.say(live::Ready{step_, done_});
  log_->note(fmt::format("ready at step {} with {} ns of {} done", step_, done_.ns, start_.total_work.ns));
  anchor_ = monotonic_ns();
  do_steps();
}

void Worker::await_start() {
  while (!wire_.wants().start) {
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, live::kExitUsage);
    listen(kNever.ns);
  }
  start_ = *wire_.wants().start;
  if (start_.world != options_.world)
    fail(fmt::format("`start` speaks of {} ranks, the command line of {}", start_.world, options_.world),
         live::kExitUsage);
  log_->note(fmt::format("job {} incarnation {} generation {}: rank {} of {}", start_.job, start_.incarnation,
                         start_.generation, options_.rank, options_.world));
}

void Worker::assemble() {
  gang_ = std::make_unique<Gang>(start_, options_.rank);
  if (auto ok = gang_->open(); !ok) fail(ok.error().items.at(0).message);
  const std::int64_t limit = monotonic_ns() + options_.rendezvous_s * kSecond;
  gang_->assemble();
  while (!gang_->assembled()) {
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (monotonic_ns() >= limit)
      fail(fmt::format("{} of {} did not come within {} s", gang_->missing(), options_.world, options_.rendezvous_s));
    listen(std::min(limit, monotonic_ns() + kTick));
    gang_->assemble();
    check_peers();
  }
}

// Rank 0 reads the disk and tells the others, so that all have read the same.
void Worker::restore() {
  if (options_.rank == 0 && start_.restore) {
    live::CheckpointSearch found = live::load_checkpoint(start_.checkpoint_dir);
    for (const std::string& bad : found.passed_over) log_->note("passed over " + bad);
    if (!found.newest && !found.passed_over.empty())
      fail("every checkpoint is damaged, such as " + found.passed_over.front());
    if (found.newest) {
      const live::CheckpointStamp& stamp = found.newest->checkpoint.stamp;
      if (stamp.job != start_.job) fail(fmt::format("`{}` is of job {}", found.newest->path, stamp.job));
      step_ = saved_step_ = stamp.step;
      done_ = stamp.done;
      saved_path_ = found.newest->path;
      log_->note("restored " + saved_path_);
    }
  }
  step_ = agree(step_);
  done_ = {agree(done_.ns)};
}

void Worker::do_steps() {
  while (done_ < start_.total_work) {
    const Work part = std::min(start_.step_work, start_.total_work - done_);
    const std::int64_t began = monotonic_ns(), paused = paused_;
    // What kept the rank from running for so long will not be made up for by a race.
    if (began - anchor_ > std::max(kSecond, add_ns(start_.step_time.ns, start_.step_time.ns))) {
      log_->note(fmt::format("{} ms late after step {}: not made up for", (began - anchor_) / 1'000'000, step_));
      anchor_ = began;
    }
    anchor_ = add_ns(anchor_, scaled(start_.step_time, part, start_.step_work));
    rest_until(anchor_);
    const std::int64_t word = agree(wanted());
    ++step_;
    done_ = done_ + part;
    spent_ += Duration{monotonic_ns() - began - (paused_ - paused)};
    after_step(word);
  }
  publish();
  wire_.say(live::Done{step_});
}

void Worker::after_step(std::int64_t word) {
  const bool last = done_ >= start_.total_work;
  const std::int64_t every = start_.save_every_steps;
  report(last);
  publish();
  if (last) return;
  if (word == kStop) stop();
  if (word == kSave || (every > 0 && step_ % every == 0)) save();
}

void Worker::report(bool last) {
  const std::int64_t every = start_.report_every_steps;
  if (every == 0 || (!last && step_ % every != 0) || wire_.backlog() > kBacklog) return;
  wire_.say(live::Step{step_, done_, spent_});
  spent_ = {};
}

// All ranks take the time; rank 0 then writes, as the last thing a real save does is to commit.
void Worker::save() {
  wire_.say(live::Saving{step_});
  anchor_ = add_ns(anchor_, start_.costs.save.ns);
  rest_until(anchor_);
  if (options_.rank != 0) return;
  wire_.wants().save = false;
  if (saved_step_ != step_) {
    auto path = live::save_checkpoint(start_.checkpoint_dir, checkpoint());
    if (!path) fail(path.error().items.at(0).message);
    saved_path_ = *std::move(path);
    saved_step_ = step_;
    log_->note("saved " + saved_path_);
  }
  wire_.say(live::Saved{step_, done_, saved_path_});
}

void Worker::publish() {
  for (; wire_.wants().publish > 0; --wire_.wants().publish) {
    auto version = live::publish_version(start_.checkpoint_dir + "/versions", checkpoint());
    if (!version) fail(version.error().items.at(0).message);
    log_->note("published " + version->path);
    wire_.say(live::Published{version->version, step_, version->path});
  }
}

void Worker::stop() {
  const std::int64_t asked = wire_.wants().stop.empty() ? monotonic_ns() : wire_.wants().stop_ns;
  save();
  agree(kGoOn);  // the others leave when the checkpoint is there, not before
  leaving_ = true;
  rest_until(add_ns(asked, start_.costs.stop.ns));
  throw Exit{live::kExitStopped};
}

live::Checkpoint Worker::checkpoint() const {
  const std::string state = fmt::format("step {}\ndone_work_ns {}\n", step_, done_.ns);
  return {{start_.job, start_.incarnation, start_.generation, step_, done_}, {{"state.txt", state}}, start_.fence};
}

Worker::Word Worker::wanted() {
  if (!wire_.wants().stop.empty()) return kStop;
  return wire_.wants().save ? kSave : kGoOn;
}

std::int64_t Worker::agree(std::int64_t word) {
  gang_->offer(word);
  const std::int64_t began = monotonic_ns(), paused = paused_;
  std::optional<std::int64_t> result = gang_->agreed();
  while (!result) {
    check_peers();
    const bool asked = !wire_.wants().stop.empty();
    const std::int64_t patience =
        asked ? std::min(kStopPatience, options_.peer_s * kSecond) : options_.peer_s * kSecond;
    if (monotonic_ns() - began - (paused_ - paused) >= patience)
      fail(fmt::format("a rank has been silent for {} s after step {}", patience / kSecond, step_));
    listen(std::min(began + (paused_ - paused) + patience, monotonic_ns() + kSecond));
    result = gang_->agreed();
  }
  return *result;
}

void Worker::rest_until(std::int64_t deadline) {
  const std::int64_t paused = paused_;
  do {  // at least once: a rank that is late must notice, too, that it was suspended, and what it is told
    listen(deadline + (paused_ - paused));
    check_peers();
    if (!ready_ && options_.rank == 0 && !wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
  } while (monotonic_ns() < deadline + (paused_ - paused));
}

// One poll of everything there is; returns at `until` at the latest, and often before: short waits are what tells a
// rank that was suspended for how long it was.
void Worker::listen(std::int64_t until) {
  notice_pause(0);
  std::vector<pollfd> polled;
  wire_.add_to(polled);
  if (gang_) gang_->add_to(polled);
  std::int64_t left = std::max<std::int64_t>(0, std::min(until, wire_.lease_ends()) - awake_);
  if (ready_) left = std::min(left, std::clamp(start_.step_time.ns / 4, kShortestWait, kLongestWait));
  const timespec wait{left / kSecond, left % kSecond};
  // Interrupted says nothing of what is ready: a lease that waits in the pipe has to be read before it is missed.
  const bool heard = ::ppoll(polled.data(), polled.size(), &wait, nullptr) >= 0;
  notice_pause(left);
  if (!heard) return;
  wire_.take(polled);
  if (gang_) gang_->take();
  if (!wire_.wants().violation.empty())
    fail(wire_.wants().violation, ready_ || gang_ ? live::kExitError : live::kExitUsage);
}

// Was the process suspended since the last call? SIGCONT says so. What it did not run for is the time since then,
// less half of what it wanted to wait in between; every deadline moves by as much. The clock is read before the
// signals: a SIGSTOP between the two is found now, one after them at the next call, and none falls between two calls.
void Worker::notice_pause(std::int64_t wait) {
  const std::int64_t looked = monotonic_ns();
  wire_.take_signals();
  if (!std::exchange(wire_.wants().continued, false)) {
    awake_ = looked;
    return;
  }
  const std::int64_t now = monotonic_ns();
  const std::int64_t lost = std::max<std::int64_t>(0, now - awake_ - wait / 2);
  awake_ = now;
  paused_ += lost;
  anchor_ = add_ns(anchor_, lost);
  log_->note(fmt::format("stood still for {} ms after step {}", lost / 1'000'000, step_));
}

void Worker::check_peers() {
  const std::optional<int> rank = leaving_ ? std::nullopt : gang_->lost();
  if (!rank) return;
  if (!ready_ && !wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
  fail(fmt::format("rank {} of {} is gone after step {}", *rank, options_.world, step_));
}

void Worker::fail(const std::string& why, int status) {
  log_->note("error: " + why);
  wire_.say(live::WorkerError{why});
  throw Exit{status};
}

}  // namespace orrery::paced

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
constexpr std::int64_t kSignOfLife = 5 * kSecond;     // between the words of a filler that rests
constexpr std::int64_t kStopPatience = 10 * kSecond;  // with silent peers, once asked to stop

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
  log_->note(fmt::format("exit {} after step {}", status, job_.step));
  return status;
}

void Worker::live() {
  wire_.say(live::Hello{live::kProtocolVersion, "paced"});
  await_start();
  assemble();
  restore();
  anchor_ = add_ns(began_, add_ns(job_.start.costs.start.ns, job_.start.restore ? job_.start.costs.restore.ns : 0));
  rest_until(anchor_);
  if (agree(wanted()) == kStop) throw Exit{live::kExitStopped};
  ready_ = true;
  wire_.say(live::Ready{job_.step, job_.done});
  log_->note(
      fmt::format("ready at step {} with {} ns of {} done", job_.step, job_.done.ns, job_.start.total_work.ns));
  anchor_ = monotonic_ns();
  do_steps();
}

void Worker::await_start() {
  while (!wire_.wants().start) {
    if (!wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
    if (!wire_.wants().violation.empty()) fail(wire_.wants().violation, live::kExitUsage);
    listen(kNever.ns);
  }
  job_.start = *wire_.wants().start;
  if (job_.start.world != options_.world)
    fail(fmt::format("`start` speaks of {} ranks, the command line of {}", job_.start.world, options_.world),
         live::kExitUsage);
  log_->note(fmt::format("job {} incarnation {} generation {}: rank {} of {}", job_.start.job, job_.start.incarnation,
                         job_.start.generation, options_.rank, options_.world));
}

void Worker::assemble() {
  gang_ = std::make_unique<Gang>(job_.start, options_.rank);
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
  if (options_.rank == 0 && job_.start.restore) {
    live::CheckpointSearch found = live::load_checkpoint(job_.start.checkpoint_dir);
    for (const std::string& bad : found.passed_over) log_->note("passed over " + bad);
    if (!found.newest && !found.passed_over.empty())
      fail("every checkpoint is damaged, such as " + found.passed_over.front());
    if (found.newest) {
      const live::CheckpointStamp& stamp = found.newest->checkpoint.stamp;
      if (stamp.job != job_.start.job) fail(fmt::format("`{}` is of job {}", found.newest->path, stamp.job));
      job_.step = job_.saved_step = stamp.step;
      job_.done = stamp.done;
      job_.saved_path = found.newest->path;
      log_->note("restored " + job_.saved_path);
    }
  }
  job_.step = agree(job_.step);
  job_.done = {agree(job_.done.ns)};
}

void Worker::do_steps() {
  if (job_.start.fill == 0) rest({});
  while (job_.done < job_.start.total_work) {
    slow_down();
    const Work part = std::min(job_.start.step_work, job_.start.total_work - job_.done);
    const Duration step{scaled(job_.start.step_time, Work{1'000'000 + slowed_.value_or(0)}, Work{1'000'000})};
    const Duration takes{scaled(step, part, job_.start.step_work)};
    const std::int64_t began = monotonic_ns(), paused = paused_;
    // What kept the rank from running for so long will not be made up for by a race.
    if (began - anchor_ > std::max(kSecond, add_ns(step.ns, step.ns))) {
      log_->note(fmt::format("{} ms late after step {}: not made up for", (began - anchor_) / 1'000'000, job_.step));
      anchor_ = began;
    }
    anchor_ = add_ns(anchor_, takes.ns);
    rest_until(anchor_);
    const std::int64_t word = agree(wanted());
    ++job_.step;
    job_.done = job_.done + part;
    job_.spent += slowed_ ? takes : Duration{monotonic_ns() - began - (paused_ - paused)};
    after_step(word);
    rest(takes);
  }
  publish();
  wire_.say(live::Done{job_.step});
}

void Worker::after_step(std::int64_t word) {
  const bool last = job_.done >= job_.start.total_work;
  const std::int64_t every = job_.start.save_every_steps;
  report(last);
  publish();
  reconfigure();
  if (word == kConduct) conduct();
  if (last) return;
  if (word == kStop) stop();
  if (word == kSave || (every > 0 && job_.step % every == 0)) save();
}

void Worker::report(bool last) {
  const std::int64_t every = job_.start.report_every_steps;
  if (every == 0 || (!last && job_.step % every != 0) || wire_.backlog() > kBacklog) return;
  wire_.say(live::Step{job_.step, job_.done, job_.spent});
  job_.spent = {};
}

// All ranks take the time; rank 0 then writes, as the last thing a real save does is to commit.
void Worker::save() {
  wire_.say(live::Saving{job_.step});
  anchor_ = add_ns(anchor_, job_.start.costs.save.ns);
  rest_until(anchor_);
  if (options_.rank != 0) return;
  wire_.wants().save = false;
  if (job_.saved_step != job_.step) {
    auto path = live::save_checkpoint(job_.start.checkpoint_dir, paced_checkpoint(job_));
    if (!path) fail(path.error().items.at(0).message);
    job_.saved_path = *std::move(path);
    job_.saved_step = job_.step;
    log_->note("saved " + job_.saved_path);
  }
  wire_.say(live::Saved{job_.step, job_.done, job_.saved_path});
}

void Worker::publish() {
  for (; wire_.wants().publish > 0; --wire_.wants().publish) {
    auto version = live::publish_version(job_.start.checkpoint_dir + "/versions", paced_checkpoint(job_));
    if (!version) fail(version.error().items.at(0).message);
    log_->note("published " + version->path);
    wire_.say(live::Published{version->version, job_.step, version->path});
  }
}

void Worker::stop() {
  const std::int64_t asked = wire_.wants().stop.empty() ? monotonic_ns() : wire_.wants().stop_ns;
  save();
  agree(kGoOn);  // the others leave when the checkpoint is there, not before
  leaving_ = true;
  rest_until(add_ns(asked, job_.start.costs.stop.ns));
  throw Exit{live::kExitStopped};
}

Worker::Word Worker::wanted() {
  if (ready_ && !wire_.wants().members.empty()) return kConduct;
  if (!wire_.wants().stop.empty()) return kStop;
  return wire_.wants().save ? kSave : kGoOn;
}

// Only rank 0 hears of it; the others keep its time at the end of every step.
void Worker::reconfigure() {
  const auto wanted = std::exchange(wire_.wants().reconfigure, std::nullopt);
  if (!wanted) return;
  job_.start.step_time = wanted->step_time;
  job_.start.step_work = wanted->step_work;
  log_->note(fmt::format("batch {}, accumulation {} after step {}", wanted->batch, wanted->accumulation, job_.step));
  wire_.say(live::Reconfigured{wanted->batch, wanted->accumulation});
}

// Only rank 0 hears of it, as of the other speeds.
void Worker::slow_down() {
  const auto said = std::exchange(wire_.wants().slow, std::nullopt);
  if (!said) return;
  slowed_ = said->millionths;
  wire_.say(live::Slowed{*slowed_});
  log_->note(fmt::format("slowed by {} millionths after step {}", *slowed_, job_.step));
}

void Worker::note_fill() {
  const auto wanted = std::exchange(wire_.wants().fill, std::nullopt);
  if (!wanted || !job_.start.fill) return;
  job_.start.fill = wanted->per_mille;
  log_->note(fmt::format("{} per mille of the time after step {}", wanted->per_mille, job_.step));
  wire_.say(live::Filling{wanted->per_mille});
}

// How long a filler rests after a step; for ever while it is to make none.
std::int64_t Worker::rest_after(Duration step) const {
  const std::int64_t fill = job_.start.fill.value_or(live::kFillAlways);
  if (fill == 0) return kNever.ns;
  return scaled(step, Work{live::kFillAlways - fill}, Work{fill});
}

// Rank 0 knows for how long; what it is told in between may end it.
void Worker::rest(Duration step) {
  if (!job_.start.fill || job_.done >= job_.start.total_work) return;
  std::int64_t said = monotonic_ns();
  while (true) {
    note_fill();
    const worker::Wants& wants = wire_.wants();
    const bool wanted = wants.save || wants.publish > 0 || !wants.members.empty();
    const std::int64_t until = add_ns(anchor_, rest_after(step)), now = monotonic_ns();
    const bool over = options_.rank != 0 || wanted || now >= until;
    const std::int64_t word = agree(!wants.stop.empty() ? kStop : over ? kGoOn : kRest);
    if (word == kStop) stop();
    if (word == kGoOn) {
      anchor_ = options_.rank == 0 ? std::min(until, now) : now;
      return;
    }
    if (options_.rank != 0) continue;
    rest_until(std::min(until, add_ns(now, kLongestWait)));
    if (monotonic_ns() - said < kSignOfLife || wire_.backlog() > kBacklog) continue;
    said = monotonic_ns();
    wire_.say(live::Step{job_.step, job_.done, std::exchange(job_.spent, Duration{})});
  }
}

void Worker::conduct() {
  log_->note(fmt::format("merged after step {}", job_.step));
  if (options_.rank != 0) follow();
  Members members(wire_, *log_, job_);
  if (job_.done >= job_.start.total_work) members.finish_first();
  while (true) {
    members.turn(monotonic_ns() - paused_, paused_);
    if (!wire_.wants().stop.empty()) members.leave_all(monotonic_ns() - paused_);
    if (!members.failure().empty()) fail(members.failure());
    if (!members.empty()) {
      beat(members);
      continue;
    }
    while (agree(members.status() == live::kExitDone ? kEndDone : kEndStopped) >= kWish) {
    }  // it is what the other rank wants
    leaving_ = true;
    throw Exit{members.status()};
  }
}

// One step of the gang, or a moment without one.
void Worker::beat(Members& members) {
  const std::int64_t began = monotonic_ns(), paused = paused_;
  const std::int64_t takes = members.begin_step();
  std::int64_t rest = std::max<std::int64_t>(0, members.next_due() - (began - paused_));
  if (takes > 0) {
    if (began - anchor_ > std::max(kSecond, add_ns(takes, takes))) anchor_ = began;  // as in do_steps()
    anchor_ = add_ns(anchor_, takes);
    rest = std::max<std::int64_t>(0, anchor_ - began);
  } else {
    rest = std::min(rest, kLongestWait);  // somebody else may join
    anchor_ = add_ns(began, rest);
  }
  // A follower that wants to stop says so, once; the others take the step again.
  while (agree(kBeat + rest) >= kWish) wire_.want_stop("another rank was asked to stop");
  rest_until(anchor_);
  const Duration took{monotonic_ns() - began - (paused_ - paused)};
  if (takes > 0) members.end_step(took, monotonic_ns() - paused_);
}

void Worker::follow() {
  bool told = false;
  while (true) {
    const bool wish = !told && !wire_.wants().stop.empty();
    told = told || wish;
    const std::int64_t word = agree(wish ? kWish : 0);
    if (word >= kWish) continue;
    if (word < kBeat) {
      leaving_ = true;
      throw Exit{word == kEndDone ? live::kExitDone : live::kExitStopped};
    }
    anchor_ = add_ns(monotonic_ns(), word - kBeat);
    rest_until(anchor_);
  }
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
      fail(fmt::format("a rank has been silent for {} s after step {}", patience / kSecond, job_.step));
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
  if (ready_) left = std::min(left, std::clamp(job_.start.step_time.ns / 4, kShortestWait, kLongestWait));
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
  log_->note(fmt::format("stood still for {} ms after step {}", lost / 1'000'000, job_.step));
}

void Worker::check_peers() {
  const std::optional<int> rank = leaving_ ? std::nullopt : gang_->lost();
  if (!rank) return;
  if (!ready_ && !wire_.wants().stop.empty()) throw Exit{live::kExitStopped};
  fail(fmt::format("rank {} of {} is gone after step {}", *rank, options_.world, job_.step));
}

void Worker::fail(const std::string& why, int status) {
  log_->note("error: " + why);
  wire_.say(live::WorkerError{why});
  throw Exit{status};
}

}  // namespace orrery::paced

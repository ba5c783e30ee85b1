// The checker's view of work: what jobs say they have done, keep and finish against what they can have done, reckoned
// from events and models alone (work_book.hpp).
#include <fmt/format.h>

#include <algorithm>

#include "sim/api/job_phases.hpp"
#include "sim/observe/check/invariants.hpp"

namespace orrery {

void InvariantChecker::watch_work(std::function<std::optional<Work>(JobId)> true_work, WorldModel world) {
  options_.true_work = std::move(true_work);
  options_.world = std::move(world);
}

// What the job has to do from where it started.
std::optional<Work> InvariantChecker::total(JobId job) const {
  const std::optional<Work> all = options_.true_work(job);
  return all ? std::optional(*all - jobs_[job.index()].saved) : std::nullopt;
}

void InvariantChecker::note_work(const Event& e) {
  Job& j = jobs_[e.job.index()];
  switch (e.kind()) {
    case EventKind::started:
    case EventKind::resumed: work_.run(e.job, e.at); break;
    case EventKind::stop:
    case EventKind::suspend:
      if (work_.prompt()) work_.stand(e.job, e.at);
      break;
    case EventKind::suspended:
      work_.stand(e.job, e.at);
      check_broken_save(e, e.get<event::Suspended>().broken_off);
      break;
    case EventKind::inherited:
      j.saved = e.get<event::Inherited>().saved;
      if (const auto all = total(e.job)) work_.set_total(e.job, *all);
      break;
    case EventKind::features:
      if (const auto& says = e.get<event::Features>(); says.use == FeatureUse::hit) {
        // Live jobs make all of their steps, whatever they find.
        const Duration pass = (*context_.records)[e.job.index()].spec->features.time;
        j.saved = j.saved + Work{std::min(says.time, pass).ns};
        if (const auto all = total(e.job)) work_.set_total(e.job, *all);
      }
      break;
    case EventKind::reconfigured: work_.reconfigure(e.job, (*context_.records)[e.job.index()].held_config); break;
    case EventKind::checkpointed: check_saved(e); break;
    case EventKind::progress: check_progress(e); break;
    case EventKind::stopped:
      check_left(e, e.get<event::Stopped>().committed, e.get<event::Stopped>().broken_off);
      break;
    case EventKind::launch_failed:
    case EventKind::failed: check_left(e, failure_of(e)->committed, failure_of(e)->broken_off); break;
    case EventKind::finished: check_finish(e); break;
    default: break;
  }
}

void InvariantChecker::check_most(const Event& e, Work work, const char* what) {
  const WorkBook::Reckoned most = work_.done(e.job, e.at);
  if (work.ns < 0 || work > most.done)
    report(e.at, e.job, "work", fmt::format("{} of {} ns of work, at most {} done", what, work.ns, most.done.ns));
}

// A checkpoint commits what was done; the time the job stood still for it was no progress.
void InvariantChecker::check_saved(const Event& e) {
  Job& j = jobs_[e.job.index()];
  if (j.state != JobState::running && j.state != JobState::stopping) return;
  const auto& [committed, stood_still] = e.get<event::Checkpointed>();
  if (!work_.stood_still(e.job, stood_still))
    report(e.at, e.job, "work", fmt::format("a save of {} ns, longer than it ran", stood_still.ns));
  if (!options_.true_work(e.job)) return;
  check_most(e, committed, "checkpoint");
  const WorkBook::Reckoned r = work_.done(e.job, e.at);
  if (work_.prompt() && committed.ns < r.done.ns - r.slack_ns)
    report(e.at, e.job, "work", fmt::format("checkpoint of {} ns of work, {} done", committed.ns, r.done.ns));
  j.committed = committed;
}

// What ended while the job stood still to save was no progress either.
void InvariantChecker::check_broken_save(const Event& e, Duration stood) {
  if (stood.ns <= 0) return;
  if (!work_.stood_still(e.job, stood))
    report(e.at, e.job, "work", fmt::format("a save broken off after {} ns, longer than it ran", stood.ns));
}

void InvariantChecker::check_progress(const Event& e) {
  if (!options_.true_work(e.job)) return;
  const Work done = e.get<event::Progress>().done;
  check_phase(e, done, e.get<event::Progress>().phase);
  check_most(e, done, "progress");
  const WorkBook::Reckoned r = work_.done(e.job, e.at);
  // While it stands still to save it has done less than can be known from outside.
  if (work_.prompt() && !work_.saves_take_time() && done.ns < r.done.ns - r.slack_ns)
    report(e.at, e.job, "work", fmt::format("progress of {} ns of work, {} done", done.ns, r.done.ns));
}

// A phase begins at exactly so much work.
void InvariantChecker::check_phase(const Event& e, Work done, std::int32_t phase) {
  const JobSpec& spec = *(*context_.records)[e.job.index()].spec;
  const std::optional<Work> all = total(e.job);
  if (all && !spec.phases.empty() && phase != phase_at(spec, *all, done))
    report(e.at, e.job, "work", fmt::format("in phase {} after {} of {} ns of work", phase, done.ns, all->ns));
  work_.enter_phase(e.job, phase);
}

// What a stop or failure says it leaves behind cannot be more than there was; nor, of a stop, less, unless the job
// was killed and keeps what it last saved, as after a failure.
void InvariantChecker::check_left(const Event& e, Work left, Duration broken_off) {
  Job& j = jobs_[e.job.index()];
  work_.stand(e.job, e.at);
  check_broken_save(e, broken_off);
  if (options_.true_work(e.job)) {
    check_most(e, left, "end");
    const WorkBook::Reckoned r = work_.done(e.job, e.at);
    const bool all = e.kind() == EventKind::stopped && left.ns >= r.done.ns - r.slack_ns;
    if (work_.prompt() && !all && left != j.committed)
      report(e.at, e.job, "work",
             fmt::format("left {} ns of work: {} were saved, {} done", left.ns, j.committed.ns, r.done.ns));
  }
  j.committed = left;
}

void InvariantChecker::check_finish(const Event& e) {
  const std::optional<Work> has = total(e.job);
  if (!has) return;
  const Duration late = work_.overdue(e.job, e.at, *has);
  if (late.ns == 0) return;
  const Work done = work_.done(e.job, e.at).done;
  report(e.at, e.job, "work",
         late.ns < 0 ? fmt::format("finished after {} ns of work, has {}", done.ns, has->ns)
                     : fmt::format("had done its {} ns of work {} ns before it finished", has->ns, late.ns));
}

}  // namespace orrery

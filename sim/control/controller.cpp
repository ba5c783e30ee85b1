#include "sim/control/controller.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"
#include "sim/core/node_widths.hpp"

namespace orrery {
namespace {

// Whether the job would fit on fewer GPUs than it asks for, down to its least.
bool fits_smaller(const std::function<bool(const Demand&)>& feasible, const JobSpec& spec) {
  Demand d = spec.demand;
  while (d.gpus > std::max(spec.min_gpus, 1)) {
    --d.gpus;
    d.cpu_milli = part_of_job(spec.demand, spec.demand.cpu_milli, d.gpus);
    d.mem_bytes = part_of_job(spec.demand, spec.demand.mem_bytes, d.gpus);
    if (feasible(d)) return true;
  }
  return false;
}

// Its retry budget is spent.
void fail_for_good(Event& e) {
  if (auto* failed = std::get_if<event::Failed>(&e.what)) failed->for_good = true;
  if (auto* failed = std::get_if<event::LaunchFailed>(&e.what)) failed->for_good = true;
}

}  // namespace

Controller::Controller(Executor& executor, Policy& policy, JobSource& source, const std::vector<JobSpec>& specs,
                       const DemandTable& demands, const Predictor& predict, ControllerOptions options,
                       std::vector<Observer*> observers)
    : executor_(&executor),
      policy_(&policy),
      source_(&source),
      options_(std::move(options)),
      observers_(std::move(observers)),
      state_(executor.describe(), specs, demands, predict, options_.retry_budget),
      builder_(state_.records(), demands, state_.planned()),
      reconciler_(state_, executor, options_.stop_grace, [this](const Event& e) { emit(e); }),
      mask_(policy.wakes_on()) {}

Controller::Controller(Executor& executor, Policy& policy, WorldState& from, ControllerOptions options,
                       std::vector<Observer*> observers)
    : executor_(&executor),
      policy_(&policy),
      source_(&from.source),
      options_(std::move(options)),
      observers_(std::move(observers)),
      state_(from.cluster),
      builder_(state_.records(), state_.demands(), state_.planned()),
      reconciler_(
          state_, executor, options_.stop_grace, [this](const Event& e) { emit(e); }, from.pending),
      mask_(policy.wakes_on()),
      since_last_(from.since_last),
      wake_at_(from.wake_at),
      wake_(from.wake),
      outcome_(from.so_far) {}

WorldState Controller::world() const {
  return {executor_->now(), state_, *source_, reconciler_.pending(), since_last_, wake_at_, wake_, outcome_};
}

RunOutcome Controller::run() {
  begin();
  while (step()) {
  }
  return end();
}

void Controller::begin() {
  const RunContext context{&executor_->describe(), &state_.records(), &state_.physical(), &state_.planned()};
  for (Observer* o : observers_) o->on_begin(context);
}

bool Controller::step() {
  if (state_.unfinished() == 0) return false;
  const Time deadline = std::min(source_->next_submit(), wake_at_);
  const std::span<const Event> happened = executor_->wait_until(deadline);
  const Time now = executor_->now();
  if (breaks()) return false;
  if (happened.empty() && deadline == kNever) {
    outcome_.status = RunStatus::stalled;
    return false;
  }
  arrivals_.clear();
  for (const Event& e : happened) apply(e);
  source_->release(now, arrivals_);
  if (wake_at_ <= now) {
    wake_at_ = kNever;
    arrivals_.push_back(Event{.at = now, .what = event::Timer{}});
  }
  for (std::size_t i = 0; i < arrivals_.size(); ++i) apply(Event(arrivals_[i]));  // grows while children are released
  const bool decides = wake_;
  if (decides) decide(now);
  reconciler_.act(now);
  for (Observer* o : observers_) o->on_batch_end(now);
  if (breaks()) return false;
  if (decides && at_rest() && state_.unfinished() > 0) {
    outcome_.status = RunStatus::stalled;
    return false;
  }
  look_ahead();
  return true;
}

// What comes next is nearly always of one of three jobs: the one that is due, the one that is submitted next, and the
// first of those that wait.
void Controller::look_ahead() {
  const IdSet<JobId>& waiting = state_.pending();
  const std::array<JobId, 3> next{executor_->upcoming(), source_->upcoming(),
                                  waiting.empty() ? JobId{} : *waiting.begin()};
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (next[i] == expected_[i] || !next[i].valid()) continue;
    expected_[i] = next[i];
    state_.expect(next[i]);
    for (const Observer* o : observers_) o->expect(next[i]);
  }
}

bool Controller::breaks() {
  const std::string_view why = executor_->broken();
  if (why.empty()) return false;
  outcome_.status = RunStatus::broken;
  outcome_.why = why;
  return true;
}

RunOutcome Controller::end() {
  outcome_.ended = executor_->now();
  outcome_.unfinished = state_.unfinished();
  for (Observer* o : observers_) o->on_end(outcome_.ended);
  return outcome_;
}

void Controller::emit(const Event& event) {
  ++outcome_.events;
  for (Observer* o : observers_) o->on_event(event);
  if (event.kind() == EventKind::reject || event.kind() == EventKind::cancel) {
    since_last_.push_back(event);
    settle_ended(event.job, false, event.at);
  }
  if (event.kind() == EventKind::stop || event.kind() == EventKind::suspend) call_off_fillers(event.job, event.at);
}

void Controller::apply(Event event) {
  if (!state_.apply(event)) return;  // stale: of an incarnation that is gone
  const bool fails = event.kind() == EventKind::failed || event.kind() == EventKind::launch_failed;
  if (fails && state_.record(event.job).state == JobState::failed) fail_for_good(event);
  if (options_.check_views) state_.check_against_rebuild();
  ++outcome_.events;
  for (Observer* o : observers_) o->on_event(event);
  if (event.kind() == EventKind::slowed) return;  // a real cluster would not say so either
  since_last_.push_back(event);
  wake_ = wake_ || (mask_ & mask_of(event.kind())) != 0;
  switch (event.kind()) {
    case EventKind::submit: admit(event); break;
    case EventKind::published:
      source_->published(event.at, event.job, event.get<event::Published>().per_mille, arrivals_);
      break;
    case EventKind::finished:
      call_off_fillers(event.job, event.at);
      settle_ended(event.job, true, event.at);
      break;
    case EventKind::failed:
    case EventKind::launch_failed:
    case EventKind::stopped:
      call_off_fillers(event.job, event.at);
      if (is_final(state_.record(event.job).state))
        settle_ended(event.job, false, event.at);
      else if (state_.record(event.job).cancelling)
        cancel(event.job, event.at);
      reconciler_.job_changed(event.job);
      break;
    case EventKind::capacity:
      if (const auto& [node, usable] = event.get<event::Capacity>(); usable == 0) call_off_launches(node, event.at);
      break;
    case EventKind::started:
    case EventKind::suspended:
    case EventKind::resumed: reconciler_.job_changed(event.job); break;
    default: break;
  }
}

void Controller::cancel(JobId job, Time now) {
  state_.cancel(job, now);
  emit(Event{.at = now, .job = job, .what = event::Cancel{}});
}

// Jobs that wait for GPUs of a node that has gone down get no target that may never be reached: they are the
// policy's again. (Jobs that hold GPUs there are failed by the executor.)
void Controller::call_off_launches(NodeId node, Time now) {
  std::vector<JobId> lost;
  for (const JobId job : state_.active()) {
    const JobRecord& r = state_.record(job);
    const bool reached = holds_gpus(r.state) && r.target.gpus == r.held;
    if (!reached && r.target.gpus.touches(node)) lost.push_back(job);
  }
  for (const JobId job : lost) call_off(job, node, now);
}

// A host that ceases to run where it is: its bubbles are gone, and who fills them is the policy's again.
void Controller::call_off_fillers(JobId host, Time now) {
  const std::span<const JobId> all = state_.fillers(host);
  for (const JobId job : std::vector<JobId>(all.begin(), all.end())) call_off(job, NodeId{}, now);
}

void Controller::call_off(JobId job, NodeId node, Time now) {
  state_.call_off(job);
  const Event e{.at = now, .job = job, .what = event::CalledOff{node}};
  emit(e);
  since_last_.push_back(e);
  wake_ = wake_ || (mask_ & mask_of(e.kind())) != 0;
  reconciler_.job_changed(job);
}

// Nothing will ever start any more: everything that could run is idle on a cluster that is all there, the policy has
// been asked and wants no wake-up. (Without this, a cluster whose nodes go down and come back would turn for ever.)
bool Controller::at_rest() const {
  return state_.holders() == 0 && state_.active().empty() && source_->exhausted() && wake_at_ == kNever && !wake_ &&
         state_.physical().usable_gpus() == state_.physical().topology().total_gpus();
}

// Rejects at once what can never run: a job whose hard parent is lost, or whose demand fits nowhere: not even on as
// few GPUs as it can run on, where the policy changes sizes.
void Controller::admit(const Event& submit) {
  const auto refuse = [this, &submit](Rejection why) {
    state_.reject(submit.job, submit.at);
    emit(Event{.at = submit.at, .job = submit.job, .what = event::Reject{why}});
  };
  if (source_->doomed(submit.job)) return refuse(Rejection::parent_lost);
  if (!options_.feasible) return;
  const JobSpec& spec = *state_.record(submit.job).spec;
  if (spec.demand_class.index() >= feasible_.size()) feasible_.resize(spec.demand_class.index() + 1, -1);
  signed char& known = feasible_[spec.demand_class.index()];
  if (known < 0) known = options_.feasible(spec.demand) ? 1 : 0;
  if (known == 0 && !(options_.elastic && fits_smaller(options_.feasible, spec))) refuse(Rejection::infeasible);
}

// Releases the children of a job that has ended; those that can never run any more are rejected in turn.
void Controller::settle_ended(JobId job, bool finished, Time now) {
  std::vector<JobId> doomed;
  source_->ended(now, job, finished, arrivals_, doomed);
  for (const JobId child : doomed) {
    // A child whose submission is still to be applied is refused there.
    if (!state_.record(child).known || is_final(state_.record(child).state)) continue;
    state_.reject(child, now);
    emit(Event{.at = now, .job = child, .what = event::Reject{Rejection::parent_lost}});
  }
}

// A policy that has seen nothing of the run takes over: it is told of every job there is, in order of submission.
void Controller::introduce(Policy& policy, Time now) {
  policy_ = &policy;
  mask_ = policy.wakes_on();
  since_last_.clear();
  for (const JobRecord& r : state_.records()) {
    if (!r.known || is_final(r.state)) continue;
    Event e{.at = now, .job = r.spec->id, .what = event::Ready{}};
    if (!r.ready) e.what = event::Submit{};
    since_last_.push_back(e);
  }
}

void Controller::decide(Time now) {
  wake_ = false;
  ++outcome_.decisions;
  const std::uint64_t epoch = outcome_.decisions;
  if (Policy* next = options_.take_over ? options_.take_over(epoch) : nullptr) introduce(*next, now);
  if (options_.on_decision) options_.on_decision(true);
  builder_.begin(now);
  policy_->schedule(state_.view(now, epoch, since_last_), builder_);
  const Plan& plan = builder_.finish();
  if (options_.on_decision) options_.on_decision(false);
  since_last_.clear();
  state_.accept(plan);
  if (options_.check_views) state_.check_against_rebuild();
  wake_at_ = plan.wake_at.value_or(kNever);
  ORRERY_ASSERT(wake_at_ > now, "the policy asks to be woken at {} ns, which is not after now", wake_at_.ns);
  emit(Event{.at = now, .what = event::Decide{epoch, static_cast<std::uint32_t>(plan.targets.size())}});
  for (Observer* o : observers_) o->on_plan(now, epoch, plan);
  reconciler_.targets_changed(plan);
}

}  // namespace orrery

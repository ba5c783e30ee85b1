#include "sim/world/sim_executor.hpp"

#include <algorithm>
#include <utility>

#include "sim/api/emulation.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/fetch.hpp"

namespace orrery {
namespace {

// Why a gang cannot fill so much of its host's bubbles.
Refusal fill_refusal(const SimGang& g, std::int32_t per_mille) {
  if (!g.fills) return Refusal::impossible;
  return per_mille < 1 || per_mille > kWholeFill ? Refusal::out_of_range : Refusal::none;
}

}  // namespace

SimExecutor::SimExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
                         SimOptions options)
    : topology_(&topology),
      workload_(&workload),
      model_(&model),
      options_(std::move(options)),
      table_(workload.specs.size()),
      speed_(topology, workload, model, options_.network, options_.rule, options_.fill_cost),
      faults_(topology, options_.failures),
      versions_(options_.publishes, options_.assess, workload),
      features_(options_.features, workload),
      phases_(topology, workload, options_.cpus),
      saves_(options_.checkpoints, options_.publishes) {
  make_tolls();
  faults_.plan(table_, nullptr);
}

SimExecutor::~SimExecutor() = default;

void SimExecutor::make_tolls() {
  if (options_.rule == nullptr || options_.rule->toll == nullptr) return;
  for (const JobSpec& spec : workload_->specs) tolls_.push_back(options_.rule->toll(spec));
}

void SimExecutor::launch(const LaunchRequest& request) {
  for (const Member& member : request.members) launch(request, member);
}

void SimExecutor::launch(const LaunchRequest& request, const Member& member) {
  SimGang& g = table_.gangs.enter(request, member);
  g.phase = Phase::starting;
  if (member.config.anew) g.done = g.committed = Work{};
  speed_.enter(table_, g, request, member, phases_.minds(workload_->specs[g.job.index()]));
  features_.enter(g, versions_.inherit(g, member.config));
  const JobSpec& spec = workload_->specs[g.job.index()];
  const Time start =
      table_.now + options_.overheads.start_cost(spec, member.incarnation) + model_->start_cost(spec, *request.gpus);
  g.next = table_.schedule(g, start, Due::kStartClass, {.what = What::start});
  faults_.enter(g, *request.gpus);
  g.rate = speed_.present(g);
}

void SimExecutor::run_from_now(SimGang& g) {
  g.phase = Phase::running;
  g.since = table_.now;
  g.saving = false;
  speed_.start(g);
  if (phases_.enter(g)) g.rate = speed_.present(g);
  speed_.plan_end(table_, g);
  plan_report(g);
  saves_.plan(table_, g, speed_);
  plan_publication(g);
  plan_assessment(g);
  plan_feature_pass(g);
  plan_phase(g);
}

void SimExecutor::plan_report(SimGang& g) {
  Duration every = options_.progress_every;
  if (every.ns <= 0 && g.has_bubbles) every = options_.bubble_report;
  if (every.ns > 0) g.report = table_.schedule(g, table_.now + every, Due::kProgressClass, {.what = What::report});
}

void SimExecutor::cease(SimGang& g) {
  speed_.stop(g);  // whatever ends its steps comes by here
  phases_.leave(g);
  for (DueQueue::Handle* h : {&g.next, &g.report, &g.save, &g.publish, &g.assess, &g.features, &g.phase_end})
    table_.cancel(*h);
  g.saving = g.publishes_now = false;
}

void SimExecutor::leave(SimGang& g) {
  g.phase = Phase::idle;
  faults_.leave(g);
  features_.leave(g);
}

void SimExecutor::stop(GangId gang, const Member& member, StopHow how, Duration) {
  SimGang* g = table_.gangs.find(gang, member);
  if (g == nullptr) return;  // it has just ended: its event is on the way
  if (g->phase == Phase::stopping && how != StopHow::kill) return;
  speed_.settle(*g, table_.now);
  g->broken_save = SimSaves::stood_still(*g, table_.now);
  cease(*g);
  if (how == StopHow::suspend) {
    ORRERY_ASSERT(!g->merged, "job {} is merged with others: it cannot be suspended", g->job.value);
    g->phase = Phase::suspended;
    g->next =
        table_.schedule(*g, table_.now, Due::kStopClass, {.what = What::suspension, .stood_still = g->broken_save});
    return;
  }
  g->phase = Phase::stopping;
  const bool kill = how == StopHow::kill;
  const JobSpec& spec = workload_->specs[g->job.index()];
  const Duration takes = kill ? Duration{} : options_.overheads.stop_cost(spec, member.incarnation);
  g->next =
      table_.schedule(*g, table_.now + takes, Due::kStopClass,
                      {.what = What::stop, .work = kill ? g->committed : g->done, .stood_still = g->broken_save});
}

void SimExecutor::resume(GangId gang, const Member& member) {
  SimGang* g = table_.gangs.find(gang, member);
  if (g == nullptr || g->phase != Phase::suspended) return;
  cease(*g);
  g->next = table_.schedule(*g, table_.now, Due::kStartClass, {.what = What::resumption});
}

// Why it cannot obey at this instant.
Refusal SimExecutor::refusal(const SimGang& g, const Command& command) const {
  if (command.kind == Command::Kind::publish && versions_.empty()) return Refusal::impossible;
  if (g.phase != Phase::running) return Refusal::not_running;
  if (command.kind == Command::Kind::fill) return fill_refusal(g, command.config.fill_per_mille);
  if (g.saving || g.publishes_now) return Refusal::busy;
  return command.kind == Command::Kind::reconfigure ? speed_.refusal(g, command.config) : Refusal::none;
}

void SimExecutor::command(GangId gang, const Member& member, const Command& command) {
  SimGang* g = table_.gangs.find(gang, member);
  if (g == nullptr) return;
  speed_.settle(*g, table_.now);
  const auto at_once = [&](const Due& due) { return table_.schedule(*g, table_.now, Due::kProgressClass, due); };
  if (const Refusal why = refusal(*g, command); why != Refusal::none) {
    at_once({.what = What::refusal, .why = why});
    return;
  }
  if (command.kind == Command::Kind::fill) {
    at_once({.what = What::reconfiguration, .fill_per_mille = command.config.fill_per_mille});
    return;
  }
  if (command.kind == Command::Kind::reconfigure) {
    at_once(
        {.what = What::reconfiguration, .accumulation = command.config.accumulation, .batch = command.config.batch});
    return;
  }
  const What what = command.kind == Command::Kind::publish ? What::publication : What::checkpoint;
  if (saves_.cost(*g, what).ns > 0) return saves_.begin(table_, *g, what);
  if (what == What::publication) {
    table_.cancel(g->publish);
    g->publish = at_once({.what = what});
    g->publishes_now = true;
    return;
  }
  g->committed = g->done;
  at_once({.what = What::saved, .work = g->done});
  table_.cancel(g->save);
  saves_.plan(table_, *g, speed_);
}

// What is due means something for its gang and, in most cases, is said.
void SimExecutor::happen(const Due& due) {
  if (due.what == What::node_down || due.what == What::node_up) {
    for (const JobId job : faults_.change_node(due)) fail(table_.gangs[job], due.node);
    return faults_.tell(table_, due);
  }
  if (due.what == What::slow_spell || due.what == What::spell_end) {
    for (const JobId job : faults_.change_speed(table_, due))
      change_rate(table_.gangs[job], table_.gangs[job].healthy, table_.gangs[job].turns);
    return;
  }
  SimGang* const g = table_.gangs.look(due.job);
  if (g != nullptr && g->incarnation == due.incarnation) happen_to(*g, due);
}

void SimExecutor::happen_to(SimGang& g, const Due& due) {
  switch (due.what) {
    case What::start:
    case What::resumption:
      g.next = DueQueue::kNone;
      if (const auto told = versions_.inherited(g)) table_.say(g, *told);
      if (due.what == What::start)
        if (const auto told = features_.begin(g, table_.now)) table_.say(g, *told);
      run_from_now(g);
      if (due.what == What::start)
        table_.say(g, event::Started{});
      else
        table_.say(g, event::Resumed{});
      if (const auto told = SimPhases::tell(g)) table_.say(g, *told);
      return;
    case What::finish: return finish(g);
    case What::suspension: g.next = DueQueue::kNone; return table_.say(g, event::Suspended{due.stood_still});
    case What::stop:
      g.next = DueQueue::kNone;
      g.done = g.committed = due.work;
      leave(g);
      return table_.say(g, event::Stopped{due.work, due.stood_still});
    case What::report:
      plan_report(g);
      if (g.saving) return;  // it stands still, which is not its speed
      speed_.settle(g, table_.now);
      if (enter_due_phase(g)) return;  // which says so
      return table_.say(g, event::Progress{g.done, g.in_phase});
    case What::stretch_end:  // it reports as its speed changes
      speed_.end_stretch(table_, g);
      (void)enter_due_phase(g);
      plan_publication(g);
      plan_assessment(g);
      plan_feature_pass(g);
      plan_phase(g);
      return table_.say(g, event::Progress{g.done, g.in_phase});
    case What::phase: g.phase_end = DueQueue::kNone; return enter_phase(g);
    case What::checkpoint:
    case What::publication: return save(g, due.what);
    case What::assessment: g.assess = DueQueue::kNone; return table_.say(g, versions_.assess(g));
    case What::feature_pass: g.features = DueQueue::kNone; return features_.keep(table_, g);
    case What::saved: return table_.say(g, event::Checkpointed{due.work});
    case What::reconfiguration: return reconfigure(g, due);
    case What::refusal: return table_.say(g, event::CommandFailed{due.why});
    default: return;
  }
}

void SimExecutor::finish(SimGang& g) {
  g.next = DueQueue::kNone;
  speed_.settle(g, table_.now);
  cease(g);
  versions_.publish_last(g);
  leave(g);
  table_.say(g, event::Finished{});
  table_.gangs.forget(g.job);
}

void SimExecutor::fail(SimGang& g, NodeId node) {
  const Duration broken_off = SimSaves::stood_still(g, table_.now);
  leave(g);
  cease(g);
  g.done = g.committed;
  table_.say(g, event::Failed{.committed = g.committed, .broken_off = broken_off, .node = node});
}

// A checkpoint or a publication, which is one, too, and says that: it begins (nothing is said yet) or ends.
void SimExecutor::save(SimGang& g, What what) {
  const bool publishes = what == What::publication;
  (publishes ? g.publish : g.save) = DueQueue::kNone;
  if (publishes) g.publishes_now = false;
  const Duration cost = saves_.cost(g, what);
  if (!g.saving) {
    speed_.settle(g, table_.now);
    if (cost.ns > 0) {
      (void)enter_due_phase(g);  // it may report while it stands still
      return saves_.begin(table_, g, what);
    }
  }
  g.committed = g.done;
  table_.say(g, event::Checkpointed{g.committed, cost});
  if (publishes) table_.say(g, versions_.publish(g));
  const bool stood = std::exchange(g.saving, false);
  if (stood) {
    g.since = table_.now;
    speed_.plan_end(table_, g);
    if (publishes) saves_.plan(table_, g, speed_);
    plan_assessment(g);
  }
  plan_publication(g);
  plan_feature_pass(g);
  plan_phase(g);
  if (!publishes) saves_.plan(table_, g, speed_);
}

// It goes on at the speed that it has with another batch, or with more or fewer windows. One that has been asked to
// stop meanwhile does not.
void SimExecutor::reconfigure(SimGang& g, const Due& due) {
  if (g.phase != Phase::running) return table_.say(g, event::CommandFailed{Refusal::not_running});
  speed_.settle(g, table_.now);
  if (due.fill_per_mille > 0) {
    g.config.fill_per_mille = due.fill_per_mille;
  } else {
    g.config.batch = due.batch;
    g.config.accumulation = due.accumulation;
  }
  speed_.reconfigured(g);
  if (g.fills) g.rate = speed_.present(g);
  if (!g.saving) plan_anew(g);
  const RunConfig& c = g.config;
  table_.say(g, event::Reconfigured{c.batch, c.accumulation, g.fills ? c.fill_per_mille : 0});
}

// Jobs whose share of the network, of CPUs, or whose neighbours, have changed go on at another speed from now on.
void SimExecutor::change_rates() {
  phases_.update(table_, [this](SimGang& g) { change_rate(g, g.healthy, g.turns); });
  speed_.update(table_, [this](SimGang& g, Rate healthy, std::int64_t turns) { change_rate(g, healthy, turns); });
}

void SimExecutor::change_rate(SimGang& g, Rate healthy, std::int64_t turns) {
  g.healthy = healthy;
  g.turns = turns;
  const Rate rate = speed_.present(g);
  if (rate == g.rate) return;
  speed_.settle(g, table_.now);
  g.rate = rate;
  if (g.phase != Phase::running) return;  // it will start, or go on, at this speed
  if (!g.saving) plan_anew(g);            // else when it has saved
}

// It goes on at another speed: when will it end, publish, and save? A publication that was asked for is due now.
void SimExecutor::plan_anew(SimGang& g) {
  table_.cancel(g.next);
  if (!g.publishes_now) table_.cancel(g.publish);
  table_.cancel(g.assess);
  table_.cancel(g.features);
  table_.cancel(g.phase_end);
  speed_.plan_end(table_, g);
  plan_publication(g);
  plan_assessment(g);
  plan_feature_pass(g);
  plan_phase(g);
  if (g.save == DueQueue::kNone) saves_.plan(table_, g, speed_);
}

// Whatever happens, every job that goes on running has progressed by max(elapsed - toll, 0).
void SimExecutor::take_tolls(Duration elapsed) {
  table_.gangs.for_each([&](SimGang& g) {
    if (g.phase != Phase::running) return;
    g.done = g.done + Work{std::max<std::int64_t>(elapsed.ns - tolls_[g.job.index()].ns, 0)};
    g.since = table_.now;
    table_.queue.reschedule(g.next, table_.now + time_for(g.total - g.done, kUnitRate));
    table_.say(g, event::Progress{g.done, g.in_phase});
  });
}

JobId SimExecutor::upcoming() const {
  const Due* const next = table_.queue.peek();
  if (next == nullptr) return {};
  if (next->job.valid()) fetch(table_.gangs[next->job]);
  return next->job;
}

std::span<const Event> SimExecutor::wait_until(Time deadline) {
  SimTable& t = table_;
  t.batch.clear();
  change_rates();                                // what was stopped since the last call
  while (t.batch.empty() && t.broken.empty()) {  // some events concern only the executor: a checkpoint begins
    const Time next = t.queue.next_time();
    const Time before = t.now;
    const bool nothing = next > deadline || next == kNever;
    if (!nothing) {
      ORRERY_ASSERT(next >= t.now, "time runs backwards: {} after {}", next.ns, t.now.ns);
      t.now = next;
      const auto same_end = options_.rule != nullptr ? options_.rule->same_end : nullptr;
      bool ends = false;
      while (!t.queue.empty() && (t.queue.next_time() == t.now || (ends && same_end(t.now, t.queue.next_time())))) {
        const Due due = t.queue.pop().payload;
        ends = same_end != nullptr && (ends || due.what == What::finish);
        happen(due);
      }
      change_rates();
    } else if (deadline != kNever) {
      t.now = std::max(t.now, deadline);
    }
    if (!tolls_.empty() && t.now > before) take_tolls(t.now - before);
    if (nothing) break;
  }
  return t.batch;
}

}  // namespace orrery

#include "sim/observe/check/invariants.hpp"

#include <algorithm>
#include <utility>

#include "sim/api/emulation.hpp"
#include "sim/control/gangs.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/fetch.hpp"

namespace orrery {

InvariantChecker::InvariantChecker(InvariantOptions options) : options_(std::move(options)) {}
InvariantChecker::~InvariantChecker() = default;

void InvariantChecker::on_begin(const RunContext& context) {
  ORRERY_ASSERT(context.topology != nullptr && context.records != nullptr, "the checker needs topology and records");
  context_ = context;
  physical_.emplace(*context.topology);
  planned_.emplace(*context.topology);
  jobs_.assign(context.records->size(), Job{});
  if (options_.true_work) work_.begin(context, options_.world);
}

void InvariantChecker::report(Time at, JobId job, const char* rule, std::string text) {
  ++count_;
  ORRERY_ASSERT(!options_.fatal, "{} at {} ns, job {}: {}", rule, at.ns, job.value, text);
  if (violations_.size() < options_.keep) violations_.push_back({at, job, rule, std::move(text)});
}

void InvariantChecker::touch(JobId id) {
  Job& j = jobs_[id.index()];
  if (j.touched) return;
  j.touched = true;
  touched_.push_back(id);
}

std::uint32_t InvariantChecker::book(Ledger& ledger, const Allocation& a, Sharing sharing, GroupId group,
                                     std::string& why) {
  std::uint32_t slot = static_cast<std::uint32_t>(bookings_.size());
  if (free_bookings_.empty()) {
    bookings_.emplace_back();
  } else {
    slot = free_bookings_.back();
    free_bookings_.pop_back();
  }
  why = ledger.take(a, sharing, group);
  Booking& b = bookings_[slot];
  b.gpus = a;
  b.sharing = sharing;
  b.group = group;
  b.booked = why.empty();
  return slot;
}

void InvariantChecker::unbook(Ledger& ledger, std::uint32_t slot) {
  const Booking& b = bookings_[slot];
  if (b.booked) ledger.give(b.gpus, b.sharing, b.group);
  free_bookings_.push_back(slot);
}

void InvariantChecker::drop_planned(Job& j) {
  if (j.planned == kNone) return;
  unbook(*planned_, j.planned);
  j.planned = kNone;
}

void InvariantChecker::move(const Event& e, JobState to) {
  Job& j = jobs_[e.job.index()];
  if (is_final(j.state))
    report(e.at, e.job, "ended-twice", fmt::format("`{}` after it was {}", to_string(e.kind()), to_string(j.state)));
  else if (!legal_move(j.state, to))
    report(e.at, e.job, "illegal-move",
           fmt::format("{} -> {} by `{}`", to_string(j.state), to_string(to), to_string(e.kind())));
  j.state = to;
}

void InvariantChecker::check_demand(const Event& e, const Allocation& gpus) {
  const JobSpec& spec = *(*context_.records)[e.job.index()].spec;
  const bool rigid = spec.max_gpus == 0;
  const int low = rigid ? spec.demand.gpus : spec.min_gpus;
  const int high = rigid ? spec.demand.gpus : spec.max_gpus;
  const int got = gpus.gpu_count();
  const bool any = options_.emulate != nullptr && options_.emulate->ignores_sizes;
  if (!any && (got < low || got > high))
    report(e.at, e.job, "demand", fmt::format("launched on {} GPUs, wants {} to {}", got, low, high));
  if (spec.demand.gpu_types == 0) return;
  for (const NodeSlice& s : gpus.slices())
    if (((spec.demand.gpu_types >> context_.topology->node(s.node).type) & 1) == 0)
      report(e.at, e.job, "demand", fmt::format("node {} has the wrong GPU type", s.node.value));
}

// What the kind of sharing promises, apart from who else is there: that is the ledger's business.
void InvariantChecker::check_sharing(const Event& e, const Ledger& ledger, const Allocation& gpus, Sharing sharing,
                                     GroupId group, const char* rule) {
  const bool grouped = sharing == Sharing::interleaved || sharing == Sharing::merged;
  if (grouped != group.valid())
    report(e.at, e.job, rule, grouped ? "shares within a group, but names none" : "names a group, but is none of it");
  if (const Allocation* all = sharing == Sharing::merged ? ledger.merged(group) : nullptr)  // they are one gang
    if (!same_gpus(*all, gpus))
      report(e.at, e.job, rule, fmt::format("merged on {} with a job on {}", gpus.to_string(), all->to_string()));
  if (sharing == Sharing::fraction) return;
  for (const NodeSlice& s : gpus.slices())
    if (s.gpu_count() > 0 && s.milli_per_gpu != kMilliPerGpu)
      report(e.at, e.job, rule,
             fmt::format("{} thousandths of GPUs of node {}, where it may only hold whole ones", s.milli_per_gpu,
                         s.node.value));
}

void InvariantChecker::launch(const Event& e) {
  Job& j = jobs_[e.job.index()];
  const JobRecord& r = (*context_.records)[e.job.index()];
  move(e, JobState::starting);
  const Allocation* const gpus = e.get<event::Launch>().gpus;
  if (e.incarnation != j.incarnation + 1)
    report(e.at, e.job, "incarnation", fmt::format("launch {} after {}", e.incarnation, j.incarnation));
  j.incarnation = e.incarnation;
  if (j.held != kNone) unbook(*physical_, j.held);
  j.held = kNone;
  if (gpus == nullptr) {
    report(e.at, e.job, "bounds", "launched without an allocation");
    return;
  }
  if (std::string why = physical_->bounds(*gpus); !why.empty()) {
    report(e.at, e.job, "bounds", std::move(why));
    return;
  }
  check_demand(e, *gpus);
  if (r.has_target && r.target.act == Act::run && !(r.target.gpus == *gpus))
    report(e.at, e.job, "off-target",
           fmt::format("launched on {}, its target is {}", gpus->to_string(), r.target.gpus.to_string()));
  check_sharing(e, *physical_, *gpus, r.held_sharing, r.held_group, "sharing");
  std::string why;
  j.held = book(*physical_, *gpus, r.held_sharing, r.held_group, why);
  if (!why.empty()) report(e.at, e.job, "overbooked", std::move(why));
  for (const NodeSlice& s : gpus->slices()) {
    const std::int64_t usable = physical_->usable(s.node);
    if ((usable == 0 && context_.topology->node(s.node).gpus > 0) || physical_->held_on(s.node) > usable)
      report(e.at, e.job, "down-node", fmt::format("node {} has {} usable GPUs", s.node.value, usable));
  }
  begin_fill(e, *gpus);
  if (!options_.true_work) return;
  if (e.get<event::Launch>().anew) j.committed = Work{};
  if (j.committed.ns == 0) j.saved = Work{};  // it says so again
  const Work all = total(e.job).value_or(Work{});
  work_.launch(e.job, *gpus, r.held_config, r.held_sharing, r.held_group, j.committed, all);
}

void InvariantChecker::release(const Event& e) {
  Job& j = jobs_[e.job.index()];
  if (options_.true_work) work_.leave(e.job, e.at);
  if (j.held != kNone) unbook(*physical_, j.held);
  j.held = kNone;
  end_fill(e.job);
}

void InvariantChecker::end(const Event& e, JobState to) {
  move(e, to);
  release(e);
  drop_planned(jobs_[e.job.index()]);
}

void InvariantChecker::expect(JobId job) const {
  if (job.index() >= jobs_.size()) return;
  fetch(jobs_[job.index()]);
  if (options_.true_work) work_.expect(job);
}

void InvariantChecker::on_event(const Event& e) {
  if (e.at < now_) report(e.at, e.job, "time", fmt::format("`{}` after {} ns", to_string(e.kind()), now_.ns));
  now_ = std::max(now_, e.at);
  if (options_.true_work) work_.pass(now_);
  if (e.kind() == EventKind::capacity) {
    const auto& [node, usable] = e.get<event::Capacity>();
    const bool exists = node.index() < context_.topology->node_count();
    if (!exists || usable < 0 || usable > context_.topology->node(node).gpus)
      report(e.at, e.job, "bounds", fmt::format("node {} with {} GPUs", node.value, usable));
    else
      physical_->set_usable(node, usable);
    return;
  }
  const auto* slowed = e.get_if<event::Slowed>();
  if (slowed != nullptr && options_.true_work && slowed->node.index() < context_.topology->node_count())
    work_.slow(slowed->node, slowed->millionths);
  if (!e.job.valid() || e.kind() == EventKind::decide || e.kind() == EventKind::timer) return;
  if (e.job.index() >= jobs_.size()) {
    report(e.at, e.job, "unknown-job", fmt::format("`{}` of a job that is not in this run", to_string(e.kind())));
    return;
  }
  Job& j = jobs_[e.job.index()];
  touch(e.job);
  if (e.kind() == EventKind::submit) {
    if (j.known) report(e.at, e.job, "illegal-move", "submitted twice");
    if (e.at < (*context_.records)[e.job.index()].spec->submit)
      report(e.at, e.job, "clairvoyant", "submitted before its time");
    j.known = true;
    return;
  }
  if (!j.known) report(e.at, e.job, "clairvoyant", fmt::format("`{}` before it was submitted", to_string(e.kind())));
  if (e.kind() != EventKind::launch && e.incarnation != 0 && e.incarnation != j.incarnation)
    report(e.at, e.job, "stale-incarnation",
           fmt::format("`{}` of launch {}, the last is {}", to_string(e.kind()), e.incarnation, j.incarnation));
  if (options_.true_work) note_work(e);
  switch (e.kind()) {
    case EventKind::ready: move(e, JobState::pending); break;
    case EventKind::launch: launch(e); break;
    case EventKind::started:
    case EventKind::resumed:
      if (j.state != JobState::stopping) move(e, JobState::running);  // it may cross a stop on its way
      break;
    case EventKind::stop: move(e, JobState::stopping); break;
    case EventKind::suspended:
      if (j.state != JobState::stopping) move(e, JobState::suspended);
      break;
    case EventKind::stopped:
      move(e, JobState::pending);
      release(e);
      break;
    case EventKind::called_off: drop_planned(j); break;
    case EventKind::launch_failed:
    case EventKind::failed:
      if (failure_of(e)->for_good) {
        end(e, JobState::failed);
      } else {
        move(e, JobState::pending);
        release(e);
      }
      break;
    case EventKind::finished: end(e, JobState::finished); break;
    case EventKind::reject: end(e, JobState::rejected); break;
    case EventKind::cancel: end(e, JobState::cancelled); break;
    default: break;
  }
}

}  // namespace orrery

// The checker's view of plans, of the controller's records at the end of a batch, and of the end of a run.
#include <algorithm>

#include "sim/core/assert.hpp"
#include "sim/observe/check/invariants.hpp"

namespace orrery {

// A standing target ends when its job does, and when the controller says so in the record.
void InvariantChecker::settle_touched(Time now) {
  for (const JobId id : touched_) {
    Job& j = jobs_[id.index()];
    const JobRecord& r = (*context_.records)[id.index()];
    j.touched = false;
    if (!r.has_target) drop_planned(j);
    if (r.state != j.state)
      report(now, id, "record-mismatch",
             fmt::format("recorded as {}, its events say {}", to_string(r.state), to_string(j.state)));
  }
  touched_.clear();
}

void InvariantChecker::on_batch_end(Time now) {
  if (options_.true_work) work_.pass(now);
  if (!fillers_.empty()) check_hosts(now);
  settle_touched(now);
}

void InvariantChecker::on_plan(Time now, std::uint64_t, const Plan& plan) {
  if (now < now_) report(now, {}, "time", fmt::format("a plan after {} ns", now_.ns));
  now_ = std::max(now_, now);
  for (const JobId id : touched_)
    if (!(*context_.records)[id.index()].has_target) drop_planned(jobs_[id.index()]);
  // First everything that the plan takes away, then what it gives: their order inside a plan means nothing.
  for (const auto& [id, target] : plan.targets) {
    if (id.index() >= jobs_.size()) {
      report(now, id, "unknown-job", "a plan names a job that is not in this run");
      continue;
    }
    Job& j = jobs_[id.index()];
    if (!j.known) report(now, id, "clairvoyant", "a plan names a job before it is submitted");
    if (is_final(j.state)) report(now, id, "ended-twice", "a plan names a job that has ended");
    drop_planned(j);
  }
  for (const auto& [id, target] : plan.targets) {
    if (id.index() >= jobs_.size() || (target.act != Act::run && target.act != Act::suspend)) continue;
    Job& j = jobs_[id.index()];
    if (j.planned != kNone) {
      report(now, id, "plan-duplicate", "two targets for one job in one plan");
      drop_planned(j);
    }
    if (std::string why = planned_->bounds(target.gpus); !why.empty()) {
      report(now, id, "plan-bounds", std::move(why));
      continue;
    }
    if (target.gpus.empty()) report(now, id, "plan-bounds", "a target that holds nothing");
    check_sharing({.at = now, .job = id}, *planned_, target.gpus, target.sharing, target.group, "plan-sharing");
    std::string why;
    j.planned = book(*planned_, target.gpus, target.sharing, target.group, why);
    if (!why.empty()) report(now, id, "plan-overbooked", std::move(why));
  }
}

void InvariantChecker::on_end(Time now) {
  settle_touched(now);
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const JobId id(static_cast<std::uint32_t>(i));
    const Job& j = jobs_[i];
    if (options_.allow_unfinished) continue;
    if (j.held != kNone) report(now, id, "left-over", "still holds its allocation at the end of the run");
    if (!j.known)
      report(now, id, "unfinished", "never submitted");
    else if (!is_final(j.state))
      report(now, id, "unfinished", fmt::format("still {} at the end of the run", to_string(j.state)));
  }
}

}  // namespace orrery

#include "scenarios/run/progress_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "scenarios/report/table.hpp"

namespace orrery::app {

ProgressWatch::ProgressWatch(const Prepared& prepared)
    : prepared_(&prepared), best_(prepared.workload.specs.size()), failed_in_(best_.size()) {}

void ProgressWatch::begin_row() {
  ++row_;
  failures_ = failing_ = 0;
}

void ProgressWatch::on_event(const Event& e) {
  const auto saved = [&](Work work) {
    Work& best = best_[e.job.index()];
    if (work <= best) return false;
    best = work;
    begin_row();
    return true;
  };
  switch (e.kind()) {
    case EventKind::finished: begin_row(); return;
    case EventKind::checkpointed: (void)saved(e.get<event::Checkpointed>().committed); return;
    case EventKind::stopped: (void)saved(e.get<event::Stopped>().committed); return;
    case EventKind::failed:
    case EventKind::launch_failed: break;
    default: return;
  }
  if (saved(failure_of(e)->committed)) return;
  if (failures_++ == 0) since_ = e.at;
  if (std::exchange(failed_in_[e.job.index()], row_) != row_) ++failing_;
  if (failures_ >= std::max(kFailuresInARow, kFailuresOfAJob * failing_)) throw NoProgress{why(e)};
}

std::string ProgressWatch::why(const Event& last) const {
  const bool saves = prepared_->scenario.checkpoints.every.ns > 0;
  return fmt::format(
      "{} failures in a row, in {} of the run, and no job has finished or saved more than before; the last was of "
      "job `{}`: {}",
      failures_, report::human_duration(to_seconds(last.at - since_)),
      prepared_->workload.specs[last.job.index()].name,
      saves ? "jobs fail sooner than they save (`checkpoints.every`)"
            : "jobs lose all they have done (`checkpoints.every` keeps it)");
}

}  // namespace orrery::app

#include "sim/core/job.hpp"

namespace orrery {

std::string_view to_string(JobState s) {
  switch (s) {
    case JobState::submitted: return "submitted";
    case JobState::pending: return "pending";
    case JobState::starting: return "starting";
    case JobState::running: return "running";
    case JobState::suspended: return "suspended";
    case JobState::stopping: return "stopping";
    case JobState::finished: return "finished";
    case JobState::failed: return "failed";
    case JobState::rejected: return "rejected";
    case JobState::cancelled: return "cancelled";
  }
  return "?";
}

std::string_view to_string(JobKind k) {
  switch (k) {
    case JobKind::unknown: return "";
    case JobKind::pretrain: return "pretrain";
    case JobKind::transfer: return "transfer";
    case JobKind::eval: return "eval";
    case JobKind::hpo: return "hpo";
  }
  return "";
}

std::string_view to_string(PhaseKind k) {
  switch (k) {
    case PhaseKind::full: return "full";
    case PhaseKind::projector: return "projector";
    case PhaseKind::frozen_encoder: return "frozen";
  }
  return "?";
}

bool legal_move(JobState from, JobState to) {
  using S = JobState;
  if (to == S::cancelled) return !is_final(from);
  switch (from) {
    case S::submitted: return to == S::pending || to == S::rejected;
    case S::pending: return to == S::starting || to == S::rejected;
    case S::starting: return to == S::running || to == S::stopping || to == S::pending || to == S::failed;
    case S::running:
      return to == S::finished || to == S::stopping || to == S::suspended || to == S::pending || to == S::failed;
    case S::suspended: return to == S::running || to == S::stopping || to == S::pending || to == S::failed;
    case S::stopping: return to == S::pending || to == S::finished || to == S::failed;  // it may end before the stop
    default: return false;
  }
}

}  // namespace orrery

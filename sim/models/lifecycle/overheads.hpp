// What starting and stopping costs. Charged while the job holds its GPUs but makes no progress: `launch` at
// every launch, `restart` in addition at every launch after the first (checkpoint restore, warm-up), `stop`
// between being asked to stop and giving the GPUs back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/job.hpp"
#include "sim/core/time.hpp"

namespace orrery {

struct OverheadModel {
  enum class Restart { zero, constant, per_model, per_job };
  Restart restart = Restart::zero;
  Duration restart_default{};                      // constant; per_model: models without a row
  std::map<std::string, Duration> restart_models;  // per_model, by JobSpec::model
  std::vector<Duration> restart_jobs{};            // per_job, [job]: by the bytes of its checkpoint
  Duration launch{};
  Duration stop{};

  // What a launch of a run that is simulated again took; where it has no figure, the above holds.
  struct Recorded {
    std::optional<Duration> start, stop;
  };
  std::vector<std::vector<Recorded>> recorded;  // [job][launch number - 1]; jobs and launches beyond them have none

  // Time from launch to the first step of the launch-th launch (1 = first).
  [[nodiscard]] Duration start_cost(const JobSpec& spec, Incarnation launch_number) const;
  // Time from being asked to stop until its GPUs are free.
  [[nodiscard]] Duration stop_cost(const JobSpec& spec, Incarnation launch_number) const;

 private:
  [[nodiscard]] const Recorded* record_of(const JobSpec& spec, Incarnation launch_number) const;
};

}  // namespace orrery

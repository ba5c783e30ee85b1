// The simulated world's saves: a job stands still for a checkpoint by the clock, for one that was asked for, and for
// a publication, which is one, too; what breaks a save off tells how long that was.
#pragma once

#include <utility>

#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "sim/world/sim_speed.hpp"

namespace orrery {

class SimSaves {
 public:
  SimSaves(CheckpointModel checkpoints, PublishModel publishes)
      : checkpoints_(std::move(checkpoints)), publishes_(std::move(publishes)) {}

  // How long a checkpoint or a publication takes.
  [[nodiscard]] Duration cost(const SimGang& g, Due::What what) const {
    return what == Due::What::publication ? publishes_.cost : checkpoints_.cost_of(g.job);
  }
  // The next checkpoint by the clock, unless the job finishes first.
  void plan(SimTable& t, SimGang& g, const SimSpeed& speed) const;
  // The job stands still for one or the other, until it has been written.
  void begin(SimTable& t, SimGang& g, Due::What what) const;
  // For a save that is broken off: what it stood still for was for nothing, and is told, by whatever ends it first.
  [[nodiscard]] static Duration stood_still(const SimGang& g, Time now) {
    if (g.phase == SimGang::Phase::stopping) return g.broken_save;
    return g.saving ? now - g.since : Duration{};
  }

 private:
  CheckpointModel checkpoints_;
  PublishModel publishes_;
};

}  // namespace orrery

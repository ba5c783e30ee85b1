// A job was put where the scenario's profiles do not say how fast it is, and the scenario does not want a guess
// (`missing: error`). Only a policy decides where jobs go, so this is found out during a run: models throw it, and
// the run fails with its text, which names the job, what was measured of it, and where it was put.
#pragma once

#include <stdexcept>

namespace orrery {

struct Unmeasured : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace orrery

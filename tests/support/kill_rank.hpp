// SIGKILL to a rank, behind its engine's back.
#pragma once

#include <csignal>

#include "backend/engine/local/process.hpp"

namespace orrery::test {

inline void kill_rank(const live::ProcessHandle& rank) {
  (void)::kill(live::process_of(rank)->pid, SIGKILL);
}

}  // namespace orrery::test

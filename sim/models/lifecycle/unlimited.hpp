// When jobs would finish if there were GPUs for all of them, which is what waiting and moving cost them is measured
// against. Not a run of a simulator, which would need a cluster for all jobs at once: nothing contends, so every job
// can be followed by itself, parents before children. tests/world/unlimited_test.cpp holds it against SimExecutor.
#pragma once

#include <optional>
#include <vector>

#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/lifecycle/transfer.hpp"

namespace orrery {

// [job] the time from submit to finish of a job that is launched on its requested GPUs as soon as it is ready, starts
// from the newest version of its first parent that has one then, runs at unit rate, stands still for its checkpoints
// and publications, and is never stopped; likewise its parents. Nothing fails. No value where that is beyond what a
// clock holds. O(jobs + edges + publications) and the sorting of versions.
[[nodiscard]] std::vector<std::optional<Duration>> unlimited_jcts(const Workload& workload,
                                                                  const OverheadModel& overheads,
                                                                  const CheckpointModel& checkpoints,
                                                                  const PublishModel& publishes);

}  // namespace orrery

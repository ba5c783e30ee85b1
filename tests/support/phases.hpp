// Jobs in phases, and nodes whose CPUs count.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/core/job.hpp"
#include "sim/core/topology.hpp"
#include "traces/format/phase_cells.hpp"

namespace orrery::test {

inline std::vector<NodeGroup> with_cpus(std::vector<NodeGroup> groups, std::int64_t cpus) {
  for (NodeGroup& g : groups) g.cpu_milli = cpus * 1000;
  return groups;
}

// `cell`: as in the column `phases` of traces.
inline void in_phases(JobSpec& spec, const char* cell) {
  spec.phases = *parse_phases(cell);
}

}  // namespace orrery::test

// What is left of the world of a controller that died: how far its jobs had got, and when its clock stood still.
#pragma once

#include <vector>

#include "backend/live/journal.hpp"
#include "scenarios/run/journalled_executor.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/prepared.hpp"

namespace orrery::app {

// Of wall clock, for jobs that are asked to save and leave.
inline constexpr Duration kStopGrace = seconds(20);

struct Remains {
  std::vector<Work> committed{};  // [job]
  Standstill outage{};
  Duration stood_wall{};  // how long the run has stood still, of the wall clock
};

// Its clock stood still when it was last noted, or when the last of its jobs saved, which outlive it by a moment.
// `count`: the outage takes time of the run.
[[nodiscard]] Expected<Remains> remains_of(const Prepared& prepared, const LiveFolder& beside,
                                           const live::JournalContents& past, bool count);

}  // namespace orrery::app

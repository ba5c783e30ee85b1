// Reads a stored event log back as the events it was written from, for folds, `explain` and replays. Lines are
// read one at a time; an event and its allocation live during the call that delivers them. Bad lines are errors
// with file:line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/control/observer.hpp"
#include "sim/core/error.hpp"

namespace orrery {

struct LogHeader {
  int schema = 0;
  std::string jobs;                     // the job table beside the log
  std::vector<std::int32_t> node_gpus;  // by NodeId
  bool ended = false;                   // the run reached its end
};

// Feeds `observer` every event in order, after each decision its plan, and, when the log ends properly, on_end. A
// plan has the reasons that its decision changed (the others hold), not as events of their own.
// `on_header` comes before the first event: an observer may be built from it.
[[nodiscard]] Expected<LogHeader> read_event_log(const std::string& path, Observer& observer);
[[nodiscard]] Expected<LogHeader> read_event_log(const std::string& path,
                                                 const std::function<Observer*(const LogHeader&)>& on_header);

}  // namespace orrery

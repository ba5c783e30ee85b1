#include "sim/core/event.hpp"

#include <cstdlib>

#include "sim/core/assert.hpp"

namespace orrery {

std::string_view to_string(EventKind k) {
  switch (k) {
    case EventKind::capacity: return "capacity";
    case EventKind::progress: return "progress";
    case EventKind::checkpointed: return "checkpointed";
    case EventKind::published: return "published";
    case EventKind::finished: return "finish";
    case EventKind::stopped: return "stopped";
    case EventKind::suspended: return "suspended";
    case EventKind::resumed: return "resumed";
    case EventKind::failed: return "fail";
    case EventKind::launch_failed: return "launch_failed";
    case EventKind::command_failed: return "command_failed";
    case EventKind::started: return "start";
    case EventKind::submit: return "submit";
    case EventKind::ready: return "ready";
    case EventKind::timer: return "timer";
    case EventKind::decide: return "decide";
    case EventKind::launch: return "launch";
    case EventKind::stop: return "stop";
    case EventKind::suspend: return "suspend";
    case EventKind::resume: return "resume";
    case EventKind::reject: return "reject";
    case EventKind::cancel: return "cancel";
    case EventKind::reason: return "reason";
    case EventKind::called_off: return "called_off";
    case EventKind::inherited: return "inherited";
    case EventKind::slowed: return "slowed";
    case EventKind::preprocessing: return "preprocessing";
    case EventKind::reconfigured: return "reconfigured";
    case EventKind::assessed: return "assessed";
    case EventKind::features: return "features";
  }
  return "?";
}

void event::taken_for_another(EventKind is, EventKind wanted) {
  ORRERY_ASSERT(is == wanted, "an event that says `{}` is taken for `{}`", to_string(is), to_string(wanted));
  std::abort();
}

}  // namespace orrery

#include "backend/engine/local/priority.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>

namespace orrery::live {
namespace {

constexpr int kRaised = -15;  // nice value
constexpr int kLeast = 19;

}  // namespace

// `who` 0 is the calling thread on Linux, not the whole process.
RaisedPriority::RaisedPriority(bool wanted) : before_(::getpriority(PRIO_PROCESS, 0)) {
  if (wanted) granted_ = before_ <= kRaised || ::setpriority(PRIO_PROCESS, 0, kRaised) == 0;
}

RaisedPriority::~RaisedPriority() {
  if (granted_) (void)::setpriority(PRIO_PROCESS, 0, before_);
}

void become_idle() {
  const sched_param none{};
  if (::sched_setscheduler(0, SCHED_IDLE, &none) != 0) (void)::setpriority(PRIO_PROCESS, 0, kLeast);
}

bool may_raise_priority() {
  return RaisedPriority(true).granted();
}

}  // namespace orrery::live

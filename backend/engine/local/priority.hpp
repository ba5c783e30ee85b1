// Priorities other than the usual one. Raised: of the thread that asks and of the threads and processes it starts
// afterwards, while this lives: paced workers sleep nearly always, but when they wake they should not have to wait
// for a core.
#pragma once

namespace orrery::live {

class RaisedPriority {
 public:
  explicit RaisedPriority(bool wanted);
  RaisedPriority(const RaisedPriority&) = delete;
  RaisedPriority& operator=(const RaisedPriority&) = delete;
  ~RaisedPriority();
  [[nodiscard]] bool granted() const { return granted_; }

 private:
  int before_ = 0;
  bool granted_ = false;
};

// Whether this user may raise priority.
[[nodiscard]] bool may_raise_priority();

// From now on the calling process gets only what others leave of the cores: SCHED_IDLE, or, where that is refused,
// nice 19. Only system calls, so that it may stand between vfork and exec.
void become_idle();

}  // namespace orrery::live

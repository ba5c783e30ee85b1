// The thread that owns an engine. Commands go in through a queue, what happens comes out through another, so a policy
// that thinks for ten seconds blocks no lease and no death is missed. Everything here may be called by one other
// thread (the controller's); interrupt() by any.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/engine/engine.hpp"

namespace orrery::live {

class IoThread {
 public:
  using Command = std::function<void(Engine&)>;

  explicit IoThread(std::unique_ptr<Engine> engine);
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;
  // Ends the thread and the engine with it, which ends its gangs.
  ~IoThread();

  // Runs `command` on the engine's thread, in the order of the calls.
  void tell(Command command);
  // Waits until something has happened, interrupt() was called or `deadline_ns` (CLOCK_MONOTONIC) is reached; all
  // that has happened since the last call.
  [[nodiscard]] std::vector<EngineEvent> wait(std::int64_t deadline_ns);
  // Ends a running or the next wait().
  void interrupt();

 private:
  void loop();

  std::unique_ptr<Engine> engine_;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::vector<Command> commands_{};
  std::vector<EngineEvent> happened_{};
  bool interrupted_ = false, ending_ = false;
  std::thread thread_{};
};

}  // namespace orrery::live

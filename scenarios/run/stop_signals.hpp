// Ctrl-C of a live run. Once: the run ends so that everything is checkpointed and stopped; twice: everything is
// killed. Signals are taken by a thread of their own; the others must not get them.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

namespace orrery::app {

class StopSignals {
 public:
  // Blocks SIGINT and SIGTERM for this thread and those it starts, until its end. `first` and `second` are called by
  // the thread that listens; after `second` this program exits with 130.
  StopSignals(std::function<void()> first, std::function<void()> second);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();
  void listen();

 private:
  std::function<void()> first_, second_;
  sigset_t set_{}, before_{};
  std::atomic<bool> ending_ = false;
  std::thread thread_{};
};

}  // namespace orrery::app

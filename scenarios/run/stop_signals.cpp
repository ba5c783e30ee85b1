#include "scenarios/run/stop_signals.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "scenarios/run/exit_codes.hpp"

namespace orrery::app {

StopSignals::StopSignals(std::function<void()> first, std::function<void()> second)
    : first_(std::move(first)), second_(std::move(second)) {
  sigemptyset(&set_);
  for (const int s : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&set_, s);
  pthread_sigmask(SIG_BLOCK, &set_, &before_);
}

StopSignals::~StopSignals() {
  if (thread_.joinable()) {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void StopSignals::listen() {
  thread_ = std::thread([this] {
    for (int times = 0;;) {
      int signal = 0;
      if (sigwait(&set_, &signal) != 0 || ending_) return;
      if (signal == SIGUSR2) continue;
      if (++times > 1) {
        second_();
        ::_exit(kInterrupted);
      }
      std::fputs("\nstopping: every job saves and leaves (again: kill them)\n", stderr);
      first_();
    }
  });
}

}  // namespace orrery::app

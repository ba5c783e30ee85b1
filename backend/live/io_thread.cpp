#include "backend/live/io_thread.hpp"

#include <chrono>
#include <utility>

#include "sim/core/time.hpp"

namespace orrery::live {

IoThread::IoThread(std::unique_ptr<Engine> engine) : engine_(std::move(engine)), thread_([this] { loop(); }) {}

IoThread::~IoThread() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  engine_->wake();
  thread_.join();
}

void IoThread::tell(Command command) {
  {
    const std::scoped_lock lock(mutex_);
    commands_.push_back(std::move(command));
  }
  engine_->wake();
}

std::vector<EngineEvent> IoThread::wait(std::int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !happened_.empty() || interrupted_; };
  if (deadline_ns == kNever.ns) {
    changed_.wait(lock, ready);
  } else {
    // steady_clock is CLOCK_MONOTONIC.
    changed_.wait_until(lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline_ns)), ready);
  }
  interrupted_ = false;
  return std::exchange(happened_, {});
}

void IoThread::interrupt() {
  {
    const std::scoped_lock lock(mutex_);
    interrupted_ = true;
  }
  changed_.notify_one();
}

void IoThread::loop() {
  for (;;) {
    std::vector<Command> commands;
    {
      const std::scoped_lock lock(mutex_);
      if (ending_) return;
      commands.swap(commands_);
    }
    for (const Command& c : commands) c(*engine_);
    const std::span<const EngineEvent> events = engine_->poll(kNever.ns);
    if (events.empty()) continue;
    {
      const std::scoped_lock lock(mutex_);
      happened_.insert(happened_.end(), events.begin(), events.end());
    }
    changed_.notify_one();
  }
}

}  // namespace orrery::live

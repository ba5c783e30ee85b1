// An engine starts gangs of worker processes, carries the protocol's lines to and from them and reports what becomes
// of them. It knows ranks, slots and processes, but neither jobs nor policies. `local` runs them on this machine; one
// that uses Slurm job steps fits behind the same class. Single-threaded: everything but wake() is called by the one
// thread that owns the engine (of LiveExecutor). What happens comes out of poll() as events, in the order in which it
// happened; times are CLOCK_MONOTONIC.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/protocol/protocol.hpp"
#include "sim/core/error.hpp"
#include "sim/core/time.hpp"

namespace orrery::live {

// One gang of one launch: a number that the caller chooses and never uses twice with an engine.
struct GangHandle {
  std::uint64_t value = 0;
  friend auto operator<=>(GangHandle, GangHandle) = default;
};

struct GangSpec {
  std::string name;                     // for messages and file names: "JOB.INCARNATION"
  std::vector<std::string> argv;        // the worker; the engine adds --rank R --world N --run-folder F
  Start start;                          // said to every rank as soon as it runs; its world = slots.size()
  std::vector<std::vector<int>> slots;  // [rank]: the slots it may use, 0 <= slot < Engine::slots()
  bool shared = false;                  // other gangs run on these slots at the same time
};

// A process, also after this controller's death: a pid alone may have been reused.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, /proc/PID/stat field 22
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

struct EngineEvent {
  enum class Kind : std::uint8_t {
    launched,  // all ranks are running processes
    said,      // rank 0 said `message`
    garbage,   // rank 0 wrote a line that is no message (`text` says why); the gang is being killed
    exited,    // rank `rank` has ended: `status`, or `signal`
    gone,      // every rank has ended and is reaped; the last event of a gang
  };
  Kind kind = Kind::said;
  GangHandle gang{};
  std::int64_t at_ns = 0;  // CLOCK_MONOTONIC
  FromWorker message{};    // said
  int rank = 0;            // exited
  int status = -1;         // exited: exit status, -1 when a signal ended it
  int signal = 0;          // exited: the signal, 0 = none
  // garbage: what was wrong. gone: why the gang failed in one sentence with the end of the first failed rank's
  // stderr, or empty when every rank left with kExitDone or every one with kExitStopped.
  std::string text{};
  int verdict = 0;  // gone: kExitDone, kExitStopped (every rank), else kExitError
};

class Engine {
 public:
  virtual ~Engine() = default;

  // How many gangs of one rank with one slot fit: CPU slots or GPUs.
  [[nodiscard]] virtual int slots() const = 0;
  // In one line, for people: "local: 4 CPU slots on 2 cores".
  [[nodiscard]] virtual std::string describe() const = 0;

  // Starts the gang. Failing to start a rank is an event (`gone`), not an error of this call.
  virtual void launch(GangHandle gang, const GangSpec& spec) = 0;
  // The gang's processes, [rank]; empty when it is gone or not launched. For the journal.
  [[nodiscard]] virtual std::vector<ProcessId> processes(GangHandle gang) const = 0;
  // Says `message` to every rank. A gang that is gone hears nothing.
  virtual void say(GangHandle gang, const ToWorker& message) = 0;
  // Says `stop`; what is still there after `grace` is killed. A later call can only shorten the grace.
  virtual void stop(GangHandle gang, Duration grace) = 0;
  // SIGKILL to every rank's process group.
  virtual void kill(GangHandle gang) = 0;
  // SIGSTOP and SIGCONT to every rank; leases, grace and watchdog stand still in between.
  virtual void freeze(GangHandle gang) = 0;
  virtual void thaw(GangHandle gang) = 0;

  // Waits until something happens, wake() is called or `deadline_ns` (CLOCK_MONOTONIC) is reached; what happened.
  // Valid until the next call.
  [[nodiscard]] virtual std::span<const EngineEvent> poll(std::int64_t deadline_ns) = 0;
  // Makes a running or the next poll() return; from any thread.
  virtual void wake() = 0;
};

// What an earlier controller left running: waits up to `grace` for each to end by itself (its stdin is closed, so it
// saves and leaves), then kills it and its process group. How many had to be killed. A pid whose start time differs
// is somebody else's and is left alone.
[[nodiscard]] Expected<int> wait_or_kill(std::span<const ProcessId> processes, Duration grace);

}  // namespace orrery::live

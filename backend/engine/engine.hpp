// An engine starts gangs of worker processes, carries the protocol's lines to and from them and reports what becomes
// of them. It knows ranks, the GPUs of nodes and processes, but neither jobs nor policies. `local` runs them on this
// machine; one that uses Slurm job steps fits behind the same class. Single-threaded: everything but wake() is called
// by the one thread that owns the engine (of LiveExecutor). What happens comes out of poll() as events, in the order
// in which it happened; times are CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/protocol/clock.hpp"
#include "backend/protocol/fence.hpp"
#include "backend/protocol/protocol.hpp"
#include "sim/core/error.hpp"
#include "sim/core/gpu_mask.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/time.hpp"

namespace orrery::live {

// One gang of one launch: a number that the caller chooses and never uses twice with an engine.
struct GangHandle {
  std::uint64_t value = 0;
  friend auto operator<=>(GangHandle, GangHandle) = default;
};

// Where a rank runs. No GPU: anywhere on the node, as work of CPUs alone does.
struct RankPlace {
  NodeId node{};
  GpuMask gpus{};
  friend bool operator==(const RankPlace&, const RankPlace&) = default;
};

struct GangSpec {
  std::string name;               // for messages and file names: "JOB.INCARNATION"
  std::vector<std::string> argv;  // the worker; the engine adds --rank R --world N --run-folder F
  Start start;                    // said to every rank as soon as it runs; the engine sets world, lease and fence
  std::vector<RankPlace> ranks;   // [rank]: within EngineOptions::nodes
  bool shared = false;            // other gangs run on these GPUs at the same time
  bool idle = false;              // its ranks get only what others leave of the cores
};

// A process, also after this controller's death; what is in it is the engine's affair. One line of text, whose first
// word is the engine's name.
struct ProcessHandle {
  std::string text{};
  friend bool operator==(const ProcessHandle&, const ProcessHandle&) = default;
};

// What any engine is told of the run.
struct EngineOptions {
  std::vector<int> nodes{1};         // [node]: its GPUs, or CPU slots
  bool gpus = false;                 // they are GPUs
  Duration lease = seconds(30);      // whole seconds; renewed at three quarters; 0 = none
  Duration watchdog = seconds(30);   // the least silence that counts as hung; 0 = no watchdog
  Duration straggler = seconds(10);  // for the other ranks to leave once the first has
  Duration farewell = seconds(2);    // for what still runs when the engine goes
  Fence fence{};                     // of the controller; fenced off, the engine starts nothing and says nothing
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

  // In one line, for people: "local: 4 CPU slots on 2 cores".
  [[nodiscard]] virtual std::string describe() const = 0;

  // Starts the gang. Failing to start a rank is an event (`gone`), not an error of this call.
  virtual void launch(GangHandle gang, const GangSpec& spec) = 0;
  // The gang's processes, [rank]; empty when it is gone or not launched.
  [[nodiscard]] virtual std::vector<ProcessHandle> processes(GangHandle gang) const = 0;
  // Says `message` to every rank. A gang that is gone hears nothing.
  virtual void say(GangHandle gang, const ToWorker& message) = 0;
  // Says `stop`; what is still there after `grace` is killed. A later call can only shorten the grace.
  virtual void stop(GangHandle gang, Duration grace) = 0;
  // Ends every rank at once, with whatever it has started itself.
  virtual void kill(GangHandle gang) = 0;
  // Suspends and continues every rank; leases, grace and watchdog stand still in between.
  virtual void freeze(GangHandle gang) = 0;
  virtual void thaw(GangHandle gang) = 0;

  // Waits until something happens, wake() is called or `deadline_ns` (CLOCK_MONOTONIC) is reached; what happened.
  // Valid until the next call.
  [[nodiscard]] virtual std::span<const EngineEvent> poll(std::int64_t deadline_ns) = 0;
  // Makes a running or the next poll() return; from any thread.
  virtual void wake() = 0;
};

}  // namespace orrery::live

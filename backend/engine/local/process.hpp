// One worker process: started with its own process group, pipes, cores and a clean signal state, and watched through
// a pidfd. Knows nothing of the protocol. The caller must ignore SIGPIPE (a worker may close its stdin at any time).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/engine/engine.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/error.hpp"

namespace orrery::live {

// A process of this machine: a pid alone may have been reused.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, /proc/PID/stat field 22
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// As an opaque handle of the engine `local`, and back; nothing when the handle is none of its own.
[[nodiscard]] ProcessHandle handle_of(const ProcessId& process);
[[nodiscard]] std::optional<ProcessId> process_of(const ProcessHandle& handle);
// This program's own.
[[nodiscard]] ProcessHandle own_handle();

struct ProcessSpec {
  std::vector<std::string> argv;         // argv[0] is looked up in PATH when it holds no `/`
  std::vector<std::string> environment;  // "NAME=value", on top of this process's own
  std::vector<int> cores;                // it may run on these only; empty = no restriction
  std::string log_path;                  // stderr, and stdout where it is not piped, are appended there
  bool piped_stdout = true;
  std::string directory{};        // it runs there; empty = where we run
  bool idle = false;              // it gets only what others leave of the cores (become_idle() of priority.hpp)
  bool dies_with_parent = false;  // it is killed when the thread that starts it ends, however that ends
};

struct Process {
  ProcessId id{};
  Fd pidfd{};  // readable once it has ended
  Fd in{};     // its stdin; non-blocking
  Fd out{};    // its stdout; non-blocking; none unless piped
};

// Starts it; it leads a process group of its own. Nothing but its own ends of the pipes is inherited, so that closing
// `in` is end of file for it. Fails with what exec said when the program cannot be run.
[[nodiscard]] Expected<Process> spawn(const ProcessSpec& spec);

// The identity of a running process, or nothing when there is none. Its start time is field 22 of /proc/PID/stat.
[[nodiscard]] std::optional<ProcessId> identify(pid_t pid);

// The cores this program may use, ascending; and the share of them that is slot `slot` of `slots`: its own while
// there are enough, else several slots share one.
[[nodiscard]] std::vector<int> own_cores();
[[nodiscard]] std::vector<int> cores_of_slot(const std::vector<int>& cores, int slot, int slots);

// Runs a program to its end, with nothing on its streams; whether it left with 0.
[[nodiscard]] bool succeeds(const std::vector<std::string>& argv);

// wait_or_kill() of registry.hpp for processes of this machine, which are told by a pidfd.
[[nodiscard]] Expected<int> wait_or_kill(std::span<const ProcessId> processes, Duration grace);

// The last `bytes` of a file, from the beginning of a line on; empty when it cannot be read.
[[nodiscard]] std::string tail_of(const std::string& path, std::size_t bytes);

// "SIGKILL", "signal 77".
[[nodiscard]] std::string signal_name(int signal);

}  // namespace orrery::live

// One worker process: started with its own process group, pipes, cores and a clean signal state, and watched through
// a pidfd. Knows nothing of the protocol. The caller must ignore SIGPIPE (a worker may close its stdin at any time).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "backend/engine/engine.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/error.hpp"

namespace orrery::live {

struct ProcessSpec {
  std::vector<std::string> argv;         // argv[0] is looked up in PATH when it holds no `/`
  std::vector<std::string> environment;  // "NAME=value", on top of this process's own
  std::vector<int> cores;                // it may run on these only; empty = no restriction
  std::string log_path;                  // stderr, and stdout where it is not piped, are appended there
  bool piped_stdout = true;
  std::string directory{};        // it runs there; empty = where we run
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

// The signal that ended a child which nobody has waited for yet; 0 when it runs or ended otherwise.
[[nodiscard]] int unreaped_signal(pid_t child);

// The last `bytes` of a file, from the beginning of a line on; empty when it cannot be read.
[[nodiscard]] std::string tail_of(const std::string& path, std::size_t bytes);

// "SIGKILL", "signal 77".
[[nodiscard]] std::string signal_name(int signal);

// CLOCK_MONOTONIC.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace orrery::live

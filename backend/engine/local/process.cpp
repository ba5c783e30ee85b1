#include "backend/engine/local/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "backend/engine/local/priority.hpp"

namespace orrery::live {
namespace {

struct Pipe {
  Fd read, write;
};

// Above the standard streams, so that the child's dup2 never meets its own source.
Fd above_streams(int fd) {
  Fd owned(fd);
  if (fd < 0 || fd > STDERR_FILENO) return owned;
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

Expected<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("open", "a pipe");
  Pipe p{above_streams(ends[0]), above_streams(ends[1])};
  if (!p.read || !p.write) return fail_errno("open", "a pipe");
  return p;
}

// Where exec would find the program; as written when it holds a slash or is nowhere.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = ::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (std::string full = folder + "/" + name; ::access(full.c_str(), X_OK) == 0) return full;
  return name;
}

// The child's environment: ours without what `extra` sets, then `extra`.
std::vector<std::string> environment_with(const std::vector<std::string>& extra) {
  std::vector<std::string> all;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view name = std::string_view(*e).substr(0, std::string_view(*e).find('=') + 1);
    const bool replaced = std::any_of(extra.begin(), extra.end(),
                                      [name](const std::string& x) { return x.compare(0, name.size(), name) == 0; });
    if (!replaced) all.emplace_back(*e);
  }
  all.insert(all.end(), extra.begin(), extra.end());
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> p;
  for (std::string& t : texts) p.push_back(t.data());
  p.push_back(nullptr);
  return p;
}

// What the child needs to become the program; all of it prepared before.
struct Child {
  const char* program;
  char* const* argv;
  char* const* environment;
  int in, out, log;
  int report;  // where errno goes when it cannot
  const cpu_set_t* cores;
  const char* directory;  // null: ours
  bool idle;
  bool dies_with_parent;
};

// Between vfork and exec: only system calls, for the memory is the parent's.
[[noreturn]] void become(const Child& c) {
  (void)::setpgid(0, 0);
  bool ok = ::dup2(c.in, STDIN_FILENO) >= 0 && ::dup2(c.out, STDOUT_FILENO) >= 0 && ::dup2(c.log, STDERR_FILENO) >= 0;
  if (ok && c.cores != nullptr) (void)::sched_setaffinity(0, sizeof *c.cores, c.cores);  // a wish, not a condition
  if (c.idle) become_idle();
  ok = ok && (c.directory == nullptr || ::chdir(c.directory) == 0);
  if (c.dies_with_parent) (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int s : {SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) (void)::signal(s, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (ok) (void)::execve(c.program, c.argv, c.environment);
  const int why = errno;
  (void)!::write(c.report, &why, sizeof why);
  ::_exit(127);
}

// A copy of our page tables, as fork makes, costs a large controller tens of milliseconds per rank; vfork makes none.
// No handler of ours may run in the child, so signals wait until it has become the program.
pid_t start(const Child& child) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) become(child);
  const int why = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return pid;
}

}  // namespace

std::optional<ProcessId> identify(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text, '\0')) return std::nullopt;
  const std::size_t name_ends = text.rfind(')');  // the name may hold anything, also `)`
  if (name_ends == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_ends + 1));
  std::string word;
  rest >> word;
  if (word == "Z" || word == "X") return std::nullopt;  // ended, and its parent has not asked yet
  for (int field = 4; field < 22; ++field) rest >> word;
  ProcessId id{pid, 0};
  if (!(rest >> id.start_time)) return std::nullopt;
  return id;
}

ProcessHandle handle_of(const ProcessId& process) {
  return {fmt::format("local {} {}", process.pid, process.start_time)};
}

std::optional<ProcessId> process_of(const ProcessHandle& handle) {
  std::istringstream in(handle.text);
  std::string engine;
  ProcessId id;
  if (!(in >> engine >> id.pid >> id.start_time) || engine != "local") return std::nullopt;
  return id;
}

ProcessHandle own_handle() {
  return handle_of(identify(::getpid()).value_or(ProcessId{}));
}

Expected<Process> spawn(const ProcessSpec& spec) {
  auto in = make_pipe();
  auto report = make_pipe();
  if (!in || !report) return tl::make_unexpected(std::move((in ? report : in).error()));
  const Fd log = above_streams(::open(spec.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return fail_errno("open", spec.log_path);
  Pipe out;
  if (spec.piped_stdout) {
    auto made = make_pipe();
    if (!made) return tl::make_unexpected(std::move(made.error()));
    out = std::move(*made);
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (const int c : spec.cores) CPU_SET(static_cast<std::size_t>(c), &cores);
  const std::string program = find_program(spec.argv.at(0));
  std::vector<std::string> arguments = spec.argv;
  std::vector<std::string> environment = environment_with(spec.environment);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);

  const pid_t pid =
      start({program.c_str(), argv.data(), envp.data(), in->read.get(), out.write ? out.write.get() : log.get(),
             log.get(), report->write.get(), spec.cores.empty() ? nullptr : &cores,
             spec.directory.empty() ? nullptr : spec.directory.c_str(), spec.idle, spec.dies_with_parent});
  if (pid < 0) return fail_errno("start", program);
  (void)::setpgid(pid, pid);  // whoever of the two comes first
  report->write.reset();
  int why = 0;
  ssize_t n = 0;
  while ((n = ::read(report->read.get(), &why, sizeof why)) < 0 && errno == EINTR) {
  }
  if (n == static_cast<ssize_t>(sizeof why)) {
    (void)::waitpid(pid, nullptr, 0);
    errno = why;
    return fail_errno("start", program);
  }
  Process p;
  p.id = identify(pid).value_or(ProcessId{pid, 0});
  p.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!p.pidfd) {
    (void)::kill(-pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
    return fail_errno("watch", program);
  }
  (void)::fcntl(p.pidfd.get(), F_SETFD, FD_CLOEXEC);
  p.in = std::move(in->write);
  p.out = std::move(out.read);
  (void)::fcntl(p.in.get(), F_SETFL, O_NONBLOCK);
  if (p.out) (void)::fcntl(p.out.get(), F_SETFL, O_NONBLOCK);
  return p;
}

std::vector<int> own_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int c = 0; c < CPU_SETSIZE; ++c)
    if (CPU_ISSET(static_cast<std::size_t>(c), &set)) cores.push_back(c);
  return cores;
}

std::vector<int> cores_of_slot(const std::vector<int>& cores, int slot, int slots) {
  const auto s = static_cast<std::size_t>(slot), n = static_cast<std::size_t>(slots);
  const std::size_t from = s * cores.size() / n;
  const std::size_t to = std::min(cores.size(), std::max(from + 1, (s + 1) * cores.size() / n));
  return {cores.begin() + static_cast<std::ptrdiff_t>(from), cores.begin() + static_cast<std::ptrdiff_t>(to)};
}

std::string tail_of(const std::string& path, std::size_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(0, file.tellg()));
  const std::size_t from = size > bytes ? size - bytes : 0;
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(size - from, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  const std::size_t line = from > 0 ? text.find('\n') : std::string::npos;
  if (line != std::string::npos && line + 1 < text.size()) text.erase(0, line + 1);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

bool succeeds(const std::vector<std::string>& argv) {
  ProcessSpec spec;
  spec.argv = argv;
  spec.log_path = "/dev/null";
  spec.piped_stdout = false;
  auto process = spawn(spec);
  if (!process) return false;
  process->in.reset();
  int status = -1;
  while (::waitpid(process->id.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", abbreviation);
}

Expected<int> wait_or_kill(std::span<const ProcessId> processes, Duration grace) {
  std::vector<std::pair<ProcessId, Fd>> left;
  for (const ProcessId& p : processes) {
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, p.pid, 0)));
    if (!fd) continue;  // it has ended
    // Asked only now, when the descriptor holds on to whoever it is.
    if (const auto now = identify(p.pid); !now || *now != p) continue;
    left.emplace_back(p, std::move(fd));
  }
  const std::int64_t limit = monotonic_ns() + grace.ns;
  const auto wait_for_end = [](const Fd& fd, std::int64_t until) {
    pollfd polled{fd.get(), POLLIN, 0};
    const std::int64_t ms = std::max<std::int64_t>(0, (until - monotonic_ns() + 999'999) / 1'000'000);
    return ::poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(ms, 1'000'000'000))) > 0;
  };
  int killed = 0;
  for (const auto& [id, fd] : left) {
    if (wait_for_end(fd, limit)) continue;
    (void)::kill(-id.pid, SIGKILL);
    if (::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH)
      return fail_errno("kill", fmt::format("process {}", id.pid));
    ++killed;
    if (!wait_for_end(fd, monotonic_ns() + 5 * kNsPerSecond))
      return fail_errno("kill", fmt::format("process {}", id.pid));
  }
  return killed;
}

}  // namespace orrery::live

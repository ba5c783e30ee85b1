// See wire.hpp.
#include "backend/protocol/wire.hpp"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <limits>
#include <utility>
#include <variant>

namespace orrery::worker {
namespace {

constexpr std::int64_t kNoLease = std::numeric_limits<std::int64_t>::max();
constexpr short kReadable = POLLIN | POLLHUP | POLLERR;

bool ready(const std::vector<pollfd>& polled, int fd, short events) {
  return std::any_of(polled.begin(), polled.end(),
                     [&](const pollfd& p) { return p.fd == fd && (p.revents & events) != 0; });
}

}  // namespace

Wire::Wire(bool speaks, Log& log) : speaks_(speaks), log_(&log), lease_ends_(kNoLease) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGHUP);   // the kernel's to a stopped group whose parent has died
  sigaddset(&wanted, SIGCONT);  // after a suspension; it continues the process all the same
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  signals_ = live::Fd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);  // a full disk and a limit on file sizes are errors of write()
}

void Wire::say(const live::FromWorker& message) {
  if (!speaks_) return;
  out_ += live::format(message);
}

void Wire::flush(std::int64_t limit_ns) {
  const std::int64_t until = monotonic_ns() + limit_ns;
  while (!out_.empty()) {
    const std::int64_t left_ms = (until - monotonic_ns()) / 1'000'000;
    if (left_ms <= 0) return;
    pollfd p{STDOUT_FILENO, POLLOUT, 0};
    if (::poll(&p, 1, static_cast<int>(left_ms)) > 0) write_some();
  }
}

void Wire::add_to(std::vector<pollfd>& polled) const {
  if (open_) polled.push_back({STDIN_FILENO, POLLIN, 0});
  if (!out_.empty()) polled.push_back({STDOUT_FILENO, POLLOUT, 0});
  polled.push_back({signals_.get(), POLLIN, 0});
}

void Wire::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    if (info.ssi_signo == SIGCONT)
      wants_.continued = true;
    else
      want_stop(info.ssi_signo == SIGTERM ? "SIGTERM" : info.ssi_signo == SIGHUP ? "SIGHUP" : "SIGINT");
}

void Wire::take(const std::vector<pollfd>& polled) {
  take_signals();  // whatever the poll says: it may have timed out while the process was stopped
  if (open_ && ready(polled, STDIN_FILENO, kReadable | POLLNVAL)) read_lines();
  if (!out_.empty() && ready(polled, STDOUT_FILENO, POLLOUT | POLLHUP | POLLERR | POLLNVAL)) write_some();
  // A renewal that waits in the pipe counts, also one that came after the poll (while the process was suspended).
  pollfd waiting{STDIN_FILENO, POLLIN, 0};
  while (open_ && monotonic_ns() >= lease_ends_ && ::poll(&waiting, 1, 0) > 0) read_lines();
  if (monotonic_ns() >= lease_ends_) {
    lease_ends_ = kNoLease;
    want_stop("the lease was not renewed");
  }
}

void Wire::read_lines() {
  std::array<char, 16384> buffer{};
  const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {
    open_ = false;
    if (lines_.cut_off()) log_->note("stdin ended in the middle of a line, which is ignored");
    want_stop("stdin was closed");
    return;
  }
  lines_.append({buffer.data(), static_cast<std::size_t>(n)});
  while (auto line = lines_.next()) {
    const auto message = line->and_then([](const std::string& text) { return live::parse_to_worker(text); });
    if (message) {
      obey(*message);
    } else if (wants_.violation.empty()) {
      wants_.violation = message.error().items.at(0).message;
    }
  }
  if (wants_.violation.empty() && !fence_.holds()) wants_.violation = live::kFencedOff;
}

void Wire::obey(const live::ToWorker& message) {
  const bool is_start = std::holds_alternative<live::Start>(message);
  const bool is_stop = std::holds_alternative<live::Stop>(message);
  if (is_start == started_ && !is_stop && wants_.violation.empty()) {
    wants_.violation = started_ ? "a second `start`" : "the first line has to be `start` or `stop`";
    return;
  }
  if (const auto* start = std::get_if<live::Start>(&message)) {
    started_ = true;
    wants_.start = *start;
    fence_ = start->fence;
    if (start->lease_s > 0) grant(start->lease_s);
  } else if (is_stop) {
    want_stop("`stop`");
  } else if (const auto* lease = std::get_if<live::Lease>(&message)) {
    grant(lease->seconds);
  } else if (speaks_ && std::holds_alternative<live::Save>(message)) {
    wants_.save = true;
  } else if (speaks_ && std::holds_alternative<live::Publish>(message)) {
    ++wants_.publish;
  } else if (const auto* reconfigure = std::get_if<live::Reconfigure>(&message); reconfigure && speaks_) {
    wants_.reconfigure = *reconfigure;
  } else if (const auto* fill = std::get_if<live::Fill>(&message); fill && speaks_) {
    wants_.fill = *fill;
  } else if (const auto* slow = std::get_if<live::Slow>(&message); slow && speaks_) {
    wants_.slow = *slow;
  } else if (const auto* join = std::get_if<live::Join>(&message); join && speaks_) {
    wants_.members.push_back({*join, monotonic_ns()});
  } else if (const auto* member = std::get_if<live::ToMember>(&message); member && speaks_) {
    wants_.members.push_back({*member, monotonic_ns()});
  }
}

// Only rank 0 keeps the lease: the others end with it.
void Wire::grant(std::int64_t seconds) {
  if (speaks_) lease_ends_ = monotonic_ns() + seconds * 1'000'000'000;
}

void Wire::want_stop(std::string why) {
  if (!wants_.stop.empty()) return;
  log_->note(fmt::format("asked to stop: {}", why));
  wants_.stop = std::move(why);
  wants_.stop_ns = monotonic_ns();
}

// At most PIPE_BUF at once: a pipe that poll() calls writable has room for that.
void Wire::write_some() {
  const ssize_t n = ::write(STDOUT_FILENO, out_.data(), std::min<std::size_t>(out_.size(), PIPE_BUF));
  if (n >= 0) {
    out_.erase(0, static_cast<std::size_t>(n));
  } else if (errno != EINTR && errno != EAGAIN) {
    speaks_ = false;
    out_.clear();
    want_stop("stdout was closed");
  }
}

}  // namespace orrery::worker

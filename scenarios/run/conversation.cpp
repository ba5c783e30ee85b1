#include "scenarios/run/conversation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "scenarios/run/policy_failed.hpp"
#include "sim/core/quantity.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

constexpr std::size_t kLongestAnswer = std::size_t{64} << 20;
constexpr std::size_t kShown = 160;                  // bytes of a line in a message
constexpr std::size_t kLastWords = 1500;             // bytes of its stderr in a message
constexpr std::int64_t kFarewellNs = 2'000'000'000;  // for it to leave by itself

std::string beginning_of(std::string_view line) {
  return line.size() <= kShown ? std::string(line) : std::string(line.substr(0, kShown)) + "...";
}

// A file in the system's folder for such that has no name, so that nothing is left of it however this program ends.
live::Fd scratch_file() {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(ignored);
  live::Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string path = (folder / "orrery-policy-XXXXXX").string();  // a file system without such files
  fd = live::Fd(::mkostemp(path.data(), O_CLOEXEC));
  if (fd) (void)::unlink(path.c_str());
  return fd;
}

bool ends_within(const live::Fd& pidfd, std::int64_t ns) {
  pollfd polled{pidfd.get(), POLLIN, 0};
  return ::poll(&polled, 1, static_cast<int>(ns / 1'000'000)) > 0;
}

}  // namespace

ProgramConversation::ProgramConversation(ExternalOptions options)
    : options_(std::move(options)), log_(scratch_file()) {}

std::string ProgramConversation::log_path() const {
  return log_ ? fmt::format("/proc/self/fd/{}", log_.get()) : "/dev/null";
}

Expected<std::unique_ptr<ProgramConversation>> ProgramConversation::start(const ExternalOptions& options) {
  (void)std::signal(SIGPIPE, SIG_IGN);  // it may leave while it is told something
  std::unique_ptr<ProgramConversation> talk(new ProgramConversation(options));
  live::ProcessSpec spec;
  spec.argv = options.command;
  spec.log_path = talk->log_path();
  spec.directory = options.directory;
  spec.dies_with_parent = true;
  // Of Python: sets are in the same order every time, and lines are not kept back.
  spec.environment = {"PYTHONHASHSEED=0", "PYTHONUNBUFFERED=1"};
  auto process = live::spawn(spec);
  if (!process) {
    Diagnostic d{fmt::format("policy `{}`: {}", options.label, process.error().items.front().message)};
    d.hint = options.directory.empty() ? "is it there, and may it be executed?"
                                       : fmt::format("is it there, seen from `{}`?", options.directory);
    if (options.command.size() == 1 && options.command.front().find(' ') != std::string::npos)
      d.hint = "that is one word; write a list, `command: [python3, mine.py]`";
    return fail(std::move(d));
  }
  talk->process_ = std::move(*process);
  return talk;
}

ProgramConversation::~ProgramConversation() {
  if (process_.id.pid > 0) {
    process_.in.reset();
    (void)ends_within(process_.pidfd, kFarewellNs);
    (void)::kill(-process_.id.pid, SIGKILL);  // itself, or what it started
    while (::waitpid(process_.id.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

std::string ProgramConversation::who() const {
  return fmt::format("policy `{}`, `{}`", options_.label, fmt::join(options_.command, " "));
}

void ProgramConversation::fail_at(std::string message, const std::string& asked, std::string_view part) const {
  Diagnostic d{fmt::format("{}: {}", who(), message)};
  d.where = {std::string(kConversation), static_cast<int>(std::min<std::uint64_t>(lines_, 2'000'000'000)), 0};
  if (!part.empty()) {
    d.line_text = part;
    d.where.column = static_cast<int>(part.size()) + 1;
    d.hint = "there is no more of its answer";
  }
  d.notes.push_back(fmt::format("it was asked: {}", beginning_of(asked)));
  const std::string words = live::tail_of(log_path(), kLastWords);
  std::size_t from = 0;
  for (bool first = true; from < words.size(); first = false) {
    const std::size_t end = std::min(words.find('\n', from), words.size());
    d.notes.push_back((first ? "its last words: " : "  ") + words.substr(from, end - from));
    from = end + 1;
  }
  policy_failed(std::move(d));
}

void ProgramConversation::fail_ended(const std::string& asked) {
  if (!ends_within(process_.pidfd, kFarewellNs))
    fail_at("it has closed its output before it answered", asked, heard_);
  siginfo_t info{};
  std::string how = "it has ended";
  if (::waitid(P_PID, static_cast<id_t>(process_.id.pid), &info, WEXITED | WNOWAIT) == 0)
    how = info.si_code == CLD_EXITED ? fmt::format("it has ended with exit code {}", info.si_status)
                                     : fmt::format("it was ended by {}", live::signal_name(info.si_status));
  fail_at(how + " before it answered", asked, heard_);
}

void ProgramConversation::write_some(std::string_view& rest) {
  const ssize_t n = ::write(process_.in.get(), rest.data(), rest.size());
  if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
  if (n < 0 && errno == EPIPE) rest = {};  // that it has left is seen where its answer should come
}

bool ProgramConversation::read_some() {
  std::array<char, 1U << 16> bytes;
  const ssize_t n = ::read(process_.out.get(), bytes.data(), bytes.size());
  if (n > 0) heard_.append(bytes.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

std::string ProgramConversation::ask(const std::string& line) {
  lines_ += 2;
  if (!heard_.empty())
    fail_at(fmt::format("it said something that it was not asked for, `{}`: one line for a line, and what is for "
                        "people goes to stderr",
                        beginning_of(heard_.substr(0, heard_.find('\n')))),
            line);
  const std::string said = line + "\n";
  std::string_view rest = said;
  const std::int64_t limit = live::monotonic_ns() + options_.timeout.ns;
  std::size_t looked = 0;
  while (true) {
    const std::size_t end = heard_.find('\n', looked);
    if (end != std::string::npos) {
      std::string answer = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      if (!rest.empty()) fail_at("it answered before it had read what it was asked", line);
      return answer;
    }
    looked = heard_.size();
    if (looked > kLongestAnswer) fail_at("its answer is longer than 64 MiB", line);
    const std::int64_t left = limit - live::monotonic_ns();
    if (left <= 0)
      fail_at(fmt::format("no answer within {} (`timeout`)", format_duration(options_.timeout)), line, heard_);
    std::array<pollfd, 2> polled{pollfd{process_.out.get(), POLLIN, 0},
                                 pollfd{rest.empty() ? -1 : process_.in.get(), POLLOUT, 0}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(left / 1'000'000 + 1)) <= 0) continue;
    if (polled[1].revents != 0) write_some(rest);
    if (polled[0].revents != 0 && !read_some()) fail_ended(line);
  }
}

Expected<std::unique_ptr<RecordedConversation>> RecordedConversation::read(const std::string& path,
                                                                           const std::string& label) {
  auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(std::move(text.error()));
  return std::unique_ptr<RecordedConversation>(new RecordedConversation(path, label, std::move(*text)));
}

std::string RecordedConversation::who() const {
  return fmt::format("policy `{}`, the recording `{}`", label_, path_);
}

std::string_view RecordedConversation::next() {
  const std::size_t from = at_, end = std::min(text_.find('\n', from), text_.size());
  ++lines_;
  at_ = std::min(end + 1, text_.size());
  return std::string_view(text_).substr(from, end - from);
}

std::string RecordedConversation::ask(const std::string& line) {
  const bool ended = at_ >= text_.size();
  const std::string_view then = next();
  if (then != line) {
    Diagnostic d{ended ? "the recorded conversation ends here, the run goes on"
                       : "the run is another than the one whose conversation was recorded"};
    d.where = {path_, static_cast<int>(lines_), 0};
    if (!ended) d.notes.push_back(fmt::format("then: {}", beginning_of(then)));
    d.notes.push_back(fmt::format("now:  {}", beginning_of(line)));
    policy_failed(std::move(d));
  }
  return std::string(next());
}

}  // namespace orrery::app

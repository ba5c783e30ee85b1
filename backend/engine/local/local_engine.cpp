#include "backend/engine/local/local_engine.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <utility>
#include <variant>

#include "backend/engine/local/local_gang.hpp"
#include "backend/engine/ranks_file.hpp"
#include "backend/engine/registry.hpp"
#include "sim/core/assert.hpp"

namespace orrery::live {
namespace {

constexpr std::size_t kBacklog = 1 << 20;  // unsent bytes beyond which lease renewals are left out
constexpr std::uint64_t kWakeKey = ~std::uint64_t{0};
enum What : int { kProcess = 0, kIn = 1, kOut = 2 };

// A gang's handle, a rank and a descriptor of it in the 64 bits that epoll gives back.
constexpr int kRankBits = 20, kWhatBits = 2;
std::uint64_t key_of(GangHandle gang, int rank, int what) {
  return (gang.value << (kRankBits + kWhatBits)) | (static_cast<std::uint64_t>(rank) << kWhatBits) |
         static_cast<std::uint64_t>(what);
}

}  // namespace

LocalEngine::LocalEngine(EngineOptions options) : options_(std::move(options)), cores_(own_cores()) {
  first_slot_.push_back(0);
  for (const int gpus : options_.nodes) first_slot_.push_back(first_slot_.back() + gpus);
  ORRERY_ASSERT(first_slot_.back() > 0, "an engine without slots");
  (void)std::signal(SIGPIPE, SIG_IGN);
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ORRERY_ASSERT(epoll_ && wake_, "no epoll or eventfd: {}", errno);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u64 = kWakeKey;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &e);
}

LocalEngine::~LocalEngine() {
  for (auto& [handle, g] : gangs_) {
    for (Rank& r : g->ranks) r.process.in.reset();
    if (g->frozen) kill_all(*g, SIGCONT);
    g->frozen = false;
    g->renew_at = kNever.ns;
    g->kill_at = std::min(g->kill_at, monotonic_ns() + options_.farewell.ns);
    g->kill_reason = "left over when the controller ended";
  }
  while (!gangs_.empty()) (void)poll(kNever.ns);
}

std::string LocalEngine::describe() const {
  if (options_.gpus) return fmt::format("local: {} GPUs of this machine", first_slot_.back());
  return fmt::format("local: {} CPU slots on {} cores", first_slot_.back(), cores_.size());
}

LocalEngine::Gang* LocalEngine::find(GangHandle gang) {
  const auto at = gangs_.find(gang);
  return at == gangs_.end() ? nullptr : at->second.get();
}

std::vector<int> LocalEngine::slots_of(const RankPlace& place) const {
  std::vector<int> slots;
  for (GpuMask left = place.gpus; left.any(); left.drop_lowest())
    slots.push_back(first_slot_.at(place.node.index()) + left.lowest());
  return slots;
}

ProcessSpec LocalEngine::process_spec(const GangSpec& spec, int rank) const {
  ProcessSpec p;
  p.argv = spec.argv;
  for (const std::string& a :
       {std::string("--rank"), fmt::format("{}", rank), std::string("--world"), fmt::format("{}", spec.ranks.size()),
        std::string("--run-folder"), spec.start.run_folder})
    p.argv.push_back(a);
  p.environment = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
  const std::vector<int> slots = slots_of(spec.ranks[static_cast<std::size_t>(rank)]);
  if (options_.gpus) p.environment.push_back(fmt::format("CUDA_VISIBLE_DEVICES={}", fmt::join(slots, ",")));
  for (const int slot : slots)
    for (const int c : cores_of_slot(cores_, slot, first_slot_.back())) p.cores.push_back(c);
  p.log_path = fmt::format("{}/logs/rank-{}.err", spec.start.run_folder, rank);
  p.piped_stdout = rank == 0;
  p.idle = spec.idle;
  return p;
}

void LocalEngine::launch(GangHandle handle, const GangSpec& spec) {
  ORRERY_ASSERT(!spec.ranks.empty() && spec.ranks.size() < (1U << kRankBits), "a gang of {} ranks",
                spec.ranks.size());
  const PacedCosts& c = spec.start.costs;
  const Duration least = spec.start.report_every_steps > 0 ? options_.watchdog : Duration{};
  auto made = std::make_unique<Gang>(handle, spec, least, c.start + c.restore + c.save + spec.start.step_time);
  Gang& g = *made;
  ORRERY_ASSERT(gangs_.emplace(handle, std::move(made)).second, "gang {} launched twice", handle.value);
  g.start.world = static_cast<std::int64_t>(spec.ranks.size());
  g.start.lease_s = options_.lease.ns / kNsPerSecond;
  g.start.fence = options_.fence;
  const std::int64_t now = monotonic_ns();
  g.watchdog.heard(now);
  if (fenced_off(g)) return finish(g);
  if (!spawn_all(g, spec)) {
    g.killing = true;
    kill_all(g, SIGKILL);
    if (g.ranks.empty()) finish(g);
    return;
  }
  if (g.start.lease_s > 0) g.renew_at = now + options_.lease.ns / 4 * 3;
  happened_.push_back({.kind = EngineEvent::Kind::launched, .gang = handle, .at_ns = monotonic_ns()});
  say(handle, g.start);
}

// False when a rank could not be started; those that were are in g.ranks.
bool LocalEngine::spawn_all(Gang& g, const GangSpec& spec) {
  if (auto ok = make_folders(spec.start.run_folder + "/logs"); !ok) {
    blame(g, ok.error().items.front().message);
    return false;
  }
  for (int rank = 0; rank < static_cast<int>(spec.ranks.size()); ++rank) {
    auto process = spawn(process_spec(spec, rank));
    if (!process) {
      blame(g, process.error().items.front().message);
      return false;
    }
    g.ranks.push_back({.process = std::move(*process)});
    const Process& p = g.ranks.back().process;
    watch(p.pidfd.get(), g.handle, rank, kProcess, EPOLLIN);
    watch(p.in.get(), g.handle, rank, kIn, EPOLLOUT | EPOLLET);
    if (p.out) watch(p.out.get(), g.handle, rank, kOut, EPOLLIN);
  }
  std::vector<ProcessHandle> handles;
  for (const Rank& r : g.ranks) handles.push_back(handle_of(r.process.id));
  if (auto ok = write_ranks(spec.start.run_folder, handles); !ok) {
    blame(g, ok.error().items.front().message);
    return false;
  }
  return true;
}

void LocalEngine::watch(int fd, GangHandle gang, int rank, int what, std::uint32_t events) {
  epoll_event e{};
  e.events = events;
  e.data.u64 = key_of(gang, rank, what);
  ORRERY_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) == 0, "epoll refuses descriptor {}: {}", fd, errno);
}

std::vector<ProcessHandle> LocalEngine::processes(GangHandle gang) const {
  std::vector<ProcessHandle> handles;
  if (const auto at = gangs_.find(gang); at != gangs_.end())
    for (const Rank& r : at->second->ranks) handles.push_back(handle_of(r.process.id));
  return handles;
}

// Whether somebody else commands the run now: then the gang ends, before it does what it should not.
bool LocalEngine::fenced_off(Gang& g) {
  if (options_.fence.holds()) return false;
  blame(g, kFencedOff);
  g.killing = true;
  kill_all(g, SIGKILL);
  return true;
}

void LocalEngine::say(GangHandle gang, const ToWorker& message) {
  Gang* g = find(gang);
  if (g == nullptr || g->killing || fenced_off(*g)) return;
  ToWorker said = message;
  if (auto* join = std::get_if<Join>(&said)) join->start.fence = options_.fence;
  const std::string line = format(said);
  for (int rank = 0; rank < static_cast<int>(g->ranks.size()); ++rank) {
    Rank& r = g->ranks[static_cast<std::size_t>(rank)];
    if (r.ended || !r.process.in) continue;
    if (std::holds_alternative<Lease>(message) && r.unsent.size() > kBacklog) continue;
    r.unsent += line;
    write_some(*g, rank);
  }
}

// As much as the pipe takes; epoll says when there is room again.
void LocalEngine::write_some(Gang& g, int rank) {
  Rank& r = g.ranks[static_cast<std::size_t>(rank)];
  while (!r.unsent.empty() && r.process.in) {
    const ssize_t n = ::write(r.process.in.get(), r.unsent.data(), r.unsent.size());
    if (n >= 0) {
      r.unsent.erase(0, static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      if (errno != EAGAIN) r.unsent.clear();  // it reads no more; its end is on the way, or its watchdog
      return;
    }
  }
}

void LocalEngine::stop(GangHandle gang, Duration grace) {
  Gang* g = find(gang);
  if (g == nullptr) return;
  if (g->frozen) thaw(gang);
  say(gang, Stop{});
  const std::int64_t at = add_ns(monotonic_ns(), grace.ns);
  if (at >= g->kill_at) return;
  g->kill_at = at;
  g->kill_reason = fmt::format("did not stop within {:.3g} s", to_seconds(grace));
}

void LocalEngine::kill(GangHandle gang) {
  Gang* g = find(gang);
  if (g == nullptr || g->killing) return;
  blame(*g, "killed as asked");
  g->killing = true;
  kill_all(*g, SIGKILL);
}

void LocalEngine::freeze(GangHandle gang) {
  Gang* g = find(gang);
  if (g == nullptr || g->frozen || g->killing) return;
  g->frozen = true;
  g->frozen_at = monotonic_ns();
  kill_all(*g, SIGSTOP);
}

void LocalEngine::thaw(GangHandle gang) {
  Gang* g = find(gang);
  if (g == nullptr || !g->frozen) return;
  g->frozen = false;
  const std::int64_t now = monotonic_ns();
  const std::int64_t away = now - g->frozen_at;
  g->watchdog.shift(away);
  if (g->kill_at != kNever.ns) g->kill_at = add_ns(g->kill_at, away);
  if (g->renew_at != kNever.ns) {
    say(gang, Lease{g->start.lease_s});  // before it runs: it reads this first
    g->renew_at = now + options_.lease.ns / 4 * 3;
  }
  kill_all(*g, SIGCONT);
}

void LocalEngine::kill_all(Gang& g, int signal) {
  for (const Rank& r : g.ranks)
    if (!r.ended) (void)::kill(-r.process.id.pid, signal);
}

// The first cause stands; what follows from it does not.
void LocalEngine::blame(Gang& g, std::string why) {
  if (g.blamed.empty()) g.blamed = std::move(why);
}

void LocalEngine::read_some(Gang& g) {
  if (g.ranks.empty()) return;
  const Fd& out = g.ranks[0].process.out;
  std::array<char, 65536> buffer{};
  while (out) {
    const ssize_t n = ::read(out.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) g.ranks[0].process.out.reset();  // also leaves epoll
    if (n <= 0) return;
    g.lines.append({buffer.data(), static_cast<std::size_t>(n)});
    while (auto line = g.lines.next()) heard(g, *line);
    if (g.killing) return;  // a flood must not hold us
  }
}

void LocalEngine::heard(Gang& g, const Expected<std::string>& line) {
  if (g.killing) return;
  const std::int64_t now = monotonic_ns();
  auto message = line.and_then([](const std::string& text) { return parse_from_worker(text); });
  if (!message) {
    const std::string why = message.error().items.front().message;
    happened_.push_back({.kind = EngineEvent::Kind::garbage, .gang = g.handle, .at_ns = now, .text = why});
    blame(g, why);
    g.killing = true;
    kill_all(g, SIGKILL);
    return;
  }
  g.watchdog.heard(now);
  if (const auto* error = std::get_if<WorkerError>(&*message)) g.last_error = error->text;
  happened_.push_back(
      {.kind = EngineEvent::Kind::said, .gang = g.handle, .at_ns = now, .message = std::move(*message)});
}

// What is due: a lease to renew, a grace or a silence that is over.
void LocalEngine::act_on_time(Gang& g, std::int64_t now) {
  judge(g, now);
  if (g.frozen || g.killing) return;
  if (now >= g.renew_at) {
    say(g.handle, Lease{g.start.lease_s});
    g.renew_at = now + options_.lease.ns / 4 * 3;
  }
  const bool hung = now >= g.watchdog.deadline_ns();
  if (now < g.kill_at && !hung) return;
  blame(g, hung ? "no line from it: taken for hung" : g.kill_reason);
  g.killing = true;
  kill_all(g, SIGKILL);
}

std::int64_t LocalEngine::next_deadline() const {
  std::int64_t next = kNever.ns;
  for (const auto& [handle, g] : gangs_) {
    if (g->killing) continue;
    next = std::min(next, g->inquest.deadline_ns());
    if (!g->frozen) next = std::min({next, g->renew_at, g->kill_at, g->watchdog.deadline_ns()});
  }
  return next;
}

std::span<const EngineEvent> LocalEngine::poll(std::int64_t deadline_ns) {
  returned_.clear();
  bool woken = false;
  while (happened_.empty() && !woken) {
    const std::int64_t now = monotonic_ns();
    const std::int64_t until = std::min(deadline_ns, next_deadline());
    // Rounded up: an early return would only be repeated.
    const std::int64_t ms =
        until == kNever.ns
            ? -1
            : std::min<std::int64_t>(INT_MAX, std::max<std::int64_t>(0, (until - now + 999'999) / 1'000'000));
    std::array<epoll_event, 64> ready{};
    const int n = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), static_cast<int>(ms));
    for (int i = 0; i < n; ++i) {
      const std::uint64_t key = ready[static_cast<std::size_t>(i)].data.u64;
      if (key == kWakeKey) {
        eventfd_t times = 0;
        (void)::eventfd_read(wake_.get(), &times);
        woken = true;
        continue;
      }
      Gang* g = find({key >> (kRankBits + kWhatBits)});
      if (g == nullptr) continue;
      const int rank = static_cast<int>((key >> kWhatBits) & ((1U << kRankBits) - 1));
      switch (static_cast<What>(key & ((1U << kWhatBits) - 1))) {
        case kProcess: reap(*g, rank); break;
        case kIn: write_some(*g, rank); break;
        case kOut: read_some(*g); break;
      }
    }
    const std::int64_t after = monotonic_ns();
    for (auto& [handle, g] : gangs_) act_on_time(*g, after);
    if (after >= deadline_ns) break;
  }
  returned_.swap(happened_);
  return returned_;
}

void LocalEngine::wake() {
  (void)::eventfd_write(wake_.get(), 1);
}

const EngineInfo local_engine{
    .name = "local",
    .summary = "processes of this machine, on shares of its cores or on its GPUs",
    .make = [](const EngineOptions& o) -> std::unique_ptr<Engine> { return std::make_unique<LocalEngine>(o); },
    .runs =
        [](const ProcessHandle& handle) {
          const auto process = process_of(handle);
          return process && identify(process->pid) == process;
        },
    .wait_or_kill =
        [](std::span<const ProcessHandle> handles, Duration grace) {
          std::vector<ProcessId> processes;
          for (const ProcessHandle& h : handles)
            if (const auto p = process_of(h)) processes.push_back(*p);
          return wait_or_kill(processes, grace);
        },
};

}  // namespace orrery::live

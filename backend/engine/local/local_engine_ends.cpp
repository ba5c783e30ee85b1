// How ranks and gangs of a LocalEngine end: reaping, finding the first cause, the last event.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "backend/engine/local/local_gang.hpp"

namespace orrery::live {
namespace {

constexpr std::size_t kTail = 2048;  // bytes of stderr in a failure's text

}  // namespace

// The gang's end begins when it is known who is to blame.
void LocalEngine::judge(Gang& g, std::int64_t now) {
  if (g.killing) return;
  const auto culprit = g.inquest.culprit(now);
  if (!culprit) return;
  accuse(g, *culprit);
  g.killing = true;
  kill_all(g, SIGKILL);
}

void LocalEngine::accuse(Gang& g, int rank) {
  const Rank& r = g.ranks[static_cast<std::size_t>(rank)];
  g.blamed_rank = rank;
  if (r.signal != 0) return blame(g, fmt::format("rank {} was ended by {}", rank, signal_name(r.signal)));
  const std::string said = g.last_error.empty() ? std::string() : ": " + g.last_error;
  blame(g, fmt::format("rank {} left with status {}{}", rank, r.status, said));
}

void LocalEngine::reap(Gang& g, int rank) {
  Rank& r = g.ranks[static_cast<std::size_t>(rank)];
  int status = 0;
  if (r.ended) return;
  (void)::kill(-r.process.id.pid, SIGKILL);  // whatever it started itself; its number is not free before waitpid()
  if (::waitpid(r.process.id.pid, &status, WNOHANG) != r.process.id.pid) return;
  if (rank == 0) read_some(g);  // its last words
  r.ended = true;
  ++g.ended;
  if (WIFEXITED(status)) r.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) r.signal = WTERMSIG(status);
  r.process.pidfd.reset();
  r.process.in.reset();
  const std::int64_t now = monotonic_ns();
  happened_.push_back({.kind = EngineEvent::Kind::exited,
                       .gang = g.handle,
                       .at_ns = now,
                       .rank = rank,
                       .status = r.status,
                       .signal = r.signal});
  const bool well = r.status == kExitDone || r.status == kExitStopped;
  g.inquest.ended(rank, well, r.signal, now);
  judge(g, now);
  if (well && !g.killing && g.kill_at > now + options_.straggler.ns) {
    g.kill_at = now + options_.straggler.ns;
    g.kill_reason = fmt::format("rank {} left, the others stayed", rank);
  }
  if (g.ended == g.ranks.size()) finish(g);
}

// The last event of a gang, which is forgotten.
void LocalEngine::finish(Gang& g) {
  EngineEvent e{.kind = EngineEvent::Kind::gone, .gang = g.handle, .at_ns = monotonic_ns()};
  const auto all = [&g](int status) {
    return !g.ranks.empty() &&
           std::all_of(g.ranks.begin(), g.ranks.end(), [status](const Rank& r) { return r.status == status; });
  };
  e.verdict = !g.blamed.empty()   ? kExitError
              : all(kExitDone)    ? kExitDone
              : all(kExitStopped) ? kExitStopped
                                  : kExitError;
  if (e.verdict == kExitError) {
    blame(g, "some ranks were done, others stopped");
    e.text = fmt::format("{}: {}", g.name, g.blamed);
    if (g.blamed_rank >= 0) {
      const std::string tail = tail_of(fmt::format("{}/logs/rank-{}.err", g.start.run_folder, g.blamed_rank), kTail);
      if (!tail.empty()) e.text += "; its stderr ends with: " + tail;
    }
  }
  happened_.push_back(std::move(e));
  gangs_.erase(g.handle);
}

}  // namespace orrery::live

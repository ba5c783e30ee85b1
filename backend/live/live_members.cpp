// The live world's merged gangs: one gang of processes, whose first member they were started with. Others join by a
// line and leave by one, while the rest go on; what ends the processes ends all of them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backend/live/live_executor.hpp"
#include "backend/protocol/clock.hpp"

namespace orrery::live {
namespace {

constexpr Duration kLeastMemberGrace = seconds(5);  // of wall clock, however fast the run's clock is

}  // namespace

// False: its gang has no processes.
bool LiveExecutor::join(Gang& g) {
  if (!g.merged) return false;
  const auto there = std::find_if(processes_.begin(), processes_.end(), [&](const auto& p) {
    return !p.second.members.empty() && gangs_[p.second.members.front()].id == g.id;
  });
  if (there == processes_.end()) return false;
  g.handle = there->first;
  g.joins = true;
  there->second.members.push_back(g.job);
  Join join{start_of(g)};
  join.start.world = static_cast<std::int64_t>(places_of(g.gpus).size());
  io_.tell([handle = g.handle, join](Engine& e) { e.say(handle, join); });
  return true;
}

// By its name where there is, or was, another one.
void LiveExecutor::say(const Gang& g, const decltype(ToMember::what)& what) {
  const ToMember message{fmt::format("{}", g.job.value), what};
  if (g.merged) return io_.tell([handle = g.handle, message](Engine& e) { e.say(handle, message); });
  const auto bare = [&](const auto& m) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(m)>, Drop>)
      io_.tell([handle = g.handle, m](Engine& e) { e.say(handle, m); });
  };
  std::visit(bare, what);
}

// The others go on, unless it does not leave in time. Processes that start hear of it when they have.
void LiveExecutor::leave(Gang& g, StopHow how, Duration grace) {
  if (how != StopHow::kill && g.phase == Phase::stopping) return;
  const bool kill = how == StopHow::kill;
  if (g.phase == Phase::running) launch_of(g).ran += now_ - g.began;
  g.phase = kill ? Phase::killing : Phase::stopping;
  g.began = now_;
  if (kill)
    say(g, Drop{});
  else
    say(g, Stop{});
  const Duration starting = processes_.at(g.handle).starting;
  const Duration patience = starting + std::max(kill ? Duration{} : wall(grace), kLeastMemberGrace);
  patience_.push_back({add_ns(monotonic_ns(), patience.ns), g.job, g.incarnation});
}

void LiveExecutor::lose_patience() {
  if (patience_.empty()) return;
  const std::int64_t now = monotonic_ns();
  std::erase_if(patience_, [&](const Patience& p) {
    const Gang& g = gangs_[p.job];
    if (g.phase == Phase::idle || g.incarnation != p.incarnation) return true;
    if (now < p.until_ns) return false;
    io_.tell([handle = g.handle](Engine& e) { e.kill(handle); });
    return true;
  });
}

void LiveExecutor::said(GangHandle handle, const FromMember& line, Time at) {
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(line.job.data(), line.job.data() + line.job.size(), number);
  const std::vector<JobId>& members = processes_.at(handle).members;
  if (code != std::errc() || std::find(members.begin(), members.end(), JobId(number)) == members.end()) return;
  Gang& g = gangs_[JobId(number)];
  const auto hear = [&](const auto& message) {
    using Message = std::decay_t<decltype(message)>;
    if constexpr (std::is_same_v<Message, Left>) {
      if (!alone(g)) out(g, kExitStopped, {}, at);  // of the last one the processes' end is told
    } else if constexpr (std::is_same_v<Message, WorkerError>) {
      out(g, kExitError, message.text, at);
    } else {
      said(g, FromWorker(message), at);
    }
  };
  std::visit(hear, line.what);
}

// The member is none any more; the processes go on with the others.
void LiveExecutor::out(Gang& g, int verdict, const std::string& why, Time at) {
  const auto there = processes_.find(g.handle);
  std::erase(there->second.members, g.job);
  ended(g, verdict, why, at);
}

}  // namespace orrery::live

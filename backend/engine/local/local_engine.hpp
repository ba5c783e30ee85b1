// The engine of one machine: ranks are child processes; the GPUs of all nodes, node by node, are its slots: CPU slots
// (sets of cores) or GPUs. Every rank leads a process group of its own and is watched through a pidfd, so an end is
// seen at once and nothing is polled. Its stderr goes to <the start's run folder>/logs/rank-R.err, whose end is part
// of a failure's text. No orphan outlives a controller: a worker whose stdin closes saves and leaves by itself. One
// that was frozen then is continued by the kernel (SIGHUP, SIGCONT to a stopped group that becomes orphaned) unless
// this program's parent lives in the same session; for that case `wait_or_kill` of a resuming controller ends it.
// SIGPIPE must be ignored in this program; the constructor sees to it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backend/engine/engine.hpp"
#include "backend/engine/local/process.hpp"
#include "backend/engine/local/watchdog.hpp"
#include "backend/protocol/line_buffer.hpp"

namespace orrery::live {

class LocalEngine final : public Engine {
 public:
  explicit LocalEngine(EngineOptions options);
  LocalEngine(const LocalEngine&) = delete;
  LocalEngine& operator=(const LocalEngine&) = delete;
  // Closes every stdin, waits `farewell` for the workers to save and leave, kills the rest; reaps all.
  ~LocalEngine() override;

  [[nodiscard]] std::string describe() const override;
  void launch(GangHandle gang, const GangSpec& spec) override;
  [[nodiscard]] std::vector<ProcessHandle> processes(GangHandle gang) const override;
  void say(GangHandle gang, const ToWorker& message) override;
  void stop(GangHandle gang, Duration grace) override;
  void kill(GangHandle gang) override;
  void freeze(GangHandle gang) override;
  void thaw(GangHandle gang) override;
  [[nodiscard]] std::span<const EngineEvent> poll(std::int64_t deadline_ns) override;
  void wake() override;

 private:
  struct Rank {
    Process process{};
    std::string unsent{};
    bool ended = false;
    int status = -1, signal = 0;
  };
  struct Gang;

  [[nodiscard]] Gang* find(GangHandle gang);
  [[nodiscard]] std::vector<int> slots_of(const RankPlace& place) const;
  [[nodiscard]] ProcessSpec process_spec(const GangSpec& spec, int rank) const;
  bool spawn_all(Gang& g, const GangSpec& spec);
  void watch(int fd, GangHandle gang, int rank, int what, std::uint32_t events);
  void write_some(Gang& g, int rank);
  void read_some(Gang& g);
  void heard(Gang& g, const Expected<std::string>& line);
  void reap(Gang& g, int rank);
  void judge(Gang& g, std::int64_t now);
  void accuse(Gang& g, int rank);
  [[nodiscard]] bool fenced_off(Gang& g);
  static void blame(Gang& g, std::string why);
  void kill_all(Gang& g, int signal);
  void act_on_time(Gang& g, std::int64_t now);
  [[nodiscard]] std::int64_t next_deadline() const;
  void finish(Gang& g);

  EngineOptions options_;
  std::vector<int> first_slot_{};  // [node]; and at the end how many there are
  std::vector<int> cores_{};
  Fd epoll_{}, wake_{};
  std::map<GangHandle, std::unique_ptr<Gang>> gangs_;  // in order of launch
  std::vector<EngineEvent> happened_{};                // since the last poll(), also by launch()
  std::vector<EngineEvent> returned_{};
};

}  // namespace orrery::live

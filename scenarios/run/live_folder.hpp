// DIR.live: where a live run lives until it has ended, and what another controller needs to go on with it: the
// scenario, the journal, the jobs' checkpoints and the list of their processes. When the run has ended it becomes
// DIR/live, beside the tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/engine/engine.hpp"
#include "backend/live/journal.hpp"
#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario.hpp"
#include "sim/core/error.hpp"

namespace orrery::app {

class LiveFolder {
 public:
  // Of the run folder `run`; nothing is touched yet.
  explicit LiveFolder(const std::string& run);
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string journal() const { return path_ + "/journal"; }
  [[nodiscard]] std::string jobs() const { return path_ + "/jobs"; }
  [[nodiscard]] std::string scenario() const { return path_ + "/scenario.yaml"; }
  [[nodiscard]] std::string clock() const { return path_ + "/clock"; }
  [[nodiscard]] std::string fence() const { return path_ + "/fence"; }
  [[nodiscard]] bool exists() const;
  [[nodiscard]] bool resumable() const;  // there is a journal

  // What is in the job's newest whole checkpoint; zero without one.
  [[nodiscard]] Work committed(JobId job) const;
  // When that was written, in ns of the file system's clock; nothing without one.
  [[nodiscard]] std::optional<std::int64_t> committed_at_ns(JobId job) const;
  // Of its files; 0 without one.
  [[nodiscard]] std::int64_t checkpoint_bytes(JobId job) const;
  // All processes that were ever started; those that run are who they were (ProcessHandle).
  [[nodiscard]] std::vector<live::ProcessHandle> processes() const;

  // A folder with the scenario and an empty journal. Fails when there is a run that has not ended; what a run has
  // left that was killed before it began is replaced. `force`: a run that has not ended goes, too, and what will be
  // in the run folder then may be replaced.
  [[nodiscard]] Expected<live::JournalWriter> create(const std::string& scenario_yaml, const std::string& identity,
                                                     bool force) const;
  // Removes it, with what its controller left running. Fails while that is alive.
  [[nodiscard]] Expected<void> discard() const;
  // Whether the run was begun with `force`.
  [[nodiscard]] bool forced() const;
  // The journal that is there, and its writer behind what is in it. Fails, in words, unless it is of what `identity`
  // is of; the worker may be another.
  struct Journal {
    live::JournalWriter writer;
    live::JournalContents past;
  };
  [[nodiscard]] Expected<Journal> reopen(const std::string& identity) const;
  // Takes the run over for the holder of its journal: every other controller, and what it started, is fenced off.
  [[nodiscard]] Expected<live::Fence> claim(live::JournalWriter& writer) const;

 private:
  [[nodiscard]] std::string checkpoints_of(JobId job) const;
  std::string path_;
};

// The scenario and the seed of a run that has not ended, from DIR.live.
struct Unfinished {
  Scenario scenario;
  std::uint64_t seed = 1;
  std::string worker;
};
[[nodiscard]] Expected<Unfinished> unfinished_run(const std::string& run);
// The run folder that people mean: of `runs/a`, `runs/a/` and `runs/a.live` it is `runs/a`.
[[nodiscard]] std::string run_folder_of(const std::string& named);

// What must be equal for a journal to be a run's, and what a resumed run cannot know otherwise.
[[nodiscard]] std::string run_identity(const Scenario& effective, const Prepared& prepared, std::uint64_t seed,
                                       const std::string& worker);

}  // namespace orrery::app

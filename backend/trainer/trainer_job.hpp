// One job of a training gang, as its ranks see it: what it was started with, its session, its checkpoints and what it
// has said. A gang has one, or several that are merged; the worker (trainer_worker.hpp) decides when each does what.
// Collective where the session is: every rank calls the same functions in the same order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/protocol/wire.hpp"
#include "backend/trainer/epoch_watch.hpp"
#include "backend/trainer/session.hpp"
#include "sim/core/json_box.hpp"

namespace orrery::trainer {

// The first error as one line, with what it suggests.
[[nodiscard]] std::string sentence(const Error& error);

class TrainerJob {
 public:
  // What its gang has: all of it outlives the job.
  struct Place {
    int rank = 0;
    at::Device device = at::kCPU;
    Communicator* gradients = nullptr;
    Communicator* own = nullptr;  // the task's
    worker::Wire* wire = nullptr;
    worker::Log* log = nullptr;
  };
  // The `first` one's lines name no job.
  TrainerJob(Place place, live::Start start, bool first);

  // In this order; each says what is wrong, as one line, and is local to the rank.
  [[nodiscard]] Expected<live::Ok> read_task();
  [[nodiscard]] Expected<live::Ok> make_session();
  [[nodiscard]] Expected<live::Ok> restore();  // from the newest whole checkpoint, where it is to

  [[nodiscard]] const live::Start& start() const { return start_; }
  [[nodiscard]] Session& session() { return *session_; }
  [[nodiscard]] std::int64_t threads() const { return threads_; }
  [[nodiscard]] const JobConfig& config() const { return session_->config(); }
  [[nodiscard]] Work done() const { return done_; }
  [[nodiscard]] bool finished() const { return done_ >= start_.total_work; }

  void say(const decltype(live::FromMember::what)& what) const;
  void say_ready();
  // A sign of life: where it is, once more.
  void say_resting();

  // Whether somebody wants the numbers of the next step.
  [[nodiscard]] bool wants_report() const;
  // It has made a step: `spent` of wall time went by, which says nothing of steps where the process was suspended.
  void stepped(StepReport report, Duration spent, bool suspended);
  // Whether a checkpoint is due after it.
  [[nodiscard]] bool save_due() const;
  // Evaluates where that is due, and tells of the step.
  void tell();
  // Commits a checkpoint of the present step, unless there is one, and says so. Collective; fails on rank 0 where it
  // cannot be written, and on every rank where the ranks' parameters differ.
  [[nodiscard]] Expected<live::Ok> save();
  // Rank 0's alone.
  [[nodiscard]] Expected<live::Ok> publish();
  // On all ranks after the same step.
  void reconfigure(std::int64_t batch, std::int64_t accumulation);

  // What it was told since it last obeyed, but what concerns all; the same on all ranks.
  struct Wishes {
    bool save = false, stop = false, drop = false;
    int publish = 0;
    std::optional<live::Reconfigure> reconfigure{};
  };
  [[nodiscard]] Wishes& wishes() { return wishes_; }

 private:
  void say_features();
  void note_metrics(const StepReport& report);
  [[nodiscard]] Expected<live::Ok> take_checkpoint();
  [[nodiscard]] Duration cpu_per_sample();
  [[nodiscard]] live::Checkpoint checkpoint(std::vector<live::CheckpointFile> files) const;
  [[nodiscard]] Work step_work() const;
  [[nodiscard]] bool due(std::int64_t step, std::int64_t every) const { return every > 0 && step % every == 0; }

  Place place_;
  live::Start start_;
  bool first_;
  JsonBox config_{};
  std::int64_t threads_ = 1;
  std::string from_{};
  std::unique_ptr<Session> session_{};
  std::optional<EpochWatch> epochs_{};  // where it assesses
  Work done_{};
  StepReport report_{};  // of the last step
  std::int64_t saved_step_ = -1;
  std::string saved_path_{};
  Duration spent_{};  // in steps since the last report
  std::int64_t last_step_ns_ = 0;
  Task::DataCost told_cost_{};  // as of the last report
  Wishes wishes_{};
};

}  // namespace orrery::trainer

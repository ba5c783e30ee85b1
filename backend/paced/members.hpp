// The members of a paced gang that is merged: a step of the gang is one of each member in turn, so it takes as long
// as all of theirs. Rank 0 keeps them; the other ranks follow its beat. A member starts, saves and leaves while the
// others go on, each phase for as long as its `costs` say; one that saves keeps its turn. Nothing here waits: the
// worker asks what is to come, and calls turn() when it has.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/protocol/wire.hpp"

namespace orrery::paced {

// How far a job is, wherever it makes its steps.
struct JobProgress {
  live::Start start{};
  std::int64_t step = 0;
  Work done{};
  std::int64_t saved_step = -1;  // of the newest checkpoint
  std::string saved_path{};
  Duration spent{};  // in steps since the last report
};

class Members {
 public:
  // The gang's first member, which makes steps already.
  Members(worker::Wire& wire, worker::Log& log, JobProgress first);

  // Takes what was heard and does what is due at `now` (both on a clock that stands still while the process does).
  // `behind`: how far that clock is behind the one by which lines were read.
  void turn(std::int64_t now, std::int64_t behind);
  // The first one had done all of its work.
  void finish_first() { ended(members_.front(), live::kExitDone, live::Done{members_.front().step}); }
  // All save and leave.
  void leave_all(std::int64_t now);
  // How long the next step takes; 0: nobody makes one now.
  [[nodiscard]] std::int64_t begin_step();
  // That step is over: those that are in it have made theirs, in so much time.
  void end_step(Duration took, std::int64_t now);
  // When something is due without a step.
  [[nodiscard]] std::int64_t next_due() const;
  [[nodiscard]] bool empty() const { return members_.empty(); }
  // How the last one ended: kExitDone, or kExitStopped.
  [[nodiscard]] int status() const { return status_; }
  // What went wrong for all of them; empty = nothing.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  struct Member : JobProgress {
    enum class Phase : std::uint8_t { starting, stepping, saving, last_save, leaving } phase = Phase::starting;
    std::int64_t until = 0;  // of its phase, but of stepping
    std::int64_t asked = 0;  // to leave, since
    bool first = false, in_step = false, gone = false, save = false;
    int publish = 0;
  };
  using Phase = Member::Phase;
  using Report = decltype(live::FromMember::what);

  void say(const Member& m, const Report& what);
  void hear(const worker::MemberWish& wish, std::int64_t behind);
  void join(const live::Start& start, std::int64_t at);
  void restore(Member& m);
  void leave(Member& m, std::int64_t now);
  void obey(Member& m, const live::Save&, std::int64_t now);
  void obey(Member& m, const live::Publish&, std::int64_t now);
  void obey(Member& m, const live::Stop&, std::int64_t now);
  void obey(Member& m, const live::Drop&, std::int64_t now);
  void obey(Member& m, const live::Reconfigure& r, std::int64_t now);
  void go_on(Member& m, std::int64_t now);
  void begin_save(Member& m, std::int64_t now);
  void end_save(Member& m);
  void publish(Member& m);
  void ended(Member& m, int status, const Report& what);
  [[nodiscard]] Member* find(const std::string& job);

  worker::Wire* wire_;
  worker::Log* log_;
  std::vector<Member> members_{};  // in order of joining
  int status_ = live::kExitStopped;
  std::string failure_{};
};

// The checkpoint of a paced job: how far it is.
[[nodiscard]] live::Checkpoint paced_checkpoint(const JobProgress& job);
// The time of a step that does `part` of `whole`, rounded up.
[[nodiscard]] std::int64_t scaled(Duration step, Work part, Work whole);

}  // namespace orrery::paced

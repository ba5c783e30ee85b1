// One rank of a paced job: a real process with a real life cycle (rendezvous, checkpoints, leases, death) whose steps
// take what the job's profile says instead of computing anything. What it exercises is the scheduler's live side, on
// any machine. All times are absolute deadlines on the monotonic clock: what one step loses, the next one makes up
// for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backend/paced/gang.hpp"
#include "backend/paced/members.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/protocol/wire.hpp"

namespace orrery::paced {

using worker::Log;
using worker::monotonic_ns;
using worker::Wire;

struct WorkerOptions {
  int rank = 0, world = 1;
  std::string run_folder;          // of the logs
  std::int64_t rendezvous_s = 30;  // how long a missing peer is waited for
  std::int64_t peer_s = 60;        // how long a peer that is there may be silent at the end of a step
};

class Worker {
 public:
  Worker(WorkerOptions options, Log& log);
  // The whole life of the rank; its exit status.
  int run();

 private:
  struct Exit {
    int status;
  };

  void live();
  void await_start();
  void assemble();
  void restore();
  void do_steps();
  void after_step(std::int64_t word);
  void save();
  void publish();
  [[noreturn]] void stop();
  void report(bool last);
  void reconfigure();
  void slow_down();
  void note_fill();
  [[nodiscard]] std::int64_t rest_after(Duration step) const;
  void rest(Duration step);
  // From the first step's end on after which there is a member more, until the gang's end.
  [[noreturn]] void conduct();
  [[noreturn]] void follow();
  void beat(Members& members);

  // What the rank offers at the end of a step: the largest one of the gang is what all do. After kConduct, rank 0
  // alone knows what comes: it offers how long the next step takes, and from then on no word means anything else.
  enum Word : std::int64_t { kGoOn = 0, kSave = 1, kStop = 2, kConduct = 3 };
  static constexpr std::int64_t kRest = 1;  // after a step of a filler, instead of kSave: not yet the next one
  static constexpr std::int64_t kEndDone = 0, kEndStopped = 1, kBeat = 2, kWish = std::int64_t{1} << 62;
  [[nodiscard]] Word wanted();
  std::int64_t agree(std::int64_t word);
  void rest_until(std::int64_t deadline);
  void listen(std::int64_t until);
  void notice_pause(std::int64_t wait);
  void check_peers();
  [[noreturn]] void fail(const std::string& why, int status = live::kExitError);

  WorkerOptions options_;
  Log* log_;
  Wire wire_;
  JobProgress job_{};  // the gang's only, or first, member
  std::unique_ptr<Gang> gang_{};
  bool ready_ = false, leaving_ = false;
  std::int64_t began_;
  std::int64_t anchor_ = 0;  // when the current phase ends or ended, by plan
  std::int64_t awake_;       // when the rank last was seen not to have been suspended
  std::int64_t paused_ = 0;  // ns for which the process was suspended, so far
  // What fillers cost it, in millionths of a step; nothing: nobody has said, and steps are reported as they are.
  std::optional<std::int64_t> slowed_{};
};

}  // namespace orrery::paced

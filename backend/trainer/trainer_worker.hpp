// One rank of a training job behind the worker protocol (backend/protocol/PROTOCOL.md): the life cycle of
// orrery-paced with a Session in the middle. Ranks agree by one MAX-reduced word per step on saving and stopping, so
// all do so after the same step; the controller's lines, signals and leases are looked at between steps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/protocol/wire.hpp"
#include "backend/trainer/rendezvous.hpp"
#include "backend/trainer/session.hpp"
#include "sim/core/json_box.hpp"

namespace orrery::trainer {

// Where training happens, and the communicator between tensors there; main.cpp and main_cuda.cpp differ in this only.
struct Platform {
  at::Device device = at::kCPU;
  std::function<std::unique_ptr<Communicator>(const c10::intrusive_ptr<c10d::Store>&, const std::string& name,
                                              int rank, int world)>
      communicator;
};

struct TrainerOptions {
  int rank = 0, world = 1;
  std::string run_folder;          // of the logs
  std::int64_t rendezvous_s = 60;  // how long a missing peer is waited for
};

class TrainerWorker {
 public:
  TrainerWorker(TrainerOptions options, worker::Log& log);
  // The whole life of the rank; its exit status. `platform` is asked once the first line has come: making it may take
  // seconds (a CUDA context), and fails with what is missing.
  int run(const std::function<Expected<Platform>()>& platform);

 private:
  struct Exit {
    int status;
  };
  // `kReconfigure` is added by rank 0, which alone hears of it; what another rank wants then waits a step.
  enum Word : std::int64_t { kGoOn = 0, kSave = 1, kStop = 2, kReconfigure = 4 };

  void live(const std::function<Expected<Platform>()>& platform);
  void await_start();
  void assemble();
  void make_session(const Platform& platform);
  void restore();
  void do_steps();
  void after_step(std::int64_t word, const StepReport& report);
  void save();
  void publish();
  [[noreturn]] void stop();
  void note_metrics(const StepReport& report);
  [[nodiscard]] Duration cpu_per_sample();
  [[nodiscard]] live::Checkpoint checkpoint(std::vector<live::CheckpointFile> files) const;
  [[nodiscard]] std::int64_t wanted();
  void hear_of_members();
  void reconfigure();
  [[nodiscard]] Work step_work() const;
  void listen(std::int64_t until);
  [[noreturn]] void fail(const std::string& why, int status = live::kExitError);

  TrainerOptions options_;
  worker::Log* log_;
  worker::Wire wire_;
  live::Start start_{};
  JsonBox config_{};
  std::unique_ptr<Rendezvous> rendezvous_{};
  std::unique_ptr<Communicator> control_{}, gradients_{}, own_{};  // words; gradients; the task's
  std::unique_ptr<Session> session_{};
  bool ready_ = false;
  Work done_{};
  std::int64_t saved_step_ = -1;
  std::string saved_path_{};
  Duration spent_{};  // in steps since the last report
  std::int64_t last_step_ns_ = 0;
  Task::DataCost told_cost_{};  // as of the last report
};

}  // namespace orrery::trainer

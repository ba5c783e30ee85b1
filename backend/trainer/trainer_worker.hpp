// One rank of a training gang behind the worker protocol (backend/protocol/PROTOCOL.md): the life cycle of
// orrery-paced with one or more training jobs in the middle. Ranks agree by one MAX-reduced word per step on saving
// and stopping, so all do so after the same step; the controller's lines, signals and leases are looked at between
// steps. Several jobs are members of a merged gang (MergedGang): a step of the gang is one of each, on one backbone.
// What rank 0 hears about members it hands to the other ranks, line by line, at the end of a step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/protocol/wire.hpp"
#include "backend/trainer/merged_gang.hpp"
#include "backend/trainer/rendezvous.hpp"
#include "backend/trainer/trainer_job.hpp"

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
  // The last two are added by rank 0, which alone hears of it; what another rank wants then waits a step.
  enum Word : std::int64_t { kGoOn = 0, kSave = 1, kStop = 2, kReconfigure = 4, kMembers = 8 };

  void live(const std::function<Expected<Platform>()>& platform);
  void await_start();
  void assemble();
  void make_first(const Platform& platform);
  void do_steps();
  [[nodiscard]] std::vector<MergedGang::Outcome> step();
  void after_step(TrainerJob& job, std::int64_t word);
  void reconfigure_first();
  void note_fill();
  void rest(std::int64_t worked_ns);
  [[nodiscard]] std::int64_t wanted();
  // Members, in trainer_members.cpp.
  void hear_of_members();
  void obey(const live::ToWorker& line);
  void join(live::Start start);
  [[nodiscard]] bool publish(TrainerJob& job, int versions);
  [[nodiscard]] bool excuse(TrainerJob& job, const std::string& why);
  void failed(TrainerJob& job, const std::string& why);
  void ended(TrainerJob& job, int status, bool well);
  [[nodiscard]] std::size_t staying() const { return jobs_.size() - gone_.size(); }
  void let_go();
  [[nodiscard]] TrainerJob* find(const std::string& job);
  // The gang's first member, as long as it is one.
  [[nodiscard]] TrainerJob* first() { return find(first_name_); }
  void listen(std::int64_t until);
  [[noreturn]] void fail(const std::string& why, int status = live::kExitError);

  TrainerOptions options_;
  worker::Log* log_;
  worker::Wire wire_;
  std::unique_ptr<Rendezvous> rendezvous_{};
  std::unique_ptr<Communicator> control_{}, gradients_{}, own_{};  // words; gradients; the tasks'
  TrainerJob::Place place_{};
  // In order of joining; their sessions are destroyed before the communicators.
  std::vector<std::unique_ptr<TrainerJob>> jobs_{};
  std::unique_ptr<MergedGang> merged_{};  // once somebody has joined
  std::vector<live::Start> joining_{};
  std::vector<const TrainerJob*> gone_{};  // let go at the end of the step
  std::string first_name_{};
  bool ready_ = false;
  int status_ = live::kExitDone;        // of the last one that left
  bool about_members_ = false;          // a line about members was heard: who leaves says so
  std::int64_t steps_done_ = 0;         // of whoever made the last one
  std::optional<std::int64_t> fill_{};  // of a filler: its share of the time, in thousandths
};

}  // namespace orrery::trainer

// The live world behind the seam: gangs are real processes of an engine, time is the wall clock times a scale, what
// workers say becomes the same events that a simulated cluster sends. Nothing above `Executor` knows the difference.
// Used by the controller's thread only (but interrupt()); the engine lives on a thread of its own.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/live/io_thread.hpp"
#include "backend/live/slowdown_meter.hpp"
#include "sim/api/bubbles.hpp"
#include "sim/control/cluster_state.hpp"
#include "sim/control/executor.hpp"
#include "sim/control/gangs.hpp"
#include "sim/core/truth.hpp"
#include "sim/models/lifecycle/failures.hpp"
#include "sim/models/lifecycle/first_epoch.hpp"
#include "sim/models/lifecycle/overheads.hpp"
#include "sim/models/lifecycle/transfer.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery::live {

// How a job really trains; without one it is paced.
struct LiveTask {
  std::string path{};                 // absolute: the JSON file that says what
  std::vector<std::string> worker{};  // argv of a rank
  Work step_work{1};                  // of one step, whatever the number of ranks
  [[nodiscard]] explicit operator bool() const { return !path.empty(); }
};

struct LiveOptions {
  std::string folder;                // absolute; a job's checkpoints and its launches' logs go to <folder>/jobs/NAME
  std::vector<std::string> worker;   // argv of a rank, without what the engine adds
  std::int64_t time_scale = 1;       // seconds of the run per second of wall clock, >= 1
  Duration step = milliseconds(50);  // wall time of a paced step at the job's own rate
  OverheadModel overheads{};         // paced workers take these, in seconds of the run
  CheckpointModel checkpoints{};
  AssessModel assess{};       // how paced children's first epochs are measured
  FillCost fill_cost{};       // what fillers cost paced hosts; of others that is measured
  PublishModel publishes{};   // when parents are asked to publish; what that costs is measured, not set
  Duration progress_every{};  // cadence of step reports, in seconds of the run; 0 = every ten steps
  // What each job has already done and committed; of a run that is resumed. Empty: nothing.
  std::vector<Work> committed{};
  std::vector<LiveTask> tasks{};  // [job]; empty: all are paced
  FeatureFolder features{};       // of the jobs that share features (JobSpec::features)
  // Called with one line for people whenever a gang fails; may be empty.
  std::function<void(const std::string&)> on_failure{};
  // Called on the controller's thread at the first wait and then a few times a second while it waits; may be empty.
  std::function<void()> on_beat{};
};

// Thrown by wait_until() after interrupt(): the controller's loop ends where it stands, between two instants.
struct Interrupted {};

class LiveExecutor final : public Executor {
 public:
  // `topology`, `workload` and `model` must outlive the executor. The engine must have the
  // cluster's nodes. The clock starts at the first wait_until(), from `from` on.
  LiveExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
               std::unique_ptr<Engine> engine, LiveOptions options, Time from = {});
  // In the middle of a run, of what the control plane knows of it (WorldState); in live_takeover.cpp. The processes
  // are begun at once; `options.committed` is not looked at.
  LiveExecutor(const Topology& topology, const Workload& workload, const PerformanceModel& model,
               std::unique_ptr<Engine> engine, LiveOptions options, const ClusterState& known, Time now);

  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] const Topology& describe() override { return *topology_; }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, const Member& member, StopHow how, Duration grace) override;
  void resume(GangId gang, const Member& member) override;
  void command(GangId gang, const Member& member, const Command& command) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] std::string_view broken() const override { return broken_; }

  // Ends the run: the next (or a waiting) wait_until() throws Interrupted. From any thread.
  void interrupt();
  // What launches of the job before this one have done is dropped, their checkpoints are laid aside. A launch that
  // says so does it; of a run that is resumed, launches that the journal has.
  void begin_anew(JobId job, Incarnation incarnation);
  // Before the first wait_until(): the clock begins at `from`.
  void begin_at(Time from);
  [[nodiscard]] bool begun() const { return began_ns_ >= 0; }
  // The clock as it stands; now() is frozen between waits.
  [[nodiscard]] Time clock() const;
  // How far a job's work has got, as last reported by its gang.
  [[nodiscard]] Work done(JobId job) const { return gangs_[job].done; }
  // All gangs are asked to checkpoint and stop, what stays longer than `grace` (wall time) is killed; returns when
  // none is left. How many committed and left by themselves.
  int stop_all(Duration grace);

  // What a launch took, in time of the run: for replays with measured times.
  struct Launch {
    JobId job{};
    Incarnation incarnation = 0;
    Time launched{};
    Duration start{};       // from launch to the first step
    Duration ran{};         // from the first step to its end or the stop: with saves, without suspensions
    Duration stop{};        // from being asked to stop until it was gone
    Work done{};            // by it
    std::string failure{};  // why it failed, if it did
    std::int32_t ranks = 1;
    JobId host{};            // valid: it filled bubbles of that job
    bool shared = false;     // had GPUs, or a part of one, beside others, or in its bubbles, or in those of others
    bool rebatched = false;  // made steps of another batch or accumulation than the job's own
    // As it reported: steps, how long they took in all, the square of how long one of each report took times its
    // steps (s^2; for the spread), checkpoints while it ran; times of the wall clock.
    std::int64_t steps = 0, first_step = 0, saves = 0;
    Duration stepped{};
    double squares_s2 = 0;
    // CPU time of a core per sample for preprocessing: the reports' times their steps, and the steps of those that
    // said so.
    Int128 cpu_ns = 0;
    std::int64_t cpu_steps = 0;
    std::optional<MeasuredSlowdown> slowdown{};  // by fillers of its bubbles, as last measured
    // Their mean; 0 = not measured.
    [[nodiscard]] Duration cpu_per_sample() const {
      return {cpu_steps == 0 ? 0 : static_cast<std::int64_t>(cpu_ns / cpu_steps)};
    }
  };
  [[nodiscard]] const std::vector<Launch>& launches() const { return launches_; }

 private:
  enum class Phase : std::uint8_t { idle, starting, running, suspended, stopping, killing };
  // A job in its gang, as processes.
  struct Gang : GangMember {
    Phase phase = Phase::idle;
    [[nodiscard]] bool there() const { return phase != Phase::idle; }
    GangHandle handle{};     // of the processes
    std::size_t launch = 0;  // in launches_
    Allocation gpus{};
    RunConfig config{};
    Sharing sharing = Sharing::exclusive;
    // What it has done began with a version of this job; its work from there (0 = not launched yet).
    JobId heir_of{};
    Work total{};
    bool inherits = false;  // and is to say so when it starts
    bool assessed = false;  // its first epoch was told of
    bool joins = false;     // processes that were there, and it has not begun
    // Taken over: what its start takes, instead of what the options say; stops again as soon as it has begun.
    std::optional<Duration> start_left{};
    bool freezes = false;
    Work at_start{};   // done before this launch
    Work last_step{};  // done as it was ready, or reported steps last; what it saved in between is not in it
    Time began{};      // launched, running or stopping since
    // Of a checkpoint that it is writing: since when it has stood still, or, after a suspension, gone on; how long
    // that was before the suspension, which `suspended` has told; what an end has to tell.
    bool saving = false;
    Time saving_since{};
    Duration saved_before{}, broken_save{};
    std::string source{};  // the folder of the version that what it has done began with; empty: none
    Duration told_cpu{};   // of this launch: the last `preprocessing` event
    // Per mille of its work: at the last version; when this launch was last asked for one.
    std::int32_t published_at = 0, asked_at = 0;
    std::int32_t filling = 0;  // of a filler: as it said itself
  };

  [[nodiscard]] const LiveTask* task_of(JobId job) const;
  [[nodiscard]] Start start_of(const Gang& g) const;
  [[nodiscard]] Duration step_of(const Gang& g) const;
  [[nodiscard]] Launch& launch_of(const Gang& g) { return launches_[g.launch]; }
  void launch(const LaunchRequest& request, const Member& member);
  void begin(Gang& g);
  [[nodiscard]] Work in_folder(JobId job) const;
  void lay_down(const Gang& g, Incarnation incarnation);
  void take_up(Gang& g, const JobRecord& r);
  [[nodiscard]] bool alone(const Gang& g) const { return processes_.at(g.handle).members.size() == 1; }
  // Members of merged gangs, in live_members.cpp.
  [[nodiscard]] bool join(Gang& g);
  void say(const Gang& g, const decltype(ToMember::what)& what);
  void leave(Gang& g, StopHow how, Duration grace);
  void said(GangHandle handle, const FromMember& line, Time at);
  void out(Gang& g, int verdict, const std::string& why, Time at);
  void lose_patience();
  [[nodiscard]] static std::vector<RankPlace> places_of(const Allocation& gpus);
  void translate(const EngineEvent& e);
  void said(Gang& g, const FromWorker& message, Time at);
  void saved(Gang& g, const Saved& report, Time at);
  [[nodiscard]] Duration stood_still(const Gang& g, Time until) const;
  [[nodiscard]] Time clock_at(std::int64_t monotonic) const;
  static void stepped(Launch& l, const Step& report);
  void gone(const EngineEvent& e);
  void ended(Gang& g, int verdict, const std::string& why, Time at);
  void tell_cpu(Gang& g, bool last);
  [[nodiscard]] Work total_of(JobId job) const;
  [[nodiscard]] std::int32_t progress_of(const Gang& g) const;
  void ask_for_versions(Gang& g);
  // What a launch starts from.
  void choose_source(Gang& g, const RunConfig& config);
  void start_from(Gang& g, const std::string& version);
  [[nodiscard]] std::string newest_source(const Gang& g, const RunConfig& config) const;
  void assess(Gang& g);
  void note_finished(JobId job) const;
  // Which version of which parent that folder is; of no parent where it is none of the job's.
  [[nodiscard]] FeatureKey feature_key(const Gang& g) const;
  void used_features(const Gang& g, const FeaturesUsed& said);
  // Fillers and their hosts, in live_fillers.cpp.
  [[nodiscard]] static bool fills(const Gang& g) { return g.config.host.valid(); }
  [[nodiscard]] static std::int64_t report_steps(const JobSpec& spec, Duration step, std::int64_t usual);
  [[nodiscard]] StageUse use_of(const Gang& filler) const;
  [[nodiscard]] Duration step_in_windows(const Gang& filler, Duration step) const;
  void makes_steps(Gang& g);
  void fillers_changed(JobId host);
  void leave_host(const Gang& filler);
  [[nodiscard]] Rate measure(const Gang& g, const Step& report);
  void refill(const Gang& g, std::int32_t per_mille);
  void refilled(Gang& g, std::int64_t per_mille);
  void happen(const Gang& g, const event::Payload& what);
  [[nodiscard]] Duration wall(Duration run) const { return {run.ns / options_.time_scale}; }
  void beat();
  [[nodiscard]] std::string folder_of(JobId job) const;

  const Topology* topology_;
  const Workload* workload_;
  const PerformanceModel* model_;
  LiveOptions options_;
  Time from_{}, now_{};
  std::int64_t began_ns_ = -1;  // CLOCK_MONOTONIC of from_
  std::int64_t beat_ns_ = -1;   // the last on_beat
  Gangs<Gang> gangs_;
  struct Processes {
    std::vector<JobId> members{};  // the first one first
    // Wall time that they need to start, 0 once they have: until then they obey no line about a member.
    Duration starting{};
  };
  std::map<GangHandle, Processes> processes_{};  // those that are there
  // Members that were asked to leave: when (CLOCK_MONOTONIC) the whole gang is killed if they have not.
  struct Patience {
    std::int64_t until_ns = 0;
    JobId job{};
    Incarnation incarnation = 0;
  };
  std::vector<Patience> patience_{};
  // [job] where it publishes, per mille of its work; empty where no job has parents
  std::vector<std::vector<std::int32_t>> points_;
  struct Host {
    std::vector<JobId> fillers{};  // that are there, in order of launch
    SlowdownMeter meter{};
  };
  std::map<JobId, Host> hosts_{};                 // jobs with bubbles that have made steps
  std::map<std::string, FeatureKey> features_{};  // what the store's keys are of, as far as jobs have said
  std::vector<Launch> launches_{};
  std::uint64_t handles_ = 0;  // given out
  std::string broken_{};       // see Executor::broken()
  std::vector<Event> batch_{};
  std::vector<Event> verdicts_{};  // of calls that are answered at once, and of no job, for the next batch
  std::atomic<bool> interrupted_ = false;
  IoThread io_;  // last: it ends first
};

}  // namespace orrery::live

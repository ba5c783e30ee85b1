#include "scenarios/app/live_run.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "backend/live/files.hpp"
#include "backend/live/local_engine.hpp"
#include "scenarios/app/live_screen.hpp"
#include "scenarios/app/make_policy.hpp"
#include "scenarios/app/run_parts.hpp"
#include "sim/core/assert.hpp"
#include "sim/exec/replay_executor.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;
constexpr Duration kStopGrace = seconds(20);  // of wall clock, after the first Ctrl-C

// All decisions of a run, in order.
class PlanBook final : public Observer {
 public:
  void on_plan(Time now, std::uint64_t, const Plan& plan) override { plans.emplace_back(now, plan); }
  std::vector<std::pair<Time, Plan>> plans{};
};

// Ctrl-C: once ends the run so that everything is checkpointed and stopped, twice ends this program, and with it the
// workers. Signals are taken by a thread of their own; the others must not get them.
class StopSignals {
 public:
  explicit StopSignals(std::function<void()> first) : first_(std::move(first)) {
    sigemptyset(&set_);
    for (const int s : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&set_, s);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    if (thread_.joinable()) {
      ending_ = true;
      pthread_kill(thread_.native_handle(), SIGUSR2);
      thread_.join();
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  void listen() {
    thread_ = std::thread([this] {
      for (int times = 0;;) {
        int signal = 0;
        if (sigwait(&set_, &signal) != 0 || ending_) return;
        if (signal == SIGUSR2) continue;
        if (++times > 1) ::_exit(130);
        fmt::print(stderr, "\nstopping: every job saves and leaves (again: kill them)\n");
        first_();
      }
    });
  }

 private:
  std::function<void()> first_;
  sigset_t set_{}, before_{};
  std::atomic<bool> ending_ = false;
  std::thread thread_{};
};

// Microseconds in which some process has waited for a core since boot; -1 where the kernel does not say.
std::int64_t cpu_wait_us() {
  std::ifstream file("/proc/pressure/cpu");
  std::string line;
  if (!std::getline(file, line)) return -1;
  const std::size_t at = line.find("total=");
  return at == std::string::npos ? -1 : std::strtoll(line.c_str() + at + 6, nullptr, 10);
}

// The recorded batches go to a fresh controller, state and policy; every decision has to be the same.
void replay_decisions(const Prepared& prepared, const LiveRequest& request, const Recording& recording,
                      const PlanBook& live, LiveReport& report) {
  report.decisions = live.plans.size();
  RunRequest again = request.run;
  again.folder.reset();
  auto policy = make_policy(again.policy, prepared.scenario.emulate, again.seed);
  auto parts = RunParts::make(prepared, again);
  ORRERY_ASSERT(policy && parts, "what could be made for the run cannot be made for its replay");
  PlanBook book;
  ReplayExecutor executor(*prepared.topology, recording);
  RunParts& p = **parts;
  Controller controller(executor, **policy, p.source, prepared.workload.specs, prepared.workload.demands, p.model(),
                        p.controller_options(), {&p.fold, &book});
  try {
    (void)controller.run();
  } catch (const AssertionFailed& e) {
    report.replay_difference = e.what();
  }
  for (std::size_t i = 0; i < std::max(book.plans.size(), live.plans.size()); ++i) {
    if (i < book.plans.size() && i < live.plans.size() && book.plans[i] == live.plans[i]) {
      ++report.decisions_replayed;
    } else if (report.replay_difference.empty()) {
      report.replay_difference = fmt::format("decision {} differs", i + 1);
    }
  }
}

Error no_engine(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return Error(std::move(d));
}

live::LiveOptions live_options(const Prepared& prepared, const LiveConfig& config, std::string folder,
                               std::string worker) {
  live::LiveOptions o;
  o.folder = std::move(folder);
  o.worker = {std::move(worker)};
  o.time_scale = config.time_scale;
  o.step = config.step;
  o.overheads = overhead_model(prepared.scenario.overheads);
  o.checkpoints = {prepared.scenario.checkpoints.every, prepared.scenario.checkpoints.cost};
  return o;
}

}  // namespace

Expected<std::string> find_worker(const std::string& named) {
  std::error_code ignored;
  std::string path = named;
  if (path.empty()) path = (fs::read_symlink("/proc/self/exe", ignored).parent_path() / "orrery-paced").string();
  if (::access(path.c_str(), X_OK) == 0) return fs::absolute(path, ignored).string();
  return tl::make_unexpected(
      no_engine(fmt::format("there is no worker program `{}`", path), "scripts/build release orrery-paced makes it"));
}

Expected<LiveReport> run_live(const Prepared& prepared, const LiveRequest& request) {
  set_assertion_seed(request.run.seed);
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  auto worker = find_worker(request.worker);
  if (!worker) return tl::make_unexpected(std::move(worker.error()));
  auto policy = make_policy(request.run.policy, prepared.scenario.emulate, request.run.seed);
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  ORRERY_ASSERT(request.run.folder.has_value(), "a live run needs a folder");
  std::error_code failed;
  const fs::path folder = fs::absolute(*request.run.folder, failed);
  const std::string beside = folder.string() + ".live";
  if (fs::exists(beside, failed))
    return tl::make_unexpected(no_engine(fmt::format("`{}` is there: a live run that has not ended", beside),
                                         "remove it, or choose another folder with -o"));
  RunRequest run = request.run;
  run.live = true;
  auto parts = RunParts::make(prepared, run);
  if (!parts) return tl::make_unexpected(std::move(parts.error()));
  RunParts& p = **parts;
  if (auto ok = live::make_folders(beside); !ok) return tl::make_unexpected(std::move(ok.error()));

  LiveReport report;
  PlanBook book;
  Recording recording;
  LiveScreen screen(prepared, {beside, request.quiet, config.time_scale});
  std::function<void()> on_interrupt;
  {
    StopSignals signals([&on_interrupt] { on_interrupt(); });  // blocks them for the threads that follow
    live::LocalEngineOptions engine;
    engine.slots = static_cast<int>(prepared.topology->total_gpus());
    engine.gpus = config.gpus;
    engine.lease = config.lease;
    engine.watchdog = config.watchdog;
    live::LiveOptions options = live_options(prepared, config, beside, *worker);
    options.on_failure = [&screen](const std::string& why) { screen.failure(why); };
    live::LiveExecutor executor(*prepared.topology, prepared.workload, p.model(),
                                std::make_unique<live::LocalEngine>(engine), std::move(options));
    on_interrupt = [&executor] { executor.interrupt(); };
    signals.listen();
    RecordingExecutor recorder(executor, recording);
    std::vector<Observer*> observers = p.observers();
    observers.push_back(&book);
    observers.push_back(&screen);
    Controller controller(recorder, **policy, p.source, prepared.workload.specs, prepared.workload.demands, p.model(),
                          p.controller_options(), observers);
    const std::int64_t waited = cpu_wait_us();
    const std::int64_t began = live::monotonic_ns();
    try {
      report.run = p.run(controller);
    } catch (const live::Interrupted&) {
      report.interrupted = true;
      report.run.failure = fmt::format("interrupted; {} jobs saved and left", executor.stop_all(kStopGrace));
    }
    report.launches = executor.launches();
    const std::int64_t took_us = std::max<std::int64_t>(1, (live::monotonic_ns() - began) / 1000);
    report.cpu_pressure_pct =
        waited < 0 ? -1 : 100.0 * static_cast<double>(cpu_wait_us() - waited) / static_cast<double>(took_us);
  }
  if (report.interrupted) return report;
  replay_decisions(prepared, request, recording, book, report);
  if (!report.replay_difference.empty() && report.run.failure.empty())
    report.run.failure = "decision replay: " + report.replay_difference;
  auto digest = p.write(report.run);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  report.run.result_digest = *std::move(digest);
  if (report.run.failure.empty()) {
    fs::rename(beside, folder / "live", failed);
    if (failed)
      return fail(fmt::format("cannot rename `{}` to `{}/live`: {}", beside, folder.string(), failed.message()));
  }
  return report;
}

MeasuredTimes measured_times(const Prepared& prepared, const std::vector<live::LiveExecutor::Launch>& launches) {
  struct Mean {
    std::int64_t sum_ns = 0, count = 0;
    void add(Duration d) { sum_ns += d.ns, ++count; }
    [[nodiscard]] Duration get() const { return {count == 0 ? 0 : sum_ns / count}; }
  };
  Mean first, later, stop;
  std::vector<Int128> work(prepared.workload.specs.size()), ran(work.size());
  for (const auto& l : launches) {
    if (!l.failure.empty()) continue;
    if (l.start.ns > 0) (l.incarnation == 1 ? first : later).add(l.start);
    if (l.stop.ns > 0) stop.add(l.stop);
    work[l.job.index()] += l.done.ns;
    ran[l.job.index()] += l.ran.ns;
  }
  MeasuredTimes m;
  m.overheads.launch = first.get();
  m.overheads.stop = stop.get();
  m.overheads.restart = OverheadModel::Restart::constant;
  m.overheads.restart_default = {later.count == 0 ? 0 : std::max<std::int64_t>(0, later.get().ns - first.get().ns)};
  for (std::size_t j = 0; j < work.size(); ++j)
    m.rates.push_back(ran[j] <= 0 ? kUnitRate
                                  : Rate{static_cast<std::int64_t>(work[j] * kUnitRate.per_billion / ran[j])});
  return m;
}

}  // namespace orrery::app

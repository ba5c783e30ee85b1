#include "scenarios/run/live_run.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <system_error>
#include <utility>

#include "backend/engine/local/local_engine.hpp"
#include "backend/engine/local/priority.hpp"
#include "backend/live/run_clock.hpp"
#include "backend/protocol/files.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/journalled_executor.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_profile.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/run/run_parts.hpp"
#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/stop_signals.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/control/replay_executor.hpp"
#include "sim/core/assert.hpp"

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

// Microseconds in which some process has waited for a core since boot; -1 where the kernel does not say.
std::int64_t cpu_wait_us() {
  std::ifstream file("/proc/pressure/cpu");
  std::string line;
  if (!std::getline(file, line)) return -1;
  const std::size_t at = line.find("total=");
  return at == std::string::npos ? -1 : std::strtoll(line.c_str() + at + 6, nullptr, 10);
}

// CPU time since boot in which cores were busy or taken away, and that of this program with all children that it has
// waited for; in seconds. all_s < 0 where the kernel does not say.
struct CpuUse {
  double all_s = -1, ours_s = 0;
  static CpuUse now() {
    CpuUse use;
    std::ifstream file("/proc/stat");
    std::string line, word;
    if (std::getline(file, line)) {
      std::istringstream fields(line);
      fields >> word;
      double ticks = 0, one = 0;
      // user nice system idle iowait irq softirq steal
      for (int i = 0; i < 8 && fields >> one; ++i) ticks += i == 3 || i == 4 ? 0 : one;
      use.all_s = ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
      rusage r{};
      (void)::getrusage(who, &r);
      for (const timeval& t : {r.ru_utime, r.ru_stime})
        use.ours_s += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    }
    return use;
  }
};

// The recorded batches go to a fresh controller, state and policy; every decision has to be the same.
void replay_decisions(const Prepared& prepared, const LiveRequest& request, const Recording& recording,
                      const PlanBook& live, const std::string& conversation, LiveReport& report) {
  report.decisions = live.plans.size();
  RunRequest again = request.run;
  again.folder.reset();
  auto policy = RunPolicy::make(prepared, again.policy, again.seed, conversation);
  auto parts = RunParts::make(prepared, again);
  ORRERY_ASSERT(policy && parts, "what could be made for the run cannot be made for its replay");
  if (report.replay_difference = policy->failure(); !report.replay_difference.empty()) return;
  PlanBook book;
  ReplayExecutor executor(*prepared.topology, recording);
  RunParts& p = **parts;
  Controller controller(executor, policy->get(), p.source, prepared.workload.specs, prepared.workload.demands,
                        p.model(), p.controller_options(policy->capabilities()), {&p.fold, &book});
  try {
    (void)controller.run();
  } catch (const AssertionFailed& e) {
    report.replay_difference = e.what();
  } catch (const PolicyFailed& e) {
    report.replay_difference = failure_text(e);
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
  const auto& publish = prepared.scenario.publish;
  o.publishes = {static_cast<std::int32_t>(publish.every_per_mille), publish.cost};
  return o;
}

// The journal of this run: a new one, or the one that a resumed run has left, with what is in it.
Expected<LiveFolder::Journal> open_journal(const Prepared& prepared, const LiveRequest& request,
                                           const LiveFolder& beside, const std::string& worker) {
  Scenario effective = prepared.scenario;
  effective.policy = request.run.policy;
  const std::string identity = run_identity(effective, prepared, request.run.seed, worker);
  if (request.resume) return beside.reopen(identity);
  auto writer = beside.create(effective_yaml(effective), identity, request.force);
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  return LiveFolder::Journal{std::move(*writer), {}};
}

// Workers that compute get the priority of any program.
bool paces(const std::string& worker) {
  return fs::path(worker).filename() == "orrery-paced";
}

// What a simulation from profiles says of every job; NaN where it does not finish. Empty when it cannot be run.
std::vector<double> expected_jct_s(const Prepared& prepared, RunRequest request) {
  request.folder.reset();
  auto simulated = simulate(prepared, request);
  return simulated ? std::move(simulated->result.jct_by_job_s) : std::vector<double>{};
}

// What is left of the world of a controller that died, and how long ago that was.
struct Remains {
  std::vector<Work> committed{};  // [job]
  Outage outage{};
  Duration stood_wall{};  // how long the run has stood still, of the wall clock
};

// Its clock stood still when it was last noted, or when the last of its jobs saved, which outlive it by a moment.
Expected<Remains> remains_of(const Prepared& prepared, const LiveFolder& beside, const LiveConfig& config,
                             const live::JournalContents& past, bool count) {
  Remains r;
  r.outage.stood = past.batches.empty() ? Time{} : past.batches.back().now;
  const auto note = live::read_clock(beside.clock());
  if (note) r.outage.stood = std::max(r.outage.stood, note->run);
  const std::int64_t longest = (config.lease + kStopGrace + kStopGrace).ns;  // that a worker may outlive it
  for (const JobSpec& spec : prepared.workload.specs) {
    r.committed.push_back(beside.committed(spec.id));
    const auto saved = beside.committed_at_ns(spec.id);
    if (!note || !saved) continue;
    const std::int64_t at_ns = std::min(*saved, note->at_ns + longest);
    r.outage.stood = std::max(r.outage.stood, note->run_at(at_ns, config.time_scale));
  }
  // What time the file system says it is.
  const std::string present = beside.clock() + ".now";
  if (auto ok = live::write_file(present, "now\n"); !ok) return tl::make_unexpected(std::move(ok.error()));
  const auto now_ns = live::modified_ns(present);
  std::error_code ignored;
  fs::remove(present, ignored);
  if (!note || !now_ns) return r;
  const Time would_be = std::max(r.outage.stood, note->run_at(*now_ns, config.time_scale));
  r.stood_wall = Duration{(would_be - r.outage.stood).ns / config.time_scale};
  if (count) r.outage.counted = would_be - r.outage.stood;
  return r;
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
  auto policy = RunPolicy::make(prepared, request.run.policy, request.run.seed);
  if (!policy) return tl::make_unexpected(std::move(policy.error()));
  if (!policy->failure().empty()) {
    LiveReport failed;
    failed.run.failure = policy->failure();
    return failed;
  }
  ORRERY_ASSERT(request.run.folder.has_value(), "a live run needs a folder");
  const LiveFolder beside(*request.run.folder);
  RunRequest run = request.run;
  run.live = true;
  if (request.resume) {
    if (auto ok = claim_resumed_folder(prepared, run, beside); !ok) return tl::make_unexpected(std::move(ok.error()));
  }
  auto parts = RunParts::make(prepared, run);
  if (!parts) return tl::make_unexpected(std::move(parts.error()));
  RunParts& p = **parts;
  auto journal = open_journal(prepared, request, beside, *worker);
  if (!journal) return tl::make_unexpected(std::move(journal.error()));
  live::JournalContents& past = journal->past;

  const std::string conversation =
      policy->converses() ? fmt::format("{}/{}", beside.path(), kConversationFile) : std::string();
  if (policy->converses()) policy->record(conversation);
  LiveReport report;
  if (request.resume) {
    auto killed = live::wait_or_kill(beside.processes(), kStopGrace);
    if (!killed) return tl::make_unexpected(std::move(killed.error()));
    report.leftovers_killed = *killed;
    report.decisions_resumed = past.plans.size();
  }
  auto tasks = live_tasks(prepared, beside.path(), request.run.seed);
  if (!tasks) return tl::make_unexpected(std::move(tasks.error()));
  std::optional<Remains> remains;
  if (request.resume) {
    auto found = remains_of(prepared, beside, config, past, request.count_outage);
    if (!found) return tl::make_unexpected(std::move(found.error()));
    remains = *std::move(found);
  }
  auto clock = live::RunClock::open(beside.clock());
  if (!clock) return tl::make_unexpected(std::move(clock.error()));
  PlanBook book;
  Recording recording;
  const Time from = past.batches.empty() ? Time{} : past.batches.back().now;
  live::LiveExecutor* running = nullptr;
  std::unique_ptr<LiveView> view;
  if (request.view)
    view = request.view({&prepared, expected_jct_s(prepared, request.run), beside.path(), config.time_scale, from,
                         [&running](JobId job) { return running == nullptr ? Work{} : running->done(job); }});
  if (remains && view)
    view->line(fmt::format(
        "resumed at {:.1f} s, after {} of wall clock that {}: {} decisions to take again, {} processes were left and "
        "killed",
        to_seconds(remains->outage.stood), report::human_duration(to_seconds(remains->stood_wall)),
        request.count_outage ? "count" : "do not count", report.decisions_resumed, report.leftovers_killed));
  std::function<void()> on_interrupt;
  {
    const bool urgent = paces(*worker) && !may_train(prepared);
    const live::RaisedPriority priority(urgent);  // of the threads and processes that follow
    report.priority_refused = urgent && !priority.granted();
    StopSignals signals([&on_interrupt] { on_interrupt(); },  // blocks them for the threads that follow
                        [&beside] { (void)live::wait_or_kill(beside.processes(), Duration{}); });
    live::LocalEngineOptions engine;
    engine.slots = static_cast<int>(prepared.topology->total_gpus());
    engine.gpus = config.gpus;
    engine.lease = config.lease;
    engine.watchdog = config.watchdog;
    live::LiveOptions options = live_options(prepared, config, beside.path(), *worker);
    options.tasks = *std::move(tasks);
    options.on_failure = [&view](const std::string& why) {
      if (view) view->failure(why);
    };
    const std::vector<live::LiveTask> trained = options.tasks;
    const std::vector<Work> committed = remains ? remains->committed : std::vector<Work>{};
    options.committed = committed;
    options.on_beat = [&] {
      clock->note([&] { return running->clock(); });
      if (view) view->beat(running->clock());
    };
    live::LiveExecutor executor(*prepared.topology, prepared.workload, p.model(),
                                std::make_unique<live::LocalEngine>(engine), std::move(options));
    running = &executor;
    on_interrupt = [&executor] { executor.interrupt(); };
    signals.listen();
    std::optional<Outage> outage;
    if (remains) {
      outage = remains->outage;
      outage->goes_on = [&executor](Time at) { executor.begin_at(at); };
      outage->rate = [&](const LaunchRequest& r) -> std::optional<Rate> {
        const JobId job = r.members[0].job;
        if (job.index() < trained.size() && trained[job.index()]) return std::nullopt;
        return p.model().speed(prepared.workload.specs[job.index()], *r.gpus, r.members[0].config, {}).rate;
      };
    }
    JournalledExecutor recorder(
        executor, journal->writer, std::move(past.batches),
        [&committed](JobId job) { return job.index() < committed.size() ? committed[job.index()] : Work{}; },
        recording, std::move(outage));
    PlanJournal plans(journal->writer, std::move(past.plans));
    std::vector<Observer*> observers = p.observers();
    observers.push_back(&plans);
    observers.push_back(&book);
    if (view) observers.push_back(view.get());
    Controller controller(recorder, policy->get(), p.source, prepared.workload.specs, prepared.workload.demands,
                          p.model(), p.controller_options(policy->capabilities()), observers);
    const std::int64_t waited = cpu_wait_us();
    const CpuUse before = CpuUse::now();
    const std::int64_t began = live::monotonic_ns();
    try {
      report.run = p.run(controller);
    } catch (const live::Interrupted&) {
      report.interrupted = true;
      report.run.failure = fmt::format("interrupted; {} jobs saved and left; `orrery live resume {}` goes on",
                                       executor.stop_all(kStopGrace), *request.run.folder);
      if (executor.begun()) clock->note([&executor] { return executor.clock(); });
      if (view) view->interrupted(executor.begun() ? executor.clock() : executor.now());
    } catch (const JournalFailed& e) {
      (void)executor.stop_all(kStopGrace);
      if (executor.begun()) clock->note([&executor] { return executor.clock(); });
      return tl::make_unexpected(e.error);
    }
    running = nullptr;
    report.launches = executor.launches();
    const std::int64_t took_us = std::max<std::int64_t>(1, (live::monotonic_ns() - began) / 1000);
    report.cpu_pressure_pct =
        waited < 0 ? -1 : 100.0 * static_cast<double>(cpu_wait_us() - waited) / static_cast<double>(took_us);
    const CpuUse after = CpuUse::now();
    const double could_s = static_cast<double>(took_us) / 1e6 * static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
    const double others_s = after.all_s - before.all_s - (after.ours_s - before.ours_s);
    report.others_cpu_pct = before.all_s < 0 ? -1 : std::clamp(100 * others_s / could_s, 0.0, 100.0);
  }
  if (auto ok = policy->finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (report.interrupted) return report;
  replay_decisions(prepared, request, recording, book, conversation, report);
  if (!report.replay_difference.empty() && report.run.failure.empty())
    report.run.failure = "decision replay: " + report.replay_difference;
  auto digest = p.write(report.run);
  if (!digest) return tl::make_unexpected(std::move(digest.error()));
  report.run.result_digest = *std::move(digest);
  if (report.run.failure.empty()) {
    const std::string profile = profile_text(measured_profile(prepared, report.launches, config.time_scale, beside));
    if (auto ok = live::write_file(beside.path() + "/profile.csv", profile); !ok)
      return tl::make_unexpected(std::move(ok.error()));
    const std::string to = *request.run.folder + "/live";
    std::error_code failed;
    fs::rename(beside.path(), to, failed);
    if (failed) return fail(fmt::format("cannot rename `{}` to `{}`: {}", beside.path(), to, failed.message()));
  }
  return report;
}

}  // namespace orrery::app

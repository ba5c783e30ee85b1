#include "scenarios/run/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "backend/engine/local/process.hpp"
#include "backend/engine/registry.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "scenarios/run/live_tasks.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

constexpr Work kMeasuredStep{1'000'000};
constexpr Duration kMeasureGrace = seconds(60);
constexpr Duration kMeasureStart = seconds(120);
constexpr std::int64_t kWarmUp = 5;  // steps that do not count

// One gang of a measurement and what has been seen of it.
struct MeasuredGang {
  live::GangHandle handle{};
  std::int64_t asked = 0;  // when the last thing was asked of it
  std::int64_t ready = -1, last_step = -1, told_stop = -1, stopped = -1;
  std::vector<double> steps_s{};
  double stepped_s = 0;
  std::int64_t saves = 0;
  bool saving = false;
  std::string failure{};
};

live::EngineOptions bench_options(int slots, bool gpus) {
  live::EngineOptions o;
  o.nodes = {slots};
  o.gpus = gpus;
  return o;
}

// Slots in an order in which the first ones have cores of their own: ranks of one gang do not crowd each other.
std::vector<int> spread_slots(int slots, bool gpus) {
  std::vector<int> order;
  const std::vector<int> cores = live::own_cores();
  std::vector<std::pair<int, int>> turns;  // how many slots of its core come before it; the slot
  std::map<int, int> before;
  for (int s = 0; s < slots; ++s)
    turns.emplace_back(gpus ? 0 : before[live::cores_of_slot(cores, s, slots).front()]++, s);
  std::sort(turns.begin(), turns.end());
  for (const auto& [turn, slot] : turns) order.push_back(slot);
  return order;
}

class CalibrationBench {
 public:
  CalibrationBench(std::string folder, std::string trainer, int slots, const LiveConfig& config, std::int64_t steps)
      : folder_(std::move(folder)),
        trainer_(std::move(trainer)),
        steps_(steps),
        spread_(spread_slots(slots, config.gpus)),
        engine_(live::make_engine(config.engine, bench_options(slots, config.gpus))) {}

  // `corunners` gangs of `subject` at once on the same slots, each rank of a gang on a core of its own where there is
  // one: start, steps, a save, a stop; then start again.
  Expected<ProfileRow> measure(const CalibrationSubject& subject, int corunners, const std::string& gpu) {
    ProfileRow row;
    row.model = subject.model;
    row.mode = subject.mode;
    row.gpu = gpu;
    row.world = subject.world;
    row.local_batch = subject.job.global_batch / subject.world;
    row.corunners = corunners;
    auto first = phase(subject, corunners, 1, kWarmUp + steps_);
    if (!first) return tl::make_unexpected(std::move(first.error()));
    auto again = phase(subject, corunners, 2, 1);
    if (!again) return tl::make_unexpected(std::move(again.error()));
    std::vector<double> steps;
    double save = 0, start = 0, stop = 0, restart = 0;
    const auto mean = [corunners](double sum) {
      return Duration{std::llround(1e9 * std::max(0.0, sum) / corunners)};
    };
    for (const MeasuredGang& w : *first) {
      steps.insert(steps.end(), w.steps_s.begin() + std::min<std::ptrdiff_t>(kWarmUp, std::ssize(w.steps_s) - 1),
                   w.steps_s.end());
      start += seconds_between(w.asked, w.ready);
      stop += seconds_between(w.told_stop, w.stopped);
      // Saves are in no step's time: of the time between `ready` and the last step they are what is left.
      const double standing = seconds_between(w.ready, w.last_step) - w.stepped_s;
      save += std::max(0.0, standing) / static_cast<double>(std::max<std::int64_t>(1, w.saves));
    }
    for (const MeasuredGang& w : *again) restart += seconds_between(w.asked, w.ready);
    double sum = 0, squares = 0;
    for (const double s : steps) sum += s, squares += s * s;
    const auto n = static_cast<double>(steps.size());
    row.step = Duration{std::max<std::int64_t>(1, std::llround(1e9 * sum / n))};
    row.step_cv = std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n))) / (sum / n);
    row.start = mean(start);
    row.restore = mean(restart - start);
    row.save = mean(save);
    row.stop = mean(stop);
    std::error_code ignored;
    for (const auto& file : fs::recursive_directory_iterator(newest_checkpoint(subject.model), ignored))
      if (file.is_regular_file(ignored)) row.bytes += static_cast<std::int64_t>(file.file_size(ignored));
    return row;
  }

  // The newest checkpoint that the model's first gang has left.
  [[nodiscard]] std::string newest_checkpoint(const std::string& model) const {
    const auto found = live::load_checkpoint(fmt::format("{}/{}-0/checkpoints", folder_, model));
    return found.newest ? found.newest->path : std::string();
  }

 private:
  static double seconds_between(std::int64_t from, std::int64_t to) { return static_cast<double>(to - from) / 1e9; }

  // All gangs at once: until each has taken `steps`; then they save and stop.
  Expected<std::vector<MeasuredGang>> phase(const CalibrationSubject& subject, int corunners, int incarnation,
                                            std::int64_t steps) {
    std::vector<MeasuredGang> all;
    for (int i = 0; i < corunners; ++i) {
      const std::string own = fmt::format("{}/{}-{}", folder_, subject.model, i);
      std::error_code ignored;
      if (incarnation == 1) fs::remove_all(own, ignored);
      auto task = write_task(*subject.job.config, subject.from.empty() ? "" : newest_checkpoint(subject.from), own);
      if (!task) return tl::make_unexpected(std::move(task.error()));
      live::GangSpec spec;
      spec.name = fmt::format("{}-{}", subject.model, i);
      spec.argv = {trainer_};
      spec.shared = corunners > 1;
      for (int r = 0; r < subject.world; ++r)
        spec.ranks.push_back({NodeId(0), GpuMask::one(spread_[static_cast<std::size_t>(r)])});
      live::Start& s = spec.start;
      s.job = spec.name;
      s.incarnation = incarnation;
      s.run_folder = fmt::format("{}/launch-{}", own, incarnation);
      s.checkpoint_dir = own + "/checkpoints";
      s.restore = incarnation > 1;
      s.total_work = {subject.job.steps * kMeasuredStep.ns + 1'000'000 * kMeasuredStep.ns};
      s.step_work = kMeasuredStep;
      s.report_every_steps = 1;
      s.costs.start = kMeasureStart;
      s.task = *task;
      all.push_back({.handle = {++gangs_}, .asked = live::monotonic_ns()});
      engine_->launch(all.back().handle, spec);
    }
    std::size_t gone = 0;
    while (gone < all.size()) {
      for (const live::EngineEvent& e : engine_->poll(kNever.ns)) {
        const auto w =
            std::find_if(all.begin(), all.end(), [&](const MeasuredGang& x) { return x.handle == e.gang; });
        if (w == all.end()) continue;
        if (e.kind == live::EngineEvent::Kind::said) said(*w, e, steps);
        if (e.kind != live::EngineEvent::Kind::gone) continue;
        ++gone;
        w->stopped = e.at_ns;
        if (e.verdict != live::kExitStopped) w->failure = e.text.empty() ? "it ended by itself" : e.text;
        if (!w->failure.empty())
          for (const MeasuredGang& other : all) engine_->kill(other.handle);
      }
      const auto enough = [steps](const MeasuredGang& w) { return std::ssize(w.steps_s) >= steps && !w.saving; };
      if (!stopping_ && std::all_of(all.begin(), all.end(), enough)) {
        stopping_ = true;
        for (MeasuredGang& w : all) {
          w.told_stop = live::monotonic_ns();
          engine_->stop(w.handle, kMeasureGrace);
        }
      }
    }
    stopping_ = false;
    for (const MeasuredGang& w : all)
      if (!w.failure.empty()) return fail(fmt::format("model `{}`: {}", subject.model, w.failure));
    return all;
  }

  void said(MeasuredGang& w, const live::EngineEvent& e, std::int64_t steps) {
    if (std::holds_alternative<live::Ready>(e.message)) w.ready = e.at_ns;
    if (std::holds_alternative<live::Saved>(e.message)) {
      w.saving = false;
      if (!stopping_) ++w.saves;
    }
    const auto* step = std::get_if<live::Step>(&e.message);
    if (step == nullptr || stopping_) return;
    w.steps_s.push_back(to_seconds(step->spent));
    w.stepped_s += w.steps_s.back();
    w.last_step = e.at_ns;
    if (std::ssize(w.steps_s) == steps / 2 + 1 && steps > 1) {
      w.saving = true;
      engine_->say(w.handle, live::Save{});
    }
  }

  std::string folder_, trainer_;
  std::int64_t steps_;
  std::vector<int> spread_;  // slots, in the order in which the ranks of a gang take them
  std::unique_ptr<live::Engine> engine_;
  std::uint64_t gangs_ = 0;
  bool stopping_ = false;
};

}  // namespace

Expected<std::vector<CalibrationSubject>> calibration_subjects(const Prepared& prepared) {
  std::vector<CalibrationSubject> subjects;
  std::set<std::tuple<std::string, std::string, int>> seen;
  for (const JobSpec& spec : prepared.workload.specs) {
    const int world = std::max<int>(1, spec.demand.gpus);
    const std::string mode(to_string(spec.kind));
    if (!seen.insert({spec.model, mode, world}).second) continue;
    auto trained = trained_job(prepared, spec);
    if (!trained) return tl::make_unexpected(std::move(trained.error()));
    std::optional<JobFile> job = *std::move(trained);
    if (!job) continue;
    CalibrationSubject s{spec.model, mode, {}, *std::move(job), world};
    if (!spec.after.empty()) s.from = prepared.workload.specs[spec.after.front().parent.index()].model;
    subjects.push_back(std::move(s));
  }
  if (subjects.empty())
    return fail("nothing to calibrate: no job is of a model of the catalogue or of `live.models`");
  return subjects;
}

Expected<std::vector<ProfileRow>> calibrate(const Prepared& prepared, const std::vector<CalibrationSubject>& subjects,
                                            const CalibrationRequest& request) {
  const auto& types = prepared.topology->gpu_types();
  CalibrationBench bench(request.folder, request.trainer, static_cast<int>(prepared.topology->total_gpus()),
                         prepared.scenario.live.value_or(LiveConfig{}), request.steps);
  std::vector<ProfileRow> rows;
  for (const int corunners : request.corunners) {
    for (const CalibrationSubject& s : subjects) {
      if (request.begins) request.begins(s, corunners);
      auto row = bench.measure(s, corunners, types.empty() ? "cpu" : types.front());
      if (!row) return tl::make_unexpected(std::move(row.error()));
      rows.push_back(*std::move(row));
    }
  }
  return rows;
}

}  // namespace orrery::app

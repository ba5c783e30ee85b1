#include "scenarios/run/live_profile.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "scenarios/run/live_tasks.hpp"

namespace orrery::app {
namespace {

struct Mean {
  std::int64_t sum_ns = 0, count = 0;
  void add(Duration d) { sum_ns += d.ns, ++count; }
  [[nodiscard]] Duration get() const { return {count == 0 ? 0 : sum_ns / count}; }
};

struct Sums {
  Mean first, later, save, stop;
  Duration stepped{};
  std::int64_t steps = 0, bytes = 0;
  double squares_s2 = 0;
};

using Key = std::tuple<std::string, std::string, std::int32_t, std::int64_t>;

void add(Sums& s, const live::LiveExecutor::Launch& l, std::int64_t scale) {
  const auto wall = [scale](Duration run) { return Duration{run.ns / scale}; };
  if (l.start.ns > 0) (l.incarnation == 1 ? s.first : s.later).add(wall(l.start));
  if (l.stop.ns > 0) s.stop.add(wall(l.stop));
  // Of launches that ran to their end every step is reported; what is left of their time are the saves.
  if (l.stop.ns == 0 && l.saves > 0)
    s.save.add({std::max<std::int64_t>(0, (wall(l.ran).ns - l.stepped.ns) / l.saves)});
  s.stepped = s.stepped + l.stepped;
  s.steps += l.steps;
  s.squares_s2 += l.squares_s2;
}

// Samples that all ranks of a job take in a step: what its trainer was told, else what the trace says; 0 = neither.
class Batches {
 public:
  explicit Batches(const Prepared& prepared) : prepared_(&prepared) {}
  std::int64_t of(const JobSpec& spec) {
    const auto [at, fresh] = trained_.try_emplace(spec.model, 0);
    if (fresh)
      if (const auto job = trained_job(*prepared_, spec); job && *job) at->second = (*job)->global_batch;
    return at->second > 0 ? at->second : spec.batch;
  }

 private:
  const Prepared* prepared_;
  std::map<std::string, std::int64_t> trained_;  // by model
};

}  // namespace

std::vector<ProfileRow> measured_profile(const Prepared& prepared,
                                         const std::vector<live::LiveExecutor::Launch>& launches,
                                         std::int64_t time_scale, const LiveFolder& folder) {
  std::map<Key, Sums> sums;
  Batches batches(prepared);
  for (const auto& l : launches) {
    if (!l.failure.empty() || l.shared || l.rebatched || l.steps == 0) continue;
    const JobSpec& spec = prepared.workload.specs[l.job.index()];
    Sums& s = sums[{spec.model, std::string(to_string(spec.kind)), l.ranks, batches.of(spec) / l.ranks}];
    add(s, l, time_scale);
    s.bytes = std::max(s.bytes, folder.checkpoint_bytes(l.job));
  }
  const std::vector<std::string>& types = prepared.topology->gpu_types();
  std::vector<ProfileRow> rows;
  for (const auto& [key, s] : sums) {
    ProfileRow r;
    std::tie(r.model, r.mode, r.world, r.local_batch) = key;
    r.gpu = types.empty() ? "cpu" : types.front();
    r.step = Duration{std::max<std::int64_t>(1, s.stepped.ns / s.steps)};
    const double mean_s = to_seconds(r.step);
    r.step_cv = std::sqrt(std::max(0.0, s.squares_s2 / static_cast<double>(s.steps) - mean_s * mean_s)) / mean_s;
    r.start = s.first.get();
    r.save = s.save.get();
    r.restore = Duration{std::max<std::int64_t>(0, s.later.count == 0 ? 0 : s.later.get().ns - r.start.ns)};
    r.stop = s.stop.get();
    r.bytes = s.bytes;
    rows.push_back(std::move(r));
  }
  return rows;
}

}  // namespace orrery::app

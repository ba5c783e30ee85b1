// Named fault sites for seeded chaos runs: per run each site is active with probability 1/4, and an active site fires
// with a probability of its own whenever execution passes it. What fired is counted, so that a test can show that
// every site was seen to fire. Each site draws from its own random stream ("chaos/launch_fails").
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/core/random.hpp"
#include "sim/core/time.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

enum class ChaosSite : std::uint8_t {
  launch_fails,       // a launch ends in `launch_failed`
  start_delayed,      // a gang takes long to start
  stop_ignored,       // a gang does not stop until its grace period is over, then it is killed
  finish_races_stop,  // a job finishes while it is being asked to stop
  checkpoint_lost,    // a stop leaves only what was saved before
  progress_late,      // a progress report arrives after later events
  progress_dropped,   // a progress report never arrives
  node_down,          // a node goes down for a while
  node_flaps,         // a node goes down and up several times in seconds
  straggler,          // a job runs at half speed
};
inline constexpr std::size_t kChaosSites = 10;
[[nodiscard]] std::string_view to_string(ChaosSite s);

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed);
  [[nodiscard]] bool active(ChaosSite s) const { return sites_[static_cast<std::size_t>(s)].active; }
  void activate(ChaosSite s, bool active) { sites_[static_cast<std::size_t>(s)].active = active; }  // for tests
  // Whether the site fires this time; counted if so.
  [[nodiscard]] bool fires(ChaosSite s);
  // The same without counting, for faults that show only later; see count().
  [[nodiscard]] bool would_fire(ChaosSite s);
  void count(ChaosSite s) { ++sites_[static_cast<std::size_t>(s)].fired; }
  [[nodiscard]] std::uint64_t fired(ChaosSite s) const { return sites_[static_cast<std::size_t>(s)].fired; }
  // Exponential with the given mean, at least 1 ns.
  [[nodiscard]] Duration delay(ChaosSite s, Duration mean);
  [[nodiscard]] std::uint64_t pick(ChaosSite s, std::uint64_t bound);

 private:
  struct Site {
    RandomStream rng;
    bool active = false;
    std::uint64_t fired = 0;
  };
  std::vector<Site> sites_;
};

// The straggler site: jobs that run at half the speed of the model they are truly governed by. A job is a straggler
// or not for a whole run.
class StragglerModel final : public PerformanceModel {
 public:
  StragglerModel(const PerformanceModel& model, Chaos& chaos) : model_(&model), chaos_(&chaos) {}
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;

 private:
  const PerformanceModel* model_;
  Chaos* chaos_;
  mutable std::vector<signed char> slow_;  // [job]: -1 not asked yet, 0, 1
};

}  // namespace orrery

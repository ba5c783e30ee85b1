#include "scenarios/run/estimates.hpp"

#include <span>

#include "sim/models/lifecycle/checkpoint_cost.hpp"
#include "sim/models/lifecycle/transfer.hpp"

namespace orrery::app {

Estimates::Estimates(const Prepared& prepared) : prepared_(&prepared) {
  const PublishConfig& publish = prepared.scenario.publish;
  if (publish.cost.ns > 0)
    points_ =
        publish_points({static_cast<std::int32_t>(publish.every_per_mille), publish.cost}, prepared.workload.specs);
}

std::optional<Duration> Estimates::of(const JobSpec& spec) const {
  switch (prepared_->estimates) {
    case EstimateSource::user: return spec.user_estimate;
    case EstimateSource::history: return history_.estimate(spec);
    case EstimateSource::oracle: return truth(spec);
    default: return std::nullopt;
  }
}

// With what it stands still to save and publish.
Duration Estimates::truth(const JobSpec& spec) const {
  const CheckpointConfig& saves = prepared_->scenario.checkpoints;
  const std::size_t job = spec.id.index();
  const Duration run{prepared_->workload.truths[job].work.ns};
  const std::span<const std::int32_t> points = points_.empty() ? std::span<const std::int32_t>() : points_[job];
  const std::vector<Duration>& own = prepared_->checkpoint_costs.save;
  const Duration cost = own.empty() ? saves.cost : own[job];
  return run + stands_still(run, saves.every, cost, prepared_->scenario.publish.cost, points);
}

Observer* Estimates::observer() {
  return prepared_->estimates == EstimateSource::history ? &history_ : nullptr;
}

}  // namespace orrery::app

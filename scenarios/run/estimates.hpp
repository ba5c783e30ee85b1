// What policies are told of how long jobs run: what users claim, what a tenant's last jobs took, or the truth.
#pragma once

#include <optional>
#include <vector>

#include "scenarios/run/prepared.hpp"
#include "sim/control/history_estimates.hpp"
#include "sim/control/observer.hpp"

namespace orrery::app {

class Estimates {
 public:
  // `prepared` must outlive them.
  explicit Estimates(const Prepared& prepared);
  Estimates(const Estimates&) = delete;
  Estimates& operator=(const Estimates&) = delete;
  [[nodiscard]] std::optional<Duration> of(const JobSpec& spec) const;
  // By which they learn; null where they do not.
  [[nodiscard]] Observer* observer();

 private:
  [[nodiscard]] Duration truth(const JobSpec& spec) const;

  const Prepared* prepared_;
  std::vector<std::vector<std::int32_t>> points_{};  // [job] where it publishes, if that takes time
  HistoryEstimates history_{};
};

}  // namespace orrery::app

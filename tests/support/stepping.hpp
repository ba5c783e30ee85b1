// A speed model that knows how long steps take: 1 s of job 0, 3 s of all others.
#pragma once

#include "sim/models/speed/performance.hpp"

namespace orrery::test {

class Stepping final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec& s, const Shape& g, const RunConfig& c,
                            std::span<const JobId> with) const override {
    return ideal_.speed(s, g, c, with);
  }
  [[nodiscard]] Duration step_time(const JobSpec& s, const Allocation&, const RunConfig&) const override {
    return seconds(s.id.value == 0 ? 1 : 3);
  }

 private:
  IdealModel ideal_;
};

}  // namespace orrery::test

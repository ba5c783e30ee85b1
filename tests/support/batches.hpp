// A speed model that knows batches: a job is as many times as fast as its global batch is that of 4 which it begins
// with; 16 is the most that fits.
#pragma once

#include "sim/core/truth.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery::test {

class Batches final : public PerformanceModel {
 public:
  explicit Batches(const Workload& w) : w_(&w) {}
  [[nodiscard]] Speed speed(const JobSpec&, const Shape&, const RunConfig& c, std::span<const JobId>) const override {
    return {Rate{kUnitRate.per_billion * (c.batch > 0 ? c.batch : 4) / 4}};
  }
  [[nodiscard]] bool in_stretches() const override { return true; }
  [[nodiscard]] Stretch stretch(const JobSpec& s, const Allocation& g, const RunConfig& c, Work done) const override {
    const Work all = w_->truths[s.id.index()].work;
    return {all, orrery::time_for(all - done, speed(s, g, c, {}).rate)};
  }
  [[nodiscard]] Refusal refusal(const JobSpec&, const Allocation&, const RunConfig& c) const override {
    return c.batch <= 16 ? Refusal::none : Refusal::out_of_range;
  }

 private:
  const Workload* w_;
};

}  // namespace orrery::test

// How fast a job runs where it was put. A model is a pure function of (spec, allocation, config, work done);
// executors use one as the truth, policies may be given another as their belief (Predictor).
#pragma once

#include <span>
#include <string>

#include "sim/api/predictor.hpp"
#include "sim/core/why.hpp"

namespace orrery {

class PerformanceModel : public Predictor {
 public:
  // A stretch of even speed: the job's work done grows evenly and reaches `until` after `left`.
  struct Stretch {
    Work until{};
    Duration left{};
    bool known = true;  // false: nobody knows how fast the job is there, see unknown()
  };
  // Where speed() or stretch() does not know, or refusal() says `out_of_range`: the job, what was measured of it, and
  // where it was put with what batch. Only a policy decides that, so this is found out during a run, which it ends.
  [[nodiscard]] virtual std::string unknown(const JobSpec& spec, const Shape& shape, const RunConfig& config) const;
  // Time from a launch to the first step, over and above what the scenario's overheads say: loading and warming up
  // the model, where it was measured.
  [[nodiscard]] virtual Duration start_cost(const JobSpec& spec, const Allocation& gpus) const {
    (void)spec, (void)gpus;
    return {};
  }
  // Whether a running job can go on with another batch or accumulation: none = it can, and speed() or stretch() says
  // how fast.
  [[nodiscard]] virtual Refusal refusal(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const {
    (void)spec, (void)gpus, (void)config;
    return Refusal::impossible;
  }
  // True when speed() (or share(), of a model in stretches) looks at `with`: executors then ask again whenever a
  // job's neighbours change.
  [[nodiscard]] virtual bool minds_neighbours() const { return false; }
  // True when speed() already says what sharing GPUs costs: because it looks at neighbours, or because it was
  // measured while they were there. Of any other model's jobs the members of a group that run on one GPU take turns
  // there, see in_turns().
  [[nodiscard]] virtual bool knows_sharing() const { return minds_neighbours(); }
  // What neighbours share: [GPU, in the order of the nodes] a place, such as the core behind a CPU slot; jobs on one
  // place are neighbours. Empty: every GPU is a place of its own.
  [[nodiscard]] virtual std::span<const std::size_t> places() const { return {}; }
  // True when speed changes as work is done: executors then ask for stretch() after stretch instead of speed().
  [[nodiscard]] virtual bool in_stretches() const { return false; }
  [[nodiscard]] virtual Stretch stretch(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                                        Work done) const {
    (void)spec, (void)gpus, (void)config;
    return {done, kForever};
  }
  // Of a model in stretches: the share of stretch()'s speed at which a job runs beside `with` on its GPUs.
  [[nodiscard]] virtual Rate share(const JobSpec& spec, const Allocation& gpus, std::span<const JobId> with) const {
    (void)spec, (void)gpus, (void)with;
    return kUnitRate;
  }
};

// " with a batch of 256, accumulated 3 times": what of a configuration is not the job's own, for messages; else
// empty.
[[nodiscard]] std::string batch_text(const RunConfig& config);

// Linear in GPUs, blind to placement: rate 1 on the requested allocation (a job of 4 GPUs given 2 runs at half
// speed). The model of every trace replay simulator for rigid jobs.
class IdealModel final : public PerformanceModel {
 public:
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;
};

}  // namespace orrery

// How fast a data-parallel job runs where it was put, by what its gradients have to cross: one step is computation
// and a hierarchical all-reduce (inside the nodes, then a ring between them), of which a part hides behind the
// backward pass. NetworkModel is the speed of a job that is alone: what policies may believe. NetworkContention is
// the truth of all running jobs together: their average traffic shares the links max-min fairly, and a job that gets
// less than it would send is slowed down to what it gets. One model per run setting; one contention per run, owned by
// the executor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/slots.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/models/network/fabric.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

// What a step of a job is, wherever it runs (weak scaling: more GPUs do more samples in the same time).
struct StepTraffic {
  Duration compute = milliseconds(200);
  std::int64_t gradient_bytes = 0;    // all-reduced every step; 0 = the job does not communicate
  std::int32_t hidden_per_mille = 0;  // of the computation, behind which communication hides
  friend bool operator==(const StepTraffic&, const StepTraffic&) = default;
};

class NetworkModel final : public PerformanceModel {
 public:
  // Jobs of a model without a row in `by_model` take `usual`. `topology` must outlive the model.
  NetworkModel(const Topology& topology, const std::vector<JobSpec>& jobs, const StepTraffic& usual,
               const std::map<std::string, StepTraffic>& by_model);

  // 1 on the requested GPUs packed on as few nodes as can be, alone; linear in GPUs, and less where the step takes
  // longer: rate = given / requested * packed step / step.
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;

  [[nodiscard]] Duration step_time(const JobSpec& spec, const Allocation& gpus, const RunConfig&) const override {
    return step(spec, gpus).alone;
  }

  struct Step {
    LinkUses links{};             // of the ring between nodes; empty when there is none, or nothing limits it
    std::int64_t wire_bytes = 0;  // that each node sends in a step: 2 (N - 1) / N S
    Duration alone{};             // the whole step, nobody else on the links
  };
  [[nodiscard]] Step step(const JobSpec& spec, const Allocation& gpus) const;
  // The rate when a step takes `step` on so many thousandths of GPUs.
  [[nodiscard]] Rate rate_of(const JobSpec& spec, std::int64_t milli_gpus, Duration step) const;

  [[nodiscard]] const Fabric& fabric() const { return fabric_; }
  [[nodiscard]] const JobSpec& job(JobId id) const { return (*jobs_)[id.index()]; }

 private:
  [[nodiscard]] Duration packed_step(const JobSpec& spec, int gpus) const;
  [[nodiscard]] Duration step_time(const StepTraffic& t, int widest, std::int64_t nodes, std::int64_t inside,
                                   std::int64_t between) const;

  const Topology* topology_;
  const std::vector<JobSpec>* jobs_;
  Fabric fabric_;
  std::vector<StepTraffic> traffic_;   // the usual, then those with a row
  std::vector<std::uint32_t> of_job_;  // [job] index of its traffic
  std::vector<Duration> packed_;       // [job] a step on its requested GPUs, on as few nodes as can be, alone
};

class NetworkContention {
 public:
  // `model` must outlive this.
  explicit NetworkContention(const NetworkModel& model);

  // A job begins, or ceases, to make steps. Stopping one that is not there does nothing. Jobs with the same `gang`
  // are merged, on the same GPUs: they send in turn, each in its own step, so that the gang is one flow of all that
  // they send in the time of all their steps. Of one that gets less every member's step takes longer by the same
  // factor.
  void start(JobId job, const Allocation& gpus, std::optional<std::uint32_t> gang = {});
  void stop(JobId job);

  struct Changed {
    JobId job{};
    Rate rate{};  // of the job's own steps: what a merged gang makes of them is not in it
  };
  // The jobs whose rate the changes since the last call have changed; each that started at least once. Valid until
  // the next call.
  [[nodiscard]] std::span<const Changed> update();

 private:
  struct Running {  // of a job
    bool present = false;
    std::uint32_t sender = 0;
    std::int64_t milli_gpus = 0;
    std::int64_t wire_bytes = 0;
    Duration alone{};
  };
  struct Sender {  // a job, or a gang
    std::optional<std::uint32_t> gang{};
    SmallVector<JobId, 1> jobs{};
    LinkUses links{};  // of those that send anything
    FlowId flow = 0;
    std::int64_t wanted = 0;  // bytes per second, on average, when nobody is in the way
    std::int64_t wire_bytes = 0;
    Duration alone{};
  };
  [[nodiscard]] std::uint32_t sender_of(std::optional<std::uint32_t> gang);
  void send(std::uint32_t sender);

  const NetworkModel* model_;
  SharedLinks links_;
  std::vector<Running> running_;  // [job]
  Slots<Sender> senders_;
  std::vector<std::uint32_t> sender_of_flow_;
  std::map<std::uint32_t, std::uint32_t> sender_of_gang_;
  std::vector<Changed> changed_;
  bool dirty_ = false;
};

}  // namespace orrery

// The speed that a policy may believe in; never the truth. It is asked of a job's specification, work and shape, so
// that "how long would it take there?" needs no job that is there. Models of speed are predictors (sim/models/speed),
// a policy finds the run's in ClusterView::predict. Answers are pure: the same question has the same answer. What
// nobody knows is said to be unknown, never thrown.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sim/core/allocation.hpp"
#include "sim/core/ids.hpp"
#include "sim/core/job.hpp"
#include "sim/core/resources.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// How a job is to run; what a rigid job never changes.
struct RunConfig {
  std::int64_t batch = 0;         // global batch, samples; 0 = the job's own
  std::int32_t accumulation = 0;  // gradient accumulation steps; 0 = the job's own
  std::uint32_t execution_plan = 0;
  // What a job that has done no work of its own starts from: a version of a parent. Without a parent: the newest
  // version of the first parent, in the order of its edges, that has one. 0 = the newest; kFromBase = none at all.
  std::uint32_t start_version = 0;
  JobId start_parent{};
  // What it has done before is dropped, and it starts as a job that has done nothing. Holds for one launch: once that
  // has happened, what the job holds and its standing target say `false` again. A job that runs is killed for it.
  bool anew = false;
  // Whether it says another batch, or accumulation, than the job's own.
  [[nodiscard]] bool other_batch() const { return batch != 0 || accumulation != 0; }
  friend bool operator==(const RunConfig&, const RunConfig&) = default;
};

inline constexpr std::uint32_t kFromBase = 0xffffffffU;  // RunConfig::start_version

// What an allocation is to a model of speed: the very GPUs, or so many whole ones of some types on as few nodes as
// can be, wherever that is. Points at the allocation, which must outlive it: made to be passed on, not to be kept.
class Shape {
 public:
  // These GPUs. Not explicit: wherever a shape is asked for, an allocation is one.
  Shape(const Allocation& gpus) : where_(&gpus) {}
  // So many GPUs, packed. On a mixture of types, as fast as on the slowest of them; 0 = of the type that the job's
  // work is counted on.
  [[nodiscard]] static Shape packed(std::int32_t gpus, GpuTypeMask types = 0) { return Shape(gpus, types); }

  [[nodiscard]] const Allocation* where() const { return where_; }  // null: packed, anywhere
  [[nodiscard]] GpuTypeMask types() const { return types_; }        // packed
  [[nodiscard]] std::int32_t gpus() const { return where_ != nullptr ? where_->gpu_count() : gpus_; }
  [[nodiscard]] std::int64_t milli_gpus() const {
    return where_ != nullptr ? where_->milli_gpus() : std::int64_t{gpus_} * kMilliPerGpu;
  }

 private:
  Shape(std::int32_t gpus, GpuTypeMask types) : gpus_(gpus), types_(types) {}

  const Allocation* where_ = nullptr;
  std::int32_t gpus_ = 0;
  GpuTypeMask types_ = 0;
};

struct Speed {
  Rate rate{};  // none where it is not known
  bool known = true;
};

struct Predictor {
  virtual ~Predictor() = default;
  // Progress on a shape under `config`, next to the jobs `neighbours` on the same GPUs.
  [[nodiscard]] virtual Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                                    std::span<const JobId> neighbours) const = 0;
  // One step of the job, nobody else being there: what a merged gang's steps are made of. 0 = it knows of no steps.
  [[nodiscard]] virtual Duration step_time(const JobSpec& spec, const Allocation& gpus,
                                           const RunConfig& config) const;
  // All that the job has to do, where it is known without anybody's claim: by a profile.
  [[nodiscard]] virtual std::optional<Work> work_of(const JobSpec& spec) const;
  // Time that the last `work` of the job would take on a shape, alone, restarts not counted; kForever when nobody
  // knows. Default: linear in GPUs.
  [[nodiscard]] virtual Duration time_for(const JobSpec& spec, Work work, const Shape& shape,
                                          const RunConfig& config) const;
};

// The speed of the member `own` of a merged gang, of which a step is one of each member in turn. `steps`: how long
// each one's takes alone; where one of them is not known (0), all take the same.
[[nodiscard]] constexpr Rate merged_speed(Rate alone, std::size_t own, std::span<const Duration> steps) {
  Int128 part = 1, whole = static_cast<Int128>(steps.size());
  Int128 sum = 0;
  bool known = true;
  for (const Duration step : steps) {
    known = known && step.ns > 0;
    sum += step.ns;
  }
  if (known) {
    part = steps[own].ns;
    whole = sum;
  }
  return {static_cast<std::int64_t>(static_cast<Int128>(alone.per_billion) * part / whole)};
}

}  // namespace orrery

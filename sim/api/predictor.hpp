// The speed that a policy may believe in; never the truth. It is asked of a job's specification, work and shape, so
// that "how long would it take there?" needs no job that is there. Models of speed are predictors (sim/models/speed),
// a policy finds the run's in ClusterView::predict. Answers are pure: the same question has the same answer. What
// nobody knows is said to be unknown, never thrown.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

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
  // Valid: it runs in the bubbles of that job (Sharing::filler), and uses so many thousandths of the windows that its
  // unit of work fits, from 1 on.
  JobId host{};
  std::int32_t fill_per_mille = 0;
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

// The frozen part that members of a merged gang may have in common: of jobs of one model that start from the same
// version of the same parent. Who is not told by its configuration which version that is has one of its own: the
// newest of now is not the newest of later.
struct Backbone {
  JobId parent{};
  std::uint32_t version = 0;  // 0 = it has none, or none that is known
  std::string_view model{};
  [[nodiscard]] bool known() const { return version != 0; }
  friend bool operator==(const Backbone&, const Backbone&) = default;
};
[[nodiscard]] Backbone backbone_of(const JobSpec& spec, const RunConfig& config);

// What a job brings to the steps of a merged gang. Looks at the job's specification, which must outlive it.
struct MergedPart {
  Duration alone{};                   // its step, nobody else being there; 0 = not known
  std::int32_t shared_per_mille = 0;  // of that: done once for all on this backbone
  Backbone backbone{};
};

struct Predictor {
  virtual ~Predictor() = default;
  // Progress on a shape under `config`, next to the jobs `neighbours` on the same GPUs.
  [[nodiscard]] virtual Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                                    std::span<const JobId> neighbours) const = 0;
  // One step of the job, nobody else being there: what a merged gang's steps are made of. 0 = it knows of no steps.
  [[nodiscard]] virtual Duration step_time(const JobSpec& spec, const Allocation& gpus,
                                           const RunConfig& config) const;
  // What it would bring to a merged gang there; merged_speed() says what becomes of several.
  [[nodiscard]] MergedPart merged_part(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const {
    const Backbone backbone = backbone_of(spec, config);
    return {step_time(spec, gpus, config), backbone.known() ? spec.merging.step_per_mille : 0, backbone};
  }
  // All that the job has to do, where it is known without anybody's claim: by a profile.
  [[nodiscard]] virtual std::optional<Work> work_of(const JobSpec& spec) const;
  // Time that the last `work` of the job would take on a shape, alone, restarts not counted; kForever when nobody
  // knows. Default: linear in GPUs.
  [[nodiscard]] virtual Duration time_for(const JobSpec& spec, Work work, const Shape& shape,
                                          const RunConfig& config) const;
};

// How long a step of a merged gang takes, in thousandths of a nanosecond: every member makes a step of its own in it,
// of which what is shared is done once for all on one backbone, as long as the longest of them takes.
//   t = sum of (1 - gamma_i) s_i + sum over backbones of max gamma_i s_i
// with s_i the step alone and gamma_i what is shared of it: s (gamma + (1 - gamma) k) for k members that are alike,
// and the sum of their steps where nothing is shared (t_base + sum of t_adapter, mLoRA). Where one member's step is
// not known, all take the same, and the unit is that of nobody.
[[nodiscard]] Int128 merged_step(std::span<const MergedPart> parts);

// The speed of the member `own` of a merged gang: its step alone over the gang's.
[[nodiscard]] Rate merged_speed(Rate alone, std::size_t own, std::span<const MergedPart> parts);

}  // namespace orrery

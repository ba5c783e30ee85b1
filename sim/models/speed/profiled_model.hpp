// Jobs of profiled applications: speed from measured step times, progress from gradient statistics epoch by epoch
// (docs/formulas.md), or in samples. Every type of GPU has tables of its own; a gang on several types is as fast as
// it would be on the slowest of them. Work of such a job is nanoseconds on its requested GPUs, packed on as few nodes
// as can be, of its home type (the first of the cluster that it may use), with its batch: so a Work is comparable to
// every other model's. One stretch per epoch. Two jobs on the same GPUs run at their measured pair's speeds, a job on
// several at that of each of them; what was not measured, or does not fit together, takes turns: 0.98 / jobs
// (docs/formulas.md). Compiled to flat arrays: a look-up in the event path allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/assert.hpp"
#include "sim/core/node_widths.hpp"
#include "sim/models/speed/application.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

struct Belief;

class ProfiledModel final : public PerformanceModel {
 public:
  // What a job is, to this model.
  struct Job {
    std::string application;
    std::int64_t batch = 0;  // global, samples; 0 = the application's initial batch
    int gpus = 1;            // requested
    double samples = 0;      // to train on, where the application counts progress in samples
    friend bool operator==(const Job&, const Job&) = default;
  };

  // Compiles the applications for GPUs that are all alike. `gpus_per_node`: how wide the nodes are that packed shapes
  // fill. `belief`: what policies are told instead of what the model itself expects (`emulate:`, where nobody knows
  // of sharing either); null: nothing else. It must outlive the model.
  [[nodiscard]] static Expected<std::shared_ptr<ProfiledModel>> compile(ProfileSet profiles, int gpus_per_node,
                                                                        const Belief* belief = nullptr);
  // For the types of a cluster, which must outlive the model. `hardware`: of each of topology.gpu_types(), what the
  // profiles call it (ApplicationProfile::hardware); several types may share one.
  [[nodiscard]] static Expected<std::shared_ptr<ProfiledModel>> compile(ProfileSet profiles, const Topology& topology,
                                                                        const std::vector<std::string>& hardware,
                                                                        const Belief* belief = nullptr);
  // Adds the next job, in order of JobId. `types`: those that it may use; 0 = all. Errors name what its profile
  // lacks: tables for a type, or the requested GPUs packed on nodes of a type that has as many. With `clamp` the
  // nearest measured step time is taken for what was not measured.
  [[nodiscard]] Expected<void> add(const Job& job, bool clamp, GpuTypeMask types = 0);
  // Of the job added last: how long it runs on its requested GPUs, and how many GPUs it can use. Without `clamp` no
  // fewer and no more than its profile covers, packed, on every type that it may use.
  [[nodiscard]] Duration reference_time() const { return Duration{classes_[of_job_.back()].ends.back()}; }
  [[nodiscard]] std::int32_t least_gpus() const { return classes_[of_job_.back()].least_gpus; }
  [[nodiscard]] std::int32_t most_gpus() const { return classes_[of_job_.back()].most_gpus; }

  // speed() and stretch() do not know where a job is put on a shape that its profile does not cover, unless it was
  // added with `clamp`.
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;
  [[nodiscard]] std::string unknown(const JobSpec& spec, const Shape& shape, const RunConfig& config) const override;
  [[nodiscard]] std::optional<Work> work_of(const JobSpec& spec) const override {
    return Work{class_of(spec.id).ends.back()};
  }
  [[nodiscard]] Duration start_cost(const JobSpec& spec, const Allocation& gpus) const override;
  [[nodiscard]] Duration step_time(const JobSpec& spec, const Allocation& gpus,
                                   const RunConfig& config) const override;
  // It can go on with every batch that fits its GPUs and whose step times are known there.
  [[nodiscard]] Refusal refusal(const JobSpec& spec, const Allocation& gpus, const RunConfig& config) const override;
  // On the slowest of the types; on its home type when none is named. kForever where its profile does not cover that
  // number of GPUs, or a batch that is not the job's own does not fit them.
  [[nodiscard]] Duration time_for(const JobSpec& spec, Work work, const Shape& shape,
                                  const RunConfig& config) const override;
  [[nodiscard]] bool in_stretches() const override { return true; }
  [[nodiscard]] bool minds_neighbours() const override { return belief_ == nullptr; }
  // `with`: others with the batches and on the numbers of GPUs that they asked for.
  [[nodiscard]] Rate share(const JobSpec& spec, const Allocation& gpus, std::span<const JobId> with) const override;
  [[nodiscard]] Stretch stretch(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                                Work done) const override;

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  // A GPU type of the cluster.
  struct Type {
    std::string name, hardware;  // empty: any
    NodeCounts nodes;
    std::int64_t gpus = 0;  // of the cluster
  };
  // One optimiser step, as policies are told.
  struct Step {
    double seconds = 0;
    std::int64_t total = 0;  // samples
    bool known = true;
  };
  struct OnType {
    std::uint32_t application = kNone;  // kNone: it may not use the type
    std::vector<Step> believed{};       // [GPUs], packed
  };
  // Jobs that are equal in everything the model looks at.
  struct Class {
    Job job;
    GpuTypeMask types = 0;
    bool clamp = false;
    std::int64_t batch = 0;
    std::int32_t least_gpus = 1, most_gpus = 1;
    std::size_t home = 0;            // type
    std::vector<OnType> on;          // [type]
    std::vector<double> progress;    // at the end of each epoch
    std::vector<std::int64_t> ends;  // work (ns) at the end of each epoch
    // On the requested GPUs of the home type:
    double step_s = 0;
    std::int64_t total = 0;  // samples of an optimiser step
  };

  ProfiledModel(std::vector<Application> applications, std::vector<Type> types, const Topology* topology,
                const Belief* belief)
      : applications_(std::move(applications)), types_(std::move(types)), topology_(topology), belief_(belief) {}
  [[nodiscard]] const Class& class_of(JobId job) const { return classes_[of_job_[job.index()]]; }
  [[nodiscard]] const Application& application(const Class& c, std::size_t type) const {
    return applications_[c.on[type].application];
  }
  [[nodiscard]] static std::size_t epoch_of(const Class& c, Work done);

  // Compiling a class.
  [[nodiscard]] Expected<void> find_tables(Class& c) const;
  [[nodiscard]] Expected<void> find_reference(Class& c) const;
  [[nodiscard]] bool may_hold(const Class& c, std::size_t type, int gpus) const;
  [[nodiscard]] bool covered(const Class& c, int gpus) const;
  void find_range(Class& c) const;
  [[nodiscard]] Expected<Class> make_class(const Job& job, bool clamp, GpuTypeMask types) const;
  [[nodiscard]] Step believed_step(const Class& c, std::size_t type, const Shape& shape,
                                   const RunConfig& config) const;

  // Calls f with each type of the GPUs that the job may use, once.
  template <class F>
  void for_types(const Class& c, const Shape& shape, F f) const;
  [[nodiscard]] NodeRing nodes_of(const Application& a, std::size_t type, const Shape& shape) const;
  template <class Pace>
  [[nodiscard]] std::optional<double> slowest(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                                              Pace pace) const;
  [[nodiscard]] static Application::Split split_of(const Application& a, const Class& c, int gpus,
                                                   const RunConfig& config);
  // Why the job cannot have that batch there; empty when it can.
  [[nodiscard]] static std::string wrong_batch(const Application& a, const Class& c, const NodeRing& nodes,
                                               const RunConfig& config);
  [[nodiscard]] double share_of(const Class& c, const Allocation& gpus, std::span<const JobId> with) const;
  [[nodiscard]] Duration time_on(const Class& c, std::size_t type, Work work, const Shape& shape,
                                 const RunConfig& config) const;

  std::vector<Application> applications_;
  std::vector<Type> types_;
  const Topology* topology_ = nullptr;  // null where all GPUs are alike
  std::vector<Class> classes_;
  std::vector<std::uint32_t> of_job_;
  const Belief* belief_ = nullptr;
};

template <class F>
void ProfiledModel::for_types(const Class& c, const Shape& shape, F f) const {
  if (types_.size() == 1) return f(std::size_t{0});
  if (shape.where() == nullptr) {
    if (shape.types() == 0) return f(c.home);
    for (std::size_t t = 0; t < types_.size(); ++t)
      if ((shape.types() >> t & 1U) != 0 && c.on[t].application != kNone) f(t);
    return;
  }
  GpuTypeMask seen = 0;
  for (const NodeSlice& s : shape.where()->slices()) {
    const std::uint32_t type = topology_->node(s.node).type;
    if (s.gpu_count() == 0 || (seen >> type & 1U) != 0) continue;
    ORRERY_ASSERT(c.on[type].application != kNone, "`{}` on `{}`", c.job.application, types_[type].name);
    seen |= GpuTypeMask{1} << type;
    f(std::size_t{type});
  }
}

}  // namespace orrery

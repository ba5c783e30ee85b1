// Jobs of profiled applications: speed from measured step times, progress from gradient statistics epoch by epoch
// (policies.md 3.1), or in samples. Work of such a job is nanoseconds on its requested GPUs, packed on as few nodes
// as can be, with its batch: so a Work is comparable to every other model's. One stretch per epoch. Two jobs on the
// same GPUs run at their measured pair's speeds, a job on several at that of each of them; what was not measured, or
// does not fit together, takes turns: 0.98 / jobs (policies.md 3.12).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/models/application.hpp"
#include "sim/models/performance.hpp"

namespace orrery {

// What policies are told about remaining times. `pollux` and `titan` keep the oddities of those simulators'
// predictors (only for `emulate:`), `consistent` is what the model itself expects.
enum class ProfileBelief : std::uint8_t { consistent, pollux, titan };

class ProfiledModel final : public PerformanceModel {
 public:
  // What a job is, to this model.
  struct Job {
    std::string application;
    std::int64_t batch = 0;  // global, samples; 0 = the application's initial batch
    int gpus = 1;            // requested
    double samples = 0;      // to train on, where the application counts progress in samples
  };

  // Compiles the applications. `gpus_per_node`: how wide the nodes are that packed shapes fill.
  [[nodiscard]] static Expected<std::shared_ptr<ProfiledModel>> compile(ProfileSet profiles, int gpus_per_node,
                                                                        ProfileBelief belief);
  // Adds the next job, in order of JobId. Errors name what its profile lacks; with `clamp` the nearest measured step
  // time is taken instead.
  [[nodiscard]] Expected<void> add(const Job& job, bool clamp);
  // Of the job added last: how long it runs on its requested GPUs, and how many GPUs it can use.
  [[nodiscard]] Duration reference_time() const { return Duration{classes_[of_job_.back()].ends.back()}; }
  [[nodiscard]] std::int32_t most_gpus() const { return classes_[of_job_.back()].most_gpus; }

  [[nodiscard]] Rate rate(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                          std::span<const JobId> with) const override;
  [[nodiscard]] Duration start_cost(const JobSpec& spec) const override;
  [[nodiscard]] Duration time_left(const JobView& job, std::int32_t gpus) const override;
  [[nodiscard]] bool in_stretches() const override { return true; }
  // The simulators that are emulated know nothing of sharing.
  [[nodiscard]] bool minds_neighbours() const override { return belief_ == ProfileBelief::consistent; }
  // `with`: others with the batches and on the numbers of GPUs that they asked for.
  [[nodiscard]] Rate share(const JobSpec& spec, const Allocation& gpus, std::span<const JobId> with) const override;
  [[nodiscard]] Stretch stretch(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                                Work done) const override;

 private:
  // One optimiser step, as policies are told.
  struct Step {
    double seconds = 0;
    std::int64_t total = 0;  // samples
  };
  // Jobs that are equal in everything the model looks at.
  struct Class {
    std::string name;
    std::size_t application = 0;
    std::int64_t batch = 0;
    int gpus = 1;
    double samples = 0;
    std::int32_t most_gpus = 1;
    std::vector<double> progress;    // at the end of each epoch
    std::vector<std::int64_t> ends;  // work (ns) at the end of each epoch
    double step_s = 0;               // on the requested GPUs
    std::int64_t total = 0;          // samples of an optimiser step there
    std::int64_t per_gpu = 0;        // samples of a pass on each GPU there
    std::vector<Step> believed;      // [GPUs], packed
  };
  ProfiledModel(std::vector<Application> applications, int gpus_per_node, ProfileBelief belief)
      : applications_(std::move(applications)), gpus_per_node_(gpus_per_node), belief_(belief) {}
  [[nodiscard]] const Class& class_of(JobId job) const { return classes_[of_job_[job.index()]]; }
  [[nodiscard]] static std::size_t epoch_of(const Class& c, Work done);
  [[nodiscard]] double share_of(const Class& c, std::int64_t per_gpu, std::span<const JobId> with) const;
  [[nodiscard]] double goodput(const Class& c, const Shape& shape, std::size_t epoch) const;
  [[nodiscard]] Expected<Class> make_class(const Job& job, bool clamp) const;
  [[nodiscard]] Step believed_step(const Class& c, int gpus) const;
  [[nodiscard]] Shape shape_of(const Class& c, const Allocation& gpus) const;

  std::vector<Application> applications_;
  std::vector<Class> classes_;
  std::vector<std::uint32_t> of_job_;
  int gpus_per_node_ = 4;
  ProfileBelief belief_ = ProfileBelief::consistent;
};

}  // namespace orrery

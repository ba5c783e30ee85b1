// How many training steps per second a configuration makes, as measured: alone on a number of GPUs of a type, on as
// few nodes as can be or spread over more, and beside another job on the same GPUs. The model of tables such as
// Gavel's (Narayanan et al., OSDI 2020), of Lucid's pairs (Hu et al., ASPLOS 2023) and of what `orrery live
// calibrate` writes. Compiled to flat arrays: a look-up in the event path allocates nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/node_widths.hpp"
#include "sim/core/topology.hpp"
#include "sim/models/speed/performance.hpp"

namespace orrery {

// What is trained, as a table names it.
struct TrainingConfig {
  std::string model;
  std::string mode{};      // kind of job: pretrain, transfer, eval, hpo; empty = any
  std::int64_t batch = 0;  // global, samples; 0 = any
  int gpus = 1;            // >= 1
};

struct AloneRate {
  TrainingConfig config;
  std::string gpu;         // GPU type
  bool spread = false;     // on more nodes than it needs
  double steps_per_s = 0;  // > 0
};

// Two jobs, each on all GPUs of the other: their speeds as shares of those alone; 0 = they do not run together.
struct PairRate {
  TrainingConfig a, b;
  std::string gpu;  // empty = any type
  double speed_a = 0, speed_b = 0;
};

// Whoever the others are: the share of its speed alone at which a job runs as one of `jobs` on its GPUs.
struct CrowdRate {
  TrainingConfig config;
  std::string gpu;
  int jobs = 2;      // >= 2
  double speed = 0;  // > 0
};

struct ThroughputSet {
  std::string name;  // of the table, for messages
  std::vector<AloneRate> alone;
  std::vector<PairRate> pairs{};
  std::vector<CrowdRate> crowds{};
};

class ThroughputModel final : public PerformanceModel {
 public:
  // What a job is, to this model.
  struct Job {
    TrainingConfig config;
    std::int64_t steps = 0;  // to train; 0 = the run time is known, and is the one on the reference type
  };

  // `reference`: the GPU type on which work is counted; a job's work is its run time there, alone, packed. Errors:
  // the table knows none of the cluster's types or not the reference; rates that are not above 0; a row twice.
  [[nodiscard]] static Expected<std::shared_ptr<ThroughputModel>> compile(const ThroughputSet& table,
                                                                          const Topology& topology,
                                                                          const std::string& reference);

  // Adds the next job, in order of JobId. An error names the measurement that is missing, on any type of the cluster
  // that the job may use (`types`; 0 = all); with `clamp` the nearest number of GPUs is taken instead, linear in
  // GPUs. A type on which the model was not measured at all is an error either way.
  [[nodiscard]] Expected<void> add(const Job& job, GpuTypeMask types, bool clamp);
  // Of the job added last, when it counts steps: its run time on the reference type.
  [[nodiscard]] Duration reference_time() const { return last_time_; }

  // On several types at once a gang is as fast as its slowest. `with`: who else is on any of the GPUs. Two jobs run
  // at their measured pair's speeds, more at the measured crowd's; what was not measured takes turns: 0.98 / jobs.
  // Not known where a job is put on a number of GPUs of a type that was not measured, unless it was added with
  // `clamp`.
  [[nodiscard]] Speed speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                            std::span<const JobId> neighbours) const override;
  [[nodiscard]] std::string unknown(const JobSpec& spec, const Shape& shape, const RunConfig& config) const override;
  [[nodiscard]] bool minds_neighbours() const override { return !pairs_.empty() || !crowds_.empty(); }

  // Steps per second alone on that many GPUs of a type, packed or not; 0 = not measured. For policies and tests.
  [[nodiscard]] double steps_per_s(JobId job, const std::string& gpu, int gpus, bool spread) const;
  // The speeds of two jobs on the same GPUs of a type; false when not measured.
  [[nodiscard]] bool pair(JobId a, JobId b, std::uint32_t type, double& speed_a, double& speed_b) const;

 private:
  // A measurement of a name (model, mode, batch) on a type.
  struct Point {
    int gpus = 0;
    double packed = 0, spread = 0;  // steps per second; 0 = not measured
  };
  struct Span {
    std::uint32_t first = 0, last = 0;
  };
  static constexpr std::uint32_t kNone = 0xffffffffU;
  struct Member {
    std::uint32_t name = 0, config = kNone;
    double reference = 0;  // steps per second where its work is counted
    bool clamp = false;    // what was not measured may be guessed
  };

  // Of the job's names, from the most to the least specific, the first that the table knows; kNone if none.
  [[nodiscard]] std::uint32_t find_name(const TrainingConfig& c) const;
  [[nodiscard]] std::uint32_t intern(const TrainingConfig& c);
  [[nodiscard]] std::uint32_t config(std::uint32_t name, int gpus) const;
  [[nodiscard]] double alone(std::uint32_t name, std::uint32_t type, int gpus, bool spread) const;
  [[nodiscard]] double nearest(std::uint32_t name, std::uint32_t type, int gpus, bool spread) const;
  [[nodiscard]] double placed(const Member& job, std::uint32_t type, int gpus, bool spread) const;
  template <class Do>
  void for_types(const Shape& shape, Do act) const;
  // Whether so many GPUs are on more nodes of the type than they need.
  [[nodiscard]] bool is_spread(const Allocation& gpus, std::uint32_t type, int count) const;
  [[nodiscard]] double beside(JobId own, std::uint32_t type, std::span<const JobId> with) const;

  std::string table_;  // its name
  const Topology* topology_ = nullptr;
  std::vector<std::string> types_;                  // of the cluster, then the reference if it is none of them
  std::vector<NodeCounts> nodes_;                   // [type] of the cluster
  std::vector<bool> has_gpus_;                      // [type]
  std::uint32_t reference_ = 0;                     // type
  std::map<std::string, std::uint32_t> names_;      // "model\nmode\nbatch"
  std::vector<Point> points_;                       // by name, type, GPUs
  std::vector<Span> spans_;                         // [name * types + type]
  std::map<std::uint64_t, std::uint32_t> configs_;  // (name, GPUs) of pairs and crowds
  // Sorted by key: (type, config, config) and (type, config, jobs).
  std::vector<std::pair<std::uint64_t, std::pair<double, double>>> pairs_;
  std::vector<std::pair<std::uint64_t, double>> crowds_;
  std::vector<Member> jobs_;  // [job]
  Duration last_time_{};
};

}  // namespace orrery

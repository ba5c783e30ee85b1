// The metrics of a run as a fold over its event stream: rows of jobs.csv, samples on change points, the summary.
// It needs the events and a small table of the jobs, nothing else, so that folding a stored log gives the same.
// GPU-time is summed in 128-bit integers and turned into doubles at the end, by job id. O(1) per event (O(GPUs)
// for one that takes or frees GPUs). The caller owns the job table; the fold owns everything it accumulates.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/core/slots.hpp"
#include "sim/observe/metrics/gpu_meter.hpp"
#include "sim/observe/metrics/metrics.hpp"
#include "sim/observe/metrics/run_clock.hpp"

namespace orrery {

// What the outputs say about a job that its events do not.
struct JobInfo {
  std::string name, tenant, model, kind;
  std::int32_t gpus = 0;
  std::int64_t milli_gpus = 0;  // the whole demand, thousandths of a GPU
  bool measured = true;         // false: no metric is of it, though it ran (`measure` of a scenario)
};
using JobTable = std::vector<JobInfo>;  // by JobId

[[nodiscard]] JobTable make_job_table(const std::vector<JobRecord>& records);
// GPUs of each node, by NodeId.
[[nodiscard]] std::vector<std::int32_t> gpus_by_node(const Topology& topology);

// Samples packed to 32 bytes each; a run of a million jobs has about three million. They lie in pieces, so that
// growing takes no fresh pages for what is there already.
class SampleSeries {
 public:
  void push_back(const Sample& s);
  [[nodiscard]] std::size_t size() const {
    return pieces_.empty() ? 0 : (pieces_.size() - 1) * kPiece + pieces_.back().size();
  }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] Sample operator[](std::size_t i) const;
  friend bool operator==(const SampleSeries&, const SampleSeries&) = default;

 private:
  struct Packed {
    std::int64_t at_ns;
    std::int32_t held_milli, running_milli, down, queue_jobs, queue_gpus;
    friend bool operator==(const Packed&, const Packed&) = default;
  };
  static constexpr std::size_t kPiece = 4096;  // samples of each piece but the last
  std::vector<std::vector<Packed>> pieces_;
};

class MetricsFold : public Observer {
 public:
  MetricsFold(std::shared_ptr<const JobTable> jobs, std::vector<std::int32_t> node_gpus, RunClock clock = {});
  MetricsFold(const MetricsFold&) = default;
  MetricsFold(MetricsFold&&) = default;
  MetricsFold& operator=(const MetricsFold&) = default;
  MetricsFold& operator=(MetricsFold&&) = default;
  ~MetricsFold() override;

  void expect(JobId job) const override;
  void on_event(const Event& e) override;
  void on_end(Time now) override;

  // After on_end. Jobs that were never submitted have no row.
  [[nodiscard]] std::size_t job_count() const { return jobs_.size(); }
  [[nodiscard]] bool submitted(JobId id) const { return jobs_[id.index()].phase != Phase::unknown; }
  // Whether metrics are of it.
  [[nodiscard]] bool counted(JobId id) const { return submitted(id) && (*table_)[id.index()].measured; }
  [[nodiscard]] JobRow row(JobId id) const;
  [[nodiscard]] const JobInfo& info(JobId id) const { return (*table_)[id.index()]; }
  [[nodiscard]] JobNumbers numbers(JobId id) const;  // its texts cost more than these
  [[nodiscard]] std::vector<JobRow> rows() const;
  [[nodiscard]] Duration cpu_per_sample(JobId id) const { return jobs_[id.index()].cpu_per_sample; }
  [[nodiscard]] const SampleSeries& samples() const { return samples_; }
  [[nodiscard]] Summary summary() const;
  // Seconds from submit to finish in submit order, NaN where a job did not finish or is not measured; what `compare`
  // pairs.
  [[nodiscard]] std::vector<double> jct_by_job_s() const;
  [[nodiscard]] std::uint64_t events() const { return events_; }
  // Usable GPU-time from first submit to last finish, here and below of measured jobs, in milli-GPU-nanoseconds.
  [[nodiscard]] Int128 usable_gpu_time_milli_ns() const { return at_last_finish_.usable - at_first_submit_.usable; }
  // From first submit to last finish; 0 where nothing finished.
  [[nodiscard]] Duration makespan() const {
    return last_finish_ > first_submit_ ? last_finish_ - first_submit_ : Duration{};
  }

 private:
  enum class Phase : std::uint8_t { unknown, blocked, queued, holding, running, ended };
  struct Job {
    Time submit{};
    Time first_start = kNever;
    Time finish = kNever;
    Time since{};  // when it last gained or lost its allocation, started or stopped to run
    Duration wait{};
    Duration run{};
    GpuTime service{};
    GpuTime held{};
    Duration ahead{};  // how far counting its time has carried it ahead of the cluster's clock
    std::uint32_t launches = 0;
    std::uint32_t preemptions = 0;
    Duration cpu_per_sample{};
    std::uint32_t slot = 0;  // of its allocation in held_, while it holds one
    Phase phase = Phase::unknown;
    JobState state = JobState::submitted;
    Rejection rejection = Rejection::none;
  };
  struct Held {
    Allocation gpus;
    std::int64_t milli = 0;
  };
  struct Totals {  // integrals over time up to an instant
    Int128 held = 0, running = 0, usable = 0;
  };

  void advance(Time now);
  void flush_sample();
  void settle(Job& j, Time now);
  void enter(Job& j, JobId id, Phase to, Time now);
  void take(Job& j, const Event& e);
  void drop(Job& j);
  void end(Job& j, JobId id, JobState state, Time now);

  std::shared_ptr<const JobTable> table_;
  RunClock clock_;
  std::vector<Job> jobs_;
  Slots<Held> held_;
  std::vector<std::int32_t> node_gpus_;
  std::vector<std::int32_t> node_down_;
  GpuMeter held_meter_;
  GpuMeter running_meter_;  // of those that run
  Sample now_{};
  Sample last_{};
  SampleSeries samples_;
  std::int64_t usable_gpus_ = 0;
  Totals totals_{}, at_first_submit_{}, at_last_finish_{};
  Time first_submit_ = kNever;
  Time last_finish_{};
  std::uint64_t events_ = 0;
  std::int64_t decisions_ = 0;
};

}  // namespace orrery

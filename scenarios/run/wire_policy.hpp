// A policy that speaks the wire (sim/api/wire.hpp): tells whoever answers what the cluster is, then for every
// decision what has changed since the last, and makes a plan of the answer. What is wrong with an answer is a
// PolicyFailed that names its line, in the file of the conversation where it is kept. Owns the conversation, and its
// recording where there is one. Telling costs what changed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scenarios/run/conversation.hpp"
#include "sim/api/policy.hpp"
#include "sim/api/wire.hpp"
#include "sim/core/id_set.hpp"
#include "sim/observe/log/packed_file.hpp"

namespace orrery::app {

class WirePolicy final : public Policy {
 public:
  // Says hello. Throws PolicyFailed. `kept`: where the conversation lies after a run that failed; empty: nowhere, or
  // where it is recorded.
  WirePolicy(std::unique_ptr<Conversation> talk, std::unique_ptr<Placement> placement, const Topology& topology,
             std::uint64_t seed, std::string kept);

  [[nodiscard]] EventMask wakes_on() const override { return wakes_on_; }
  void schedule(const ClusterView& view, PlanBuilder& plan) override;

  // Writes the conversation there; before the first decision. `stays`: it is kept there when the run fails.
  void record(const std::string& path, bool stays);
  // Of a run that failed: ends the recording and puts it where it is kept. That file; empty: it is kept nowhere.
  [[nodiscard]] Expected<std::string> keep();
  // Ends the conversation and its recording.
  [[nodiscard]] Expected<void> finish();

 private:
  [[nodiscard]] std::string ask(const std::string& line);
  void tell(const ClusterView& view, const PlanBuilder& plan);
  void add_job(const ClusterView& view, JobId job);
  void apply(const ClusterView& view, const wire::Answer& answer, PlanBuilder& plan);
  void apply_target(const ClusterView& view, JobId job, const Target& target, PlanBuilder& plan);
  void run(const ClusterView& view, JobId job, const Target& target, PlanBuilder& plan);
  void check_sharing(JobId job, const Target& target);
  void check_groups(const ClusterView& view);
  void check_fillers(const ClusterView& view);
  [[nodiscard]] const Target* target_of(const ClusterView& view, JobId job) const;
  void check_known(const ClusterView& view, JobId job);
  [[nodiscard]] Expected<void> write_kept();
  // All of a policy's faults end here: fills in which file has the line.
  [[noreturn]] void fail_at_line(Diagnostic d);
  [[noreturn]] void refuse(std::string message, int column = 0);

  std::unique_ptr<Conversation> talk_;
  std::unique_ptr<Placement> placement_;
  EventMask wakes_on_ = 0;
  wire::View said_{};                   // buffers of the line that is told
  std::vector<JobId> mates_{};          // of the jobs in it, in merged gangs
  std::vector<bool> introduced_;        // [job]: the policy has its spec
  std::vector<std::uint64_t> told_in_;  // [job]: the epoch of the last line with it
  IdSet<JobId> moving_;                 // jobs that have not reached their targets: they may change without an event
  std::map<JobId, const Target*> given_;  // by the answer so far; null: none
  std::string line_, answer_;
  std::uint64_t lines_ = 0;
  std::string greeting_;  // the first two lines, for the recording
  std::unique_ptr<PackedFile> recording_;
  std::string recording_path_, kept_;
  bool is_kept_ = false;  // keep() has done its work
  bool first_ = true;
};

}  // namespace orrery::app

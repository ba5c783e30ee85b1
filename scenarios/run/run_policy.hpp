// The policy of one run, wherever it comes from: the tree, a library, a program or the recording of its conversation.
// Made for the run and ended with it; no program outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "scenarios/run/simulate.hpp"
#include "sim/api/policy_info.hpp"

namespace orrery::app {

class WirePolicy;

class RunPolicy {
 public:
  // Bad options, a library or a program that is not there are errors; what a program does wrong is failure().
  // `played_back`: a recorded conversation that answers instead of the program. `kept`: where the conversation lies
  // after a run that failed; empty: nowhere.
  [[nodiscard]] static Expected<RunPolicy> make(const Prepared& prepared, const PolicyConfig& config,
                                                std::uint64_t seed, const std::string& played_back = {},
                                                const std::string& kept = {});
  RunPolicy(RunPolicy&&) noexcept;
  RunPolicy& operator=(RunPolicy&&) noexcept;
  ~RunPolicy();

  // Only without failure().
  [[nodiscard]] Policy& get() const { return *policy_; }
  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // One with the same memory for a run of its own; an error says why there can be none.
  [[nodiscard]] Expected<std::unique_ptr<Policy>> copy() const;
  // Whether it holds a conversation, which can be recorded.
  [[nodiscard]] bool converses() const { return wire_ != nullptr; }
  // Writes the conversation there, if there is one. `stays`: it is kept there when the run fails.
  void record(const std::string& path, bool stays);
  // Of a run that failed, why: keeps the conversation, if there is one, and says where unless `failure` does.
  void keep(std::string& failure);
  // Ends the conversation and its recording.
  [[nodiscard]] Expected<void> finish();

 private:
  RunPolicy();
  std::unique_ptr<Policy> policy_;
  WirePolicy* wire_ = nullptr;
  Capabilities capabilities_{};
  std::string failure_, name_;
};

// What a conversation is called in a run folder, and in the folder of a live run.
inline constexpr std::string_view kConversationFile = "conversation.jsonl.zst";
// Where it lies after a run that failed, and has left no folder: beside that.
[[nodiscard]] std::string conversation_beside(const std::string& run_folder);

}  // namespace orrery::app

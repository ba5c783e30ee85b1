// Validating a scenario live, policy by policy: each live, then simulated twice; how far the simulations were from
// it. What is through when it is interrupted is kept in validate.json of its folder, for the next call to go on from.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/report/fidelity.hpp"
#include "scenarios/run/live_run.hpp"
#include "scenarios/run/simulate.hpp"

namespace orrery::app {

// One policy, validated.
struct Validated {
  report::Fidelity fidelity;
  double gate_pct = 0;  // for mean JCT and makespan; wider where the machine's cores were contended for
  double others_cpu_pct = 0;
  bool interrupted = false;
  std::string bad_ends{};  // jobs that failed or were rejected, for people
  bool failed = false;     // ... so that the run is not good
};

// Runs one policy live, then simulates it with the measured times, then from profiles (`promised`, else the
// scenario's own).
[[nodiscard]] Expected<Validated> validate_policy(const Prepared& prepared, const LiveRequest& request,
                                                  const MeasuredTimes* promised);

// An array of objects, one per policy: the live run, both simulations and how far they were from it (errors in
// percent), decisions and how many of them were replayed, the gate, and the share of the cores that others used.
[[nodiscard]] std::string validated_json(const std::vector<Validated>& all);

// What must be equal for a validation to go on where another stopped: of `profile`, a file or empty, the contents.
[[nodiscard]] std::string what_is_validated(const Prepared& prepared, const std::vector<PolicyConfig>& policies,
                                            std::uint64_t seed, const std::string& worker,
                                            const std::string& profile);

// validate.json: there while a validation is not through; what it is of, and what it has of each policy.
class ValidationProgress {
 public:
  // `of`: what_is_validated(), to be done in that folder.
  ValidationProgress(std::string folder, std::string of);
  ~ValidationProgress();
  ValidationProgress(const ValidationProgress&) = delete;
  ValidationProgress& operator=(const ValidationProgress&) = delete;

  // Something was interrupted there; it was this.
  [[nodiscard]] bool interrupted() const;
  [[nodiscard]] bool ours() const;
  // Whether the folder may be written: what was validated there stays, what an interrupted validation of the same has
  // begun goes. `named`: somebody chose the folder.
  [[nodiscard]] Expected<void> claim(const Prepared& prepared, const std::vector<PolicyConfig>& policies,
                                     std::uint64_t seed, bool named, bool force);
  [[nodiscard]] std::optional<Validated> of(const std::string& policy) const;
  [[nodiscard]] Expected<void> add(const std::string& policy, const Validated& v);
  void end() const;
  // Where the live run of a policy goes.
  [[nodiscard]] std::string run_folder(const PolicyConfig& policy, std::uint64_t seed) const;

 private:
  [[nodiscard]] Expected<void> write() const;

  std::string folder_, path_, of_;
  std::unique_ptr<nlohmann::json> state_;
};

}  // namespace orrery::app

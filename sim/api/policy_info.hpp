// What is known of a policy without making one: its name, what it does and whose idea it is, its options, what it
// does with jobs, and how it is made. Each policy's row stands at the end of its own file; policies/registry.inc
// lists them. `orrery policy list` and `policy show` print the rows, conformance tests hold policies to them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sim/api/options.hpp"
#include "sim/api/placement.hpp"
#include "sim/api/policy.hpp"

namespace orrery {

struct KnownGains;

// What every policy is given besides its own options.
struct PolicySetup {
  std::unique_ptr<Placement> placement;
  std::uint64_t seed = 1;
  // What parents are really worth to their children, for a bound: only where the policy has an option `gains` and
  // that says `oracle`, else null (known_gains.hpp).
  std::shared_ptr<const KnownGains> gains{};
};

using PolicyFactory = std::unique_ptr<Policy> (*)(PolicySetup setup, OptionReader& options);

// What a policy does with jobs beyond starting them, and what it cannot do without. A conformance test holds it to
// that: what is not declared is never done.
struct Capabilities {
  bool preempts = false;         // stops running jobs
  bool elastic = false;          // changes the number of GPUs of a job
  bool shares = false;           // puts several jobs on one GPU
  bool needs_estimates = false;  // useless without run-time estimates
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// What a policy promises of free capacity beside waiting jobs, by its own placement; a conformance test over random
// worlds holds it to that. Under `emulate:` it promises nothing.
enum class Conserves : std::uint8_t {
  work,  // after every decision no waiting job fits, an elastic one not even on its least number of GPUs
  held,  // the same, but for jobs that are said to be held for a later version of a parent (ReasonCode::held)
  // A job that fits may wait, but while no node fails and no job outlives its estimate only beside another that does
  // not fit, or that has a reservation.
  order,
  nothing,  // it does what it is told
};

// Ranges of options: any number of things, any time of a run (100 years, in s).
inline constexpr std::int64_t kMany = 1'000'000;
inline constexpr std::int64_t kMostTime = std::int64_t{36'500} * 86'400;

struct PolicyInfo {
  std::string_view name{};
  std::string_view title{};   // one line for `policy list`
  std::string_view doc{};     // what it does, for `policy show`
  std::string_view source{};  // paper
  PolicyFactory make = nullptr;
  std::vector<OptionSpec> options{};
  Conserves conserves = Conserves::work;
  Capabilities capabilities{};
};

}  // namespace orrery

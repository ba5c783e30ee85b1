// Recorded traces in tests: where they are, and the visible skip where they are not. The traces are not part of the
// project: $ORRERY_TRACES, by default ../shared/traces beside the repository. With ORRERY_REQUIRE_TRACES=1 (as in CI)
// a missing trace is a failure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace orrery::test {

struct Tally {
  int golden_run = 0;
  int golden_skipped = 0;
  std::string test;                                          // the test case that runs
  std::vector<std::pair<std::string, std::string>> skipped;  // test case, first reason
};
Tally& tally();

// The path of a recorded trace ("tiresias/60_job.csv"), or nothing after noting that the test case was skipped.
std::optional<std::string> recorded(const std::string& name);

}  // namespace orrery::test

// Catch2's main, compiled once; and what is said at the end of a run: golden rows, and what was skipped and why.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include <cstdio>

#include "tests/support/traces.hpp"

namespace {

struct EndOfRun : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    TestEventListenerBase::testCaseStarting(info);
    orrery::test::tally().test = info.name;
  }
  void testRunEnded(const Catch::TestRunStats& stats) override {
    TestEventListenerBase::testRunEnded(stats);
    const orrery::test::Tally& t = orrery::test::tally();
    for (const auto& [test, why] : t.skipped) std::fprintf(stderr, "skipped: %s: %s\n", test.c_str(), why.c_str());
    if (t.golden_run + t.golden_skipped > 0)
      std::fprintf(stderr, "golden: %d run, %d skipped\n", t.golden_run, t.golden_skipped);
  }
};
CATCH_REGISTER_LISTENER(EndOfRun)

}  // namespace

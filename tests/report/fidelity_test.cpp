// What `live validate` says of a run: passed, missed, or nothing to be concluded.
#include "scenarios/report/fidelity.hpp"

#include <catch2/catch.hpp>

using namespace orrery::report;

TEST_CASE("fidelity: a gate is on one row, and other programs make a miss inconclusive", "[report]") {
  Fidelity f;
  f.policy = "srtf";
  f.replayed.mean_jct_error_pct = -2;
  f.replayed.makespan_error_pct = 2.9;
  f.profiled.mean_jct_error_pct = 40;

  const Judgement good = judge(f, 3, Gated::replayed, 4);
  CHECK(good.verdict == Verdict::passed);
  CHECK(good.note.empty());
  CHECK(judge(f, 3, Gated::profiled, 4).verdict == Verdict::missed);

  const Judgement disturbed = judge(f, 3, Gated::replayed, 25);
  CHECK(disturbed.verdict == Verdict::passed);
  CHECK(disturbed.note ==
        "srtf: other programs used 25 % of the cores meanwhile, so the profiles row is inconclusive\n");

  f.replayed.makespan_error_pct = -3.1;
  CHECK(judge(f, 3, Gated::replayed, 10).verdict == Verdict::missed);
  const Judgement neither = judge(f, 3, Gated::replayed, 25);
  CHECK(neither.verdict == Verdict::inconclusive);
  CHECK(neither.note.find("25 % of the cores meanwhile, so both rows, and the missed gate, are inconclusive") !=
        std::string::npos);
  // Paced jobs sleep: their gate is meant to hold beside other programs.
  CHECK(judge(f, 3, Gated::profiled, 25).verdict == Verdict::missed);
}

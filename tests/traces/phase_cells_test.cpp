// The column `phases`: what is a phase, and the speeds that follow.
#include <catch2/catch.hpp>

#include "sim/core/topology.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/phase_cells.hpp"

using namespace orrery;

TEST_CASE("steps of phases become speeds that leave the run time as it is", "[traces][phases]") {
  const auto phases = parse_phases("projector@0:0.4:3.5;frozen@0.25:0.8:2:0.1;full@0.5:1.4");
  REQUIRE(phases);
  REQUIRE(phases->size() == 3);
  // The mean step is 0.25 x 0.4 + 0.25 x 0.8 + 0.5 x 1.4 = 1.
  CHECK((*phases)[0] == JobPhase{PhaseKind::projector, 0, Rate{2'500'000'000}, 0, 3500});
  CHECK((*phases)[1] == JobPhase{PhaseKind::frozen_encoder, 250, Rate{1'250'000'000}, 100, 2000});
  CHECK((*phases)[2] == JobPhase{PhaseKind::full, 500, Rate{714'285'714}, 0, 0});
  CHECK(parse_phases("")->empty());
}

TEST_CASE("cells that are no phases say what is wrong", "[traces][phases]") {
  CHECK(why_no_phases("full@0:1").empty());
  for (const char* bad : {"full", "full@0", "half@0:1", "full@0:0", "full@0:1:2:3", "full@0:1:1:0.5:1", "full@1:1",
                          "full@0:0.0001", "full@0:1001"}) {
    INFO(bad);
    CHECK(why_no_phases(bad) == "has `" + std::string(bad) + "`, which is no phase");
    CHECK_FALSE(parse_phases(bad));
  }
  const auto farthest = parse_phases("full@0:0.001;full@0.001:1000");  // apart: speeds stay within 64 bits
  REQUIRE(farthest);
  CHECK((*farthest)[0].speed.per_billion == 999'000'001'000'000);
  CHECK((*farthest)[1].speed.per_billion == 999'000'001);
  CHECK(why_no_phases("full@0.5:1") == "has `full@0.5:1` first, which begins later");
  CHECK(why_no_phases("projector@0:1;full@0:1") == "has `full@0:1` behind one that begins no earlier");
  CHECK(why_no_phases("projector@0:1;;full@0.5:1") == "has ``, which is no phase");
}

TEST_CASE("a trace's phases are read, written and wrong at their place", "[traces][phases]") {
  const std::string good =
      "job_id,submit_s,gpus,duration_s,phases\na,0,1,10,projector@0:0.5:2;full@0.5:1\nb,0,1,10,\n";
  const auto trace = read_trace_text("t.csv", good);
  REQUIRE(trace);
  CHECK(canonical_text(*trace).find("projector@0:0.5:2;full@0.5:1") != std::string::npos);
  NodeGroup g;
  g.count = 1;
  g.gpus_per_node = 1;
  const auto w = to_workload(*trace, Topology({g}));
  REQUIRE(w);
  CHECK(w->specs[0].phases.size() == 2);
  CHECK(w->specs[0].phases[0].cpu_milli == 2000);
  CHECK(w->specs[1].phases.empty());
  const auto bad = read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s,phases\na,0,1,10,half@0:1\n");
  REQUIRE_FALSE(bad);
  const Diagnostic& d = bad.error().items.front();
  CHECK(d.where.line == 2);
  CHECK(d.where.column == 10);
  CHECK(d.message.find("`half@0:1`, which is no phase") != std::string::npos);
}

TEST_CASE("a parent that is named twice is an error at its cell", "[traces][lineage]") {
  const std::string head = "job_id,submit_s,gpus,duration_s,after,gain\np,0,1,10,,\n";
  for (const char* row : {"a,0,1,10,p@hard;p@soft,", "a,0,1,10,p,p:0.4;p:0.5"}) {
    INFO(row);
    const auto bad = read_trace_text("t.csv", head + row + "\n");
    REQUIRE_FALSE(bad);
    const Diagnostic& d = bad.error().items.front();
    CHECK(d.where.line == 3);
    CHECK(d.where.column > 8);
    CHECK(d.message.find("names `p` twice") != std::string::npos);
  }
  // Also where the trace was not read from a table.
  auto trace = read_trace_text("t.csv", head + "a,0,1,10,p,\n");
  REQUIRE(trace);
  trace->jobs[1].after = "p@soft;p";
  const auto w = edges_of(*trace, "t.csv");
  REQUIRE_FALSE(w);
  CHECK(w.error().items.front().message == "`after` of job `a` names `p` twice");
}

TEST_CASE("all parents that are not in a trace are known", "[traces][lineage]") {
  const auto trace = read_trace_text("t.csv",
                                     "job_id,submit_s,gpus,duration_s,after,gain\np,0,1,10,,\n"
                                     "a,0,1,10,p;q@soft,q:0.2\nb,0,1,10,r,\n");
  REQUIRE(trace);
  const LostParents lost = lost_parents(*trace);
  CHECK(lost.cells == 3);
  CHECK(lost.parents == std::vector<std::string>{"q", "r"});
  CHECK(lost.child == "a");
}

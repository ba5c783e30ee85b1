// A run becomes a trace: its jobs.csv, or the folder it is in.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.hpp"
#include "traces/format/canonical.hpp"

TEST_CASE("a run folder is a trace of what ran", "[traces]") {
  using namespace orrery;
  const test::TempFolder dir;
  std::ofstream(dir.file("jobs.csv"))
      << "job_id,tenant,kind,model,gpus,submit_s,first_start_s,finish_s,jct_s,wait_s,run_s,service_gpu_s,held_gpu_s,"
         "launches,preemptions,state\n"
         "a,t,pretrain,vit,2,1.5,3,20.25,18.75,4,11.125,22.25,30,2,1,finished\n"
         "b,,,,4,2,,,,,0,0,0,0,0,rejected\n"
         "c,,,,1,0,0,9,9,0,9,9,9,1,0,finished\n";
  const auto trace = read_trace(dir.path());
  REQUIRE(trace);
  CHECK(trace->report.format == "orrery");
  CHECK(trace->report.dropped == std::map<std::string, std::int64_t>{{"rejected, not finished", 1}});
  REQUIRE(trace->jobs.size() == 2);
  CHECK(trace->jobs[0].job_id == "c");
  const TraceJob& a = trace->jobs[1];
  CHECK(a.job_id == "a");
  CHECK(a.tenant == "t");
  CHECK(a.kind == "pretrain");
  CHECK(a.model == "vit");
  CHECK(a.gpus == 2);
  CHECK(a.submit == Time{1'500'000'000});
  CHECK(a.duration == Duration{11'125'000'000});
}

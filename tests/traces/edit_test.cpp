// Traces made of traces: stretched, enlarged, cut by time, merged.
#include <catch2/catch.hpp>

#include "traces/edit.hpp"

namespace {

using namespace orrery;

Trace read_ok(const std::string& text) {
  auto t = read_trace_text("t.csv", text);
  if (!t) FAIL(render(t.error()));
  return std::move(*t);
}

Trace sample() {
  return read_ok(
      "job_id,submit_s,gpus,duration_s,min_gpus,max_gpus,gpu_fraction,cpus,deadline_s,after\n"
      "a,10,4,5,2,8,,,100,\nb,20,1,5,,,0.25,,,a@soft\nc,30,0,5,,,,8,40,\nd,40.000000001,3,5,,,,,,a@hard:0.5;b\n");
}

}  // namespace

TEST_CASE("stretched submits take deadlines along", "[traces]") {
  Trace t = sample();
  REQUIRE(scale_submits(t, kFactorOne / 2));
  CHECK(t.jobs[0].submit == at_seconds(5));
  CHECK(t.jobs[0].deadline == at_seconds(95));
  CHECK(t.jobs[2].deadline == at_seconds(25));
  CHECK(t.jobs[3].submit.ns == 20'000'000'001);  // half a ns is rounded up
  const std::string before = canonical_text(t);
  CHECK_FALSE(scale_submits(t, 1'000'000'000 * kFactorOne));
  CHECK(canonical_text(t) == before);
}

TEST_CASE("GPUs are multiplied with their least and most, fractions and CPU jobs are not", "[traces]") {
  Trace t = sample();
  REQUIRE(scale_gpus(t, 2 * kFactorOne));
  CHECK(t.jobs[0].gpus == 8);
  CHECK(t.jobs[0].min_gpus == 4);
  CHECK(t.jobs[0].max_gpus == 16);
  CHECK(t.jobs[1].gpus == 1);
  CHECK(t.jobs[2].gpus == 0);
  CHECK(t.jobs[3].gpus == 6);
  REQUIRE(scale_gpus(t, kFactorOne / 100));
  CHECK(t.jobs[0].gpus == 1);
  CHECK(t.jobs[0].min_gpus == 1);
  CHECK(t.jobs[0].max_gpus == 1);
  CHECK_FALSE(scale_gpus(t, 2'000'000 * kFactorOne));
  CHECK(t.jobs[0].gpus == 1);
}

TEST_CASE("a window of time starts at 0", "[traces]") {
  Trace t = sample();
  slice_by_submit(t, at_seconds(15), at_seconds(40));
  REQUIRE(t.jobs.size() == 2);
  CHECK(t.jobs[0].job_id == "b");
  CHECK(t.jobs[0].submit == at_seconds(5));
  CHECK(t.jobs[1].deadline == at_seconds(25));
}

TEST_CASE("traces are merged by submit time; only clashing ids change", "[traces]") {
  const std::string header = "job_id,submit_s,gpus,duration_s,after\n";
  std::vector<MergeInput> inputs;
  inputs.push_back({"x", sample()});
  inputs.push_back({"y", read_ok("job_id,submit_s,gpus,duration_s\nz,0,1,1\n")});
  inputs.push_back({"x", read_ok("job_id,submit_s,gpus,duration_s,estimate_s\nd,20,1,1,3\ne,35,1,1,2\n")});
  const auto m = merge_traces(inputs);
  REQUIRE(m);
  CHECK(m->prefixes == std::vector<std::string>{"x/", "", "x-2/"});
  CHECK(m->trace.has_estimates);
  std::vector<std::string> ids;
  for (const TraceJob& j : m->trace.jobs) ids.push_back(j.job_id);
  CHECK(ids == std::vector<std::string>{"z", "x/a", "x/b", "x-2/d", "x/c", "x-2/e", "x/d"});
  CHECK(m->trace.jobs[2].after == "x/a@soft");
  CHECK(m->trace.jobs.back().after == "x/a@hard:0.5;x/b");
  inputs.push_back({"w", read_ok(header + "x/a,0,1,1,\n")});
  const auto again = merge_traces(inputs);
  REQUIRE_FALSE(again);
  CHECK(render(again.error()).find("job_id `x/a` is in two of the traces") != std::string::npos);
}

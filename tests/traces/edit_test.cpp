// Traces made of traces: stretched, enlarged, cut by time, merged.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "sim/core/random.hpp"
#include "traces/edit/edit.hpp"

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

namespace {

// A lineage of jobs `0`, `1`, ... whose parents are earlier ones, or jobs that a slice left out.
Trace random_lineage(RandomStream& rng, const std::string& prefix) {
  Trace t;
  const auto jobs = static_cast<int>(1 + uniform_below(rng, 8));
  for (int i = 0; i < jobs; ++i) {
    TraceJob j;
    j.job_id = fmt::format("{}{}", prefix, i);
    j.submit = at_seconds(i);
    j.duration = seconds(5);
    for (std::uint64_t n = uniform_below(rng, 3); n > 0; --n) {
      const bool absent = i == 0 || uniform_below(rng, 4) == 0;  // here, but another file may have it
      const std::string parent = absent
                                     ? fmt::format("{}{}", prefix.empty() ? "p" : "", uniform_below(rng, 9))
                                     : fmt::format("{}{}", prefix, uniform_below(rng, static_cast<std::uint64_t>(i)));
      if (j.after.view().find(parent) != std::string::npos) continue;
      j.after += (j.after.empty() ? "" : ";") + parent + (n == 2 ? "@soft" : "@hard:0.5");
      j.gain += (j.gain.empty() ? "" : ";") + parent + fmt::format(":{}", n == 2 ? "-0.25" : "0.5");
    }
    t.jobs.push_back(std::move(j));
  }
  return t;
}

// What a job is to others: its parents and what they save, by the names that the parents had before.
std::vector<std::string> ties_of(const Workload& w, std::size_t job, const std::string& prefix) {
  const auto name = [&](JobId id) {
    const std::string& n = w.specs[id.index()].name;
    REQUIRE(n.substr(0, prefix.size()) == prefix);  // no job of another file
    return n.substr(prefix.size());
  };
  std::vector<std::string> ties;
  for (const Dependency& d : w.specs[job].after)
    ties.push_back(fmt::format("after {} {} {}", name(d.parent), d.hard, d.progress_per_mille));
  for (const SourceGain& g : w.truths[job].sources)
    ties.push_back(fmt::format("gain {} {}", name(g.parent), g.gain_per_mille));
  return ties;
}

}  // namespace

TEST_CASE("merged lineages keep every edge and every gain, and get no new one", "[traces]") {
  RandomStream rng = stream(7, "tests/merge");
  for (int world = 0; world < 400; ++world) {
    INFO("world " << world);
    std::vector<MergeInput> inputs;
    for (std::uint64_t n = 2 + uniform_below(rng, 2); n > 0; --n)
      inputs.push_back({"f", random_lineage(rng, uniform_below(rng, 2) == 0 ? "" : "p")});
    std::vector<Workload> alone;
    for (const MergeInput& in : inputs) alone.push_back(edges_of(in.trace).value());
    const auto merged = merge_traces(inputs);
    REQUIRE(merged);
    const Workload w = edges_of(merged->trace).value();
    for (std::size_t i = 0; i < inputs.size(); ++i)
      for (std::size_t k = 0; k < alone[i].specs.size(); ++k) {
        const std::string id = merged->prefixes[i] + alone[i].specs[k].name;
        const auto at = std::find_if(w.specs.begin(), w.specs.end(), [&](const JobSpec& s) { return s.name == id; });
        REQUIRE(at != w.specs.end());
        CHECK(ties_of(w, at->id.index(), merged->prefixes[i]) == ties_of(alone[i], k, ""));
      }
  }
}

TEST_CASE("a parent that its own file lacks is not found in another one", "[traces]") {
  std::vector<MergeInput> inputs;
  inputs.push_back({"x", read_ok("job_id,submit_s,gpus,duration_s,after,gain\nc,0,1,1,p9@hard,p9:0.5\n")});
  inputs.push_back({"y", read_ok("job_id,submit_s,gpus,duration_s\np9,0,1,1\n")});
  const auto m = merge_traces(inputs);
  REQUIRE(m);
  CHECK(m->prefixes == std::vector<std::string>{"x/", ""});
  CHECK(m->trace.jobs[0].after == "x/p9@hard");
  CHECK(m->trace.jobs[0].gain == "x/p9:0.5");
}

TEST_CASE("what names other jobs is renamed as it is read, whatever the file is called", "[traces]") {
  const std::string text =
      "job_id,submit_s,gpus,duration_s,after,gain\na:1,0,1,1,,\nb@2,1,1,1,a:1,a:1:0.5\n"
      "c,2,1,1,a:1@hard:0.5;b@2@soft,a:1:-0.25;b@2:0.1\n";
  for (const char* stem : {"plain", "x@y", "x:1;z"}) {
    INFO(stem);
    const auto m = merge_traces({{stem, read_ok(text)}, {stem, read_ok(text)}});
    if (!m) FAIL(render(m.error()));
    const Workload alone = edges_of(read_ok(text)).value();
    const Workload w = edges_of(read_ok(canonical_text(m->trace))).value();  // read back: still the same edges
    REQUIRE(w.specs.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(ties_of(w, i, m->prefixes[i % 2]) == ties_of(alone, i / 2, ""));
  }
}

TEST_CASE("a malformed cell that names jobs is an error with its place, not copied", "[traces]") {
  const std::string header = "job_id,submit_s,gpus,duration_s,after,gain\na,0,1,1,,\n";
  const auto read = [&](const std::string& row) { return read_trace_text("t.csv", header + row + "\n"); };
  for (const auto& [row, column] :
       {std::pair("b,0,1,1,a@hard,a=0.5", 16), std::pair("b,0,1,1,a@hard,a:0.5;a", 16),
        std::pair("b,0,1,1,a@often,", 9), std::pair("b,0,1,1,a@hard:2,", 9), std::pair("b,0,1,1,a;;a@soft,", 9)}) {
    INFO(row);
    const auto t = read(row);
    REQUIRE_FALSE(t);
    REQUIRE(t.error().items.size() == 1);
    CHECK(t.error().items[0].where.line == 3);
    CHECK(t.error().items[0].where.column == column);
  }
  const auto skipped = read_trace_text("t.csv", header + "b,0,1,1,a@hard,a=0.5\n", {.skip_bad_rows = true});
  REQUIRE(skipped);
  CHECK(skipped->jobs.size() == 1);
  // A trace that was not read: made by a program.
  Trace made = read_ok(header + "b,0,1,1,a,a:0.5\n");
  made.jobs[1].gain = "a=0.5";
  const auto merged = merge_traces({{"x", made}, {"y", made}});
  REQUIRE_FALSE(merged);
  CHECK(render(merged.error()).find("`gain` of job `b` has `a=0.5`, which is no gain") != std::string::npos);
  CHECK_FALSE(edges_of(made));
}

// Formats of other simulators: SWF and Batsim read, written, and the same after both; traces made of traces.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/traces.hpp"
#include "traces/edit/stats.hpp"
#include "traces/exporters/exporters.hpp"
#include "traces/format/canonical.hpp"
#include "traces/synth/poisson.hpp"

namespace {

using namespace orrery;

Trace foreign(const std::string& text, const std::string& format = "auto", bool skip = false) {
  auto t = read_trace_text("t", text, {format, skip});
  if (!t) FAIL(render(t.error()));
  return std::move(*t);
}

std::string interop_error(const std::string& text, const std::string& format = "auto") {
  const auto t = read_trace_text("t", text, {format, false});
  return t ? std::string() : render(t.error());
}

// Numbered ids and times that need all nine digits, so that a detour through binary floating point would show.
Trace generated() {
  PoissonSpec spec;
  spec.jobs = 300;
  spec.rate_per_1e9_h = 60'000'000'000;
  spec.gpu_mix = {{1, 2}, {8, 1}};
  spec.tenants = 7;
  spec.overestimate = 4;
  Trace t = generate_poisson(spec).value();
  for (std::size_t i = 0; i < t.jobs.size(); ++i) {
    TraceJob& j = t.jobs[i];
    j.job_id = fmt::format("{}", 1000 - i);
    j.submit = j.submit + Duration{static_cast<std::int64_t>(i % 7) + 4'000'000'000'000'000};
    j.duration = j.duration + Duration{static_cast<std::int64_t>(i % 11)};
    if (i % 3 == 0) j.estimate = Duration{j.duration.ns / 2 + 1};  // users claim too little, too
    if (i % 5 == 0) j.estimate.reset();
  }
  return t;
}

Trace without_tenants(Trace t) {
  for (TraceJob& j : t.jobs) j.tenant.clear();
  return t;
}

bool has_note(const std::vector<std::string>& notes, const std::string& part) {
  return std::any_of(notes.begin(), notes.end(),
                     [&part](const std::string& n) { return n.find(part) != std::string::npos; });
}

// Fields: id submit wait run allocated cpu memory requested time memory status user and six more.
const std::string kRest = " -1 -1 -1 -1 -1 -1";

std::string swf_row(const std::string& first_twelve) {
  return first_twelve + kRest + "\n";
}

std::string batsim(const std::string& jobs, const std::string& profiles = R"("d": {"type": "delay", "delay": 10})") {
  return "{\"nb_res\": 8,\n\"jobs\": [\n" + jobs + "\n],\n\"profiles\": {" + profiles + "}}\n";
}

}  // namespace

TEST_CASE("fields of SWF are read as its standard has them", "[traces]") {
  const Trace t = foreign("; Version: 2.2\n;\n\n" +                            //
                          swf_row("7 10.5 3 60 4 -1 -1 8 30 -1 1 12") +        // asks for 8, was given 4
                          "; between jobs\n" +                                 //
                          swf_row("  8   20 -1 0.25 4 -1 -1 -1 -1 -1 0 -1") +  // 4 allocated, nothing asked
                          swf_row("9 30 -1 0 4 -1 -1 4 60 -1 5 1") +           //
                          swf_row("10 30 -1 -1 4 -1 -1 4 60 -1 5 1") +         //
                          swf_row("11 30 -1 5 -1 -1 -1 -1 60 -1 1 1") +        //
                          swf_row("12 30 -1 5 1 -1 -1 1 60 -1 3 1") +          //
                          "13 40 -1 5 1 -1 -1 1 0 -1 1 0 -1 -1 -1 -1 7 100\r\n");
  CHECK(t.report.format == "swf");
  REQUIRE(t.jobs.size() == 3);
  CHECK(t.jobs[0].job_id == "7");
  CHECK(t.jobs[0].submit.ns == 10'500'000'000);
  CHECK(t.jobs[0].duration == seconds(60));
  CHECK(t.jobs[0].gpus == 8);
  CHECK(t.jobs[0].estimate == seconds(30));
  CHECK(t.jobs[0].tenant == "u12");
  CHECK(t.jobs[1].gpus == 4);
  CHECK(t.jobs[1].duration.ns == 250'000'000);
  CHECK_FALSE(t.jobs[1].estimate);
  CHECK(t.jobs[1].tenant.empty());
  CHECK(t.jobs[2].tenant == "u0");
  CHECK(t.has_estimates);
  CHECK(t.report.rows == 7);
  CHECK(t.report.dropped.at("run time is 0 or unknown") == 2);
  CHECK(t.report.dropped.at("asks for no processors") == 1);
  CHECK(t.report.dropped.at("a part of a job that has a line for the whole (status 2 to 4)") == 1);
  CHECK(has_note(t.report.notes, "fields 17 and 18"));
}

TEST_CASE("SWF is known by its comments or by its 18 or 21 numbers", "[traces]") {
  const std::string row = "1 0 -1 60 4 -1 -1 4 -1 -1 1 -1" + kRest;
  CHECK(foreign(row).report.format == "swf");
  const Trace wide = foreign(row + " 0.5 x 3\n2 5 -1 60 4 -1 -1 4 -1 -1 1 -1" + kRest + "\n", "swf");
  CHECK(wide.jobs.size() == 2);
  CHECK_FALSE(wide.has_estimates);
  CHECK(has_note(wide.report.notes, "1 rows have 21 fields"));
  CHECK(foreign(row + " 1 2 3").report.format == "swf");
  // Of 19, no format's.
  CHECK(interop_error(row + " 1").find("this has no header: `1` is no name of a column") != std::string::npos);
}

TEST_CASE("errors of SWF show line and column, all of them at once", "[traces]") {
  const std::string text = "; h\n" + swf_row("1 0 -1 60 x -1 -1 -1 -1 -1 1 -1") + "  2 0 -1 60\n" +
                           swf_row("3 -5 -1 ten 4 -1 -1 4 -1 -1 1 -1") + swf_row("4 0 -1 60 4 -1 -1 4 -1 -1 1 -1");
  const std::string error = interop_error(text);
  CHECK(error.find("`allocated_processors` is `x`; it must be a whole number >= -1\n  --> t:2:11\n") !=
        std::string::npos);
  CHECK(error.find("4 fields, but a row has 18 or 21\n  --> t:3:3\n") != std::string::npos);
  CHECK(error.find("`submit_time` is `-5`; it must be >= 0\n  --> t:4:3\n") != std::string::npos);
  CHECK(error.find("`run_time` is `ten`; it must be a number\n  --> t:4:9\n") != std::string::npos);
  const Trace kept = foreign(text, "swf", true);
  CHECK(kept.jobs.size() == 1);
  CHECK(kept.report.dropped.at("bad allocated_processors") == 1);
  CHECK(kept.report.dropped.at("wrong number of fields") == 1);
  CHECK(kept.report.dropped.at("bad submit_time") == 1);
  CHECK(interop_error("; only comments\n").find("the trace has no jobs") != std::string::npos);
  CHECK(
      interop_error("; h\n" + swf_row("1 0 -1 60 1 -1 -1 -1 -1 -1 1 -1") + swf_row("1 0 -1 60 1 -1 -1 -1 -1 -1 1 -1"))
          .find("job_id `1` appears twice, first in line 2") != std::string::npos);
}

TEST_CASE("KTH SP2 is read and survives export and import", "[traces]") {
  const auto path = test::recorded("swf/KTH-SP2-1996-2.1-cln.swf.gz");
  if (!path) return;
  const auto t = read_trace(*path);
  if (!t) FAIL(render(t.error()));
  CHECK(t->report.rows == 28'476);
  // 8 jobs have run time 0; job 27313 has run time 1 and an unknown number of processors.
  CHECK(t->report.dropped ==
        std::map<std::string, std::int64_t>{{"asks for no processors", 1}, {"run time is 0 or unknown", 8}});
  CHECK(t->report.kept == 28'467);
  CHECK(t->has_estimates);
  CHECK(trace_stats(*t).max_gpus == 100);
  CHECK(t->jobs.front().submit == at_seconds(599'850));
  const auto too_short = std::count_if(t->jobs.begin(), t->jobs.end(),
                                       [](const TraceJob& j) { return j.estimate && *j.estimate < j.duration; });
  CHECK(too_short == 475);
  const ExportedTrace out = export_swf(*t, {});
  CHECK(out.notes.empty());
  CHECK(canonical_text(foreign(out.text)) == canonical_text(*t));
  CHECK(canonical_text(foreign(export_batsim(*t, {}).text)) == canonical_text(without_tenants(*t)));
}

TEST_CASE("Lublin's model has its processors among the allocated ones", "[traces]") {
  const auto path = test::recorded("swf/lublin_256.swf.gz");
  if (!path) return;
  const auto t = read_trace(*path);
  if (!t) FAIL(render(t.error()));
  CHECK(t->report.kept == 10'000);
  CHECK(t->report.dropped.empty());
  CHECK_FALSE(t->has_estimates);
  CHECK(t->jobs[3].gpus == 128);
}

TEST_CASE("a trace comes back from SWF as it was", "[traces]") {
  const Trace t = generated();
  const ExportedTrace out = export_swf(t, {512, "a test"});
  CHECK(out.notes.empty());
  CHECK(out.jobs == 300);
  CHECK(out.text.find("; Version: 2.2\n; Conversion: a test\n; MaxJobs: 300\n; MaxRecords: 300\n; MaxProcs: 512\n") ==
        0);
  CHECK(canonical_text(foreign(out.text)) == canonical_text(t));
}

TEST_CASE("a trace comes back from Batsim's JSON as it was, but for tenants", "[traces]") {
  const Trace t = generated();
  const ExportedTrace out = export_batsim(t, {512, ""});
  CHECK(out.notes == std::vector<std::string>{"lost columns: tenant"});
  const Trace back = foreign(out.text);
  CHECK(back.report.format == "batsim");
  CHECK(has_note(back.report.notes, "512 resources"));
  CHECK(canonical_text(back) == canonical_text(without_tenants(t)));
}

TEST_CASE("what a format cannot hold is said", "[traces]") {
  const Trace t = foreign(
      "job_id,submit_s,gpus,duration_s,tenant,gpu_fraction,cpus,deadline_s\n"
      "a,0,1,5,zoe,0.5,,60\nb,1,0,5,ann,,4,\n\"c\"\"\n\",2,2,5,\"b\nb\",,,\n");
  const ExportedTrace swf = export_swf(t, {});
  CHECK(has_note(swf.notes, "lost columns: gpu_fraction, cpus, deadline_s"));
  CHECK(has_note(swf.notes, "left out 1 jobs without a GPU"));
  CHECK(has_note(swf.notes, "job ids are numbers there: 1 to 2"));
  CHECK(has_note(swf.notes, "tenants are numbers there: 1 to 3"));
  CHECK(swf.text.find("; Note: user 3 is b?b\n1 0 -1 5 1 ") != std::string::npos);
  const Trace from_swf = foreign(swf.text);
  CHECK(from_swf.jobs[0].tenant == "u1");
  CHECK(from_swf.jobs[1].tenant == "u3");
  const ExportedTrace json = export_batsim(t, {1, ""});
  CHECK(has_note(json.notes, "the largest job asks for 2 GPUs, more than the 1"));
  CHECK(foreign(json.text).jobs[1].job_id == "c\"\n");
}

TEST_CASE("jobs of Batsim are read wherever their profiles stand", "[traces]") {
  const Trace t = foreign(
      R"({"profiles": {"p": {"type": "delay", "delay": 0.1, "more": [1, {"type": "x"}]}, "z": {"type": "delay",
      "delay": 0}, "m": {"type": "parallel_homogeneous", "cpu": 1e9}}, "jobs": [
      {"id": 5, "subtime": 1.000000001, "res": 4, "profile": "p", "walltime": -1, "extra": {"id": 9}},
      {"id": "w0!6", "subtime": 2e1, "res": 1, "profile": "p", "walltime": 0.2},
      {"id": "7", "subtime": 3, "res": 1, "profile": "m"},
      {"id": "8", "subtime": 3, "res": 1, "profile": "z"},
      {"id": "9", "subtime": 3, "res": 0, "profile": "p"}]})");
  REQUIRE(t.jobs.size() == 2);
  CHECK(t.jobs[0].job_id == "5");
  CHECK(t.jobs[0].submit.ns == 1'000'000'001);
  CHECK(t.jobs[0].duration.ns == 100'000'000);
  CHECK_FALSE(t.jobs[0].estimate);
  CHECK(t.jobs[0].line == 3);
  CHECK(t.jobs[1].submit == at_seconds(20));
  CHECK(t.jobs[1].estimate->ns == 200'000'000);
  CHECK(t.has_estimates);
  CHECK(t.report.rows == 5);
  CHECK(t.report.dropped ==
        std::map<std::string, std::int64_t>{
            {"asks for no GPU", 1}, {"duration is 0", 1}, {"profile type parallel_homogeneous is not a delay", 1}});
}

TEST_CASE("each wrong Batsim workload has one clear message", "[traces]") {
  struct Wrong {
    std::string text, part;
  };
  const auto job = [](const std::string& rest) { return batsim("{\"id\": \"j\", " + rest + "}"); };
  for (const Wrong& w : {
           Wrong{"{\"jobs\": [\n  nul]}", "this is no JSON: syntax error"},
           Wrong{"{\"jobs\": [\n  nul]}", "--> t:2:6"},
           Wrong{"{\"jobs\": [", "unexpected end of input"},
           Wrong{"{\"a\": 1}", "this is JSON, but not of a format that is read"},
           Wrong{"{\"jobs\": {}, \"profiles\": {}}", "it has no array `jobs`"},
           Wrong{"{\"jobs\": []}", "it has no object `profiles`"},
           Wrong{"{\"jobs\": [], \"profiles\": {}}", "the trace has no jobs"},
           Wrong{batsim("5"), "a job has no `id`"},
           Wrong{batsim("{\"subtime\": 1}"), "a job has no `id`"},
           Wrong{job(R"("res": 1, "profile": "d")"), "job `j` has no `subtime`"},
           Wrong{job(R"("subtime": -1, "res": 1, "profile": "d")"), "job `j`: `subtime` is `-1`; it must be"},
           Wrong{job(R"("subtime": "1", "res": 1, "profile": "d")"), "`subtime` is `1`; it must be a number"},
           Wrong{job(R"("subtime": [1], "res": 1, "profile": "d")"), "`subtime` is no text and no number"},
           Wrong{job(R"("subtime": 1e30, "res": 1, "profile": "d")"), "to 73 years"},
           Wrong{job(R"("subtime": 1e999, "res": 1, "profile": "d")"), "this is no JSON: number overflow"},
           Wrong{job(R"("subtime": 1, "res": 1.5, "profile": "d")"), "`res` is `1.5`; it must be a whole number"},
           Wrong{job(R"("subtime": 1, "res": 1, "walltime": 0, "profile": "d")"), "`walltime` is `0`"},
           Wrong{job(R"("subtime": 1, "res": 1)"), "job `j` has no `profile`"},
           Wrong{job(R"("subtime": 1, "res": 1, "profile": "e")"),
                 "job `j` names the profile `e`, which is missing\n  --> t:3:1\n"},
           Wrong{batsim(R"({"id": "j", "subtime": 1, "res": 1, "profile": "d"})", R"("d": {"delay": 1})"),
                 "profile `d`, of job `j`, has no `type`\n  --> t:5:19\n"},
           Wrong{batsim(R"({"id": "j", "subtime": 1, "res": 1, "profile": "d"})", R"("d": {"type": "delay"})"),
                 "profile `d`, of job `j`, has no `delay`"},
           Wrong{batsim(R"({"id": "j", "subtime": 1, "res": 1, "profile": "d"})",
                        R"("d": {"type": "delay", "delay": -1})"),
                 "has `-1` as its `delay`"},
       }) {
    const std::string text = interop_error(w.text);
    INFO(w.text << "\n" << text);
    CHECK(text.find(w.part) != std::string::npos);
  }
}

TEST_CASE("bad jobs of Batsim are all shown, or passed over", "[traces]") {
  std::string jobs;
  for (int i = 0; i < 30; ++i)
    jobs += fmt::format("{{\"id\": {}, \"subtime\": 0, \"res\": -1, \"profile\": \"d\"}},\n", i);
  jobs += R"({"id": "good", "subtime": 0, "res": 1, "profile": "d"})";
  CHECK(interop_error(batsim(jobs)).find("10 more errors in this file") != std::string::npos);
  const Trace t = foreign(batsim(jobs), "auto", true);
  CHECK(t.jobs.size() == 1);
  CHECK(t.report.dropped.at("bad res") == 30);
}

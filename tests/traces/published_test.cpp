// Tables as their sources publish them: without headers, whole numbers as decimals, cells left empty, JSON, what
// sacct prints. Right values were worked out by hand.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/traces.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/wall_clock.hpp"

namespace {

using namespace orrery;
using Dropped = std::map<std::string, std::int64_t>;

Trace published(const std::string& text, const std::string& format = "auto") {
  auto t = read_trace_text("t.csv", text, {format, false});
  if (!t) FAIL(render(t.error()));
  return std::move(*t);
}

std::string refusal(const std::string& text, const std::string& format = "auto") {
  const auto t = read_trace_text("t.csv", text, {format, false});
  REQUIRE_FALSE(t);
  CHECK(t.error().items.size() == 1);
  return render(t.error());
}

bool has_note(const Trace& t, const std::string& part) {
  const auto& notes = t.report.notes;
  return std::any_of(notes.begin(), notes.end(),
                     [&part](const std::string& n) { return n.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("PAI's task table is read as published", "[traces]") {
  const Trace t = published(
      "j1,worker,2.0,Terminated,100.0,160.5,600.0,29.296875,50.0,T4\n"
      "j1,ps,1.0,Terminated,100.0,160.0,600.0,29.296875,,\n"    // no plan for GPUs
      "j2,worker,1.0,Failed,110.0,130.0,,,200.0,MISC\n"         // no plan for CPUs
      "j3,worker,1.0,Waiting,,,600.0,29.296875,100.0,V100\n"    // never started
      "j4,worker,1.0,Running,120.0,,600.0,29.296875,25.0,T4\n"  // has not ended
      "j5,worker,1.0,Terminated,130.0,140.0,600.0,29.296875,25.0,V100M32\n");
  CHECK(t.report.format == "pai");
  CHECK(t.report.dropped == Dropped{{"asks for no GPU", 1}, {"has no end", 1}, {"has no start", 1}});
  REQUIRE(t.jobs.size() == 3);
  CHECK(t.jobs[0].job_id == "j1/worker");
  CHECK(t.jobs[0].submit == Time{});
  CHECK(t.jobs[0].duration.ns == 60'500'000'000);
  CHECK(t.jobs[0].gpus == 1);  // two halves
  CHECK(t.jobs[0].cpu_milli == 12'000);
  CHECK(t.jobs[1].gpus == 2);
  CHECK(t.jobs[1].gpu_type.empty());
  CHECK(t.jobs[1].cpu_milli == 0);
  CHECK(t.jobs[2].gpu_milli == 250);
  CHECK(has_note(t, "no header"));
  const std::string error =
      refusal("j1,worker,2.0,Terminated,100.0,160.0,600.0,29.3,50.0,T4\nj2,worker,,Terminated,1,2,,,50,\n");
  CHECK(error.find("`inst_num` is empty; it must be given\n  --> t.csv:2:11\n") != std::string::npos);
}

TEST_CASE("an openb pod without an end is dropped, not a job of a second", "[traces]") {
  const Trace t = published(
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_"
      "time\n"
      "p0,12000,16384,1,1000,,LS,Running,0,,10\np1,12000,16384,1,1000,,LS,Running,5,95,10\n"
      "p2,12000,16384,1,1000,,LS,Pending,5,65,\n");
  CHECK(t.report.dropped == Dropped{{"has no end", 1}});
  REQUIRE(t.jobs.size() == 2);
  CHECK(t.jobs[0].duration == seconds(85));
  CHECK(t.jobs[1].duration == seconds(60));
}

TEST_CASE("Acme's logs are read as published: run time is without the queue", "[traces]") {
  const Trace kalos = published(
      "job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,shared_mem_per_pod,type,state,submit_time,start_time,"
      "end_time,fail_time,stop_time,duration,queue,gpu_time\n"
      "a,u1,8,64,960,1000,100.0,Pretrain,FAILED,2023-05-17 11:00:58+00:00,2023-05-17 11:01:08+00:00,"
      "2023-05-17 11:01:16+00:00,2023-05-17 11:01:16+00:00,,18,10.0,1152.0\n"
      "b,u1,8,64.0,960,1000,100.0,Other,CANCELLED,2023-05-17 11:28:42+00:00,2023-05-17 11:28:54+00:00,"
      "2023-05-17 11:30:04+00:00,,2023-05-17 11:30:04+00:00,82,12.0,5248.0\n"
      "c,u1,8,64,960,1000,100.0,Other,CANCELLED,2023-05-17 11:28:42+00:00,,,,,,,\n");
  CHECK(kalos.report.format == "acme");
  CHECK(kalos.report.dropped == Dropped{{"has no start", 1}});
  REQUIRE(kalos.jobs.size() == 2);
  CHECK(kalos.jobs[0].duration == seconds(8));
  CHECK(kalos.jobs[1].duration == seconds(70));
  CHECK(kalos.jobs[1].submit == at_seconds(1664));
  CHECK(kalos.jobs[1].gpus == 64);
  CHECK(kalos.jobs[0].kind == "pretrain");
  CHECK(kalos.jobs[0].mem_bytes == 8'000'000'000'000);
  const Trace seren = published(
      "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
      "5778432,u5907,1,8,128,Other,FAILED,2023-03-01 00:18:22+08:00,2023-03-01 00:18:54+08:00,"
      "2023-03-01 00:20:51+08:00,117,32,936.0\n"
      "5778433,u5907,1,8,128,Other,FAILED,2023-02-28 16:18:32+00:00,2023-03-01 00:18:54+08:00,"
      "2023-02-28 16:20:51+00:00,117,32,936.0\n");
  CHECK(seren.jobs[0].duration == seconds(117));
  CHECK(seren.jobs[1].submit == at_seconds(10));
}

TEST_CASE("Philly's job log is read as published", "[traces]") {
  const auto job = [](const std::string& id, const std::string& attempts) {
    return "{\"status\": \"Pass\", \"vc\": \"ee9e8c\", \"jobid\": \"" + id + "\", \"attempts\": [" + attempts +
           "],\n \"submitted_time\": \"2017-10-07 01:11:39\", \"user\": \"x\"}";
  };
  const auto attempt = [](const std::string& start, const std::string& end, const std::string& gpus) {
    return "{\"start_time\": " + start + ", \"end_time\": " + end + ", \"detail\": [{\"ip\": \"m1\", \"gpus\": [" +
           gpus + "]}]}";
  };
  const std::string first = attempt("\"2017-10-07 01:12:09\"", "\"2017-10-07 01:13:23\"", "\"gpu0\", \"gpu1\"");
  const std::string second =
      attempt("\"2017-10-07 01:13:30\"", "\"2017-10-07 02:13:30\"", "\"gpu0\", \"gpu1\", \"gpu2\"");
  const Trace t = published("[\n" + job("a", first + ", " + second) + ",\n" + job("b", "") + ",\n" +
                            job("c", first + ", " + attempt("\"2017-10-07 01:13:30\"", "null", "\"gpu0\"")) + ",\n" +
                            job("d", attempt("null", "\"2017-10-07 01:13:30\"", "\"gpu0\"") + ", " + first) + "]\n");
  CHECK(t.report.format == "philly-log");
  CHECK(t.report.rows == 4);
  CHECK(t.report.dropped ==
        Dropped{{"an attempt lacks a time", 1}, {"never ran", 1}, {"ran still when the log was taken", 1}});
  REQUIRE(t.jobs.size() == 1);
  CHECK(t.jobs[0].duration == seconds(74 + 3600));
  CHECK(t.jobs[0].gpus == 3);
  CHECK(t.jobs[0].tenant == "ee9e8c");
  const std::string bad = "[" + job("a", first) + ",\n\n  " + job("", first) + "]";
  CHECK(refusal(bad).find("a job has no `jobid`\n  --> t.csv:4:3\n") != std::string::npos);
  CHECK(refusal("[{\"jobid\": \"a\", \"attempts\": ]").find("this is no JSON from here") != std::string::npos);
}

TEST_CASE("what sacct prints is read, or the command that it wants is said", "[traces]") {
  const Trace t = published(
      "JobID|User|Account|Partition|Submit|Elapsed|State|AllocTRES|ReqTRES|Timelimit\n"
      "7|u|acc|p|2023-05-17T11:00:58|1-00:00:10|COMPLETED|billing=8,cpu=8,gres/gpu:a100=4,gres/gpu=4,mem=64G|"
      "gres/gpu=4|2-00:00:00\n"
      "7.batch|||p|2023-05-17T11:00:58|1-00:00:10|COMPLETED|cpu=8,gres/gpu=4||\n"
      "8|u||p|2023-05-17T11:00:59|00:01:05|TIMEOUT|cpu=8,gres/gpu:a100=1,gres/gpu:v100=2||UNLIMITED\n"
      "9|u|acc|p|2023-05-17T11:01:00|00:00:00|PENDING||gres/gpu=4|UNLIMITED\n"
      "10|u|acc|p|2023-05-17T11:01:00|10:00|CANCELLED by 5|cpu=8|cpu=8|30:00\n"
      "11|u|acc|p|2023-05-17T11:01:00|00:00:00|CANCELLED by 5||gres/gpu=8|30:00\n");
  CHECK(t.report.format == "sacct");
  CHECK(t.report.dropped ==
        Dropped{{"a step of a job", 1}, {"asks for no GPU", 1}, {"duration is 0", 1}, {"has not ended", 1}});
  REQUIRE(t.jobs.size() == 2);
  CHECK(t.jobs[0].duration == seconds(86410));
  CHECK(t.jobs[0].gpus == 4);
  CHECK(t.jobs[0].gpu_type == "a100");
  CHECK(t.jobs[0].tenant == "acc");
  CHECK(t.jobs[0].estimate == seconds(172'800));
  CHECK(t.jobs[1].gpus == 3);
  CHECK(t.jobs[1].gpu_type.empty());
  CHECK(t.jobs[1].tenant == "u");
  CHECK_FALSE(t.jobs[1].estimate);
  const std::string error = refusal("JobID|JobName|State|ExitCode\n1|a|COMPLETED|0:0\n");
  CHECK(error.find("column `Submit` is missing") == std::string::npos);
  CHECK(error.find("ask for it: sacct -P") != std::string::npos);
}

TEST_CASE("a unit that nothing in a file says is said to be assumed", "[traces]") {
  const std::string plain =
      "job_id,num_gpu,submit_time,iterations,model_name,duration,interval\n1,2,30,9,vgg16,200,5\n";
  CHECK(has_note(published(plain), "times are taken as seconds"));
  CHECK_FALSE(has_note(published(plain, "tiresias"), "times are taken as"));  // it was asked for
  const std::string mix =
      "job_id,user,num_gpu,submit_time,iterations,model_name,duration,interval,expect_time_list,expect_value_list,"
      "best_effort,job_type\n0,vc1,1,8555,5049,vgg16,747,14,1105,10,0,strict\n";
  const Trace minutes = published(mix);
  CHECK(minutes.report.format == "chronus");
  CHECK(has_note(minutes, "times are taken as minutes"));
  CHECK(minutes.jobs[0].submit == at_seconds(8555 * 60));
  CHECK(minutes.jobs[0].duration == seconds(747 * 60));
  CHECK(minutes.jobs[0].deadline == at_seconds((8555 + 1105) * 60));
  CHECK(minutes.jobs[0].tenant == "vc1");
  CHECK(published(mix, "tiresias").jobs[0].duration == seconds(747));
  if (const auto path = test::recorded("philly-2017/chronus/trace_job_Philly_MIX1.csv.gz")) {
    const auto t = read_trace(*path);
    REQUIRE(t);
    CHECK(t->jobs.back().submit == at_seconds(20'151 * 60));  // two weeks
    CHECK(t->report.kept + t->report.dropped.at("asks for no GPU") == 30'940);
  }
}

TEST_CASE("whole numbers may be written as decimals, others may not", "[traces]") {
  const auto gpus = [](const std::string& cell) {
    return read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s\na,0," + cell + ",5\n");
  };
  for (const char* four : {"4", "4.0", "4.000", "04.0"}) CHECK(gpus(four)->jobs[0].gpus == 4);
  for (const char* wrong : {"4.5", "4.", ".0", "4.0.0", "4,0", "4e0", "4.00000000000000000001"})
    CHECK_FALSE(gpus(wrong));
}

TEST_CASE("processors are GPUs wherever a format counts nothing else", "[traces]") {
  CHECK(published("arrival_time,length,cpus\n0,60,3\n5,60,1\n").jobs[0].gpus == 3);
  const Trace counted = published("arrival_time,length,cpus,gpus,job_id\n68,1000,16,2,mine\n", "gaia");
  CHECK(counted.jobs[0].gpus == 2);
  CHECK(counted.jobs[0].cpu_milli == 16'000);
  CHECK(counted.jobs[0].job_id == "mine");
  CHECK_FALSE(has_note(counted, "taken as GPUs"));
  CHECK(refusal("job_id,submit_s,gpus,duration_s\na,-,1,10\n").find("must be a number") != std::string::npos);
  CHECK(published("1 0 -1 60 3 -1 -1 3 -1 -1 1 -1 -1 -1 -1 -1 -1 -1\n").jobs[0].gpus == 3);
  CHECK(published(
            R"({"jobs":[{"id":"1","subtime":0,"res":3,"profile":"p"}],"profiles":{"p":{"type":"delay","delay":9}}})")
            .jobs[0]
            .gpus == 3);
}

TEST_CASE("SWF of 21 fields is known without a header, whatever stands after the first 18", "[traces]") {
  for (const char* rest : {" 1 2 3", " 0.5 x 3", " -1 nodes=1:ppn=4 q_long"}) {
    const Trace t = published(std::string("1 0 -1 60 4 -1 -1 4 -1 -1 1 -1 -1 -1 -1 -1 -1 -1") + rest + "\n");
    CHECK(t.report.format == "swf");
    CHECK(t.jobs.size() == 1);
  }
}

TEST_CASE("what is no table of jobs is said in one sentence", "[traces]") {
  struct Case {
    std::string text, part;
  };
  for (const Case& c :
       {Case{"{\"a\": 1}\n", "this is JSON, but not of a format that is read"},
        Case{"{\"jobs\": 1}\n", "no Batsim workload: it has no array `jobs`"},
        Case{"{\"metadata\": {\"gap_seconds\": 60}, \"data\": [1, 0]}\n",
             "this holds capacity over time, not jobs: a scenario takes it as `failures.capacity`"},
        Case{"date,vc1,vc2,total\n2020-04-01,112,8,120\n",
             "this holds GPUs per day, not jobs (Helios): a scenario takes them as `failures.capacity`"},
        Case{"[{\"a\": 1}]\n", "this is JSON, but not of a format that is read"},
        Case{"job_id;submit_s;gpus;duration_s\na;0;1;5\n", "fields are apart by `;`"},
        Case{"job_id\tsubmit_s\tgpus\tduration_s\na\t0\t1\t5\n", "fields are apart by tabs"},
        Case{"duration\n5\n", "this has one column, `duration`"},
        Case{"id|submit|gpus\n1|2|3\n", "fields are apart by `|`"},
        Case{"a,0,1,5\nb,1,1,5\n", "this has no header: `0` is no name of a column"},
        Case{"a\t0\t1\t5\n", "this has no header: `0`"}, Case{"1 2 3 4\n5 6 7 8\n", "this has no header: `1`"},
        Case{"app_id,submit_time,service,num_jobs,sleep_time,model_name\n0,0,9,1,0,m\n", "Philly jobs of PCS"}})
    for (const char* format : {"auto", "canonical", "tiresias"}) {
      if (c.text.front() == '{' && std::string(format) != "auto") continue;
      INFO(c.text << format);
      CHECK(refusal(c.text, format).find(c.part) != std::string::npos);
    }
  // A table of jobs whose columns are other ones is told which it lacks.
  const auto t = read_trace_text("t.csv", "job_id,submit,gpus,duration\na,0,1,5\n");
  REQUIRE_FALSE(t);
  CHECK(t.error().items.size() == 2);
}

TEST_CASE("columns that nothing reads are named once", "[traces]") {
  const Trace t = published("job_id,submit_s,gpus,duration_s,priority,partition,durationn,weight\na,0,1,5,9,p,1,2\n");
  CHECK(t.report.notes == std::vector<std::string>{"columns `priority`, `partition`, `durationn` are ignored",
                                                   "weights are kept, but only the policy `lineage` reads them"});
  CHECK(published("job_id,submit_s,gpus,duration_s,tenantt\na,0,1,5,9\n").report.notes ==
        std::vector<std::string>{"column `tenantt` is ignored (did you mean `tenant`?)"});
  const Trace helios = published(
      "job_id,user,vc,gpu_num,cpu_num,state,submit_time,duration\n1,u,vcA,8,64,COMPLETED,2020-04-01 00:00:10,60\n");
  CHECK(helios.report.notes == std::vector<std::string>{"columns `user`, `state` are ignored"});
}

TEST_CASE("days that no calendar has are no dates", "[traces]") {
  std::int64_t days = 0, before = *parse_wall_clock("1970-01-01 00:00:00") - 86400;
  for (int y = 1970; y <= 2200; ++y)
    for (int m = 0; m <= 13; ++m)
      for (int d = 0; d <= 32; ++d) {
        const auto t = parse_wall_clock(fmt::format("{}-{:02}-{:02} 00:00:00", y, m, d));
        if (!t) continue;
        ++days;
        REQUIRE(*t == before + 86400);  // so no day is missing, and none is there twice
        before = *t;
      }
  CHECK(days == 84'371);
  for (const char* wrong : {"2017-02-29", "2017-02-30", "2017-04-31", "2100-02-29", "2017-06-31"})
    CHECK_FALSE(parse_wall_clock(fmt::format("{} 10:00:00", wrong)));
  CHECK(parse_wall_clock("2016-02-29 10:00:00"));
  CHECK(parse_wall_clock("2000-02-29T10:00:00"));
  CHECK(parse_zoned_clock("1970-01-02 00:00:00+08:00") == 57'600);
  CHECK(parse_zoned_clock("1970-01-02 00:00:00-01:30") == 91'800);
  CHECK_FALSE(parse_zoned_clock("1970-01-02 00:00:00"));
  const auto t =
      read_trace_text("t.csv", "timestamp,duration,num_gpus,gpu_time,cluster\n2017-02-30 10:00:00,60,1,60,c\n");
  REQUIRE_FALSE(t);
  CHECK(render(t.error()).find("t.csv:2:1") != std::string::npos);
}

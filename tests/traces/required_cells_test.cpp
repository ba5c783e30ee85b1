// Every importer, by the table of formats: a cell that must be given and is not is an error with its place, or a row
// that is dropped and counted; never a value that nobody wrote.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "traces/format/canonical.hpp"

namespace {

using namespace orrery;

// A file of a format in which every cell is filled, and the columns in which an empty cell says something by rule.
struct Sample {
  std::string format;
  std::vector<std::string> lines;
  std::set<std::string> may_be_empty{};
  char separator = ',';
  bool header = true;
  std::string unknown{};  // how the format writes that it does not know; empty cells are something else there
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> table{
      {"canonical",
       {"job_id,submit_s,gpus,duration_s,tenant,kind,model,min_gpus,max_gpus,gpu_fraction,gpu_type,cpus,mem_bytes,"
        "estimate_s,deadline_s,weight,batch,after,iterations,iteration_s,samples,gain,epochs,tflop",
        "a,0,1,10,u,pretrain,vit,1,2,0.5,A100,2,1000,20,100,2,32,,5,2,7,,4,3",
        "b,5,1,10,u,transfer,vit,1,1,1,A100,2,1000,20,100,2,32,a@soft,5,2,7,a:0.5,4,3"},
       // A run time may follow from the profile of the model; the others are optional.
       {"duration_s", "tenant",     "kind",        "model",      "min_gpus",   "max_gpus", "gpu_fraction",
        "gpu_type",   "cpus",       "mem_bytes",   "estimate_s", "deadline_s", "weight",   "batch",
        "after",      "iterations", "iteration_s", "samples",    "gain",       "epochs",   "tflop"}},
      {"muri",
       {"job_id,num_gpu,submit_time,iterations,model_name,batch_size,duration,interval,iteration_time",
        "1,2,1000,100,vgg16,16,200000,7,50", "2,4,2000,100,bert,16,100000,7,50"}},
      {"chronus",
       {"job_id,user,num_gpu,submit_time,iterations,model_name,duration,interval,expect_time_list,expect_value_list,"
        "best_effort,job_type",
        "0,vc1,1,8555,5049,vgg16,747,14,1105,10,0,strict", "1,vc2,2,832,296,mobilenet_v2,98,8,128-200,10-5,0,soft"},
       {}},
      {"tiresias",
       {"job_id,num_gpu,submit_time,iterations,model_name,duration,interval", "1,2,30,100,vgg16,200,50",
        "2,4,40,100,vgg16,200,50"}},
      {"philly",
       {"timestamp,duration,num_gpus,gpu_time,cluster", "2017-10-03 10:00:00,60,1,60,c1",
        "2017-10-03 11:00:00,90,2,180,c2"}},
      {"philly-derived", {"submit_utc_s,vc,duration_s,num_gpus", "1506902400,vc1,60,1", "1506902460,vc2,70,8"}},
      {"msft-itp",
       {"job_id,submission_time,num_iteration,model_name,deadline,batch_size,num_gpu,duration",
        "j1,100,5,vgg16,900,32,1,60", "j2,160,6,bert,950,64,4,61"},
       {"model_name"}},
      {"orrery",
       {"job_id,tenant,kind,model,gpus,submit_s,run_s,state", "a,t,eval,vit,2,1.5,11,finished",
        "b,t,eval,vit,1,2,7,finished"},
       {"tenant", "kind", "model"}},
      {"pollux",
       {"name,time,application,num_replicas,batch_size", "cifar10-0,107,cifar10,6,2048", "bert-1,110,bert,2,32"}},
      {"titan",
       {"name,submission_time,application,num_gpus,target_batch_size", "a,45,roberta-base@mrpc,1,128",
        "b,46,vit@cifar100,2,64"}},
      {"rubick",
       {"name,submission_time,duration,application,num_gpus,num_cpus,bandwidth,exec_plan,steps,is_sla",
        "vit-0,5,3163.1,vit,2,16,0,zero-dp,37239,0", "llama30-1,1639,142.2,llama30,48,384,1.25,344,64,0"}},
      {"elasticflow",
       {"job_id,submit_time,iteration,model_name,ddl,batch_size,num_gpu,duration,best_effort",
        "0,5,77,r50,4426,256,1,39,0", "1,9,77,r50,4430,256,2,40,0"}},
      {"openb",
       {"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,"
        "scheduled_time",
        "p0,12000,16384,1,460,T4|P100,LS,Running,3,125,10", "p1,500,64,2,1000,V100,BE,Running,7,90,8"},
       {"gpu_spec", "qos", "scheduled_time"}},  // any type; no class; never scheduled
      {"kalos",
       {"arrival_s,duration_s,node_num,gpu_num,cpu_num,mem_per_pod_GB,pretrain", "7,104,8,64,960,1000,1",
        "9,105,1,8,120,1000,0"}},
      {"kalos-converted",
       {"job_id,arrival_time,num_iteration,gpu_workers,gpu_per_worker,cpu_per_gpu_worker,profiled_network",
        "1,5,208,8,8,15,1000", "2,6,210,1,8,15,500"}},
      {"acme",
       {"job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,type,state,submit_time,start_time,end_time,duration,"
        "queue",
        "d1,u7,8,64,960,1000,Pretrain,FAILED,2023-05-17 11:00:58+00:00,2023-05-17 11:01:08+00:00,2023-05-17 "
        "11:01:16+00:00,18,10",
        "d2,u7,8,64,960,1000,Other,FAILED,2023-05-17 11:28:42+00:00,2023-05-17 11:28:54+00:00,2023-05-17 "
        "11:30:04+00:00,82,12"},
       {"cpu_num", "mem_per_pod_GB", "type"}},
      {"helios",
       {"job_id,user,vc,gpu_num,cpu_num,submit_time,duration", "1,u,vcA,8,64,2020-04-01 00:00:10,60",
        "2,u,vcB,8,64,2020-04-01 00:00:20,61"}},
      {"pai",
       {"job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type",
        "j,w,4.0,Terminated,1.0,9.0,600.0,2.5,50.0,T4", "k,w,1.0,Terminated,2.0,12.0,600.0,2.5,100.0,V100"},
       {"plan_cpu", "plan_mem", "gpu_type"}},
      {"pai",
       {"j,w,4.0,Terminated,1.0,9.0,600.0,2.5,50.0,T4", "k,w,1.0,Terminated,2.0,12.0,600.0,2.5,100.0,V100"},
       {"6", "7", "9"},
       ',',
       false},
      {"gaia", {"arrival_time,length,cpus", "68.0,1000.0,1", "463.0,1570.0,3"}},
      {"sacct",
       {"JobID|User|Account|Submit|Elapsed|State|AllocTRES|Timelimit",
        "7|u|acc|2023-05-17T11:00:58|1-00:00:10|COMPLETED|cpu=8,gres/gpu:a100=4,mem=64G|2-00:00:00",
        "8|u|acc|2023-05-17T11:01:58|00:10:00|FAILED|cpu=8,gres/gpu=1,mem=64G|UNLIMITED"},
       {"Account", "Timelimit"},
       '|'},
      {"gavel",
       {"LM (batch size 10)\tcmd\td\t--steps\t1\t134583\t1\tgns\t2\t1.5\t1418\t5",
        "LM (batch size 20)\tcmd\td\t--steps\t1\t134583\t1\tgns\t2\t-1\t1418\t6"},
       {},
       '\t',
       false},
      {"swf",
       {"1 7 10 100 4 -1 -1 4 200 -1 1 3 1 -1 1 -1 -1 -1", "2 9 10 50 2 -1 -1 2 80 -1 1 4 1 -1 1 -1 -1 -1"},
       {"4", "7", "8", "11"},  // one of the two processor counts; users need not claim or be known
       ' ',
       false,
       "-1"},
      // One value a line, so that a line without its value is a value that is not there.
      {"batsim",
       {R"({"nb_res": 8, "jobs": [ {"id": "1",)", R"("subtime": 0.5,)", R"("res": 2,)", R"("walltime": 30,)",
        R"("profile": "p"} ],)", R"("profiles": {"p": {"type": "delay", "delay": 20.25}}})"},
       {},
       '\0'},
      {"philly-log",
       {"[{\"status\": \"Pass\", \"jobid\": \"a\",", "\"vc\": \"v\",", "\"submitted_time\": \"2017-10-07 01:11:39\",",
        "\"attempts\": [{\"start_time\": \"2017-10-07 01:12:09\", \"end_time\": \"2017-10-07 01:13:23\", \"detail\": "
        "[{\"ip\": \"m1\", \"gpus\": [\"gpu0\"]}]}]}]"},
       {},
       '\0'},
  };
  return table;
}

std::vector<std::string> cells_of(const std::string& line, char separator) {
  std::vector<std::string> out{""};
  for (const char c : line) {
    if (c == separator)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts, char separator) {
  std::string out;
  for (const std::string& p : parts)
    out += (out.empty() && &p == &parts.front() ? "" : std::string(1, separator)) + p;
  return out;
}

std::string text_of(const std::vector<std::string>& lines) {
  return joined(lines, '\n') + "\n";
}

Expected<Trace> read(const Sample& s, const std::string& text, bool skip) {
  return read_trace_text("t.csv", text, {s.format, skip});
}

std::int64_t dropped(const Trace& t) {
  std::int64_t n = 0;
  for (const auto& [reason, count] : t.report.dropped) n += count;
  return n;
}

// One cell of a row is not there.
void check_cell(const Sample& s, const Trace& whole, std::vector<std::string> lines, std::size_t row, std::size_t c) {
  std::vector<std::string> cells = cells_of(lines[row], s.separator);
  const std::string name = s.header ? cells_of(lines[0], s.separator)[c] : fmt::format("{}", c);
  INFO(s.format << ", line " << row + 1 << ", column " << name);
  cells[c] = s.unknown;
  lines[row] = joined(cells, s.separator);
  const auto t = read(s, text_of(lines), false);
  const auto skipped = read(s, text_of(lines), true);
  if (!t) {
    const std::string said = render(t.error());
    CHECK(said.find(fmt::format("t.csv:{}:", row + 1)) != std::string::npos);
    REQUIRE(skipped);
    CHECK(dropped(*skipped) == 1);
    CHECK(skipped->jobs.size() + 1 == whole.jobs.size());
  } else if (t->jobs.size() < whole.jobs.size()) {
    CHECK(dropped(*t) == 1);
  } else if (s.may_be_empty.count(name) == 0) {
    CHECK(canonical_text(*t) == canonical_text(whole));  // nothing is read from it
  }
}

}  // namespace

TEST_CASE("every format has a sample of which no cell may go missing in silence", "[traces]") {
  std::set<std::string> held, all;
  for (const Sample& s : samples()) held.insert(s.format);
  for (const TraceFormat& f : trace_formats()) all.insert(std::string(f.name));
  CHECK(held == all);
}

TEST_CASE("an empty cell is an error with its place, a counted drop, or means what its format says", "[traces]") {
  for (const Sample& s : samples()) {
    if (s.separator == '\0') continue;
    const auto whole = read(s, text_of(s.lines), false);
    INFO(s.format);
    if (!whole) FAIL(render(whole.error()));
    const std::size_t first = s.header ? 1 : 0;
    REQUIRE(whole->jobs.size() == s.lines.size() - first);
    REQUIRE(dropped(*whole) == 0);
    const std::size_t columns = cells_of(s.lines[first], s.separator).size();
    for (std::size_t row = first; row < s.lines.size(); ++row)
      for (std::size_t c = 0; c < columns; ++c) check_cell(s, *whole, s.lines, row, c);
  }
}

TEST_CASE("a value that a job in JSON lacks is an error with its place, or a counted drop", "[traces]") {
  for (const Sample& s : samples()) {
    if (s.separator != '\0') continue;
    INFO(s.format);
    REQUIRE(read(s, text_of(s.lines), false));
    // Every value, in turn: of another type, and nothing.
    const std::string text = text_of(s.lines);
    std::size_t tried = 0;
    for (std::size_t colon = text.find("\": "); colon != std::string::npos; colon = text.find("\": ", colon + 1)) {
      const std::size_t from = colon + 3;
      if (text[from] != '"' && !(text[from] >= '0' && text[from] <= '9')) continue;
      const std::size_t key = text.rfind('"', colon - 1) + 1;
      const std::string name = text.substr(key, colon - key);
      if (name == "walltime" || name == "nb_res" || name == "status" || name == "ip")
        continue;  // not needed, or read
      const std::size_t end = text[from] == '"' ? text.find('"', from + 1) + 1 : text.find_first_of(",}", from);
      for (const char* instead : {"null", "\"\"", "[]"}) {
        const auto t = read(s, text.substr(0, from) + instead + text.substr(end), false);
        INFO(name << ": " << instead);
        REQUIRE_FALSE(t);
        const std::string said = render(t.error());
        CHECK((said.find("t.csv:") != std::string::npos && said.find(name) != std::string::npos) !=
              (said.find("dropped 1") != std::string::npos));
        ++tried;
      }
    }
    CHECK(tried >= 12);
  }
}

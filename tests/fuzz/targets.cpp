#include "tests/fuzz/targets.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "backend/live/journal.hpp"
#include "backend/protocol/checkpoint_manifest.hpp"
#include "backend/protocol/line_buffer.hpp"
#include "backend/protocol/safetensors_header.hpp"
#include "orrery_paths.hpp"
#include "policies/parts/script.hpp"
#include "scenarios/spec/job_file.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "sim/core/quantity.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "tests/fuzz/catalogue_target.hpp"
#include "tests/fuzz/data_targets.hpp"
#include "tests/fuzz/feature_target.hpp"
#include "tests/fuzz/profile_targets.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/wire_target.hpp"
#include "traces/exporters/exporters.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/text_file.hpp"
#include "traces/profiles/profile_table.hpp"

namespace orrery::test {
namespace {

void run_trace(std::string_view bytes) {
  const Expected<std::string> text = decode_text("fuzz.csv", std::string(bytes));
  require_message(text);
  if (!text) return;
  for (const bool skip : {false, true}) {
    const Expected<Trace> trace = read_trace_text("fuzz.csv", *text, {.skip_bad_rows = skip});
    require_message(trace);
    if (!trace) continue;
    const std::string once = canonical_text(*trace);
    const Expected<Trace> again = read_trace_text("again.csv", once, {.format = "canonical"});
    require(again.has_value(), "a trace that was read cannot be read again");
    require(canonical_text(*again) == once, "a trace that was read again differs");
    const auto edges = edges_of(*again, "again.csv");
    require_message(edges);
    require(edges.has_value() || trace->report.format == "canonical", "what was imported does not pass trace check");
    NodeGroup group;
    group.count = 2;
    group.gpus_per_node = 4;
    group.gpu = "A100";
    require_message(to_workload(*trace, Topology({group}), "fuzz.csv"));
  }
}

void run_scenario(std::string_view bytes) {
  const Expected<std::string> text = decode_text("fuzz.yaml", std::string(bytes));
  if (!text) return;
  const auto scenario = app::read_scenario_text("fuzz.yaml", *text);
  require_message(scenario);
  if (!scenario) return;
  const std::string once = app::effective_yaml(*scenario);
  const auto again = app::read_scenario_text("fuzz.yaml", once);
  require(again.has_value(), "an effective scenario cannot be read again");
  require(app::effective_yaml(*again) == once, "an effective scenario that was read again differs");
}

void run_quantity(std::string_view text) {
  for (int digits = 0; digits <= 9; ++digits) (void)parse_fixed(text, digits);
  if (const auto d = parse_duration(text)) {
    const auto again = parse_duration(format_duration(*d));
    require(again && *again == *d, "a duration does not survive being written");
  }
  if (const auto b = parse_bytes(text)) {
    const auto again = parse_bytes(format_bytes(*b));
    require(again && *again == *b, "a size does not survive being written");
  }
  if (const auto b = parse_bandwidth(text)) {
    const auto again = parse_bandwidth(format_bandwidth(*b));
    require(again && *again == *b, "a bandwidth does not survive being written");
  }
  (void)parse_frequency(text);
  if (const auto a = parse_allocation(text)) require(parse_allocation(a->to_string()) == a, "an allocation changes");
  require_message(app::parse_override(std::string(text)));
}

void run_log(std::string_view bytes) {
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("orrery-fuzz-{}.jsonl", ::getpid())).string();
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Observer nobody;
  require_message(read_event_log(path, nobody));
  std::filesystem::remove(path);
}

void run_packed(std::string_view bytes) {
  require_message(decode_text("fuzz.gz", std::string(bytes)));
}

// A line of either direction is an error with one diagnostic, or a message that is written as it was read.
void run_worker_lines(std::string_view bytes) {
  live::LineBuffer whole, pieces;
  std::vector<std::string> lines;
  whole.append(bytes);
  while (auto line = whole.next()) lines.push_back(line->value_or("overlong"));
  std::size_t next = 0;
  for (std::size_t at = 0, n = 1; at < bytes.size(); at += n, n = n * 3 % 7 + 1) {
    pieces.append(bytes.substr(at, n));
    while (auto line = pieces.next()) {
      require(next < lines.size() && lines[next] == line->value_or("overlong"), "lines depend on how bytes come");
      ++next;
    }
  }
  require(next == lines.size() && whole.cut_off() == pieces.cut_off(), "a line is lost between pieces");
  for (const std::string& line : lines) {
    const auto to = live::parse_to_worker(line);
    const auto from = live::parse_from_worker(line);
    require_message(to);
    require_message(from);
    if (to) {
      const std::string once = live::format(*to);
      const auto again = live::parse_to_worker(std::string_view(once).substr(0, once.size() - 1));
      require(again && *again == *to, "a message to a worker does not survive being written");
    }
    if (from)
      require(live::format(*from) == line + '\n', "a message of a worker is written otherwise than it was read");
  }
}

void run_manifest(std::string_view bytes) {
  const auto manifest = live::parse_manifest(std::string(bytes));
  require(manifest || !manifest.error().empty(), "a manifest is refused without a reason");
}

void run_script(std::string_view bytes) {
  require_message(parse_script("script", bytes));
}

// What is read back is written as it was read, but for decimals that the table rounds.
void run_profile(std::string_view bytes) {
  const auto rows = read_profile_text("profile.csv", bytes);
  require_message(rows);
  if (!rows) return;
  const auto again = read_profile_text("again.csv", profile_text(*rows));
  require(again && profile_text(*again) == profile_text(*rows), "a profile table does not survive being written");
}

// Whatever the bytes: an error, or whole records within them.
void run_journal(std::string_view bytes) {
  const auto journal = live::parse_journal("journal", bytes);
  require_message(journal);
  require(!journal || journal->bytes <= bytes.size(), "a journal holds more than its bytes");
}

std::vector<std::string> profile_seeds() {
  ProfileRow r;
  r.model = "vit";
  r.mode = "lora";
  r.gpu = "cpu";
  r.step = milliseconds(50);
  ProfileRow wide = r;
  wide.world = 4;
  wide.step_cv = 0.25;
  wide.bytes = 1000;
  return {profile_text({r, wide})};
}

std::vector<std::string> journal_seeds() {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("orrery-fuzz-{}.journal", ::getpid());
  std::filesystem::remove(path);
  {
    auto writer = live::JournalWriter::create(path.string(), "{}");
    require(writer.has_value(), "cannot write a seed");
    const Event started{.job = JobId(0), .what = event::Started{}};
    const Event failed{.job = JobId(0), .incarnation = 1, .what = event::Failed{.committed = Work{5}}};
    const Event submitted{.job = JobId(1), .what = event::Submit{Duration{9}}};
    const std::vector<Event> events{started, failed, submitted};
    require(writer->batch(Time{5}, Time{9}, events) && writer->plan(7) && writer->batch(Time{9}, kNever, {}),
            "cannot write a seed");
  }
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> seeds{{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()}};
  std::filesystem::remove(path);
  return seeds;
}

std::vector<std::string> worker_line_seeds() {
  live::Start start;
  start.job = "a";
  start.run_folder = "runs/r/jobs/0/launch-1";
  start.checkpoint_dir = "runs/r/jobs/0/checkpoints";
  start.total_work = Work{1'000'000'000};
  return {
      live::format(live::ToWorker{start}) + "save\nlease 30\npublish\nstop\n",
      live::format(live::ToWorker{live::Join{start}}) +
          "of a save\nof a publish\nof a drop\nof a stop\nreconfigure 64 3 1000 2000\nof a reconfigure 1 0 2 3\n",
      "fill 0\nfill 1000\nslow 100000\nfill 1001\n",
      "of 7 ready 0 0\nof 7 step 1 2 3\nof 7 saving 1\nof 7 saved 1 2 p\nof 7 published 1 1 p\nof 7 left\n"
      "of 7 done 3\nof 7 error no\nreconfigured 64 3\nrefused busy it saves\nof 7 refused impossible x\n"
      "features hit 5 ab\nfeatures miss 0 ab\nof 7 features dropped 0 c\nassessed 583804 100000\nof 7 assessed 0 1\n"
      "filling 500\nslowed 100000\n",
      "hello 2 paced\nready 0 0\nstep 10 1000 2000\nstep 11 1100 200 31000\n"
      "saving 10\nsaved 10 1000 a/step-10\npublished 1 10 a/version-1\ndone 12\nerror no room\n",
      "hello 1 paced\n",
      "lease 0\n"};
}

std::vector<std::string> manifest_seeds() {
  live::Checkpoint c;
  c.stamp.job = "a";
  c.stamp.step = 5;
  c.files = {{"state.txt", "step 5\n"}, {"other", ""}};
  return {live::manifest_text(c)};
}

std::vector<std::string> script_seeds() {
  return {
      "# why\n0s a run n0:0-1,n1:3 group 2\n@12 a suspend\n90s b preempt\n1h b cancel\n"
      "1s a run n0:0 group 1 merged\n2s a reconfigure 64 3\n"};
}

std::vector<std::string> trace_seeds() {
  return {"job_id,submit_s,gpus,duration_s\na,0,1,10\nb,1.5,4,0.000000001\n",
          "# a comment\njob_id,submit_s,gpus,duration_s,tenant,kind,model,min_gpus,max_gpus,gpu_type,cpus,mem_bytes,"
          "estimate_s,deadline_s,weight,batch,after\n"
          "a,0,2,10,u1,pretrain,vit,1,4,A100|V100,8,1000,20,100,2.5,256,\n"
          "\"b,c\",5,1,7,u2,transfer,bert,1,1,,1.5,,7,,1,,a@hard:0.8\n",
          "job_id,submit_s,gpus,duration_s,after,gain,tflop\na,0,8,100,,,5000\nb,0,1,10,a@hard:0.8,a:-0.25,7\n",
          "job_id,submit_s,gpus,duration_s,gpu_fraction\r\na,0,1,10,0.25\r\n\r\nb,3,0,4,\r\n",
          "job_id,num_gpu,submit_time,iterations,model_name,duration,interval\n1,2,0,100,vgg16,200,50\n",
          "job_id,num_gpu,submit_time,iterations,model_name,duration,iteration_time\n1,2,0,100,vgg16,200000,50\n",
          "timestamp,duration,num_gpus,gpu_time,cluster\n2017-10-03 10:00:00,60,1,60,c1\n2017-10-03 "
          "11:00:00,90,2,180,c1\n",
          "submit_utc_s,vc,duration_s,num_gpus\n1506902400,vc1,60,1\n1506902460,vc2,70,8\n",
          "job_id,submission_time,duration,num_gpu\n1,100,60,1\n2,160,61,4\n",
          "job_id,tenant,kind,model,gpus,submit_s,run_s,state\na,,,vit,2,1.5,11,finished\nb,,,,1,2,0,rejected\n",
          "; Version: 2.2\n  1 0 10 100 4 -1 -1 4 200 -1 1 3 1 -1 1 -1 -1 -1\n  2 5 -1 50 1 -1 -1 -1 -1 -1 1 4 1 -1 "
          "1 -1 -1 -1\n",
          "name,time,application,num_replicas,batch_size\ncifar10-0,107,cifar10,6,2048\n",
          "name,submission_time,application,num_gpus,target_batch_size\na,45,roberta-base@mrpc,1,128\n",
          "LM (batch size 10)\tcmd\td\t--steps\t1\t134583\t1\tgns\t1\t1.5\t1418\t0\n",
          "job_id,submit_time,iteration,model_name,ddl,batch_size,num_gpu,duration,best_effort\n0,5,77,r50,4426,256,"
          "1,39,0\n",
          "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_"
          "time\n"
          "p0,12000,16384,1,460,T4|P100,LS,Running,0,125,10\np1,500,64,0,0,,BE,Pending,7,90,\n",
          "arrival_s,duration_s,node_num,gpu_num,cpu_num,mem_per_pod_GB,pretrain\n0,104,8,64,960,1000,1\n",
          "job_id,user,vc,gpu_num,cpu_num,submit_time,duration\n1,u,vcA,8,64,2020-04-01 00:00:10,60\n",
          "job_name,task_name,inst_num,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type\nj,w,4,1,9,600,2.5,50,"
          "T4\n",
          "j,w,4.0,Terminated,1.0,9.0,600.0,2.5,50.0,T4\nk,w,1.0,Running,2.0,,,,,\n",
          "job_id,user,num_gpu,submit_time,iterations,model_name,duration,interval,expect_time_list,"
          "expect_value_list,best_effort,job_type\n0,v,1,85,50,vgg16,74,14,110,10,0,strict\n1,v,2,8,2,m,9,8,12-20,10-"
          "5,0,soft\n",
          "name,submission_time,duration,application,num_gpus,num_cpus,bandwidth,exec_plan,steps,is_sla\n"
          "vit-0,5,3163.1,vit,2,16,0,zero-dp,37239,0\n",
          "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
          "57,u5,1,8,128,Other,FAILED,2023-03-01 00:18:22+08:00,2023-03-01 00:18:54+08:00,2023-03-01 00:20:51+08:00,"
          "117,32,936.0\n",
          "JobID|User|Submit|Elapsed|State|AllocTRES|ReqTRES|Timelimit\n"
          "7|u|2023-05-17T11:00:58|1-00:00:10|COMPLETED|cpu=8,gres/gpu:a100=4|gres/gpu=4|2-00:00:00\n"
          "7.batch||2023-05-17T11:00:58|10:00|COMPLETED|cpu=8||\n",
          R"([{"status":"Pass","vc":"v","jobid":"a","attempts":[{"start_time":"2017-10-07 01:12:09",)"
          R"("end_time":"2017-10-07 01:13:23","detail":[{"ip":"m","gpus":["gpu0","gpu1"]}]}],)"
          R"("submitted_time":"2017-10-07 01:11:39","user":"x"},{"vc":"v","jobid":"b","attempts":[],)"
          R"("submitted_time":"2017-10-07 01:11:40"}])",
          "job_id;submit_s;gpus\na;0;1\n",
          "1 2 3 4\n",
          "arrival_time,length,cpus\n0.5,25.25,1\n3,4,2\n",
          R"({"nb_res":8,"jobs":[{"id":"1","subtime":0.5,"res":2,"walltime":30,"profile":"p"}],)"
          R"("profiles":{"p":{"type":"delay","delay":20.25}}})"};
}

std::vector<std::string> scenario_seeds() {
  std::vector<std::string> seeds;
  for (const char* name : {"quickstart", "quick/failures", "studies/load", "recorded/philly", "recorded/pollux",
                           "recorded/titan", "studies/lineage", "studies/gavel"}) {
    std::ifstream in(fmt::format("{}/scenarios/{}.yaml", ORRERY_SOURCE_DIR, name));
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

std::vector<std::string> quantity_seeds() {
  return {"90m",   "1h30m",  "2.5d", "0s",    "400Gb/s",           "900GB/s",
          "16GiB", "1.5TB",  "12/h", "0.5/s", "n3:0-3+5@250,n4:0", "n2:-",
          "-7.25", "a.b.0=c"};
}

std::vector<std::string> log_seeds() {
  return {R"({"orrery":"events","schema":1,"jobs":"jobs.csv","nodes":[[2,4]]})"
          "\n"
          R"({"t_ns":0,"e":"submit","job":"a","id":0,"estimate":5})"
          "\n"
          R"({"t_ns":0,"e":"ready","job":"a"})"
          "\n"
          R"({"t_ns":0,"e":"decide","epoch":1,"changes":1,"targets":[["a","run","n0:0-1"]]})"
          "\n"
          R"({"t_ns":0,"e":"launch","job":"a","gpus":"n0:0-1","inc":1,"gang":0})"
          "\n"
          R"({"t_ns":5,"e":"finish","job":"a","inc":1,"gang":0})"
          "\n"
          R"({"t_ns":5,"e":"end"})"
          "\n"};
}

std::vector<std::string> packed_seeds() {
  std::vector<std::string> seeds;
  for (const char* ending : {"gz", "zst"}) {
    const auto path = std::filesystem::temp_directory_path() / fmt::format("orrery-fuzz-{}.{}", ::getpid(), ending);
    require(write_text_file(path.string(), trace_seeds().front()).has_value(), "cannot write a seed");
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    std::filesystem::remove(path);
  }
  return seeds;
}

// Headers of safetensors files: an error or a header that is read again as it is written.
void run_tensors(std::string_view bytes) {
  const auto header = worker::parse_tensor_header(bytes);
  if (!header) return require(!header.error().empty(), "an error without a word");
  const std::string once = worker::tensor_header_text(*header);
  std::string file = once;
  file.append(bytes.substr(header->data_at));
  auto again = worker::parse_tensor_header(file);
  require(again.has_value(), "a header that was written cannot be read");
  again->data_at = header->data_at;
  require(again->metadata == header->metadata && again->tensors.size() == header->tensors.size(),
          "a header does not survive being written");
}

std::vector<std::string> tensor_seeds() {
  const worker::TensorHeader h{{{"a", "F32", {2, 3}, 0, 24}, {"b", "BF16", {}, 24, 26}}, {{"format", "pt"}}, 0};
  return {worker::tensor_header_text(h) + std::string(26, 'x'), worker::tensor_header_text({}), "short"};
}

// Job files: an error or JSON.
void run_job_file(std::string_view bytes) {
  const auto json = app::yaml_to_json(std::string(bytes), "job.yaml");
  if (json) (void)json->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> job_file_seeds() {
  return {"task: toy\nsteps: 20\noptimizer: { lr: 1.0e-3, betas: [0.9, 0.99] }\nname: \"12\"\n", "a: [b, {c: d}]\n",
          "a: &x 1\nb: *x\n"};
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> table{{"trace", run_trace, trace_seeds},
                                             {"scenario", run_scenario, scenario_seeds},
                                             {"quantity", run_quantity, quantity_seeds},
                                             {"log", run_log, log_seeds},
                                             {"packed", run_packed, packed_seeds},
                                             {"worker_lines", run_worker_lines, worker_line_seeds},
                                             {"manifest", run_manifest, manifest_seeds},
                                             {"script", run_script, script_seeds},
                                             {"profile", run_profile, profile_seeds},
                                             {"journal", run_journal, journal_seeds},
                                             {"wire", run_wire, wire_seeds},
                                             {"capacity", run_capacity, capacity_seeds},
                                             {"profiles", run_profiles, profiles_seeds},
                                             {"tensors", run_tensors, tensor_seeds},
                                             {"features", run_features, feature_seeds},
                                             {"job_file", run_job_file, job_file_seeds},
                                             {"tar", run_tar, tar_seeds},
                                             {"sample", run_sample, sample_seeds},
                                             {"tokenizer", run_tokenizer, tokenizer_seeds},
                                             {"model_config", run_model_config, model_config_seeds},
                                             {"catalogue", run_catalogue, catalogue_seeds}};
  return table;
}

const FuzzTarget& fuzz_target(std::string_view name) {
  for (const FuzzTarget& t : fuzz_targets())
    if (t.name == name) return t;
  throw std::runtime_error("no such fuzz target");
}

}  // namespace orrery::test

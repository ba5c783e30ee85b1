// Importers of published workloads against the check figures that come with the traces: those whose run times follow
// from profiles, those with deadlines, shares of GPUs and types, and recordings of capacity and failures.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "sim/models/speed/application.hpp"
#include "tests/support/traces.hpp"
#include "traces/edit/stats.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/capacity.hpp"
#include "traces/profiles/profiles.hpp"

namespace {

using namespace orrery;

std::optional<Trace> profiled_trace(const std::string& name, const std::string& format) {
  const auto path = test::recorded(name);
  if (!path) return std::nullopt;
  auto trace = read_trace(*path);
  if (!trace) FAIL(render(trace.error()));
  CHECK(trace->report.format == format);
  return std::move(*trace);
}

double hours_of_submits(const Trace& t) {
  return to_seconds(t.jobs.back().submit) / 3600;
}

Trace from_text(const std::string& text) {
  auto trace = read_trace_text("t.csv", text);
  if (!trace) FAIL(render(trace.error()));
  return std::move(*trace);
}

}  // namespace

// How many jobs in which hours: figures_test.
TEST_CASE("Pollux' workloads have applications and batches, and no run times", "[traces]") {
  for (int i = 1; i <= 6; ++i)
    for (const char* folder :
         {"workloads", "workloads-0.5", "workloads-1.5", "workloads-2.0", "workloads-realistic"}) {
      const auto t = profiled_trace(fmt::format("pollux/{}/workload-{}.csv", folder, i), "pollux");
      if (!t) return;
      for (const TraceJob& j : t->jobs) CHECK((j.duration.ns == 0 && !j.model.empty() && j.batch > 0));
      CHECK(canonical_text(*read_trace_text("again.csv", canonical_text(*t))) == canonical_text(*t));
    }
}

TEST_CASE("TitanSched's workloads: jobs, and samples to their targets", "[traces]") {
  struct Row {
    const char* name;
    std::size_t jobs;
  };
  for (const Row& r : {Row{"FM-1-roberta-base", 120}, Row{"FM-1-roberta-large", 60}, Row{"FM-1-vit", 320},
                       Row{"FM-1-vit-large", 160}, Row{"FM-1.5-roberta-base", 180}, Row{"FM-1.5-roberta-large", 90},
                       Row{"FM-1.5-vit", 480}, Row{"FM-1.5-vit-large", 240}}) {
    const auto t = profiled_trace(fmt::format("titan-fm/traces/{}/workload-0.csv", r.name), "titan");
    if (!t) return;
    INFO(r.name);
    CHECK(t->jobs.size() == r.jobs);
    CHECK(hours_of_submits(*t) <= 8);
    for (const TraceJob& j : t->jobs) CHECK((j.samples > 0 && j.kind == "transfer"));
  }
  const Trace t = from_text(
      "name,submission_time,application,num_gpus,target_batch_size\na,5,roberta-base@mnli,2,192\n"
      "b,6,vit@cifar100,1,576\n");
  CHECK(t.jobs[0].samples == 9 * 98176);
  CHECK(t.jobs[1].samples == 10 * 50000);
  CHECK_FALSE(
      read_trace_text("t.csv", "name,submission_time,application,num_gpus,target_batch_size\na,5,roberta,2,192\n"));
}

TEST_CASE("profiles of Pollux, Sia and TitanSched are read whole", "[traces]") {
  const auto sia = test::recorded("sia/profiles");
  const auto titan = test::recorded("titan-fm/profiles");
  if (!sia || !titan) return;
  for (const auto& [hardware, applications] : {std::pair{"aws", 6}, {"rtx", 7}, {"dgx-ext", 7}, {"quad", 6}}) {
    const auto set = read_pollux_profiles(*sia, hardware);
    if (!set) FAIL(render(set.error()));
    INFO(hardware);
    CHECK(set->size() == static_cast<std::size_t>(applications));
    for (const ApplicationProfile& p : *set) CHECK(Application::compile(p));
  }
  CHECK_FALSE(read_pollux_profiles(*sia, "k80"));
  for (const char* hardware : {"V100", "A100"}) {
    const auto set = read_titan_profiles(*titan, hardware);
    if (!set) FAIL(render(set.error()));
    CHECK(set->size() == 4);
    for (const ApplicationProfile& p : *set) {
      CHECK(Application::compile(p));
      CHECK(p.start_s > 0);
    }
  }
}

// Figures of the files; seconds to start, rows of memory and GiB of the largest batch, pairs on one GPU.
TEST_CASE("profiles of TitanSched: start-up, memory and sharing have their figures", "[traces][titan]") {
  const auto titan = test::recorded("titan-fm/profiles");
  if (!titan) return;
  struct Row {
    const char *hardware, *model;
    double start_s;
    std::size_t memory;
    double largest_batch, gib;
    std::size_t pairs;
  };
  for (const Row& r :
       {Row{"A100", "roberta-base", 3.393, 18, 76, 39.633, 0},
        Row{"A100", "roberta-large", 20.451, 12, 52, 74.732, 0}, Row{"A100", "vit", 104.965, 11, 256, 24.734, 0},
        Row{"A100", "vit-large", 15.922, 11, 256, 66.767, 0}, Row{"V100", "roberta-base", 30.399, 12, 52, 27.326, 25},
        Row{"V100", "roberta-large", 19.346, 5, 20, 29.922, 0}, Row{"V100", "vit", 4.161, 8, 256, 24.733, 91},
        Row{"V100", "vit-large", 14.138, 9, 256, 13.206, 0}}) {
    INFO(r.hardware << " " << r.model);
    const auto set = read_titan_profiles(*titan, r.hardware);
    if (!set) FAIL(render(set.error()));
    const auto p = std::find_if(set->begin(), set->end(), [&r](const auto& a) { return a.name == r.model; });
    REQUIRE(p != set->end());
    CHECK(p->start_s == Approx(r.start_s).margin(5e-4));
    REQUIRE(p->memory.size() == r.memory);
    CHECK(p->memory.back().local_batch == r.largest_batch);
    CHECK(p->memory.back().gib == Approx(r.gib).margin(5e-4));
    CHECK(p->shared.size() == r.pairs);
    // Step times were measured up to the batch up to which memory was: so TitanSched's limit needs no memory table.
    const Application whole = Application::compile(*p).value();
    CHECK(whole.max_local_batch() == static_cast<std::int64_t>(r.largest_batch));
    ApplicationProfile full_size = *p;
    full_size.gpu_gib = std::string(r.hardware) == "V100" ? 32 : 80;
    CHECK(Application::compile(full_size)->max_local_batch() == whole.max_local_batch());
  }
  const auto v100 = read_titan_profiles(*titan, "V100").value();
  const auto limited = [&v100](std::size_t model, double gib) {
    ApplicationProfile p = v100[model];
    p.gpu_gib = gib;
    return Application::compile(std::move(p));
  };
  CHECK(limited(0, 16)->max_local_batch() == 29);  // 28 take 15.01 GiB, 32 take 17.07
  CHECK(limited(1, 16)->max_local_batch() == 10);
  CHECK(limited(2, 16)->max_local_batch() == 163);
  // vit-large takes less from 128 samples on than with 64 (it must have been set up differently): 64 do not fit.
  CHECK(limited(3, 16)->max_local_batch() == 56);
  const auto tiny = limited(1, 8);
  REQUIRE_FALSE(tiny);
  CHECK(tiny.error().items.front().message ==
        "roberta-large on V100 does not fit 8 GiB: 6 samples per GPU take 10.3 GiB");
  // Beside each other: 8 samples of ViT alone take 43.376 ms, beside 8 more 51.287 and 51.391; beside 128, 55.915.
  const Application vit = Application::compile(v100[2]).value();
  CHECK(*vit.beside(8, 8) == Approx(43.37580 / ((51.28658 + 51.39123) / 2)).epsilon(1e-6));
  CHECK(*vit.beside(8, 128) == Approx(43.37580 / 55.91451).epsilon(1e-6));
  CHECK(*vit.beside(128, 8) == Approx(429.71177 / 424.25678).epsilon(1e-6));  // hardly notices
  CHECK_FALSE(vit.beside(8, 144));
  CHECK(limited(2, 13)->beside(8, 96));         // 10.85 GiB together
  CHECK_FALSE(limited(2, 13)->beside(8, 128));  // 13.87
  const Application roberta = Application::compile(v100[0]).value();
  CHECK_FALSE(roberta.beside(8, 6));  // three pairs of 28 were not measured
  CHECK_FALSE(roberta.beside(6, 24));
  CHECK_FALSE(roberta.beside(28, 28));
}

TEST_CASE("tables of memory and of pairs: what is wrong is shown where it stands", "[traces][titan]") {
  const auto memory = [](std::string_view text) {
    const auto r = read_memory_points("m.csv", text);
    REQUIRE_FALSE(r);
    return render(r.error());
  };
  CHECK(memory("local_bsz,gpu_memory\n6,3.7\n8,none\n").find("m.csv:3:3") != std::string::npos);
  CHECK(memory("local_bsz,gpu_memory\n6,3.7\n6,4\n").find("m.csv:3:1") != std::string::npos);
  CHECK(memory("local_bsz,memory\n6,3.7\n").find("gpu_memory") != std::string::npos);
  CHECK(read_memory_points("m.csv", "local_bsz,gpu_memory\n6,3.7\n")->front().gib == 3.7);
  const std::string head = "left_bsz,left_step_time,left_gpu_memory,right_bsz,right_step_time,right_gpu_memory\n";
  const auto pairs = [&head](const std::string& rows) {
    const auto r = read_shared_steps("s.csv", head + rows);
    REQUIRE_FALSE(r);
    return render(r.error());
  };
  CHECK(pairs("8,0,4,8,0.2,4\n").find("s.csv:2:3") != std::string::npos);
  CHECK(pairs("8,0.1,4,6,0.2,4\n6,0.1,4,8,0.2,4\n").find("s.csv:3:9") != std::string::npos);
  CHECK(read_shared_steps("s.csv", head + "8,0.1,4,6,0.2,3\n")->front().right.step_s == 0.2);
}

TEST_CASE("Gavel's and Shockwave's job lists", "[traces]") {
  struct Row {
    const char* name;
    std::size_t jobs;
    bool timed;
  };
  for (const Row& r :
       {Row{"gavel/msr/seed=0/103959.trace.gz", 986, false}, Row{"gavel/msr/seed=0/2869ce.trace.gz", 533, false},
        Row{"gavel/msr/seed=0/7f04ca.trace.gz", 972, false},
        Row{"shockwave/120_0.2_5_100_40_25_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic.trace", 120, true},
        Row{"shockwave/220_0.2_5_100_25_4_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic.trace", 220, true},
        Row{"shockwave/900_0.2_5_100_5_15_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic.trace.gz", 900, true}}) {
    const auto t = profiled_trace(r.name, "gavel");
    if (!t) return;
    INFO(r.name);
    CHECK(t->jobs.size() == r.jobs);
    for (const TraceJob& j : t->jobs) {
      CHECK((j.duration.ns > 0) == r.timed);
      CHECK(j.iterations > 0);
      CHECK_FALSE(j.model.empty());  // most are "LM (batch size 10)", some have no batch: "A3C"
    }
  }
  const Trace t = from_text("LM (batch size 10)\tx\td\t--steps\t1\t134583\t2\t3.5\t-1.000000\t7\n");
  CHECK(t.jobs[0].batch == 10);
  CHECK(t.jobs[0].gpus == 2);
  CHECK(t.jobs[0].weight == 3.5);
  CHECK(t.jobs[0].submit == at_seconds(7));
  CHECK_FALSE(t.jobs[0].deadline);
}

TEST_CASE("ElasticFlow's jobs have deadlines after their submission", "[traces]") {
  struct Row {
    const char* name;
    const char* format;
    std::size_t jobs;
  };
  for (const Row& r : {Row{"msft-itp-2021/elasticflow/195job.csv", "msft-itp", 195},
                       Row{"msft-itp-2021/elasticflow/cluster10.csv", "msft-itp", 260},
                       Row{"elasticflow-profiles/traces/elasticVpollux_e.csv", "elasticflow", 195},
                       Row{"elasticflow-profiles/traces/philly_103959.csv", "elasticflow", 876}}) {
    const auto t = profiled_trace(r.name, r.format);
    if (!t) return;
    INFO(r.name);
    CHECK(t->jobs.size() == r.jobs);
    CHECK(t->jobs.front().submit.ns == 0);
    for (const TraceJob& j : t->jobs) CHECK((j.deadline && *j.deadline > j.submit));
  }
}

TEST_CASE("openb: shares of GPUs, CPU-only pods, types", "[traces]") {
  const auto t = profiled_trace("alibaba-gpu-v2023/openb_pod_list_default.csv.gz", "openb");
  const auto typed = profiled_trace("alibaba-gpu-v2023/openb_pod_list_gpuspec33.csv.gz", "openb");
  if (!t || !typed) return;
  const auto count = [](const Trace& trace, auto holds) {
    return std::count_if(trace.jobs.begin(), trace.jobs.end(), holds);
  };
  CHECK(t->report.rows == 8152);
  CHECK(t->jobs.size() == 8152);
  CHECK(count(*t, [](const TraceJob& j) { return j.gpus == 0; }) == 1088);
  CHECK(count(*t, [](const TraceJob& j) { return j.gpu_milli.has_value(); }) == 3078);
  CHECK(count(*t, [](const TraceJob& j) { return j.gpus > 1; }) == 75);
  std::int64_t milli = 0;
  for (const TraceJob& j : t->jobs) milli += std::int64_t{j.gpus} * j.gpu_milli.value_or(kMilliPerGpu);
  CHECK(fmt::format("{:.1f}", static_cast<double>(milli) / 1000) == "6086.8");
  CHECK(to_seconds(t->jobs.back().submit) == 12'901'761);
  CHECK(count(*typed, [](const TraceJob& j) { return j.gpus > 0; }) == 7064);
  CHECK(count(*typed, [](const TraceJob& j) { return !j.gpu_type.empty(); }) == 2388);
}

TEST_CASE("Kalos: the jobs that ended well", "[traces]") {
  const auto t = profiled_trace("acme-2023/kalos_completed_derived.csv", "kalos");
  if (!t) return;
  const TraceStats s = trace_stats(*t);
  CHECK(s.jobs == 319);
  CHECK(fmt::format("{:.2f}", s.span_s / 86400) == "90.04");
  CHECK(fmt::format("{:.1f}", s.mean_s) == "15421.6");
  CHECK(s.p50_s == 310);
  CHECK(s.max_s == 625'740);
  CHECK(fmt::format("{:.1f}", s.mean_gpus) == "312.6");
  CHECK(s.max_gpus == 1024);
  CHECK(fmt::format("{:.1f}", s.gpu_hours) == "456842.7");
  CHECK(std::count_if(t->jobs.begin(), t->jobs.end(), [](const TraceJob& j) { return j.kind == "pretrain"; }) == 183);
}

// The logs themselves could not be had; their published columns are what is tested.
TEST_CASE("the formats of Helios' and PAI's job tables", "[traces]") {
  const Trace helios = from_text(
      "job_id,user,vc,jobname,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
      "1,u1,vcA,train,8,64,1,COMPLETED,2020-04-01 00:00:10,2020-04-01 00:00:20,2020-04-01 00:01:20,60,10\n"
      "2,u2,vcB,prep,0,4,1,FAILED,2020-04-01 00:00:30,2020-04-01 00:00:30,2020-04-01 00:00:40,10,0\n"
      "3,u1,vcA,test,1,6,1,CANCELLED,2020-04-02 00:00:10,2020-04-02 00:00:10,2020-04-02 00:02:10,120,0\n");
  REQUIRE(helios.jobs.size() == 2);
  CHECK(helios.report.dropped.at("asks for no GPU") == 1);
  CHECK(helios.jobs[1].submit == at_seconds(86400));
  CHECK(helios.jobs[0].tenant == "vcA");
  CHECK(helios.jobs[0].cpu_milli == 64'000);

  const Trace pai = from_text(
      "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type\n"
      "j1,worker,4,Terminated,100,400,600,29.3,50,T4\n"
      "j2,tensorflow,1,Terminated,160,260,800,2,25,MISC\n"
      "j3,ps,1,Failed,160,,600,2,,CPU\n");
  REQUIRE(pai.jobs.size() == 2);
  CHECK(pai.jobs[0].gpus == 2);
  CHECK(pai.jobs[0].gpu_type == "T4");
  CHECK(pai.jobs[0].cpu_milli == 24'000);
  CHECK(pai.jobs[0].mem_bytes == 117'200'000'000);
  CHECK(pai.jobs[1].gpu_milli == 250);
  CHECK(pai.jobs[1].submit == at_seconds(60));
}

TEST_CASE("capacity recordings and what they mean for a cluster", "[traces]") {
  const auto spot = read_capacity_text("s.json", R"({"metadata": {"gap_seconds": 10}, "data": [2, 2, 0, 1]})");
  REQUIRE(spot);
  CHECK(spot->samples == 4);
  CHECK(spot->steps == std::vector<CapacityStep>{{at_seconds(0), 2}, {at_seconds(20), 0}, {at_seconds(30), 1}});
  const auto outages = outages_of(*spot, 3, 1);
  REQUIRE(outages.size() == 3);  // the first node 20-30, the second 20-40, the third never there
  CHECK((outages[0].node == NodeId(0) && outages[0].from == at_seconds(20) && outages[0].to == at_seconds(30)));
  CHECK((outages[1].node == NodeId(1) && outages[1].from == at_seconds(20) && outages[1].to == at_seconds(40)));
  CHECK((outages[2].node == NodeId(2) && outages[2].from == at_seconds(0) && outages[2].to == at_seconds(40)));
  const auto bamboo = read_capacity_text("b.csv", "0,add,a\n0,add,b\n1500,remove,a\n");
  REQUIRE(bamboo);
  CHECK(bamboo->steps == std::vector<CapacityStep>{{at_seconds(0), 2}, {Time{1'500'000'000}, 1}});
  CHECK_FALSE(read_capacity_text("s.json", R"({"metadata": {}, "data": [2]})"));
  CHECK_FALSE(read_capacity_text("s.json", R"({"metadata": {"gap_seconds": 10}, "data": [-2]})"));
  CHECK_FALSE(read_capacity_text("x.csv", "hello\n"));
}

TEST_CASE("recorded capacity and failures have their figures", "[traces]") {
  struct Row {
    const char* name;
    const char* format;
    std::int64_t samples;
  };
  for (const Row& r :
       {Row{"bamboo-spot/p3-trace.csv", "bamboo", 344}, Row{"bamboo-spot/g4dn-trace.csv", "bamboo", 153}}) {
    const auto path = test::recorded(r.name);
    if (!path) return;
    const auto t = read_capacity(*path);
    if (!t) FAIL(render(t.error()));
    CHECK(t->format == r.format);
    CHECK(t->samples == r.samples);
  }
  struct Steps {
    const char* name;
    std::int64_t samples;
    std::size_t steps;
  };
  for (const Steps& r :
       {Steps{"bamboo-spot/gcloud/a100x1-east1b.txt", 268, 75}, Steps{"helios-2020/Earth_gpu_number.csv", 181, 13},
        Steps{"philly-2017/helios-artifact/philly_node_sequence.csv.gz", 105'644, 5},
        Steps{"spot-traces/availability/16-node/aws-08-27-2023/us-east-2b_v100_1.json", 3247, 285}}) {
    const auto path = test::recorded(r.name);
    if (!path) return;
    INFO(r.name);
    const auto t = read_capacity(*path);
    if (!t) FAIL(render(t.error()));
    CHECK(t->samples == r.samples);
    CHECK(t->steps.size() == r.steps);
  }
  const auto nodes = read_capacity(*test::recorded("philly-2017/helios-artifact/philly_node_sequence.csv.gz"));
  CHECK(nodes->steps.front().count == 420);
  CHECK(read_capacity(*test::recorded("helios-2020/Earth_gpu_number.csv"))->steps.front().count == 784);

  const auto path = test::recorded("gpu-failures-titan/gc_full.csv.gz");
  if (!path) return;
  const auto lives = read_gpu_lives(*path);
  if (!lives) FAIL(render(lives.error()));
  const auto count = [&lives](auto holds) { return std::count_if(lives->begin(), lives->end(), holds); };
  CHECK(lives->size() == 37'343);
  std::set<std::string> serials;
  double seconds_in_use = 0;
  for (const GpuLife& g : *lives) {
    serials.insert(g.serial);
    seconds_in_use += static_cast<double>(g.duration_s);
  }
  CHECK(serials.size() == 30'207);
  CHECK(count([](const GpuLife& g) { return g.end == GpuLife::End::double_bit_error; }) == 4'826);
  CHECK(count([](const GpuLife& g) { return g.end == GpuLife::End::off_the_bus; }) == 1'541);
  CHECK(count([](const GpuLife& g) { return g.end != GpuLife::End::none && !g.timed; }) == 1'158);
  CHECK(fmt::format("{:.0f}", seconds_in_use / (365.25 * 86400)) == "100820");
  const auto outages = outages_of(*lives, 1000, seconds(3600));
  CHECK(outages.size() == 5626);
}

TEST_CASE("a spot recording without its gap is an error, not a look at freed memory", "[traces]") {
  const auto t = read_capacity_text("s.json", R"({"metadata": {"gap": 300}, "data": [1, 2]})");
  REQUIRE_FALSE(t);
  CHECK(t.error().items.front().message == "`metadata.gap_seconds` must be a whole number of seconds");
  CHECK_FALSE(read_capacity_text("s.json", R"({"metadata": 3, "data": [1, 2]})"));
}

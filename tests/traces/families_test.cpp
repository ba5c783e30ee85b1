// Every family of recorded traces: it passes `trace check`, before and after import, or is refused with what it is.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "tests/support/traces.hpp"
#include "traces/format/canonical.hpp"

namespace {

using namespace orrery;

struct Family {
  const char* file;
  const char* format;  // null: it is no job list
  const char* refusal = nullptr;
};

constexpr Family kFamilies[] = {
    {"msft-itp-2021/raw/cluster10.csv", "msft-itp"},
    {"msft-itp-2021/elasticflow/195job.csv", "msft-itp"},
    {"msft-itp-2021/elasticflow/cluster05.csv.gz", "msft-itp"},
    {"philly-2017/chronus/trace_job_Philly_SLO.csv.gz", "chronus"},
    {"philly-2017/philly.csv.gz", "philly"},
    {"philly-2017/pcs/trace_6c71a0.csv.gz", nullptr, "Philly jobs of PCS"},
    {"philly-2017/philly_runtime.csv.gz", nullptr, "one column, `runtime`"},
    {"philly-2017/helios-artifact/philly_node_sequence.csv.gz", nullptr, "capacity over time"},
    {"acme-2023/kalos_completed_derived.csv", "kalos"},
    {"acme-2023/converted_kalos_trace.csv", "kalos-converted"},
    {"alibaba-gpu-v2023/openb_pod_list_default.csv.gz", "openb"},
    {"alibaba-gpu-v2023/openb_pod_list_gpuspec33.csv.gz", "openb"},
    {"alibaba-gpu-v2023/openb_pod_list_cpu250.csv.gz", "openb"},
    {"alibaba-gpu-v2023/openb_pod_list_gpushare60.csv.gz", "openb"},
    {"alibaba-gpu-v2023/openb_pod_list_multigpu20.csv.gz", nullptr, "pods of openb without times"},
    {"alibaba-gpu-v2020/gaia/pai_1k.csv", "gaia"},
    {"alibaba-gpu-v2025/disaggregated_DLRM_trace.csv.gz", nullptr, "instances that serve requests"},
    {"alibaba-genai-v2026/lora_request_trace.csv.gz", nullptr, "requests to served models"},
    {"azure-llm-2023/AzureLLMInferenceTrace_conv.csv.gz", nullptr, "requests to a served model"},
    {"lucid-venus/venus_cluster_throughput.csv.gz", nullptr, "numbers of jobs per interval"},
    {"gpu-failures-titan/gc_full.csv.gz", nullptr, "lives of GPUs"},
    {"sia/workloads/philly/workload-1.csv", "pollux"},
    {"sia/workloads/newtrace/workload-1.csv", "pollux"},
    {"sia/phoebe_workload.csv", "pollux"},
    {"pollux/workloads/workload-1.csv", "pollux"},
    {"pollux/workloads-realistic/workload-6.csv", "pollux"},
    {"muri/trace-data/trace3.csv", "muri"},
    {"muri/cluster_trace.csv", "muri"},
    {"muri/trace-data/job_type_1.csv", "muri"},
    {"muri/cluster_results/SRSF/job.csv", nullptr, "results of another simulator"},
    {"gavel/msr/seed=0/103959.trace.gz", "gavel"},
    {"gavel/physical_cluster/artifact_evaluation.trace", "gavel"},
    {"shockwave/120_0.2_5_100_40_25_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic.trace", "gavel"},
    {"tiresias/60_job.csv", "tiresias"},
    {"tiresias/yarn-gput1000.csv", nullptr, "one column, `duration`"},
    {"titan-fm/traces/FM-1-roberta-base/workload-0.csv", "titan"},
    {"titan-fm/traces/FM-1.5-vit-large/workload-0.csv", "titan"},
    {"rubick/workloads/workload-base.csv", "rubick"},
    {"rubick/workloads/workload-bp.csv", "rubick"},
    {"rubick/workloads/workload-mt.csv", "rubick"},
    {"rubick/workloads/naive.csv", "rubick"},
    {"elasticflow-profiles/traces/philly_103959.csv", "elasticflow"},
    {"elasticflow-profiles/traces/elasticVpollux_e.csv", "elasticflow"},
    {"elasticflow-profiles/traces/resnet_cifar_trace.csv", "elasticflow"},
    {"elasticflow-profiles/figure10/edf_job.csv", nullptr, "results of another simulator"},
    {"swf/KTH-SP2-1996-2.1-cln.swf.gz", "swf"},
    {"swf/lublin_256.swf.gz", "swf"},
    {"deepshare/real_trace0.json", nullptr, "this is JSON"},
    {"miso-mig/trace_100.json", nullptr, "this is JSON"},
};

}  // namespace

TEST_CASE("every recorded family passes `trace check`, before and after import, or says what it is", "[traces]") {
  for (const Family& f : kFamilies) {
    const auto path = test::recorded(f.file);
    if (!path) return;
    INFO(f.file);
    const auto trace = read_trace(*path);
    if (f.format == nullptr) {
      REQUIRE_FALSE(trace);
      CHECK(render(trace.error()).find(f.refusal) != std::string::npos);
      CHECK(trace.error().items.size() <= 4);
      continue;
    }
    if (!trace) FAIL(render(trace.error()));
    CHECK(trace->report.format == f.format);
    if (const auto ok = edges_of(*trace); !ok) FAIL(render(ok.error()));
    const std::string text = canonical_text(*trace);
    const auto again = read_trace_text("again.csv", text);
    if (!again) FAIL(render(again.error()));
    CHECK(canonical_text(*again) == text);
    if (const auto ok = edges_of(*again); !ok) FAIL(render(ok.error()));
  }
}

// Check figures of the recorded traces that are no job list, or a list among many: exact, as published with them.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <cstdio>
#include <map>

#include "sim/core/json.hpp"
#include "tests/support/traces.hpp"
#include "traces/edit/stats.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/table_reader.hpp"
#include "traces/format/text_file.hpp"
#include "traces/profiles/profiles.hpp"

namespace {

using namespace orrery;

std::optional<Trace> trace_of(const std::string& name, const std::string& format) {
  const auto path = test::recorded(name);
  if (!path) return std::nullopt;
  auto trace = read_trace(*path);
  if (!trace) FAIL(render(trace.error()));
  CHECK(trace->report.format == format);
  CHECK(trace->report.dropped.empty());
  return std::move(*trace);
}

// Why a recorded file is no job list.
std::string figures_refusal(const std::string& name) {
  const auto path = test::recorded(name);
  if (!path) return {};
  const auto trace = read_trace(*path);
  REQUIRE_FALSE(trace);
  return trace.error().items.front().message;
}

// What a command prints.
std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char piece[4096];
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, n);
  REQUIRE(pclose(pipe) == 0);
  return out;
}

std::int32_t most_gpus(const Trace& t) {
  std::int32_t most = 0;
  for (const TraceJob& j : t.jobs) most = std::max(most, j.gpus);
  return most;
}

}  // namespace

TEST_CASE("figures: Pollux' workloads, and those scaled, one by one", "[traces]") {
  struct Row {
    const char* folder;
    std::size_t jobs;
    std::vector<int> most;  // GPUs, of workloads 1 to 6
  };
  for (const Row& r :
       {Row{"workloads", 160, {32, 48, 16, 48, 48, 48}}, Row{"workloads-0.5", 80, {32, 32, 16, 32, 16, 48}},
        Row{"workloads-1.5", 240, {32, 48, 16, 48, 48, 48}}, Row{"workloads-2.0", 320, {48, 48, 48, 48, 48, 48}},
        Row{"workloads-realistic", 160, {16, 8, 16, 16, 32, 8}}})
    for (std::size_t i = 0; i < r.most.size(); ++i) {
      INFO(r.folder << " " << i + 1);
      const auto t = trace_of(fmt::format("pollux/{}/workload-{}.csv", r.folder, i + 1), "pollux");
      if (!t) return;
      CHECK(t->jobs.size() == r.jobs);
      CHECK(most_gpus(*t) == r.most[i]);
      CHECK(to_seconds(t->jobs.back().submit) <= 8 * 3600);
    }
}

TEST_CASE("figures: Sia's workloads, each of their files", "[traces]") {
  struct Row {
    const char* folder;
    int files;
    std::size_t jobs;
    double hours;
    int most = 16;  // GPUs
  };
  for (const Row& r :
       {Row{"philly", 6, 160, 8}, Row{"saturn", 8, 160, 8}, Row{"newtrace", 8, 960, 48},
        Row{"scale/rate_10", 3, 80, 8, 14}, Row{"scale/rate_20", 3, 160, 8, 14}, Row{"scale/rate_30", 3, 240, 8, 14},
        Row{"scale/rate_40", 3, 320, 8, 14}, Row{"scale/rate_50", 3, 400, 8, 14}, Row{"scale/scale_32x", 1, 5120, 8}})
    for (int i = 1; i <= r.files; ++i) {
      const char* packed = r.jobs == 5120 ? ".gz" : "";
      const std::string name = fmt::format("sia/workloads/{}/workload-{}.csv{}", r.folder, i, packed);
      INFO(name);
      const auto t = trace_of(name, "pollux");
      if (!t) return;
      CHECK(t->jobs.size() == r.jobs);
      CHECK(most_gpus(*t) == r.most);
      CHECK(to_seconds(t->jobs.back().submit) <= r.hours * 3600);
    }
}

TEST_CASE("figures: openb's nodes", "[traces]") {
  for (const auto& [name, nodes] :
       {std::pair{"openb_node_list_all_node.csv", 1523}, {"openb_node_list_gpu_node.csv", 1213}}) {
    const auto path = test::recorded(fmt::format("alibaba-gpu-v2023/{}", name));
    if (!path) return;
    const auto text = read_text_file(*path);
    REQUIRE(text);
    TableReader rows(name, *text);
    const int gpu = rows.required("gpu");
    std::int64_t all = 0, gpus = 0, with_gpus = 0;
    while (rows.next()) {
      const std::int64_t n = rows.integer(gpu, 0, 0, 64);
      ++all;
      gpus += n;
      with_gpus += n > 0;
    }
    REQUIRE(rows.finish());
    CHECK(all == nodes);
    CHECK(gpus == 6212);
    CHECK(with_gpus == 1213);
  }
  CHECK(figures_refusal("alibaba-gpu-v2023/openb_node_list_all_node.csv").rfind("this holds the nodes of openb", 0) ==
        0);
}

// There is no reader of machine lists: a cluster is written down in a scenario. What is in the list is held here.
TEST_CASE("figures: PAI's machines", "[traces]") {
  const auto path = test::recorded("alibaba-gpu-v2020/pai_machine_spec.tar.gz");
  if (!path) return;
  const std::string text = output_of(fmt::format("tar xzOf '{}'", *path));
  BareTable table;
  table.separator = ',';
  table.columns = {"machine", "gpu_type", "cap_cpu", "cap_mem", "cap_gpu"};
  TableReader rows("pai_machine_spec.csv", text, table);
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> types;  // machines, GPUs
  std::int64_t machines = 0, gpus = 0;
  while (rows.next()) {
    const std::int64_t n = rows.fixed(4, 0, 0, 0);
    ++machines;
    gpus += n;
    auto& type = types[std::string(rows.text(1))];
    ++type.first;
    type.second += n;
  }
  REQUIRE(rows.finish());
  CHECK(machines == 1897);
  CHECK(gpus == 6742);
  CHECK(types == std::map<std::string, std::pair<std::int64_t, std::int64_t>>{{"T4", {497, 994}},
                                                                              {"MISC", {280, 2240}},
                                                                              {"V100", {104, 832}},
                                                                              {"V100M32", {135, 1080}},
                                                                              {"P100", {798, 1596}},
                                                                              {"CPU", {83, 0}}});
}

TEST_CASE("figures: GAIA's samples of PAI, in seconds and in hours", "[traces]") {
  const auto week = trace_of("alibaba-gpu-v2020/gaia/pai_1k.csv", "gaia");
  const auto year = trace_of("alibaba-gpu-v2020/gaia/pai-100k.csv.gz", "gaia");
  if (!week || !year) return;
  CHECK(week->jobs.size() == 1000);
  CHECK(to_seconds(week->jobs.back().submit) == 604'756);  // a week
  CHECK(fmt::format("{:.1f}", trace_stats(*week).mean_s) == "9066.1");
  CHECK(most_gpus(*week) == 4);
  CHECK(week->report.notes == std::vector<std::string>{"no GPU counts: processors (`cpus`) are taken as GPUs",
                                                       "times are taken as seconds: they are whole"});
  CHECK(year->jobs.size() == 99'998);
  CHECK(year->report.notes.back() == "times have fractions, so they are hours");
  CHECK(fmt::format("{:.0f}", to_seconds(year->jobs.back().submit) / 86400) == "365");
  for (const TraceJob& j : year->jobs) REQUIRE(j.duration >= seconds(300));
}

TEST_CASE("figures: Helios' Venus by the ten minutes", "[traces]") {
  const auto path = test::recorded("lucid-venus/venus_cluster_throughput.csv.gz");
  const auto config = test::recorded("lucid-venus/venus_vc_config.csv");
  if (!path || !config) return;
  const auto sums = [](const std::string& file, const std::vector<const char*>& columns) {
    const auto text = read_text_file(file);
    REQUIRE(text);
    TableReader rows(file, *text);
    std::vector<std::int64_t> out(columns.size());
    while (rows.next())
      for (std::size_t i = 0; i < columns.size(); ++i)
        out[i] += rows.integer(rows.required(columns[i]), 0, 0, 1'000'000);
    REQUIRE(rows.finish());
    return out;
  };
  CHECK(sums(*path, {"submit_job_all", "submit_gpu_job"}) == std::vector<std::int64_t>{246'616, 125'214});
  CHECK(sums(*config, {"num"}) == std::vector<std::int64_t>{135});
  CHECK(figures_refusal("lucid-venus/venus_cluster_throughput.csv.gz") ==
        "this holds numbers of jobs per interval, not jobs (Helios' Venus)");
}

TEST_CASE("figures: Gavel's throughputs, and those of them that are 0", "[traces]") {
  struct Row {
    const char* name;
    int zeros;  // published: 6,579 of 10,830 per file; the physical cluster's table has one more
    std::size_t alone;
  };
  for (const Row& r :
       {Row{"simulation_throughputs.json.gz", 6579, 489}, Row{"physical_cluster_throughputs.json.gz", 6580, 488}}) {
    const auto path = test::recorded(fmt::format("gavel/{}", r.name));
    if (!path) return;
    INFO(r.name);
    const auto text = read_text_file(*path);
    REQUIRE(text);
    int values = 0, zeros = 0, configurations = 0;
    const auto root = nlohmann::json::parse(*text);
    for (const auto& type : root)
      for (const auto& rates : type) {
        ++configurations;
        for (const auto& v : rates) {
          ++values;
          zeros += (v.is_array() ? v[0] : v).get<double>() == 0;
        }
      }
    CHECK(configurations == 492);  // 83 of each type, 77 of k80_unconsolidated
    CHECK(values == 10'830);
    CHECK(zeros == r.zeros);
    const auto set = read_gavel_throughputs(*path);
    if (!set) FAIL(render(set.error()));
    CHECK(set->alone.size() == r.alone);  // 492 less what does not run
  }
}

TEST_CASE("figures: Kalos as converted for another simulator is the same 319 jobs", "[traces]") {
  const auto a = trace_of("acme-2023/kalos_completed_derived.csv", "kalos");
  const auto b = trace_of("acme-2023/converted_kalos_trace.csv", "kalos-converted");
  if (!a || !b) return;
  REQUIRE(a->jobs.size() == 319);
  REQUIRE(b->jobs.size() == 319);
  for (std::size_t i = 0; i < 319; ++i) {
    const TraceJob &x = a->jobs[i], &y = b->jobs[i];
    INFO(i);
    CHECK((x.submit == y.submit && x.duration == y.duration && x.gpus == y.gpus && x.cpu_milli == y.cpu_milli &&
           x.kind == y.kind));
  }
}

TEST_CASE("what is recorded but no job list says what it is", "[traces]") {
  const auto message = [](const std::string& header) {
    const auto t = read_trace_text("t.csv", header + "\n1,2,3,4,5\n");
    REQUIRE_FALSE(t);
    return t.error().items.front().message;
  };
  CHECK(message("name,cpu_milli,memory_mib,num_gpu,gpu_milli").rfind("this holds pods of openb without times", 0) ==
        0);
  CHECK(message("sn,cpu_milli,memory_mib,gpu,model").rfind("this holds the nodes of openb", 0) == 0);
  CHECK(message("SN,location,insert,remove,event").find("`failures.capacity`") != std::string::npos);
  CHECK(message("a,b,c,d,e") == "column `job_id` is missing");
  const std::string multi = figures_refusal("alibaba-gpu-v2023/openb_pod_list_multigpu20.csv.gz");
  if (!multi.empty()) CHECK(multi.rfind("this holds pods of openb without times", 0) == 0);
}

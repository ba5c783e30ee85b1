// What a run says of how its trace was read: assumptions, columns that nothing reads, GPU types that are not there.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>

#include "scenarios/run/simulate.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

std::vector<std::string> notes_of(const std::string& trace, const std::string& gpu = "A100") {
  const test::TempFolder dir;
  std::ofstream(dir.file("t.csv")) << trace;
  const auto scenario = read_scenario_text(
      "s.yaml", "version: 1\ncluster: { groups: [ { name: n, count: 2, gpus_per_node: 4, gpu: " + gpu +
                    " } ] }\nworkload: { trace: '" + dir.file("t.csv") + "' }\npolicy: { name: fifo }\n");
  if (!scenario) FAIL(render(scenario.error()));
  const auto p = prepare(*scenario);
  if (!p) FAIL(render(p.error()));
  return p->notes;
}

std::int64_t count_of(const std::vector<std::string>& notes, const std::string& note) {
  return std::count(notes.begin(), notes.end(), note);
}

}  // namespace

TEST_CASE("a run says which columns nothing reads, and what was assumed", "[app]") {
  const auto notes = notes_of("job_id,submit_s,gpus,duration_s,priority,account,weight\na,0,1,5,9,x,3\n");
  CHECK(count_of(notes, "trace: columns `priority`, `account` are ignored") == 1);
  CHECK(count_of(notes, "trace: weights are kept, but only the policy `lineage` reads them") == 1);
  CHECK(
      count_of(notes_of("job_id,num_gpu,submit_time,iterations,model_name,duration,interval\n1,2,0,9,vgg16,200,5\n"),
               "trace: times are taken as seconds: nothing in the file says its unit") == 1);
}

TEST_CASE("a run says which GPU types of its trace the cluster lacks", "[app]") {
  const std::string trace = "job_id,submit_s,gpus,duration_s,gpu_type\na,0,1,5,A100\nb,0,1,5,a100\n";
  for (const char* gpu : {"A100", "a100"})
    for (const std::string& note : notes_of(trace, gpu)) CHECK(note.rfind("gpu types", 0) != 0);
  CHECK(count_of(notes_of(trace, "V100"), "gpu types: 1 job asks for `A100`, but the cluster has V100") == 1);
}

// Found by a reviewer: such edges were dropped without a word.
TEST_CASE("a run says that its trace names parents that are not in it", "[app][lineage]") {
  const std::string head = "job_id,submit_s,gpus,duration_s,after,gain\n";
  const std::string lost = head + "a,0,1,5,,\nb,0,1,5,a@soft;x@hard:0.5,x:0.3\n";
  CHECK(count_of(notes_of(lost),
                 "trace: 2 edges and gains are left out, of parents that are not in it, such as `x` of `b`") == 1);
  for (const std::string& note : notes_of(head + "a,0,1,5,,\nb,0,1,5,a@soft,a:0.3\n"))
    CHECK(note.find("left out") == std::string::npos);
}

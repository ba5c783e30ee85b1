// The commands that train, as people call them.
#include "tests/backend/support_catch.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"
#include "orrery_paths.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;

struct Outcome {
  int status = -1;
  std::string text{};  // stdout and stderr
};

Outcome orrery_says(const std::string& arguments, const test::TempFolder& folder) {
  const std::string out = folder.file("out.txt");
  const int code = std::system(
      fmt::format("cd '{}' && '{}' {} >'{}' 2>&1", ORRERY_SOURCE_DIR, ORRERY_BINARY, arguments, out).c_str());
  const auto text = live::read_file(out);
  return {WIFEXITED(code) ? WEXITSTATUS(code) : -1, text.value_or("")};
}

// The number after the last `key ` of a text.
double last(const std::string& text, const std::string& key) {
  const std::size_t at = text.rfind("  " + key + " ");
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + key.size() + 3, nullptr);
}

TEST_CASE("orrery train: the loss falls, the job is resumable, on other ranks as well", "[torch][train]") {
  const test::TempFolder folder;
  const std::string base = fmt::format("train scenarios/jobs/toy.yaml -o '{}'", folder.file("run"));
  const Outcome first = orrery_says(base + " --steps 100", folder);
  INFO(first.text);
  REQUIRE(first.status == 0);
  CHECK(first.text.find("step    100 / 100") != std::string::npos);
  const Outcome second = orrery_says(base + " --ranks 2", folder);
  INFO(second.text);
  REQUIRE(second.status == 0);
  CHECK(second.text.find("goes on after step 100") != std::string::npos);
  CHECK(last(second.text, "loss") > 0);
  CHECK(last(second.text, "loss") < last(first.text, "loss"));
  const Outcome third = orrery_says(base, folder);
  CHECK(third.status == 0);
  CHECK(third.text.find("all 400 steps are done") != std::string::npos);
}

TEST_CASE("orrery train: what is wrong is said, and where", "[torch][train]") {
  const test::TempFolder folder;
  REQUIRE(live::write_file(folder.file("bad.yaml"), "task: toy\nsteps: 10\nprecision: fp8\n"));
  const Outcome bad =
      orrery_says(fmt::format("train '{}' -o '{}'", folder.file("bad.yaml"), folder.file("run")), folder);
  CHECK(bad.status == 2);
  CHECK(bad.text.find("`precision` is `\"fp8\"`; `fp32` or `bf16` is wanted") != std::string::npos);
  CHECK(bad.text.find("bad.yaml:3:1") != std::string::npos);
  REQUIRE(live::write_file(folder.file("from.yaml"), "task: toy\nsteps: 10\nfrom: nowhere\n"));
  const Outcome from =
      orrery_says(fmt::format("train '{}' -o '{}'", folder.file("from.yaml"), folder.file("run")), folder);
  CHECK(from.status == 2);
  CHECK(from.text.find("train that job first") != std::string::npos);
  REQUIRE(live::write_file(folder.file("none.yaml"), "task: toy\n"));
  CHECK(orrery_says(fmt::format("train '{}'", folder.file("none.yaml")), folder).status == 2);
}

TEST_CASE("orrery live run: real training under a policy, with preemptions and a child", "[torch][live]") {
  const test::TempFolder folder;
  const Outcome run =
      orrery_says(fmt::format("live run scenarios/live/toy.yaml -q -o '{}'", folder.file("run")), folder);
  INFO(run.text);
  REQUIRE(run.status == 0);
  CHECK(run.text.find("4 of 4 jobs finished, 0 failed") != std::string::npos);
  CHECK(run.text.find(" 0 preemptions") == std::string::npos);
  // Every job has trained all its steps, whatever happened to it on the way.
  for (const int job : {0, 1, 2, 3}) {
    const auto found = live::load_checkpoint(folder.file(fmt::format("run/live/jobs/{}/checkpoints", job)));
    REQUIRE(found.newest);
    CHECK(found.newest->checkpoint.stamp.step == 400);
  }
}

TEST_CASE("orrery live run: what the loader's preprocessing costs arrives in the run's tables", "[torch][live]") {
  const test::TempFolder folder;
  REQUIRE(live::write_file(folder.file("job.yaml"), R"(task: multimodal
steps: 30
global_batch: 16
report_every: 5
model:
  preset: tiny
  text: { vocabulary: 400, length: 16 }
  image: { size: 32, patch: 8 }
  objectives: { contrastive: 1 }
data: { folder: data/few, make: { kind: pairs, samples: 256, size: 32, seed: 1 } }
)"));
  REQUIRE(live::write_file(folder.file("jobs.csv"),
                           "job_id,submit_s,gpus,duration_s,kind,model,batch\n"
                           "measured,0,1,2,pretrain,pairs,16\npaced,0,1,1,,wait,\n"));
  REQUIRE(live::write_file(folder.file("live.yaml"), R"(version: 1
name: measured
cluster: { groups: [{ name: slots, count: 1, gpus_per_node: 2, gpu: cpu }] }
workload: { trace: jobs.csv }
policy: { name: fifo }
live: { time_scale: 1, models: { pairs: job.yaml, wait: paced } }
)"));
  const Outcome run =
      orrery_says(fmt::format("live run '{}' -q -o '{}'", folder.file("live.yaml"), folder.file("run")), folder);
  INFO(run.text);
  REQUIRE(run.status == 0);
  const auto jobs = live::read_file(folder.file("run/jobs.csv"));
  REQUIRE(jobs);
  INFO(*jobs);
  const std::size_t row = jobs->find("\nmeasured,"), other = jobs->find("\npaced,");
  REQUIRE((row != std::string::npos && other != std::string::npos));
  const auto field = [&jobs](std::size_t at, int number) {
    for (; number > 0; --number) at = jobs->find(',', at) + 1;
    return jobs->substr(at, jobs->find_first_of(",\n", at) - at);
  };
  CHECK(field(0, 15) == "cpu_per_sample_s");
  const double cost_s = std::strtod(field(row + 1, 15).c_str(), nullptr);
  CHECK(cost_s > 1e-7);  // of one core; a picture of 32 x 32 takes about 50 us
  CHECK(cost_s < 1e-2);
  CHECK(field(other + 1, 15).empty());
  const auto summary = live::read_file(folder.file("run/summary.json"));
  REQUIRE(summary);
  CHECK(summary->find("\"cpu_per_sample_s\"") != std::string::npos);
}

// Where the catalogue says what is trained, `live validate` took the jobs for paced ones: it gated the profiles' row,
// and ran everything twice when that was missed.
TEST_CASE("orrery live validate: jobs of a catalogue are gated on measured times", "[torch][live]") {
  const test::TempFolder folder;
  REQUIRE(live::write_file(folder.file("jobs.csv"), "job_id,submit_s,gpus,duration_s,model\none,0,1,,patches\n"));
  REQUIRE(live::write_file(folder.file("live.yaml"), fmt::format(R"(version: 1
name: one
cluster: {{ groups: [{{ name: slots, count: 1, gpus_per_node: 1, gpu: cpu }}] }}
workload: {{ trace: jobs.csv, catalogue: {}/scenarios/jobs/catalogue.yaml }}
policy: {{ name: fifo }}
live: {{ time_scale: 1 }}
)",
                                                                 ORRERY_SOURCE_DIR)));
  const Outcome run = orrery_says(fmt::format("live validate '{}' --policies fifo --gate 1000 -o '{}'",
                                              folder.file("live.yaml"), folder.file("run")),
                                  folder);
  INFO(run.text);
  CHECK(run.status == 0);
  CHECK(run.text.find("Gate: measured-times row within 1000 %") != std::string::npos);
}

TEST_CASE("orrery live calibrate writes rows that the simulator reads", "[torch][live]") {
  const test::TempFolder folder;
  const std::string table = folder.file("profile.csv");
  const Outcome run = orrery_says(
      fmt::format("live calibrate scenarios/live/toy.yaml --set output.dir='{}' --steps 10 --corunners 1,2 -o '{}'",
                  folder.file("scratch"), table),
      folder);
  INFO(run.text);
  REQUIRE(run.status == 0);
  const auto text = live::read_file(table);
  REQUIRE(text);
  CHECK(text->starts_with("model,mode,gpu,world,local_batch,corunners,step_s"));
  CHECK(text->find("toy,pretrain,cpu,2,16,1,") != std::string::npos);
  CHECK(text->find("toy,transfer,cpu,1,32,2,") != std::string::npos);
}

}  // namespace

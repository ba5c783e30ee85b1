// Policies that act on jobs which really train: what they ask of paced workers, trainers do as well.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"
#include "orrery_paths.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_catch.hpp"
#include "tests/support/temp_dir.hpp"

namespace orrery::trainer {
namespace {

// A slow toy for what a policy does to a job, and two small models of which one is the other's child.
void write_jobs(const test::TempFolder& folder) {
  REQUIRE(live::write_file(folder.file("slow.yaml"), R"(task: toy
steps: 150
global_batch: 32
report_every: 5
model: { width: 64, pause_ms: 20 }
)"));
  REQUIRE(live::write_file(folder.file("parent.yaml"), R"(task: multimodal
steps: 120
global_batch: 16
report_every: 5
model:
  preset: tiny
  text: { vocabulary: 400, length: 16 }
  image: { size: 32, patch: 8 }
  objectives: { contrastive: 1 }
data: { folder: data/pairs, make: { kind: pairs, samples: 256, size: 32, seed: 1 } }
)"));
  REQUIRE(live::write_file(folder.file("child.yaml"), R"(task: multimodal
steps: 10
global_batch: 16
report_every: 5
from: parent
model:
  preset: tiny
  image: { size: 32, patch: 8 }
  head: { classes: 5, input: image }
  transfer: { method: lora, rank: 4, alpha: 8 }
data: { folder: data/shapes, make: { kind: shape, samples: 64, size: 32, seed: 1001 } }
)"));
}

struct LiveRun {
  int status = -1;
  std::string text;
  nlohmann::json summary;
  std::string events;  // one JSON object per line
};

LiveRun live_run(const test::TempFolder& folder, const std::string& policy, const std::string& jobs) {
  const std::string header = "job_id,submit_s,gpus,min_gpus,max_gpus,duration_s,model,after\n";
  REQUIRE(live::write_file(folder.file("jobs.csv"), header + jobs));
  REQUIRE(live::write_file(folder.file("live.yaml"), fmt::format(R"(version: 1
name: acts
cluster: {{ groups: [{{ name: slots, count: 1, gpus_per_node: 2, gpu: cpu }}] }}
workload: {{ trace: jobs.csv }}
policy: {}
live: {{ time_scale: 1, models: {{ slow: slow.yaml, parent: parent.yaml, child: child.yaml }} }}
)",
                                                                 policy)));
  const std::string command =
      fmt::format("cd '{}' && '{}' live run live.yaml -q -o run >out 2>&1", folder.path(), ORRERY_BINARY);
  LiveRun r;
  r.status = std::system(command.c_str());
  r.text = live::read_file(folder.file("out")).value_or("");
  INFO(r.text);
  REQUIRE(r.status == 0);
  const auto summary = live::read_file(folder.file("run/summary.json"));
  r.summary = nlohmann::json::parse(summary.value_or("null"), nullptr, false);
  REQUIRE(std::system(fmt::format("zstd -dqc '{0}/run/events.jsonl.zst' >'{0}/events'", folder.path()).c_str()) == 0);
  r.events = live::read_file(folder.file("events")).value_or("");
  return r;
}

int count(const std::string& text, const std::string& what) {
  int n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

std::int64_t steps_of(const test::TempFolder& folder, int job) {
  const auto found = live::load_checkpoint(folder.file(fmt::format("run/live/jobs/{}/checkpoints", job)));
  return found.newest ? found.newest->checkpoint.stamp.step : -1;
}

}  // namespace

TEST_CASE("orrery live run: gandiva suspends and resumes two jobs that train on one slot", "[torch][live]") {
  const test::TempFolder folder;
  write_jobs(folder);
  const LiveRun r = live_run(folder, "{ name: gandiva, quantum: [1s] }", "a,0,2,,,6,slow,\nb,0,2,,,6,slow,\n");
  CHECK(count(r.events, "\"suspended\"") >= 2);
  CHECK(count(r.events, "\"resumed\"") >= 2);
  for (const int job : {0, 1}) CHECK(steps_of(folder, job) == 150);
}

TEST_CASE("orrery live run: a job that trains is stopped and goes on with another number of ranks", "[torch][live]") {
  const test::TempFolder folder;
  write_jobs(folder);
  REQUIRE(live::write_file(folder.file("script"), "0s a run n0:0\n3s a run n0:0-1\n"));
  const LiveRun r = live_run(folder, "{ name: scripted, file: script }", "a,0,1,1,2,6,slow,\n");
  CHECK(r.summary["metrics"]["launches"]["value"] == 2);
  CHECK(steps_of(folder, 0) == 150);
}

TEST_CASE("orrery live run: a child starts from what its parent publishes halfway", "[torch][live]") {
  const test::TempFolder folder;
  write_jobs(folder);
  const LiveRun r = live_run(folder, "{ name: fifo }", "p,0,1,,,6,parent,\nc,0,1,,,2,child,p@hard:0.5\n");
  CHECK(count(r.events, "\"published\"") == 1);
  const std::size_t published = r.events.find("\"published\""), started = r.events.rfind("\"e\":\"start\""),
                    finished = r.events.find("\"e\":\"finish\"");
  CHECK(published < started);
  CHECK(started < finished);  // the child's start, the parent's end
  const auto source = live::read_file(folder.file("run/live/jobs/1/source"));
  REQUIRE(source);
  CHECK(source->find("jobs/0/checkpoints/versions/version-1") != std::string::npos);
  CHECK(steps_of(folder, 1) == 10);
}

}  // namespace orrery::trainer

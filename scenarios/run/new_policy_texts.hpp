// The texts of `orrery policy new`, with NAME for the policy's name and CLASS for the name of its class. All of them
// begin as the same policy: the waiting job that wants the fewest GPUs first. Their test is a schedule by hand.
#pragma once

#include <string_view>

namespace orrery::app {

// 4 GPUs. At 100 s, when `a` ends, `c` and `d` come before `b`, which has waited longer but wants more.
inline constexpr std::string_view kNewJobs = R"(job_id,submit_s,gpus,duration_s
a,0,4,100
b,10,3,50
c,20,1,50
d,30,2,50
)";

inline constexpr std::string_view kNewScenario = R"(# The jobs of jobs.csv under fifo and under NAME.
version: 1
name: NAME
cluster:
  groups:
    - { name: n, count: 1, gpus_per_node: 4, gpu: h200 }
workload: { trace: jobs.csv }
policy: POLICY
compare:
  policies: [fifo, POLICY]
)";
inline constexpr std::string_view kPythonPolicy = "{ name: external, label: NAME, command: [python3, NAME.py] }";
inline constexpr std::string_view kLibraryPolicy = "{ name: NAME, library: build/NAME.so }";

inline constexpr std::string_view kNewPython = R"(#!/usr/bin/env python3
"""NAME: the waiting job that wants the fewest GPUs first.

Orrery writes a line of JSON for every decision; this program answers with one. docs/wire.md of Orrery describes them.
What is for people goes to sys.stderr.
"""

import json
import sys

ENDED = {"finished", "failed", "rejected", "cancelled"}


def decide(view, jobs):
    """The answer to a view. `jobs` has every job that has not ended, by its number."""
    waiting = [j for j in jobs.values() if j.get("ready") and "target" not in j]
    waiting.sort(key=lambda j: (j["spec"]["demand"]["gpus"], j["id"]))
    return {"epoch": view["epoch"], "place": [j["id"] for j in waiting]}


def main():
    json.loads(sys.stdin.readline())  # `hello`: the cluster and the seed
    print(json.dumps({"ready": 1}), flush=True)
    jobs = {}
    for line in sys.stdin:
        view = json.loads(line)
        for job in view["jobs"]:
            before = jobs.pop(job["id"], {})
            if job["state"] not in ENDED:
                jobs[job["id"]] = {"spec": before.get("spec"), **job}
        print(json.dumps(decide(view, jobs)), flush=True)


if __name__ == "__main__":
    main()
)";

inline constexpr std::string_view kNewTest = R"(#!/usr/bin/env python3
"""A schedule by hand: python3 NAME_test.py. The variable ORRERY names another orrery."""

import csv
import os
import pathlib
import subprocess
import tempfile

ORRERY = os.environ.get("ORRERY", "PROGRAM")
HERE = pathlib.Path(__file__).resolve().parent

# 4 GPUs. `a` has all of them until 100 s. Then `c` (1 GPU) and `d` (2) come before `b` (3), which starts at 150 s.
STARTS = {"a": 0, "b": 150, "c": 100, "d": 100}

with tempfile.TemporaryDirectory() as folder:
    command = [ORRERY, "run", HERE / "NAME.yaml", "-o", f"{folder}/run"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(f"{folder}/run/jobs.csv", newline="") as file:
        starts = {row["job_id"]: float(row["first_start_s"]) for row in csv.DictReader(file)}
assert starts == STARTS, f"{starts}, not {STARTS}"
print("ok")
)";

inline constexpr std::string_view kNewClass = R"(class CLASS final : public Policy {
 public:
  explicit CLASS(OwnPlacement placement) : placement_(std::move(placement)) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<CLASS>(*this); }

  // Goes through all that wait, which is simple, but slow where a million do; policies/README.md of Orrery says how
  // to do without.
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    std::vector<JobId> waiting;
    for (const JobId job : view.pending().ids()) waiting.push_back(job);
    std::stable_sort(waiting.begin(), waiting.end(), [&view](JobId a, JobId b) {
      return view.spec(a).demand.gpus < view.spec(b).demand.gpus;
    });
    for (const JobId job : waiting) plan.start(job, *placement_);
  }

 private:
  OwnPlacement placement_;
};

std::unique_ptr<Policy> make_NAME(PolicySetup setup, OptionReader&) {
  return std::make_unique<CLASS>(std::move(setup.placement));
}
)";

inline constexpr std::string_view kNewRow = R"({
    .name = "NAME",
    .title = "the waiting job that wants the fewest GPUs first",
    .doc = "Starts every job that fits, those that want the fewest GPUs first. No preemption.",
    .make = make_NAME,
};
)";

inline constexpr std::string_view kNewLibrary = R"(// NAME: the waiting job that wants the fewest GPUs first.
#include <algorithm>
#include <vector>

#include "sim/api/policy_library.hpp"

namespace {

using namespace orrery;

BODY
const PolicyInfo NAME_policy = ROW
}  // namespace

ORRERY_POLICIES(NAME_policy)
)";

inline constexpr std::string_view kNewCmake = R"(cmake_minimum_required(VERSION 3.25)
project(NAME LANGUAGES CXX)
find_package(Orrery REQUIRED)
orrery_add_policy(NAME NAME.cpp)
)";

inline constexpr std::string_view kNewInTree = R"(// NAME: the waiting job that wants the fewest GPUs first.
#include <algorithm>
#include <vector>

#include "policies/registry.hpp"

namespace orrery {
namespace {

BODY
}  // namespace

const PolicyInfo NAME_policy = ROW
}  // namespace orrery
)";

inline constexpr std::string_view kNewTreeTest = R"(// A schedule of NAME by hand.
#include SUPPORT

using namespace orrery;
using namespace orrery::test;

// 4 GPUs. Job 0 has all of them until 100 s. Then job 2 (1 GPU) and job 3 (2) come before job 1 (3), which starts at
// 150 s.
TEST_CASE("NAME: the job that wants the fewest GPUs first", "[policies][NAME]") {
  const auto r = run_world(cluster(1, 4), {{0, 4, 100}, {10, 3, 50}, {20, 1, 50}, {30, 2, 50}}, {"NAME"});
  CHECK(r.jobs[0].start_s == 0);
  CHECK(r.jobs[1].start_s == 150);
  CHECK(r.jobs[2].start_s == 100);
  CHECK(r.jobs[3].start_s == 100);
}
)";

inline constexpr std::string_view kNewTreeScenario = R"(# Generated jobs under fifo and under NAME.
version: 1
name: NAME
cluster:
  groups:
    - { name: n, count: 4, gpus_per_node: 8, gpu: h200 }
workload: { generate: { jobs: 200, gpus: { 1: 0.5, 2: 0.2, 4: 0.2, 8: 0.1 } }, load: 0.9 }
policy: NAME
compare:
  policies: [fifo, NAME]
)";

}  // namespace orrery::app

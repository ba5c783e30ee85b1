// Five runs of ten jobs each as pages to read (tests/golden/logs): what easy backfilling, preemption, time slices,
// failures with checkpoints, and inheritance are, event by event. A page begins with the jobs as a trace has them.
// Pages change only through scripts/approve, and who reviews a change sees what it means, which no hash shows.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "orrery_paths.hpp"
#include "tests/support/readable_log.hpp"
#include "tests/support/world.hpp"
#include "traces/format/canonical.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

struct Page {
  std::string name, about, jobs;
  std::vector<NodeGroup> groups;
  PolicyChoice choice;
  SimOptions sim{};
};

Page easy_page() {
  return {
      "easy",
      "Easy backfilling on 2 nodes of 4 GPUs. b needs all 8 GPUs and is promised them at 100 s, when a ends by its\n"
      "claim. Only jobs that are claimed to end by then may pass it: c does at once; d never may, it waits for b;\n"
      "e and f take c's GPUs at 80 s. i claims 10 s and runs 60 s; j, which needs everything, waits for d, the last.",
      "job_id,submit_s,gpus,duration_s,estimate_s\n"
      "a,0,6,100,100\nb,10,8,50,60\nc,20,2,60,60\nd,30,2,90,90\ne,40,1,20,20\nf,50,1,15,20\ng,60,4,30,30\n"
      "h,110,2,20,25\ni,115,1,60,10\nj,120,8,10,10\n",
      cluster(2, 4),
      {"easy"},
      {}};
}

Page srtf_page() {
  SimOptions sim;
  sim.overheads.launch = seconds(2);
  sim.overheads.stop = seconds(1);
  sim.overheads.restart = OverheadModel::Restart::constant;
  sim.overheads.restart_default = seconds(5);
  return {
      "srtf",
      "Shortest remaining time first on one node of 4 GPUs. A launch takes 2 s, a restart 5 s more, a stop 1 s.\n"
      "Claims are true, and who has least left runs. Who is pushed aside keeps its work and loses the time of its\n"
      "stop and of its next start.",
      "job_id,submit_s,gpus,duration_s,estimate_s\n"
      "a,0,4,100,100\nb,10,2,20,20\nc,12,2,30,30\nd,20,4,10,10\ne,25,1,200,200\nf,30,1,5,5\ng,31,2,40,40\n"
      "h,60,1,15,15\ni,61,4,8,8\nj,100,2,20,20\n",
      cluster(1, 4),
      {"srtf"},
      std::move(sim)};
}

Page gandiva_page() {
  return {
      "gandiva",
      "Time slices of 20 s on 2 nodes of 2 GPUs, at most two jobs on a set of GPUs. Capital letters run, small ones\n"
      "stand still with their state kept on the GPUs. d, e and f find no GPU free and take turns with jobs of their\n"
      "own size: d with a, e with c, f with b.",
      "job_id,submit_s,gpus,duration_s\n"
      "a,0,1,50\nb,0,1,30\nc,5,2,60\nd,10,1,40\ne,12,2,25\nf,20,1,10\ng,30,1,10\nh,45,2,20\ni,50,1,15\nj,90,1,30\n",
      cluster(2, 2),
      {"gandiva", "count", {{"quantum", "20s"}, {"most", "2"}}},
      {}};
}

Page failures_page() {
  SimOptions sim;
  sim.overheads.launch = seconds(1);
  sim.checkpoints = {seconds(30), seconds(2)};
  sim.failures.outages = {{NodeId(0), at_seconds(70), at_seconds(100)},
                          {NodeId(0), at_seconds(150), at_seconds(155)}};
  return {
      "failures",
      "FIFO on 2 nodes of 4 GPUs, of which node 0 is away from 70 to 100 s and from 150 to 155 s. Jobs save every\n"
      "30 s of work, which takes 2 s. a loses what it did since its second save and goes on from there; d on the\n"
      "other node does not notice. g, h and i have saved nothing when the node fails again: they begin anew.",
      "job_id,submit_s,gpus,duration_s\n"
      "a,0,4,100\nb,0,2,45\nc,5,2,60\nd,10,4,20\ne,20,1,10\nf,30,8,15\ng,40,1,90\nh,50,2,10\ni,60,1,5\nj,200,4,40\n",
      cluster(2, 4),
      {"fifo"},
      std::move(sim)};
}

Page lineage_page() {
  SimOptions sim;
  sim.publishes.cost = seconds(1);
  return {
      "lineage",
      "Parents and children, FIFO, 2 nodes of 4 GPUs. a and b publish when half done, which takes 1 s, and when they\n"
      "finish. c starts from what a has published at half, and d from the whole of a: it saves more of its work. e\n"
      "needs a and b. f and g would like b's: f finds a free GPU and starts without, g has to wait and starts with it.\n"
      "h loses by what it inherits. i waits for c, its own parent; j has no parent.",
      "job_id,submit_s,gpus,duration_s,after,gain\n"
      "a,0,4,100,,\nb,0,2,80,,\nc,5,2,60,a@hard:0.5,a:0.4\nd,5,2,60,a@hard,a:0.4\ne,10,1,30,a@hard;b@hard,b:0.5\n"
      "f,20,1,50,b@soft,b:0.6\ng,70,1,50,b@soft,b:0.6\nh,70,1,40,b@hard:0.5,b:-0.25\ni,80,2,20,c@hard,c:0.3\n"
      "j,90,1,10,,\n",
      cluster(2, 4),
      {"fifo"},
      std::move(sim)};
}

std::string page_text(const Page& page) {
  const Topology topology(page.groups);
  const auto trace = read_trace_text(page.name, page.jobs);
  REQUIRE(trace.has_value());
  const auto workload = to_workload(*trace, topology);
  REQUIRE(workload.has_value());
  REQUIRE(workload->specs.size() == 10);
  ReadableLog log(workload->specs, page.groups);
  const IdealModel speed;
  InvariantChecker checker(watched(*workload, speed, page.sim));
  const auto policy = make_policy(page.choice);
  const RunResult r = run_world(page.groups, *workload, *policy, page.sim, true, {&log, &checker});
  check_clean(checker);
  CHECK(r.outcome.status == RunStatus::completed);
  return page.about + "\n\n" + page.jobs + "\n" + log.text();
}

}  // namespace

TEST_CASE("golden logs say what they said", "[fingerprint][logs]") {
  for (const Page& page : {easy_page(), srtf_page(), gandiva_page(), failures_page(), lineage_page()}) {
    const std::string path = std::string(ORRERY_SOURCE_DIR) + "/tests/golden/logs/" + page.name + ".txt";
    const std::string now = page_text(page);
    if (std::getenv("ORRERY_APPROVE") != nullptr) std::ofstream(path) << now;
    std::ifstream in(path);
    const std::string before(std::istreambuf_iterator<char>(in), {});
    INFO(path << " (a wanted change is approved with scripts/approve \"reason\")");
    CHECK(before == now);
  }
}

// Golden fingerprints: what every policy says on a few worlds, event by event, and the final state of its random
// stream, as one number each in fingerprints.txt. Run by the release and the -O0 build, and by every machine: same
// inputs, same bytes out. They change only through scripts/approve, with a reason.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <map>

#include "orrery_paths.hpp"
#include "sim/core/random.hpp"
#include "tests/support/fingerprint.hpp"
#include "tests/support/world.hpp"
#include "traces/synth/poisson.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

const std::string kFingerprints = std::string(ORRERY_SOURCE_DIR) + "/tests/golden/fingerprints.txt";

std::uint64_t fingerprint(const std::string& policy_name, const std::string& placement_name, bool overheads) {
  PoissonSpec spec;
  spec.jobs = 150;
  spec.load = 1.2;
  spec.cluster_gpus = 32;
  spec.gpu_mix = {{1, 0.5}, {2, 0.2}, {4, 0.2}, {8, 0.06}, {16, 0.04}};
  spec.law = DurationLaw::lognormal;
  spec.overestimate = 3;
  spec.tenants = 4;
  spec.seed = 11;
  const std::vector<NodeGroup> groups = cluster(4, 8);
  // With tenants, claims and deadlines, so that no two policies see the same order in what they look at: every second
  // job has a deadline, from one to four times its run time after its submission.
  Trace trace = generate_poisson(spec).value();
  for (std::size_t i = 0; i < trace.jobs.size(); i += 2) {
    TraceJob& j = trace.jobs[i];
    j.deadline = j.submit + Duration{j.duration.ns * static_cast<std::int64_t>(1 + i / 2 % 4)};
  }
  const Workload workload = to_workload(trace, Topology(groups)).value();
  SimOptions sim;
  if (overheads) {
    sim.overheads.launch = seconds(4);
    sim.overheads.stop = milliseconds(1500);
    sim.overheads.restart = OverheadModel::Restart::constant;
    sim.overheads.restart_default = seconds(30);
  }
  Fingerprint said;
  const Placement* placement = nullptr;
  const auto policy = make_policy({policy_name, placement_name}, &placement);
  const RunResult r = run_world(groups, workload, *policy, sim, false, {&said});
  REQUIRE(r.outcome.status == RunStatus::completed);
  const std::uint64_t parts[] = {said.value(), placement->stream_state()};
  return hash64(std::string_view(reinterpret_cast<const char*>(parts), sizeof parts));
}

std::map<std::string, std::string> approved() {
  std::map<std::string, std::string> out;
  std::ifstream in(kFingerprints);
  std::string name, value;
  while (in >> name >> value) out[name] = value;
  return out;
}

}  // namespace

TEST_CASE("fingerprints are as approved", "[fingerprint]") {
  std::map<std::string, std::string> now;
  for (const PolicyInfo& p : policy_table()) {
    const std::string name(p.name);
    now[name + "/count"] = fmt::format("{:016x}", fingerprint(name, "count", false));
    now[name + "/consolidated+overheads"] = fmt::format("{:016x}", fingerprint(name, "consolidated", true));
    now[name + "/random"] = fmt::format("{:016x}", fingerprint(name, "random", false));
  }
  if (std::getenv("ORRERY_APPROVE") != nullptr) {
    std::ofstream out(kFingerprints);
    for (const auto& [name, value] : now) out << name << ' ' << value << '\n';
  }
  const auto before = approved();
  for (const auto& [name, value] : now) {
    INFO(name << " (a wanted change is approved with scripts/approve \"reason\")");
    CHECK((before.count(name) > 0 ? before.at(name) : "not approved") == value);
  }
  CHECK(before.size() == now.size());
}

TEST_CASE("policies that look at different things have different fingerprints", "[fingerprint]") {
  std::map<std::string, std::string> whose;
  for (const PolicyInfo& p : policy_table()) {
    const std::string value = fmt::format("{:016x}", fingerprint(std::string(p.name), "count", false));
    INFO(p.name << " does all that " << whose[value] << " does");
    CHECK(whose[value].empty());
    whose[value] = p.name;
  }
}

TEST_CASE("a run leaves every random stream in the same state", "[conformance]") {
  CHECK(fingerprint("srtf", "random", true) == fingerprint("srtf", "random", true));
  const auto one = make_placement("random", 1);
  const auto other = make_placement("random", 2);
  CHECK(one->stream_state() != other->stream_state());
}

// Every tiny world: submit in {0, 1, 2} s, duration in {1, 2, 3} s, 1 to 4 GPUs, one to four jobs, up to permutation,
// on one node of four GPUs, under every policy. A job is one of 36; a world is a multiset of them. All run under the
// invariant checker; what must hold of every policy is asserted, and for those whose rule says so, more.
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

constexpr int kKinds = 36;

TinyJob kind(int k) {
  return {k % 3, 1 + k / 9, 1 + k / 3 % 3};
}

// All worlds of `n` jobs, as non-decreasing sequences of kinds ordered by submit.
template <class Visit>
void worlds(int n, Visit visit) {
  std::vector<int> kinds(static_cast<std::size_t>(n), 0);
  while (true) {
    std::vector<TinyJob> jobs;
    for (const int k : kinds) jobs.push_back(kind(k));
    std::stable_sort(jobs.begin(), jobs.end(),
                     [](const TinyJob& a, const TinyJob& b) { return a.submit_s < b.submit_s; });
    visit(jobs);
    std::size_t i = kinds.size();
    while (i > 0 && kinds[i - 1] == kKinds - 1) --i;
    if (i == 0) return;
    const int next = kinds[i - 1] + 1;
    for (std::size_t j = i - 1; j < kinds.size(); ++j) kinds[j] = next;
  }
}

struct Runner {
  std::vector<NodeGroup> groups = cluster(1, 4);
  Topology topology{groups};
  IdealModel model;

  // Finish times in seconds; FAILs when an invariant breaks or a job does not end.
  std::vector<double> run(const PolicyInfo& info, const Workload& w) const {
    const auto policy = make_policy({std::string(info.name)});
    SimExecutor executor(topology, w, model, {});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    InvariantOptions options;
    options.true_work = [&w](JobId id) { return w.truths[id.index()].work; };
    InvariantChecker checker(options);
    Controller controller(executor, *policy, source, w.specs, w.demands, model, {}, {&checker});
    const RunOutcome outcome = controller.run();
    if (outcome.status != RunStatus::completed || !checker.ok()) FAIL("broken under " << info.name);
    std::vector<double> finish;
    for (const JobRecord& r : controller.state().records()) finish.push_back(to_seconds(r.since));
    return finish;
  }
};

std::string describe(const std::vector<TinyJob>& jobs) {
  std::string out;
  for (const TinyJob& j : jobs) out += fmt::format(" (submit {}, {} GPUs, {} s)", j.submit_s, j.gpus, j.duration_s);
  return out;
}

}  // namespace

TEST_CASE("every tiny world under every policy", "[tiny][slow]") {
  const char* set = std::getenv("ORRERY_TINY_JOBS");
  const int most = set != nullptr ? std::atoi(set) : 4;
  const Runner runner;
  std::uint64_t count = 0;
  for (int n = 1; n <= most; ++n) {
    worlds(n, [&](const std::vector<TinyJob>& jobs) {
      ++count;
      const Workload w = make_workload(jobs);
      std::int64_t last_submit = 0, work = 0;
      for (const TinyJob& j : jobs) {
        last_submit = std::max(last_submit, j.submit_s);
        work += j.duration_s;
      }
      for (const PolicyInfo& info : policy_table()) {
        const std::vector<double> finish = runner.run(info, w);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
          // No job ends before it can; none waits once every other job could have run alone before it. A policy that
          // shares GPUs in time slices stretches nothing either: its slices are longer than any job here.
          const double least = static_cast<double>(jobs[i].submit_s + jobs[i].duration_s);
          const double most_s = static_cast<double>(last_submit + work);
          if (finish[i] < least || finish[i] > most_s)
            FAIL(info.name << ", job " << i << " ends at " << finish[i] << " s in" << describe(jobs));
        }
        if (info.name != "fifo") continue;
        // Start order is arrival order.
        double start = 0;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
          const double own = finish[i] - static_cast<double>(jobs[i].duration_s);
          if (own < start) FAIL("fifo starts job " << i << " out of order in" << describe(jobs));
          start = own;
        }
      }
    });
  }
  std::printf("tiny worlds: %llu, each under %zu policies\n", static_cast<unsigned long long>(count),
              policy_table().size());
  if (most == 4) CHECK(count == 91389);  // C(36 + 4, 4) - 1
}

// `emulate: muri`: ends that its floating-point clock takes for one are one, at the earlier instant; so none of them
// pays the pause that every event costs a job that goes on. Against a simulator of a few lines, over random worlds.
#include <catch2/catch.hpp>

#include <algorithm>

#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

const Emulation& muri() {
  return *find_emulation("muri");
}

// On one GPU every event takes from a job what its model says.
struct Job {
  std::int64_t submit_ns, work_ns;
  std::string model;
  [[nodiscard]] std::int64_t pause_ns() const {
    JobSpec spec;
    spec.model = model;
    return muri().progress("fifo")->toll(spec).ns;
  }
};

// Under its Tiresias ends are compared exactly.
std::vector<double> by_executor(const std::vector<Job>& jobs, int gpus, bool merge) {
  Workload w = make_workload(std::vector<TinyJob>(jobs.size()));
  SimOptions sim;
  sim.rule = muri().progress(merge ? "fifo" : "tiresias");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    w.specs[i].submit = Time{jobs[i].submit_ns};
    w.specs[i].model = jobs[i].model;
    w.truths[i].work = Work{jobs[i].work_ns};
  }
  const auto policy = make_policy({"fifo"});
  std::vector<double> finish;
  for (const Outcome& o : run_world(cluster(1, gpus), w, *policy, sim, false).jobs) finish.push_back(o.finish_s);
  return finish;
}

// First come, first served, one GPU each.
std::vector<double> by_hand(const std::vector<Job>& jobs, std::size_t gpus) {
  std::vector<double> finish(jobs.size());
  std::vector<std::pair<std::size_t, std::int64_t>> running;  // job, work left
  std::vector<std::size_t> waiting;
  std::size_t next = 0;
  for (std::int64_t now = 0; next < jobs.size() || !running.empty();) {
    std::int64_t end = kNever.ns;
    for (const auto& [job, left] : running) end = std::min(end, now + left);
    const std::int64_t event = std::min(end, next < jobs.size() ? jobs[next].submit_ns : kNever.ns);
    std::vector<std::pair<std::size_t, std::int64_t>> on;
    for (const auto& [job, left] : running) {
      const double late = static_cast<double>(now + left - event);
      if (event == end && late <= 1e-9 * static_cast<double>(now + left))
        finish[job] = static_cast<double>(event) / 1e9;
      else
        on.emplace_back(job, left - std::max<std::int64_t>(event - now - jobs[job].pause_ns(), 0));
    }
    running = on;
    now = event;
    while (next < jobs.size() && jobs[next].submit_ns == now) waiting.push_back(next++);
    while (!waiting.empty() && running.size() < gpus) {
      running.emplace_back(waiting.front(), jobs[waiting.front()].work_ns);
      waiting.erase(waiting.begin());
    }
  }
  return finish;
}

}  // namespace

TEST_CASE("emulate muri: ends within a relative 1e-9 are one event", "[exec]") {
  constexpr std::int64_t kMs = 1'000'000, kDays = 86'400'000 * kMs;
  const auto same_end = muri().progress("fifo")->same_end;
  CHECK(same_end(Time{100 * kDays}, Time{100 * kDays + 8 * kMs}));
  CHECK_FALSE(same_end(Time{100 * kDays}, Time{100 * kDays + 9 * kMs}));
  CHECK(muri().progress("tiresias")->same_end == nullptr);
  // Three jobs of a hundred days; the second ends 8 ms after the first, the third 9 ms: it pays a pause of 7 s.
  const std::vector<Job> jobs{
      {0, 100 * kDays, "vgg16"}, {0, 100 * kDays + 8 * kMs, "vgg16"}, {0, 100 * kDays + 9 * kMs, "vgg16"}};
  CHECK(by_executor(jobs, 3, true) == std::vector<double>{8640000, 8640000, 8640007.009});
  CHECK(by_executor(jobs, 3, false) == std::vector<double>{8640000, 8640007.008, 8640014.009});
}

TEST_CASE("emulate muri: random worlds end as in a simulator of a few lines", "[exec]") {
  const char* kModels[] = {"vgg16", "resnet18", "bert", "a2c", "dqn"};  // 7, 4, 10, 38 and 5 s
  int merged = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    RandomStream rng = stream(seed, "muri");
    const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(uniform_below(rng, n)); };
    std::vector<Job> jobs;
    std::int64_t submit = 0;
    for (int i = 0; i < 12; ++i) {
      // Days and a few milliseconds, so that many end nearly together.
      jobs.push_back({submit, (below(4) + 1) * 20 * 86'400'000'000'000 + below(12) * 1'000'000,
                      kModels[static_cast<std::size_t>(below(5))]});
      if (below(3) == 0) submit += below(30) * 86'400'000'000'000;
    }
    const std::size_t gpus = static_cast<std::size_t>(below(4)) + 2;
    const std::vector<double> want = by_hand(jobs, gpus);
    INFO("seed " << seed);
    CHECK(by_executor(jobs, static_cast<int>(gpus), true) == want);
    merged += by_executor(jobs, static_cast<int>(gpus), false) != want ? 1 : 0;
  }
  CHECK(merged > 10);
}

// LINEAGE: the block index against brute force, its limit cases, and its bounds, by schedules worked out by hand.
#include <algorithm>
#include <map>

#include "policies/transfer/lineage_index.hpp"
#include "sim/core/random.hpp"
#include "tests/support/event_text.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

const std::map<std::string, std::string> kIndexAlone = {{"alpha", "1"}, {"min_run", "0s"}, {"rho_max", "0"}};

RunResult run(const std::vector<NodeGroup>& groups, const Workload& w, const PolicyChoice& choice,
              std::vector<Observer*> observers = {}, const SimOptions& sim = {}) {
  return run_checked(groups, w, *make_policy(choice), std::move(observers), sim);
}

// Jobs that wait for others on one GPU, as a tree: segments between thresholds, and the least possible weighted sum
// of finish times over all orders of segments that the edges allow.
class BestOrder {
 public:
  explicit BestOrder(const Workload& w) {
    std::vector<std::size_t> last(w.specs.size());
    std::map<std::pair<std::size_t, std::int32_t>, std::size_t> at;  // the segment that ends there
    for (const JobSpec& s : w.specs) {
      std::vector<std::int32_t> cuts{1000};
      for (const JobSpec& c : w.specs)
        if (!c.after.empty() && c.after[0].parent == s.id) cuts.push_back(c.after[0].progress_per_mille);
      std::sort(cuts.begin(), cuts.end());
      cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
      std::int32_t from = 0;
      for (const std::int32_t to : cuts) {
        Segment segment;
        segment.length = w.truths[s.id.index()].work.ns / kNsPerSecond * (to - from) / 1000;
        if (to == 1000) segment.weight = static_cast<std::int64_t>(s.weight);
        if (from > 0)
          segment.needs = static_cast<int>(segments_.size()) - 1;
        else if (!s.after.empty())
          segment.needs = static_cast<int>(at.at({s.after[0].parent.index(), s.after[0].progress_per_mille}));
        at[{s.id.index(), to}] = segments_.size();
        segments_.push_back(segment);
        from = to;
      }
    }
    known_.assign(std::size_t{1} << segments_.size(), -1);
  }
  std::int64_t best() { return from(0, 0); }

 private:
  struct Segment {
    std::int64_t length = 0, weight = 0;
    int needs = -1;
  };
  std::int64_t from(std::size_t done, std::int64_t now) {
    if (done + 1 == known_.size()) return 0;
    std::int64_t& known = known_[done];
    if (known >= 0) return known;
    std::int64_t least = -1;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const Segment& s = segments_[i];
      if ((done >> i & 1) != 0 || (s.needs >= 0 && (done >> s.needs & 1) == 0)) continue;
      const std::int64_t end = now + s.length;
      const std::int64_t sum = s.weight * end + from(done | std::size_t{1} << i, end);
      if (least < 0 || sum < least) least = sum;
    }
    return known = least;
  }
  std::vector<Segment> segments_;
  std::vector<std::int64_t> known_;  // [set of segments that are done]
};

// A parent is drawn before its children; a quarter of the jobs are roots.
Workload random_tree(RandomStream& rng, std::uint64_t n) {
  std::vector<TinyJob> jobs;
  for (std::uint64_t i = 0; i < n; ++i)
    jobs.push_back({0, 1, static_cast<std::int64_t>(10 * (1 + uniform_below(rng, 20)))});
  Workload w = make_workload(jobs);
  for (std::uint64_t i = 0; i < n; ++i) {
    w.specs[i].weight = static_cast<double>(1 + uniform_below(rng, 9));
    if (i == 0 || uniform_below(rng, 4) == 0) continue;
    const auto parent = static_cast<std::uint32_t>(uniform_below(rng, i));
    const auto threshold = uniform_below(rng, 2) == 0 ? std::int32_t{1000}
                                                      : static_cast<std::int32_t>(100 * (1 + uniform_below(rng, 9)));
    w.specs[i].after = {{JobId(parent), true, threshold}};
  }
  return w;
}

std::vector<TinyJob> random_jobs(RandomStream& rng, std::uint64_t n) {
  std::vector<TinyJob> jobs;
  for (std::uint64_t i = 0; i < n; ++i)
    jobs.push_back({static_cast<std::int64_t>(uniform_below(rng, 400)),
                    static_cast<std::int32_t>(1 + uniform_below(rng, 6)),
                    static_cast<std::int64_t>(1 + uniform_below(rng, 90))});
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const TinyJob& a, const TinyJob& b) { return a.submit_s < b.submit_s; });
  return jobs;
}

class AllEvents final : public Observer {
 public:
  void on_event(const Event& e) override { text += event_text(e) + "\n"; }
  std::string text;
};

}  // namespace

TEST_CASE("lineage on one machine finishes 400 random out-trees as early as any order can", "[policies][lineage]") {
  RandomStream rng = stream(11, "tests/lineage/trees");
  for (int round = 0; round < 400; ++round) {
    const Workload w = random_tree(rng, 2 + uniform_below(rng, 7));
    const RunResult r = run(cluster(1, 1), w, {"lineage", "count", kIndexAlone});
    double sum = 0;
    for (std::size_t i = 0; i < w.specs.size(); ++i) sum += w.specs[i].weight * r.jobs[i].finish_s;
    INFO("round " << round);
    REQUIRE(sum == static_cast<double>(BestOrder(w).best()));
  }
}

TEST_CASE("lineage compares blocks of huge weights and services", "[policies][lineage]") {
  const Int128 weight = Int128{1} << 60, service = Int128{1} << 80;
  CHECK(LineageBlock{service, 3 * weight}.better_than({service, 2 * weight}));
  CHECK_FALSE(LineageBlock{3 * service, weight}.better_than({2 * service, weight}));
  CHECK_FALSE(LineageBlock{service, weight}.better_than({service, weight}));
}

TEST_CASE("lineage without edges is srsf, event for event", "[policies][lineage]") {
  RandomStream rng = stream(12, "tests/lineage/srsf");
  for (const char* placement : {"count", "consolidated"}) {
    for (int round = 0; round < 30; ++round) {
      const Workload w = make_workload(random_jobs(rng, 40));
      SimOptions sim;
      sim.overheads.launch = seconds(1);
      sim.overheads.stop = seconds(static_cast<std::int64_t>(uniform_below(rng, 3)));
      if (round % 3 == 0) sim.failures.node_mtbf = seconds(900), sim.failures.repair = seconds(50);
      AllEvents ours, theirs;
      (void)run(cluster(2, 4), w, {"lineage", placement, kIndexAlone}, {&ours}, sim);
      (void)run(cluster(2, 4), w, {"srsf", placement}, {&theirs}, sim);
      INFO("round " << round);
      REQUIRE(ours.text == theirs.text);
    }
  }
}

TEST_CASE("lineage with alpha 0 and without edges orders as srtf does", "[policies][lineage]") {
  RandomStream rng = stream(13, "tests/lineage/srtf");
  std::map<std::string, std::string> options = kIndexAlone;
  options["alpha"] = "0";
  for (int round = 0; round < 30; ++round) {
    const Workload w = make_workload(random_jobs(rng, 40));
    AllEvents ours, theirs;
    (void)run(cluster(2, 4), w, {"lineage", "count", options}, {&ours});
    (void)run(cluster(2, 4), w, {"srtf", "count"}, {&theirs});
    REQUIRE(ours.text == theirs.text);
  }
}

TEST_CASE("lineage serves a parent before a shorter job when enough waits for it", "[policies][lineage]") {
  // One GPU. j0, 100 s, releases j1 and j2 (10 s each) at 40 s of its work; j3 takes 50 s. Until the threshold j0's
  // block is {its first 40 s, j1, j2}: weight 2 in 60 s, better than j3's 1 in 50 s.
  //   j0 0-40, j1 40-50, j2 50-60, then j3 (1 in 50) before the rest of j0 (1 in 60): j3 60-110, j0 110-170.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 10}, {0, 1, 10}, {0, 1, 50}});
  for (std::size_t i : {1U, 2U}) w.specs[i].after = {{JobId(0), true, 400}};
  RunResult r = run(cluster(1, 1), w, {"lineage", "count", kIndexAlone});
  CHECK(r.jobs[0].finish_s == 170);
  CHECK(r.jobs[1].finish_s == 50);
  CHECK(r.jobs[2].finish_s == 60);
  CHECK(r.jobs[3].finish_s == 110);
  // Each for itself: j3 first.
  std::map<std::string, std::string> alone = kIndexAlone;
  alone["rules"] = "[]";
  r = run(cluster(1, 1), w, {"lineage", "count", alone});
  CHECK(r.jobs[3].finish_s == 50);
  CHECK(r.jobs[1].finish_s == 100);
}

TEST_CASE("lineage serves a job beside lineages earlier where it counts more often", "[policies][lineage]") {
  // The jobs of above. j3 counts twice: 2 in 50 s, before 2 in 60 s. One and a half times, 1.5 in 50 s, is too
  // little.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 10}, {0, 1, 10}, {0, 1, 50}});
  for (std::size_t i : {1U, 2U}) w.specs[i].after = {{JobId(0), true, 400}};
  std::map<std::string, std::string> options = kIndexAlone;
  options["beside"] = "1.5";
  CHECK(run(cluster(1, 1), w, {"lineage", "count", options}).jobs[3].finish_s == 110);
  options["beside"] = "2";
  const RunResult r = run(cluster(1, 1), w, {"lineage", "count", options});
  CHECK(r.jobs[3].finish_s == 50);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(r.jobs[2].finish_s == 110);
  CHECK(r.jobs[0].finish_s == 170);
}

TEST_CASE("lineage counts a job with two unmet edges at the parent that is farther away", "[policies][lineage]") {
  // j4 (1 s) needs j0 (30 s) and j1 (20 s); j2 (25 s) and j3 (18 s) stand alone. It hangs below j0 while that has
  // more to do, so j0 counts 2 in 31 s and goes first, though j3 and j1 are shorter.
  //   j0 0-30; then j4 hangs below j1, which counts 2 in 21 s: j1 30-50, j4 50-51, j3 51-69, j2 69-94.
  Workload w = make_workload({{0, 1, 30}, {0, 1, 20}, {0, 1, 25}, {0, 1, 18}, {0, 1, 1}});
  w.specs[4].after = {{JobId(0), true, 1000}, {JobId(1), true, 1000}};
  const RunResult r = run(cluster(1, 1), w, {"lineage", "count", kIndexAlone});
  CHECK(r.jobs[0].finish_s == 30);
  CHECK(r.jobs[1].finish_s == 50);
  CHECK(r.jobs[4].finish_s == 51);
  CHECK(r.jobs[3].finish_s == 69);
  CHECK(r.jobs[2].finish_s == 94);
}

TEST_CASE("lineage does not preempt what has run for less than min_run", "[policies][lineage]") {
  // One GPU. j0 takes 100 s; j1 (10 s) comes at 5 s and waits until j0 has run for 30 s.
  std::map<std::string, std::string> options = kIndexAlone;
  options["min_run"] = "30s";
  const RunResult r = run(cluster(1, 1), make_workload({{0, 1, 100}, {5, 1, 10}}), {"lineage", "count", options});
  CHECK(r.jobs[1].start_s == 30);
  CHECK(r.jobs[1].finish_s == 40);
  CHECK(r.jobs[0].finish_s == 110);
}

TEST_CASE("lineage promotes a job whose finish-time fairness would exceed rho_max", "[policies][lineage]") {
  // One GPU; j0 takes 40 s and is passed by jobs of 10 s that come every 10 s. The load is 2 GPUs over 1, at first,
  // so (now - 0 + 40) / (40 x 2) exceeds 1.5 after 80 s: j0 starts then and is not preempted again.
  std::map<std::string, std::string> options = kIndexAlone;
  options["rho_max"] = "1.5";
  std::vector<TinyJob> jobs{{0, 1, 40}};
  for (std::int64_t t = 0; t < 200; t += 10) jobs.push_back({t, 1, 10});
  const RunResult r = run(cluster(1, 1), make_workload(jobs), {"lineage", "count", options});
  CHECK(r.jobs[0].start_s == Approx(80).margin(0.001));
  CHECK(r.jobs[0].finish_s == Approx(120).margin(0.001));
  options["rho_max"] = "0";
  CHECK(run(cluster(1, 1), make_workload(jobs), {"lineage", "count", options}).jobs[0].start_s == 200);
}

TEST_CASE("lineage keeps everybody's finish-time fairness near rho_max where it can", "[policies][lineage]") {
  // Limit case of the protocol, one job per tenant, of one GPU each. Load is at most what was ever ready over four
  // GPUs. A promoted job waits for nobody but other promoted ones: one quantum, the longest run.
  RandomStream rng = stream(16, "tests/lineage/fairness");
  std::map<std::string, std::string> options{{"min_run", "0s"}, {"rho_max", "1.2"}}, never = options;
  never["rho_max"] = "0";
  int promoted = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<TinyJob> jobs = random_jobs(rng, 40);
    for (TinyJob& j : jobs) j.gpus = 1;
    const Workload w = make_workload(jobs);
    const RunResult r = run(cluster(1, 4), w, {"lineage", "count", options});
    const RunResult without = run(cluster(1, 4), w, {"lineage", "count", never});
    std::int64_t longest = 0;
    for (const TinyJob& j : jobs) longest = std::max(longest, j.duration_s);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      double ready = 0;  // at most, while it was there
      for (std::size_t k = 0; k < jobs.size(); ++k)
        ready += static_cast<double>(jobs[k].submit_s) < r.jobs[i].finish_s &&
                         r.jobs[k].finish_s > static_cast<double>(jobs[i].submit_s)
                     ? 1
                     : 0;
      const double fair = 1.2 * static_cast<double>(jobs[i].duration_s) * std::max(1.0, ready / 4) * 1.06;
      CHECK(r.jobs[i].finish_s <= static_cast<double>(jobs[i].submit_s + longest) + fair);
      promoted += r.jobs[i].finish_s < without.jobs[i].finish_s ? 1 : 0;
    }
  }
  CHECK(promoted > 0);
}

// Jobs whose steps are not alike, in the simulated world: the speed of each phase, where it begins, what is believed
// of what is left, and the CPUs that they share.
#include <fstream>

#include "sim/core/random.hpp"
#include "tests/support/phases.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/world.hpp"

using namespace orrery;
using namespace orrery::test;

namespace {

// Half of its work at 2.5 times the speed of the whole, half at 0.625: 20 s and 80 s of 100.
constexpr const char* kQuickThenSlow = "projector@0:0.4;full@0.5:1.6";

class PhasesSaid final : public Observer {
 public:
  void on_event(const Event& e) override {
    const auto* p = e.get_if<event::Progress>();
    if (p == nullptr) return;
    text += fmt::format("{} j{} phase {} at {}\n", to_seconds(e.at), e.job.value, p->phase, p->done.ns / 1'000'000);
  }
  std::string text;
};

RunResult phases_run(const std::vector<NodeGroup>& groups, const Workload& w, PhasesSaid& said,
                     const SimOptions& sim = {}, const PolicyChoice& choice = {"fifo"}) {
  return run_checked(groups, w, *make_policy(choice), {&said}, sim);
}

}  // namespace

TEST_CASE("a job goes at another speed in each phase and says where one begins", "[world][phases]") {
  Workload w = make_workload({{0, 1, 100}, {0, 1, 10}, {0, 1, 10}});
  in_phases(w.specs[0], kQuickThenSlow);
  w.specs[1].after = {{JobId(0), true, 500}};
  w.specs[2].after = {{JobId(0), true, 750}};
  PhasesSaid said;
  const RunResult r = phases_run(cluster(1, 4), w, said);
  CHECK(r.jobs[0].finish_s == 100);
  CHECK(r.jobs[1].start_s == 20);
  CHECK(r.jobs[2].start_s == 60);  // 20 + 25 / 0.625
  CHECK(said.text == "20 j0 phase 1 at 50000\n");
}

TEST_CASE("a job that goes back in its work goes back to the phase of that", "[world][phases]") {
  // The node fails at 50 s: nothing was saved. Restarted at 60 s, it is in its first phase again.
  Workload w = make_workload({{0, 1, 100}});
  in_phases(w.specs[0], kQuickThenSlow);
  SimOptions sim;
  sim.failures.outages = {{NodeId(0), at_seconds(50), at_seconds(60)}};
  PhasesSaid said;
  CHECK(phases_run(cluster(1, 4), w, said, sim).jobs[0].finish_s == 160);
  CHECK(said.text == "20 j0 phase 1 at 50000\n60 j0 phase 0 at 0\n80 j0 phase 1 at 50000\n");
  // With a checkpoint every 30 s it goes on from 56.25 s of work: 43.75 / 0.625 = 70 s more.
  sim.checkpoints.every = seconds(30);
  PhasesSaid saved;
  CHECK(phases_run(cluster(1, 4), w, saved, sim).jobs[0].finish_s == 130);
  CHECK(saved.text == "20 j0 phase 1 at 50000\n");
}

TEST_CASE("a job that publishes where a phase begins is in that phase while it stands still", "[world][phases]") {
  // At 20 s it is at half of its work: there a phase begins, and what it publishes takes 60 s. 20 + 60 + 50 / 0.625.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 10}});
  in_phases(w.specs[0], kQuickThenSlow);
  w.specs[1].after = {{JobId(0), true, 500}};
  SimOptions sim;
  sim.publishes = {0, seconds(60)};
  sim.progress_every = seconds(25);
  PhasesSaid said;
  CHECK(phases_run(cluster(1, 4), w, said, sim).jobs[0].finish_s == 160);
  CHECK(said.text.starts_with("20 j0 phase 1 at 50000\n100 j0 phase 1 at 62500\n"));
}

TEST_CASE("a job that reports at the instant at which a phase begins is in that phase", "[world][phases]") {
  Workload w = make_workload({{0, 1, 100}});
  in_phases(w.specs[0], kQuickThenSlow);
  SimOptions sim;
  sim.progress_every = seconds(20);
  PhasesSaid said;
  CHECK(phases_run(cluster(1, 4), w, said, sim).jobs[0].finish_s == 100);
  CHECK(said.text.starts_with("20 j0 phase 1 at 50000\n40 j0 phase 1 at 62500\n"));
}

TEST_CASE("a job that is preempted goes on in its phase, one with a head start has phases of what it has left",
          "[world][phases]") {
  const TempFolder dir;
  std::ofstream(dir.file("script")) << "0s j0 run n0:0\n50s j0 preempt\n60s j0 run n0:1\n110s j1 run n0:0\n";
  Workload w = make_workload({{0, 1, 100}, {0, 1, 100}});
  in_phases(w.specs[0], kQuickThenSlow);
  in_phases(w.specs[1], kQuickThenSlow);
  w.specs[1].after = {{JobId(0), true, 1000}};
  w.truths[1].sources = {{JobId(0), 500}};
  PhasesSaid said;
  const RunResult r = phases_run(cluster(1, 2), w, said, {}, {"scripted", "count", {{"file", dir.file("script")}}});
  CHECK(r.jobs[0].finish_s == 110);
  CHECK(r.jobs[1].finish_s == 160);  // 50 s of work, of which 25 s take 10 s
  CHECK(said.text == "20 j0 phase 1 at 50000\n120 j1 phase 1 at 25000\n");
}

TEST_CASE("what more GPUs do not shorten differs by phase", "[world][phases]") {
  JobSpec s;
  s.demand.gpus = 2;
  s.phases = *parse_phases("projector@0:1;full@0.5:1:0:0.5");
  CHECK(phase_speed(s, 0, 4) == kUnitRate);
  CHECK(phase_speed(s, 1, 2) == kUnitRate);
  CHECK(phase_speed(s, 1, 4).per_billion == 666'666'666);  // 2 / (0.5 x 4 + 0.5 x 2)
  CHECK(phase_speed(s, 1, 1).per_billion == 1'333'333'333);
  CHECK(phases_time(s, Work{1000}, Work{0}, Work{1000}).ns == 1000);
  CHECK(phases_time(s, Work{1000}, Work{0}, Work{1000}, 4).ns == 500 + 751);  // rounded up
}

TEST_CASE("the time that is left is that of the phases to come", "[world][phases]") {
  JobSpec s;
  s.phases = *parse_phases(kQuickThenSlow);
  const Duration whole = seconds(100);
  const auto work = [](double done_s) { return Work{static_cast<std::int64_t>(done_s * 1e9)}; };
  CHECK(rest_by_phases(s, whole, Work{}) == seconds(100));
  CHECK(rest_by_phases(s, whole, work(25)) == seconds(90));
  CHECK(rest_by_phases(s, whole, work(50)) == seconds(80));
  CHECK(rest_by_phases(s, whole, work(75)) == seconds(40));
  CHECK(rest_by_phases(s, whole, work(100)) == Duration{1});
  CHECK(time_until(s, whole, 250) == seconds(10));
  CHECK(time_until(s, whole, 750) == seconds(60));
  CHECK(phases_work(s, work(100), work(25), seconds(10)) == work(50));
  CHECK(phases_work(s, work(100), work(25), seconds(50)) == work(75));
  CHECK(phases_work(s, work(100), work(25), seconds(1000)) == work(100));
  CHECK(phase_at(s, work(100), work(49.999)) == 0);
  CHECK(phase_at(s, work(100), work(50)) == 1);
  CHECK(phase_at(s, work(100), work(100)) == 1);
}

TEST_CASE("jobs that decode on one node are slower for it while they are together", "[world][phases]") {
  // 8 CPUs, which either job wants for itself.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 50}, {0, 1, 100}});
  in_phases(w.specs[0], "full@0:1:8");
  in_phases(w.specs[1], "full@0:1:8");
  SimOptions sim;
  sim.cpus = true;
  PhasesSaid said;
  const RunResult r = phases_run(with_cpus(cluster(1, 4), 8), w, said, sim);
  CHECK(r.jobs[1].finish_s == 100);
  CHECK(r.jobs[0].finish_s == 150);
  CHECK(r.jobs[2].finish_s == 100);  // decodes nothing
  sim.cpus = false;
  CHECK(phases_run(with_cpus(cluster(1, 4), 8), w, said, sim).jobs[0].finish_s == 100);
}

TEST_CASE("a phase that decodes less leaves CPUs to others at once", "[world][phases]") {
  // j0 wants 8 of 8 CPUs until half of its work is done, then none: at half speed until 100 s, then alone.
  Workload w = make_workload({{0, 1, 100}, {0, 1, 200}});
  in_phases(w.specs[0], "projector@0:1:8;full@0.5:1");
  in_phases(w.specs[1], "full@0:1:8");
  SimOptions sim;
  sim.cpus = true;
  PhasesSaid said;
  const RunResult r = phases_run(with_cpus(cluster(1, 4), 8), w, said, sim);
  CHECK(r.jobs[0].finish_s == 150);
  CHECK(r.jobs[1].finish_s == 250);
  CHECK(said.text == "100 j0 phase 1 at 50000\n");
}

TEST_CASE("the checker reckons phases and CPUs as random worlds have them", "[world][phases]") {
  RandomStream rng = stream(16, "tests/world/phases");
  for (int round = 0; round < 30; ++round) {
    std::vector<TinyJob> jobs;
    for (int i = 0; i < 20; ++i)
      jobs.push_back({static_cast<std::int64_t>(10 * i), static_cast<std::int32_t>(1 + uniform_below(rng, 4)),
                      static_cast<std::int64_t>(20 + uniform_below(rng, 300))});
    Workload w = make_workload(jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (uniform_below(rng, 3) == 0) continue;
      const std::uint64_t cut = 1 + uniform_below(rng, 998);
      in_phases(w.specs[i], fmt::format("projector@0:0.{}:{};frozen@0.{:03}:1:{}:0.2", 1 + uniform_below(rng, 9),
                                        uniform_below(rng, 9), cut, uniform_below(rng, 9))
                                .c_str());
      if (i > 2 && uniform_below(rng, 3) == 0) {
        w.specs[i].after = {{JobId(static_cast<std::uint32_t>(uniform_below(rng, i))), true, 500}};
        w.truths[i].sources = {{w.specs[i].after.front().parent, 400}};
      }
    }
    SimOptions sim;
    sim.cpus = uniform_below(rng, 4) > 0;
    sim.overheads.launch = seconds(3);
    if (uniform_below(rng, 2) == 0) sim.checkpoints = {seconds(25), seconds(2), {}};
    if (uniform_below(rng, 2) == 0) sim.failures.outages = {{NodeId(0), at_seconds(70), at_seconds(90)}};
    PhasesSaid said;
    INFO("round " << round);
    (void)phases_run(with_cpus(cluster(2, 4), 8), w, said, sim, {round % 2 == 0 ? "srtf" : "lineage"});
  }
}

// What a job takes of one GPU: memory limits become accumulation, and two jobs of an application on one GPU run at
// the speeds measured for their batches, until one of them ends. Vectors worked out by hand.
#include <catch2/catch.hpp>

#include "sim/models/speed/profiled_model.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// A step takes 120 ms and 10 ms per sample: 160 ms with 4, 200 with 8, 280 with 16. A GiB and a half per 4 samples.
// Beside each other, a job with 4 and one with 8 take 200 and 400 ms: shares of 0.8 and 0.5.
ApplicationProfile profile() {
  ApplicationProfile p;
  p.name = "net";
  p.hardware = "k9";
  p.split = {.two_passes_early = false, .rounds_up = false, .nodes_by_number = true};
  for (const double b : {4.0, 8.0, 16.0}) {
    p.exact.push_back({1, 1, 1, b, 0.12 + 0.01 * b, 0});
    p.exact.push_back({2, 1, 2, b, 0.14 + 0.01 * b, 0.02});
    p.memory.push_back({b, 0.375 * b});
  }
  p.shared = {{{4, 0.2, 1.5}, {8, 0.4, 3}},
              {{4, 0.31, 1.5}, {4, 0.33, 1.5}},
              {{8, 0.4, 3}, {8, 0.4, 3}},
              {{16, 0.7, 6}, {4, 0.2, 1.5}}};
  return p;
}

}  // namespace

TEST_CASE("memory by local batch: between measurements, and the largest batch that fits", "[models][titan]") {
  const MemoryTable t = MemoryTable::compile({{16, 9}, {4, 2}, {8, 4}});
  CHECK(t.at(6) == 3);
  CHECK(t.at(1) == 2);
  CHECK(t.at(100) == 9);
  CHECK(t.most(1.9) == 0);
  CHECK(t.most(2) == 4);
  CHECK(t.most(3.4) == 6);
  CHECK(t.most(100) == 16);
  // More samples in less memory were measured some other way: nothing beyond the first that does not fit.
  CHECK(MemoryTable::compile({{4, 2}, {8, 6}, {16, 3}}).most(4) == 6);
  CHECK(MemoryTable::compile({}).most(4) == 0);
}

TEST_CASE("pairs on one GPU: measured, between four of them, or nothing", "[models][titan]") {
  const SharedSteps t = SharedSteps::compile(profile().shared).value();
  CHECK(t.at(4, 8)->step_s == 0.2);
  CHECK(t.at(8, 4)->step_s == 0.4);
  CHECK(t.at(8, 4)->gib == 4.5);
  CHECK(t.at(4, 4)->step_s == Approx(0.32));
  CHECK(t.at(6, 4)->step_s == Approx(0.36));
  CHECK(t.at(6, 6)->step_s == Approx((0.32 + 0.2 + 0.4 + 0.4) / 4));
  CHECK(t.at(12, 4)->step_s == Approx(0.55));
  CHECK_FALSE(t.at(12, 8));  // 16 beside 8 was not measured
  CHECK_FALSE(t.at(2, 4));
  CHECK_FALSE(t.at(4, 17));
  CHECK_FALSE(SharedSteps::compile({})->at(4, 4));
  std::vector<SharedStep> many;
  for (int i = 1; i <= 257; ++i) many.push_back({{1.0 * i, 1, 1}, {1, 1, 1}});
  CHECK_FALSE(SharedSteps::compile(many));
}

TEST_CASE("a batch that does not fit the GPU's memory is accumulated", "[models][titan]") {
  ApplicationProfile p = profile();
  CHECK(Application::compile(p)->split(16, 1).accumulation == 0);
  p.gpu_gib = 4;  // ten samples
  const Application a = Application::compile(p).value();
  CHECK(a.max_local_batch() == 10);
  const Application::Split s = a.split(16, 1);
  CHECK(s.accumulation == 1);
  CHECK(s.per_gpu == 8);
  CHECK(a.step(NodeRing::packed(1, 4), s).seconds == Approx(0.4));
  CHECK(a.split(16, 2).accumulation == 0);
  CHECK(*a.beside(4, 4) == Approx(0.5));
  CHECK_FALSE(a.beside(4, 8));  // 4.5 GiB
  CHECK(a.memory_gib(8) == 3);
  p.gpu_gib = 1;
  CHECK(Application::compile(p).error().items.front().message ==
        "net on k9 does not fit 1 GiB: 4 samples per GPU take 1.5 GiB");
  p.memory.clear();
  CHECK(Application::compile(p).error().items.front().message ==
        "the profile of net on k9 does not say how much memory it takes");
}

TEST_CASE("two jobs of an application on one GPU: their pair's speeds until one of them ends", "[exec][titan]") {
  // 2000 steps of 160 ms, and 500 of 200 ms. At half its speed the second ends after 200 s, when the first has done
  // 160 of its 320 s at 0.8; the rest it does alone.
  ApplicationProfile other = profile();
  other.name = "other";
  for (const bool elsewhere : {false, true}) {
    const auto model = ProfiledModel::compile({profile(), other}, 1).value();
    REQUIRE(model->add({"net", 4, 1, 8000}, false));
    const std::int64_t first = model->reference_time().ns;
    REQUIRE(model->add({elsewhere ? "other" : "net", 8, 1, 4000}, false));
    const std::int64_t second = model->reference_time().ns;
    CHECK(first == seconds(320).ns);
    CHECK(second == seconds(100).ns);
    const Topology topology(cluster(1, 1));
    Workload w = make_workload({{0, 1, 1}, {0, 1, 1}});
    w.truths[0].work = Work{first};
    w.truths[1].work = Work{second};
    half_a_gpu_each(w);
    SimOptions sim;
    sim.progress_every = seconds(7);
    SimExecutor executor(topology, w, *model, sim);
    const auto policy = make_policy(PolicyChoice{"fifo", "spread"});
    JobSource source(w.specs, [](const JobSpec& s) { return s.user_estimate; });
    Controller controller(executor, *policy, source, w.specs, w.demands, *model, {}, {});
    REQUIRE(controller.run().status == RunStatus::completed);
    const auto records = controller.state().records();
    // Jobs of two applications were not measured together: 0.49 each, so 100 s take 204.08 s.
    CHECK(to_seconds(records[1].since) == Approx(elsewhere ? 100 / 0.49 : 200).epsilon(1e-9));
    CHECK(to_seconds(records[0].since) == Approx(elsewhere ? 320 + 0.51 * 100 / 0.49 : 360).epsilon(1e-9));
  }
}

TEST_CASE("sharing a GPU: how many and what they are decides the share", "[models][titan]") {
  const auto model = ProfiledModel::compile({profile()}, 4).value();
  for (const std::int64_t batch : {4, 8, 16}) REQUIRE(model->add({"net", batch, 1, 1000}, false));
  REQUIRE(model->add({"net", 8, 2, 1000}, false));  // 4 samples on each of two GPUs
  const auto share = [&model](std::uint32_t job, std::uint64_t gpus, std::vector<JobId> with) {
    JobSpec spec;
    spec.id = JobId(job);
    Allocation a;
    a.add({NodeId(0), kMilliPerGpu, gpus, 0, 0});
    return static_cast<double>(model->share(spec, a, with).per_billion) / 1e9;
  };
  CHECK(share(0, 1, {}) == 1);
  CHECK(share(0, 1, {JobId(1)}) == 0.8);
  CHECK(share(1, 1, {JobId(0)}) == 0.5);
  CHECK(share(2, 1, {JobId(1)}) == Approx(0.49));  // not measured
  CHECK(share(0, 1, {JobId(1), JobId(2)}) == Approx(0.98 / 3));
  CHECK(share(3, 3, {JobId(1)}) == 0.8);  // as on one GPU with 4
  CHECK(share(1, 1, {JobId(3)}) == 0.5);
  const auto emulated = ProfiledModel::compile({profile()}, 4, find_emulation("titan")->belief).value();
  CHECK_FALSE(emulated->minds_neighbours());
}

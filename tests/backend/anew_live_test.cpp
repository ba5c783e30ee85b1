// What a child's first epoch is worth beside the curve of jobs from the base, by hand; and with real training in the
// live world: a job from its base writes its curve, a child is compared with it, and begins anew from its base.
#include "tests/backend/support_catch.hpp"

#include <filesystem>
#include <functional>

#include "backend/engine/local/local_engine.hpp"
#include "backend/live/live_executor.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/trainer/base_curve.hpp"
#include "orrery_paths.hpp"
#include "tests/backend/support_merged.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;
using Json = nlohmann::json;

namespace fs = std::filesystem;

constexpr Work kStepOfWork{1'000'000'000};  // a step's

// A pretraining job of 6 steps, a job from its base and a child of the first one's, of 18: three epochs of 48
// samples.
class AssessedWorld {
 public:
  AssessedWorld() : topology_(cluster(1, 1)) {
    Json parent = family_.contrasted("lora", 7);
    parent["model"].erase("transfer");
    parent.erase("from");
    Json child = family_.labelled("probe", "shape", 3);
    child["evaluate"] = {{"make", {{"kind", "shape"}, {"samples", 40}, {"size", 16}, {"seed", 9}}}};
    child["assess"] = true;
    child["save_every"] = 4;
    workload_ = make_workload({{0, 1, 6}, {0, 1, 18}, {0, 1, 18}});
    workload_.specs[2].after = {{JobId(0), true, 1000}};
    live::LiveOptions o;
    for (const auto& [config, steps] : std::vector<std::pair<Json, int>>{{parent, 6}, {child, 18}, {child, 18}}) {
      Json one = config;
      one["steps"] = steps;
      const std::string path = family_.file(fmt::format("task-{}.json", o.tasks.size()));
      if (!live::write_file(path, one.dump())) throw std::runtime_error("no task file");
      o.tasks.push_back({path, {ORRERY_TRAINER}, kStepOfWork});
    }
    o.folder = family_.file("run");
    o.progress_every = seconds(1);
    o.overheads.launch = seconds(60);  // how long starting may take
    o.on_failure = [](const std::string& why) { UNSCOPED_INFO(why); };
    live::EngineOptions engine;
    engine.nodes = {1};
    world_ = std::make_unique<live::LiveExecutor>(topology_, workload_, model_,
                                                  std::make_unique<live::LocalEngine>(engine), o);
  }

  void launch(std::uint32_t job, const RunConfig& config = {}) {
    const Member member{JobId(job), ++incarnations_[job], config};
    Allocation gpus;
    NodeSlice slice;
    slice.node = NodeId(0);
    slice.gpus = GpuMask::one(0);
    gpus.add(slice);
    LaunchRequest request;
    request.gang = GangId(++gangs_);
    request.members = {&member, 1};
    request.gpus = &gpus;
    world_->launch(request);
  }
  void kill(std::uint32_t job) {
    world_->stop(GangId(gangs_), {JobId(job), incarnations_[job], {}}, StopHow::kill, {});
  }
  // The first event of that kind.
  Event until(EventKind kind) {
    while (true)
      for (const Event& e : world_->wait_until(kNever)) {
        if (e.kind() == EventKind::failed || e.kind() == EventKind::launch_failed)
          FAIL("job " << e.job.value << " failed");
        seen_.push_back(e);
        if (e.kind() == kind) return e;
      }
  }
  [[nodiscard]] int count(EventKind kind, std::uint32_t job) const {
    int n = 0;
    for (const Event& e : seen_) n += e.kind() == kind && e.job == JobId(job) ? 1 : 0;
    return n;
  }
  [[nodiscard]] std::string jobs(const std::string& name) const { return family_.file("run/jobs/" + name); }
  [[nodiscard]] const live::LiveExecutor& world() const { return *world_; }

 private:
  Family family_{};
  Topology topology_;
  Workload workload_{};
  IdealModel model_{};
  std::map<std::uint32_t, Incarnation> incarnations_{};
  std::uint32_t gangs_ = 0;
  std::vector<Event> seen_{};
  std::unique_ptr<live::LiveExecutor> world_{};
};

}  // namespace

TEST_CASE("an epoch is worth those from the base that lead to the same score", "[torch][anew]") {
  trainer::BaseCurve curve;
  for (const double score : {0.2, 0.4, 0.5, 0.5, 0.6}) curve.scores.push_back({score, 0.01});
  const auto worth = [&](double score) { return curve.worth({score, 0.01}).value(); };
  CHECK(worth(0.3).worth == 500'000);
  CHECK(worth(0.3).error == 70'711);  // sqrt(2) x 0.01 / 0.2
  CHECK(worth(0.45).worth == 1'500'000);
  CHECK(worth(0.45).error == 141'421);
  CHECK(worth(0.5).worth == 2'000'000);
  CHECK(worth(0.55).worth == 3'500'000);
  CHECK(worth(0.9).worth == 4'000'000);  // its last epoch
  CHECK(worth(0.2).worth == 0);
  CHECK(worth(0.1).worth == 0);
  // Where it is flat, nothing is known.
  curve.scores = {{0.5, 0.01}, {0.5, 0.01}, {0.5, 0.01}};
  CHECK(worth(0.6).worth == 2'000'000);
  CHECK(worth(0.6).error == 2'000'000);
  curve.scores = {{0.5, 0.01}};
  CHECK_FALSE(curve.worth({0.6, 0.01}));
  // 30 of 40: sqrt(31/42 x 11/42 / 42)
  CHECK(trainer::score_of(0.75, 40).error == Approx(0.067846).epsilon(1e-4));
  CHECK(trainer::score_of(1, 40).error > 0.01);
}

TEST_CASE("a curve is what was written, or nothing", "[torch][anew]") {
  trainer::BaseCurve curve{"7", {{0.25, 0.05}, {0.5, 0.0625}}};
  const auto again = trainer::BaseCurve::from_text(curve.text());
  REQUIRE(again);
  CHECK(again->job == "7");
  REQUIRE(again->scores.size() == 2);
  CHECK(again->scores[1].value == 0.5);
  CHECK(again->scores[1].error == 0.0625);
  for (const char* bad : {"", "{", "[]", R"({"scores":3})", R"({"scores":[[1]]})", R"({"scores":[["a",2]]})"})
    CHECK_FALSE(trainer::BaseCurve::from_text(bad));
  // Jobs are alike whatever their seed and length.
  const std::string a = R"({"model":{"x":1},"seed":1,"steps":5})", b = R"({"steps":9,"model":{"x":1},"seed":2})";
  CHECK(trainer::curve_path("/r/jobs/1", a) == trainer::curve_path("/r/jobs/2", b));
  CHECK(trainer::curve_path("/r/jobs/1", a) != trainer::curve_path("/r/jobs/1", R"({"model":{"x":2}})"));
}

TEST_CASE("live: a training child is compared after its first epoch, and begins anew from its base",
          "[torch][live][anew]") {
  AssessedWorld w;
  w.launch(0);
  (void)w.until(EventKind::finished);
  w.launch(1);
  (void)w.until(EventKind::finished);
  CHECK(w.count(EventKind::assessed, 1) == 0);  // it writes the curve
  int curves = 0;
  for (const auto& file : fs::directory_iterator(w.jobs("curves"))) {
    const auto text = live::read_file(file.path().string());
    REQUIRE(text);
    const auto curve = trainer::BaseCurve::from_text(*text);
    REQUIRE(curve);
    CHECK(curve->scores.size() == 4);  // before the first step, and after three epochs
    ++curves;
  }
  CHECK(curves == 1);

  w.launch(2);
  const Event told = w.until(EventKind::assessed);
  CHECK(told.job == JobId(2));
  const auto& assessed = told.get<event::Assessed>();
  CHECK(assessed.parent == JobId(0));
  CHECK(assessed.worth >= 0);
  CHECK(assessed.worth <= 3'000'000);
  CHECK(assessed.error > 0);
  CHECK(w.count(EventKind::inherited, 2) == 1);

  w.kill(2);
  (void)w.until(EventKind::stopped);
  w.launch(2, {.start_version = kFromBase, .anew = true});
  (void)w.until(EventKind::finished);
  CHECK(w.world().launches().back().first_step == 0);
  CHECK(w.count(EventKind::inherited, 2) == 1);
  CHECK(w.count(EventKind::assessed, 2) == 1);
  CHECK(live::read_file(w.jobs("2/source")).value().empty());
  CHECK_FALSE(fs::exists(w.jobs("2/checkpoints/aside")));
  const auto found = live::load_checkpoint(w.jobs("2/checkpoints")).newest;
  REQUIRE(found);
  CHECK(found->checkpoint.stamp.incarnation == 2);
  CHECK(found->checkpoint.stamp.step == 18);
}

// The live world with trainers in one gang: what the executor asks of a merged gang, real training does.
#include "tests/backend/support_catch.hpp"

#include <functional>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/live/live_executor.hpp"
#include "tests/backend/support_merged_worker.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// A step of a job is a second of its work.
constexpr Work kSecondOfWork{1'000'000'000};

class MergedWorld {
 public:
  // Jobs that train so many steps; a node with two slots.
  MergedWorld(const Family& family, const std::vector<nlohmann::json>& jobs, const std::vector<std::int64_t>& steps)
      : topology_(cluster(1, 2)) {
    std::vector<TinyJob> tiny;
    live::LiveOptions o;
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      tiny.push_back({0, 1, steps[j]});
      nlohmann::json config = jobs[j];
      config["steps"] = steps[j];
      const std::string path = family.file(fmt::format("task-{}.json", j));
      if (!live::write_file(path, config.dump())) throw std::runtime_error("no task file");
      o.tasks.push_back({path, {ORRERY_TRAINER}, kSecondOfWork});
    }
    workload_ = make_workload(tiny);
    o.folder = family.file("run");
    o.progress_every = seconds(1);
    o.overheads.launch = seconds(60);  // how long starting may take
    o.on_failure = [](const std::string& why) { UNSCOPED_INFO(why); };
    live::EngineOptions engine;
    engine.nodes = {2};
    world_ = std::make_unique<live::LiveExecutor>(topology_, workload_, model_,
                                                  std::make_unique<live::LocalEngine>(engine), o);
  }

  void launch(std::uint32_t gang, const std::vector<std::uint32_t>& jobs, int slot) {
    std::vector<Member> members;
    for (const std::uint32_t j : jobs) members.push_back({JobId(j), ++incarnations_[j], {}});
    Allocation gpus;
    NodeSlice slice;
    slice.node = NodeId(0);
    slice.gpus = GpuMask::one(slot);
    gpus.add(slice);
    LaunchRequest request;
    request.gang = GangId(gang);
    request.members = members;
    request.gpus = &gpus;
    request.sharing = Sharing::merged;
    world_->launch(request);
  }
  void stop(std::uint32_t gang, std::uint32_t job) {
    world_->stop(GangId(gang), {JobId(job), incarnations_[job], {}}, StopHow::checkpoint_exit, seconds(60));
  }
  // Shows events until `seen` says that it has seen enough.
  void until(const std::function<bool(const Event&)>& seen) {
    while (true)
      for (const Event& e : world_->wait_until(kNever)) {
        if (e.kind() == EventKind::failed || e.kind() == EventKind::launch_failed)
          FAIL("job " << e.job.value << " failed");
        if (seen(e)) return;
      }
  }
  [[nodiscard]] Work done(std::uint32_t job) const { return world_->done(JobId(job)); }
  [[nodiscard]] live::LiveExecutor& world() { return *world_; }

 private:
  Topology topology_;
  Workload workload_{};
  IdealModel model_{};
  std::map<std::uint32_t, Incarnation> incarnations_{};
  std::unique_ptr<live::LiveExecutor> world_{};
};

std::int64_t in_steps_of(Work w) {
  return w.ns / kSecondOfWork.ns;
}

}  // namespace

TEST_CASE("live: a merged gang of trainers starts, is joined, is left, and one goes on alone",
          "[torch][live][merged_gang]") {
  const Family parents;
  MergedWorld w(
      parents,
      {parents.labelled("lora", "shape", 1), parents.labelled("probe", "colour", 2), parents.contrasted("lora", 3)},
      {100'000, 25, 400});
  bool started[3]{}, finished[3]{}, joined = false;
  w.launch(1, {0, 1}, 0);
  // j2 joins when j1 has made five steps; j1 finishes; then j2, which has made some, is asked to leave.
  w.until([&](const Event& e) {
    if (e.kind() == EventKind::started) started[e.job.index()] = true;
    if (e.kind() == EventKind::finished) finished[e.job.index()] = true;
    if (!joined && in_steps_of(w.done(1)) >= 5) {
      joined = true;
      w.launch(1, {2}, 0);
    }
    return started[2] && finished[1] && in_steps_of(w.done(2)) >= 10;
  });
  CHECK(started[0]);
  CHECK(started[1]);
  CHECK_FALSE(finished[0]);
  w.stop(1, 2);
  Work committed{};
  w.until([&](const Event& e) {
    const auto* s = e.get_if<event::Stopped>();
    if (s != nullptr) committed = s->committed;
    return s != nullptr && e.job == JobId(2);
  });
  CHECK(in_steps_of(committed) >= 10);
  // It goes on alone, from there, while the first one still trains.
  const std::int64_t before = in_steps_of(w.done(0));
  w.launch(2, {2}, 1);
  w.until([&](const Event& e) { return e.kind() == EventKind::finished && e.job == JobId(2); });
  CHECK(w.world().launches().back().first_step == in_steps_of(committed));
  CHECK(in_steps_of(w.done(0)) > before);
  w.stop(1, 0);
  w.until([&](const Event& e) { return e.kind() == EventKind::stopped && e.job == JobId(0); });
}

// A job of the toy task and its launches, as real processes of the trainer under the local engine.
#pragma once

#include "tests/backend/support_catch.hpp"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "orrery_paths.hpp"
#include "sim/core/json.hpp"
#include "tests/support/temp_dir.hpp"

namespace orrery::test {

class ToyJob {
 public:
  static constexpr Work kStep{1'000'000};
  static constexpr std::int64_t kPatience = 120'000'000'000;  // ns

  explicit ToyJob(int steps, const nlohmann::json& changes = nlohmann::json::object()) : steps_(steps) {
    nlohmann::json config = {
        {"task", "toy"}, {"steps", steps}, {"global_batch", 12}, {"seed", 5}, {"model", {{"dropout", 0.1}}}};
    config.merge_patch(changes);
    REQUIRE(live::write_file(folder_.file("task.json"), config.dump()));
  }

  struct End {
    int verdict = 0;
    std::string text{};
    std::vector<live::FromWorker> said{};
    [[nodiscard]] std::int64_t last_step() const {
      std::int64_t step = 0;
      for (const live::FromWorker& m : said)
        if (const auto* s = std::get_if<live::Step>(&m)) step = s->step;
      return step;
    }
    [[nodiscard]] std::int64_t ready_step() const {
      for (const live::FromWorker& m : said)
        if (const auto* r = std::get_if<live::Ready>(&m)) return r->step;
      return -1;
    }
  };

  // Launches `ranks` ranks; `see` may act on every event.
  End run(int ranks, const std::function<void(live::Engine&, live::GangHandle, const live::EngineEvent&)>& see = {}) {
    live::LocalEngine engine({.nodes = {4}});
    live::GangSpec spec;
    ++incarnation_;
    spec.name = fmt::format("toy.{}", incarnation_);
    spec.argv = {ORRERY_TRAINER};
    for (int r = 0; r < ranks; ++r) spec.ranks.push_back({NodeId(0), GpuMask::one(r)});
    live::Start& s = spec.start;
    s.job = "toy";
    s.incarnation = incarnation_;
    s.run_folder = folder_.file(fmt::format("launch-{}", incarnation_));
    s.checkpoint_dir = checkpoints();
    s.restore = true;
    s.total_work = {steps_ * kStep.ns};
    s.step_work = kStep;
    s.save_every_steps = save_every;
    s.report_every_steps = 1;
    s.costs.start = seconds(60);
    s.task = folder_.file("task.json");
    if (prepare) prepare(spec);
    const live::GangHandle handle{1};
    engine.launch(handle, spec);
    End end;
    const std::int64_t limit = live::monotonic_ns() + kPatience;
    while (live::monotonic_ns() < limit) {
      for (const live::EngineEvent& e : engine.poll(limit)) {
        if (e.kind == live::EngineEvent::Kind::said) end.said.push_back(e.message);
        if (e.kind == live::EngineEvent::Kind::gone) return {e.verdict, e.text, end.said};
        events_.push_back(e);
      }
      for (const live::EngineEvent& e : std::exchange(events_, {}))
        if (see) see(engine, handle, e);
    }
    FAIL("the gang did not end");
    return end;
  }

  [[nodiscard]] std::string checkpoints() const { return folder_.file("checkpoints"); }
  [[nodiscard]] std::string folder() const { return folder_.path(); }
  // What the newest checkpoint holds, without what depends on the launch.
  [[nodiscard]] std::vector<live::CheckpointFile> state() const {
    const auto found = live::load_checkpoint(checkpoints());
    REQUIRE(found.newest);
    std::vector<live::CheckpointFile> files = found.newest->checkpoint.files;
    return files;
  }

  std::int64_t save_every = 0;
  std::function<void(live::GangSpec&)> prepare{};  // may change what is launched

 private:
  TempFolder folder_{};
  int steps_;
  std::int64_t incarnation_ = 0;
  std::vector<live::EngineEvent> events_{};
};

}  // namespace orrery::test

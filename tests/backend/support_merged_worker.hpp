// Real processes of the trainer with several jobs in one gang: what they were told, and what each said.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backend/engine/local/local_engine.hpp"
#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/clock.hpp"
#include "orrery_paths.hpp"
#include "tests/backend/support_merged.hpp"

namespace orrery::test {

class MergedRun {
 public:
  using Json = nlohmann::json;
  static constexpr std::int64_t kEndless = 1'000'000;
  static constexpr Work kStepWork{1'000'000};

  // A job that trains `steps` steps of its own work; its file says what.
  void add(const std::string& name, Json config, std::int64_t steps) {
    config["steps"] = 200;
    if (!live::write_file(family.file(name + ".json"), config.dump())) throw std::runtime_error("no task file");
    steps_[name] = steps;
  }

  // The next launch of a job.
  [[nodiscard]] live::Start start_of(const std::string& name) {
    live::Start s;
    s.job = name;
    s.incarnation = ++incarnations_[name];
    s.run_folder = family.file(fmt::format("{}/launch-{}", name, s.incarnation));
    s.checkpoint_dir = checkpoints(name);
    s.restore = true;
    s.total_work = {steps_.at(name) * kStepWork.ns};
    s.step_work = kStepWork;
    s.report_every_steps = 1;
    s.save_every_steps = save_every;
    s.costs.start = seconds(60);
    s.task = family.file(name + ".json");
    return s;
  }

  struct End {
    int verdict = 0;
    std::string text{};
  };
  using Line = decltype(live::FromMember::what);
  // Launches a gang with `name` as its first member; `see` is shown every line, with whose it is, and may act.
  End run(const std::string& name, int ranks,
          const std::function<void(live::Engine&, live::GangHandle, const std::string&, const Line&)>& see) {
    live::LocalEngine engine({.nodes = {4}});
    live::GangSpec spec;
    spec.start = start_of(name);
    spec.name = fmt::format("{}.{}", name, spec.start.incarnation);
    spec.argv = {ORRERY_TRAINER};
    for (int r = 0; r < ranks; ++r) spec.ranks.push_back({NodeId(0), GpuMask::one(r)});
    const live::GangHandle handle{1};
    engine.launch(handle, spec);
    const std::int64_t limit = live::monotonic_ns() + 120'000'000'000;
    while (live::monotonic_ns() < limit) {
      std::vector<std::pair<std::string, Line>> lines;
      End end{-1, {}};
      for (const live::EngineEvent& e : engine.poll(limit)) {
        if (e.kind == live::EngineEvent::Kind::gone) end = {e.verdict, e.text};
        if (e.kind == live::EngineEvent::Kind::said) hear(name, e.message, lines);
      }
      for (const auto& [job, line] : lines) {
        said[job].push_back(line);
        if (see) see(engine, handle, job, line);
      }
      if (end.verdict >= 0) return end;
    }
    throw std::runtime_error("the gang did not end");
  }
  // Trains a job by itself to the end of its work.
  End finish_alone(const std::string& name) { return run(name, 1, {}); }

  template <class Message>
  [[nodiscard]] const Message* last(const std::string& job) const {
    const Message* found = nullptr;
    if (const auto at = said.find(job); at != said.end())
      for (const Line& line : at->second)
        if (const auto* m = std::get_if<Message>(&line)) found = m;
    return found;
  }

  [[nodiscard]] std::string checkpoints(const std::string& name) const { return family.file(name + "/checkpoints"); }
  // The step of the newest whole checkpoint; 0: there is none.
  [[nodiscard]] std::int64_t committed(const std::string& name) const {
    const auto found = live::load_checkpoint(checkpoints(name));
    return found.newest ? found.newest->checkpoint.stamp.step : 0;
  }

  Family family{};
  std::map<std::string, std::vector<Line>> said{};  // by job
  std::int64_t save_every = 0;

 private:
  static void hear(const std::string& first, const live::FromWorker& message,
                   std::vector<std::pair<std::string, Line>>& lines) {
    if (const auto* m = std::get_if<live::FromMember>(&message)) {
      lines.emplace_back(m->job, m->what);
      return;
    }
    std::visit(
        [&](const auto& m) {
          if constexpr (std::is_constructible_v<Line, decltype(m)>) lines.emplace_back(first, m);
        },
        message);
  }

  std::map<std::string, std::int64_t> steps_{}, incarnations_{};
};

}  // namespace orrery::test

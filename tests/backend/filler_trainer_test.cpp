// The trainer as a filler: at the least priority, for a part of the time, it trains what it would train by itself.
#include "tests/backend/support_catch.hpp"

#include <fstream>
#include <string>
#include <vector>

#include "tests/backend/support_toy_job.hpp"

namespace {

using namespace orrery;
using live::EngineEvent;

// Of every ten steps, as the toy task reports.
std::vector<double> losses_of(const test::ToyJob& job) {
  std::ifstream metrics(job.folder() + "/launch-1/metrics.jsonl");
  std::vector<double> losses;
  for (std::string line; std::getline(metrics, line);)
    losses.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  return losses;
}

}  // namespace

TEST_CASE("A trainer that fills what others leave makes the steps that it makes alone", "[torch][worker][fillers]") {
  for (const int ranks : {1, 2}) {
    INFO(ranks << " ranks");
    const nlohmann::json slowly{{"model", {{"pause_ms", 20}}}};
    test::ToyJob alone(30, slowly), filler(30, slowly);
    REQUIRE(alone.run(ranks).verdict == live::kExitDone);
    filler.prepare = [](live::GangSpec& spec) {
      spec.idle = true;
      spec.start.fill = 0;
    };
    std::int64_t step = 0;
    std::vector<std::int64_t> filling;
    const test::ToyJob::End end =
        filler.run(ranks, [&](live::Engine& engine, live::GangHandle gang, const EngineEvent& e) {
          if (e.kind != EngineEvent::Kind::said) return;
          if (std::holds_alternative<live::Ready>(e.message)) engine.say(gang, live::Fill{1000});
          if (const auto* says = std::get_if<live::Filling>(&e.message)) {
            filling.push_back(says->per_mille);
            if (filling.size() == 1) CHECK(step == 0);                    // it rested until it was told
            if (says->per_mille == 0) engine.say(gang, live::Fill{500});  // in the middle of its rest
          }
          const auto* report = std::get_if<live::Step>(&e.message);
          if (report == nullptr) return;
          step = report->step;
          if (step == 5) engine.say(gang, live::Fill{0});
        });
    INFO(end.text);
    REQUIRE(end.verdict == live::kExitDone);
    CHECK(end.last_step() == 30);
    CHECK(filling == std::vector<std::int64_t>{1000, 0, 500});
    CHECK((filler.state() == alone.state()));
    CHECK(losses_of(alone).size() == 3);
    CHECK(losses_of(filler) == losses_of(alone));
  }
}

TEST_CASE("A trainer that fills and rests saves and leaves when it is told to stop", "[torch][worker][fillers]") {
  test::ToyJob alone(20), filler(20);
  REQUIRE(alone.run(1).verdict == live::kExitDone);
  filler.prepare = [](live::GangSpec& spec) { spec.start.fill = 0; };
  const test::ToyJob::End first =
      filler.run(1, [](live::Engine& engine, live::GangHandle gang, const EngineEvent& e) {
        if (e.kind != EngineEvent::Kind::said) return;
        if (std::holds_alternative<live::Ready>(e.message)) engine.say(gang, live::Fill{0});
        if (std::holds_alternative<live::Filling>(e.message)) engine.stop(gang, seconds(60));
      });
  REQUIRE(first.verdict == live::kExitStopped);
  CHECK(first.last_step() == 1);  // with a step it leaves its rest
  filler.prepare = {};
  REQUIRE(filler.run(1).verdict == live::kExitDone);
  CHECK((filler.state() == alone.state()));
}

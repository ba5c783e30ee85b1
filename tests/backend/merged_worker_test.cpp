// Merged gangs of real trainers: members join, are told things, finish, leave and die, each by itself.
#include "tests/backend/support_catch.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "backend/trainer/safetensors.hpp"
#include "sim/core/random.hpp"
#include "tests/backend/support_merged_worker.hpp"
#include "tests/support/kill_rank.hpp"

namespace {

using namespace orrery;
using test::MergedRun;
using Line = MergedRun::Line;

live::ToMember to(const std::string& job, decltype(live::ToMember::what) what) {
  return {job, std::move(what)};
}

// The end of a job's training against that of the same job by itself. One that went on with another number of ranks
// (`moved`) has drawn a new random state then.
void ends_as_alone(MergedRun& run, const std::string& job, const std::string& twin, bool moved = false) {
  REQUIRE(run.finish_alone(twin).verdict == live::kExitDone);
  const auto a = live::load_checkpoint(run.checkpoints(job)), b = live::load_checkpoint(run.checkpoints(twin));
  REQUIRE((a.newest && b.newest));
  const auto &merged = a.newest->checkpoint.files, &alone = b.newest->checkpoint.files;
  REQUIRE(merged.size() == alone.size());
  for (std::size_t f = 0; f < merged.size(); ++f) {
    INFO(job << ": " << merged[f].name);
    CHECK(merged[f].name == alone[f].name);
    CHECK(merged[f].bytes.size() == alone[f].bytes.size());
    if (merged[f].name.ends_with(".json") || (merged[f].name == "rng.safetensors" && !moved))
      CHECK((merged[f].bytes == alone[f].bytes));
  }
  const auto x = trainer::load_model(run.checkpoints(job)), y = trainer::load_model(run.checkpoints(twin));
  REQUIRE((x && y));
  for (const auto& [name, value] : *y) {
    INFO(job << ": " << name);
    CHECK(at::allclose(x->at(name), value, 1e-3, 1e-5));
  }
}

}  // namespace

// `a` goes on for ever and is stopped when all the others have had their turn: b finishes, c is stopped at a step and
// goes on alone, d is dropped, two others cannot join, and one has no data.
TEST_CASE("Trainers take members in, tell of each, and let them go", "[torch][worker][merged_gang]") {
  for (const int ranks : {1, 2}) {
    INFO(ranks << " ranks");
    MergedRun run;
    run.add("a", run.family.labelled("lora", "shape", 71), MergedRun::kEndless);
    run.add("b", run.family.labelled("probe", "colour", 72), 20);
    run.add("c", run.family.contrasted("lora", 73), MergedRun::kEndless);
    run.add("d", run.family.labelled("lora", "count", 74), MergedRun::kEndless);
    auto stranger = run.family.labelled("lora", "shape", 75);
    stranger["from"] = run.family.pretrained("stranger", 8);
    run.add("stranger", stranger, 20);
    run.add("toy", {{"task", "toy"}, {"global_batch", 4}}, 20);
    run.add("broken", run.family.labelled("lora", "pairs", 76), 20);  // its samples have no labels
    const auto all_over = [&run] {
      return run.last<live::Done>("b") && run.last<live::Left>("c") && run.last<live::Left>("d") &&
             run.last<live::WorkerError>("broken") && run.last<live::Published>("c");
    };
    bool stopped = false;
    const auto end =
        run.run("a", ranks, [&](live::Engine& e, live::GangHandle g, const std::string& job, const Line& line) {
          if (job == "a" && std::holds_alternative<live::Ready>(line))
            for (const char* const other : {"b", "c", "d", "stranger", "toy", "broken"})
              e.say(g, live::Join{run.start_of(other)});
          const auto* step = std::get_if<live::Step>(&line);
          if (job == "c" && step != nullptr && step->step == 5) e.say(g, to("c", live::Publish{}));
          if (job == "c" && step != nullptr && step->step == 12) e.say(g, to("c", live::Stop{}));
          if (job == "d" && step != nullptr && step->step == 4) e.say(g, to("d", live::Drop{}));
          if (all_over() && !stopped) {
            stopped = true;
            e.stop(g, seconds(60));
          }
        });
    INFO(end.text);
    CHECK(end.verdict == live::kExitStopped);
    CHECK(run.last<live::Left>("a"));
    CHECK(run.committed("a") == run.last<live::Saved>("a")->step);
    CHECK(run.last<live::Done>("b")->step == 20);
    CHECK(run.committed("b") == 20);
    REQUIRE(run.last<live::Saved>("c"));
    CHECK(run.committed("c") == run.last<live::Saved>("c")->step);
    CHECK(run.committed("d") == 0);
    CHECK(run.last<live::WorkerError>("stranger")->text.find("another version") != std::string::npos);
    CHECK(run.last<live::WorkerError>("toy")->text.find("no frozen part") != std::string::npos);
    CHECK(run.last<live::WorkerError>("broken")->text.find("can be used") != std::string::npos);
    const std::int64_t left_at = run.committed("c");
    CHECK(left_at >= 12);
    run.add("c", run.family.contrasted("lora", 73), left_at + 10);
    CHECK(run.finish_alone("c").verdict == live::kExitDone);
    CHECK(run.last<live::Ready>("c")->step == left_at);
    run.add("b2", run.family.labelled("probe", "colour", 72), 20);
    run.add("c2", run.family.contrasted("lora", 73), left_at + 10);
    // A checkpoint names the world that wrote it, which of b's was the gang's.
    if (ranks == 1) ends_as_alone(run, "b", "b2");
    ends_as_alone(run, "c", "c2", ranks > 1);
  }
}

TEST_CASE("The first member of a trainers' gang may finish or leave before the others",
          "[torch][worker][merged_gang]") {
  MergedRun run;
  run.add("a", run.family.labelled("lora", "shape", 81), 300);
  run.add("b", run.family.labelled("lora", "colour", 82), MergedRun::kEndless);
  const auto end =
      run.run("a", 1, [&](live::Engine& e, live::GangHandle g, const std::string& job, const Line& line) {
        if (job == "a" && std::holds_alternative<live::Ready>(line)) e.say(g, live::Join{run.start_of("b")});
        const auto* step = std::get_if<live::Step>(&line);
        if (job == "b" && step != nullptr && run.last<live::Done>("a")) e.say(g, to("b", live::Stop{}));
      });
  INFO(end.text);
  CHECK(end.verdict == live::kExitStopped);
  CHECK(run.last<live::Done>("a")->step == 300);
  CHECK(run.committed("b") == run.last<live::Saved>("b")->step);
}

namespace {

// Three members that save every three steps are killed `kills` times, at moments that differ, and always go on from
// what was said to be saved.
void kill_merged(int kills) {
  MergedRun run;
  run.save_every = 3;
  const std::vector<std::string> names{"a", "b", "c"};
  run.add("a", run.family.labelled("lora", "shape", 91), MergedRun::kEndless);
  run.add("b", run.family.labelled("probe", "colour", 92), MergedRun::kEndless);
  run.add("c", run.family.contrasted("lora", 93), MergedRun::kEndless);
  RandomStream rng = stream(20261201, "tests/backend/merged_kills");
  for (int k = 0; k < kills; ++k) {
    INFO("kill " << k);
    std::map<std::string, std::int64_t> before, told, ready;
    for (const std::string& n : names) before[n] = told[n] = run.committed(n);
    auto left = static_cast<std::int64_t>(2 + uniform_below(rng, 60));  // lines until then
    bool shot = false;
    const auto end =
        run.run("a", 1, [&](live::Engine& e, live::GangHandle g, const std::string& job, const Line& line) {
          if (const auto* r = std::get_if<live::Ready>(&line)) {
            ready[job] = r->step;
            if (job == "a")
              for (const char* const other : {"b", "c"}) e.say(g, live::Join{run.start_of(other)});
          }
          if (const auto* s = std::get_if<live::Saved>(&line)) told[job] = s->step;
          if (--left <= 0 && !std::exchange(shot, true)) test::kill_rank(e.processes(g).at(0));
        });
    CHECK(end.verdict == live::kExitError);
    for (const auto& [job, step] : ready) CHECK(step == before[job]);
    for (const std::string& n : names) {
      INFO(n);
      CHECK(live::load_checkpoint(run.checkpoints(n)).passed_over.empty());
      CHECK(run.committed(n) >= told[n]);
    }
  }
  // Each by itself, from what its own checkpoint says, to where it ends as if nothing had ever happened.
  for (const std::string& n : names) {
    const auto config = nlohmann::json::parse(*live::read_file(run.family.file(n + ".json")));
    const std::int64_t steps = run.committed(n) + 5;
    run.add(n, config, steps);
    run.add(n + "2", config, steps);
    REQUIRE(run.finish_alone(n).verdict == live::kExitDone);
    ends_as_alone(run, n, n + "2");
  }
}

}  // namespace

TEST_CASE("Killed at three moments, a merged gang loses no member's committed work",
          "[torch][worker][merged_gang][kill]") {
  kill_merged(3);
}

TEST_CASE("Killed at thirty moments, a merged gang loses no member's committed work",
          "[.][torch][merged_gang][kill][slow]") {
  kill_merged(30);
}

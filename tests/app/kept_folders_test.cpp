// What is there is kept: where runs, comparisons and live runs may write, and what is said when they may not.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using orrery::test::has;
using namespace orrery::app;
namespace fs = std::filesystem;

struct Kept : test::TempFolder {
  Kept() { std::ofstream(file("jobs.csv")) << "job_id,submit_s,gpus,duration_s\na,0,1,100\nb,1,1,50\n"; }
  [[nodiscard]] Prepared prepared(int nodes = 1) const {
    auto scenario = read_scenario_text(
        "s.yaml", fmt::format("version: 1\ncluster: {{ groups: [ {{ name: a, count: {}, gpus_per_node: 1 }} ] }}\n"
                              "workload: {{ trace: '{}' }}\npolicy: {{ name: fifo }}\n",
                              nodes, file("jobs.csv")));
    REQUIRE(scenario);
    auto p = prepare(std::move(*scenario));
    REQUIRE(p);
    return std::move(*p);
  }
  [[nodiscard]] RunRequest request(const std::string& folder) const {
    RunRequest r;
    r.folder = file(folder);
    return r;
  }
};

std::string error_of(const Expected<void>& result) {
  return result ? std::string() : render(result.error());
}

}  // namespace

TEST_CASE("a finished run is replaced by --force only", "[app]") {
  const Kept f;
  const Prepared p = f.prepared(), other = f.prepared(2);
  RunRequest r = f.request("run");
  REQUIRE(claim_run_folder(p, r, true, false));
  REQUIRE(simulate(p, r));
  CHECK(has(error_of(claim_run_folder(other, r, true, false)), "holds a finished run, which is kept"));
  CHECK(has(error_of(claim_run_folder(p, r, true, false)), "--force"));
  CHECK_FALSE(simulate(p, r));  // nor by one that finds out later
  CHECK(claim_run_folder(other, r, true, true));
  CHECK(r.replace);
  CHECK(claim_run_folder(p, r, false, false));  // a folder of run's own choice is taken again
  r.live = true;
  CHECK_FALSE(claim_run_folder(p, r, false, false));  // a live run has more than tables to lose
}

TEST_CASE("a live run that has not ended is in the way of any other", "[app]") {
  const Kept f;
  const Prepared p = f.prepared();
  RunRequest r = f.request("run");
  const LiveFolder begun(*r.folder);
  REQUIRE(begun.create("version: 1\n", "{}", false));
  CHECK(has(error_of(claim_run_folder(p, r, true, false)), "a live run that has not ended"));
  CHECK(has(error_of(claim_run_folder(p, r, true, false)), "orrery live resume"));
  CHECK_FALSE(begun.create("version: 1\n", "{}", false));
  {
    const auto writer = begun.create("version: 1\n", "{}", true);  // --force
    REQUIRE(writer);
    CHECK(begun.forced());
    CHECK_FALSE(begun.discard());  // its controller, this one, is alive
    CHECK(begun.resumable());
  }
  CHECK(begun.discard());
  CHECK_FALSE(begun.exists());
  fs::create_directories(begun.path());
  std::ofstream(begun.path() + "/thesis") << "years";
  CHECK_FALSE(begun.discard());
  CHECK(fs::exists(begun.path() + "/thesis"));
}

TEST_CASE("a folder of compare belongs to one experiment", "[app]") {
  const Kept f;
  const Prepared p = f.prepared(), other = f.prepared(2);
  const std::string dir = f.file("cmp");
  PolicyConfig fifo, las;
  las.name = "las";
  const std::string a = compare_digest({fifo, las}, 1, {&p});
  CHECK(a == compare_digest({fifo, las}, 1, {&p}));
  CHECK(a != compare_digest({fifo}, 1, {&p}));
  CHECK(a != compare_digest({fifo, las}, 2, {&p}));
  CHECK(a != compare_digest({fifo, las}, 1, {&other}));
  CHECK(a != compare_digest({fifo, las}, 1, {&p}, 2));
  CHECK(a == compare_digest({fifo, las}, 1, {&p}, 1));
  REQUIRE(claim_compare_folder(dir, a, {"fifo-s1", "las-s1"}, false));
  RunRequest r = f.request("cmp/fifo-s1");
  REQUIRE(simulate(p, r));
  CHECK(claim_compare_folder(dir, a, {"fifo-s1", "las-s1"}, false));
  CHECK(fs::exists(dir + "/fifo-s1/run.json"));
  CHECK(has(error_of(claim_compare_folder(dir, "another", {"fifo-s1"}, false)), "holds another comparison"));
  CHECK(fs::exists(dir + "/fifo-s1/run.json"));
  CHECK(claim_compare_folder(dir, "another", {"srtf-s1"}, true));
  CHECK_FALSE(fs::exists(dir + "/fifo-s1"));
  fs::create_directories(f.file("mine"));
  std::ofstream(f.file("mine") + "/thesis") << "years";
  CHECK(has(error_of(claim_compare_folder(f.file("mine"), a, {}, true)), "is not a folder of `orrery compare`"));
  CHECK(fs::exists(f.file("mine") + "/thesis"));
}

TEST_CASE("what cannot be resumed is said in words", "[app]") {
  const Kept f;
  const auto said = [&f](const std::string& run) {
    const auto unfinished = unfinished_run(f.file(run));
    REQUIRE_FALSE(unfinished);
    return render(unfinished.error());
  };
  CHECK(has(said("nothing"), "is no live run"));
  RunRequest r = f.request("simulated");
  REQUIRE(simulate(f.prepared(), r));
  CHECK(has(said("simulated"), "it is a simulated run"));
  fs::create_directories(f.file("simulated") + "/live");
  CHECK(has(said("simulated"), "that run has ended"));
  fs::create_directories(f.file("early.live"));
  CHECK(has(said("early"), "was killed before it began"));
  CHECK(run_folder_of("runs/a.live") == "runs/a");
  CHECK(run_folder_of("runs/a/") == "runs/a");

  const std::string was = R"({"config_sha256":"c0ffee","seed":1,"trace_sha256":"beef","worker":"/a/orrery-paced"})";
  const LiveFolder begun(f.file("cut"));
  REQUIRE(begun.create("version: 1\n", was, false));
  const auto again = [&](const std::string& key, const std::string& value) {
    auto now = nlohmann::json::parse(was);
    now[key] = value;
    const auto opened = begun.reopen(now.dump());
    return opened ? std::string() : render(opened.error());
  };
  CHECK(again("worker", "/moved/orrery-paced").empty());
  for (const auto& [key, words] : {std::pair{"trace_sha256", "the jobs are not those that the run began with"},
                                   std::pair{"config_sha256", "is not the scenario that the run began with"}}) {
    const std::string text = again(key, "other");
    CHECK(has(text, words));
    CHECK_FALSE(has(text, "beef"));
    CHECK_FALSE(has(text, "c0ffee"));
  }
}

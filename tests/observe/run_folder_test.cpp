#include <catch2/catch.hpp>

#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <string>

#include "sim/core/json.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/log/run_folder.hpp"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

struct TempDir {
  fs::path path = fs::temp_directory_path() / fmt::format("orrery-run-folder-{}", ::getpid());
  TempDir() { fs::create_directories(path); }
  ~TempDir() { fs::remove_all(path); }
  [[nodiscard]] std::string of(const std::string& name) const { return (path / name).string(); }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

}  // namespace

TEST_CASE("run folder: appears whole, at commit", "[observe]") {
  TempDir tmp;
  const std::string dir = tmp.of("las");
  {
    auto folder = RunFolder::create(dir);
    REQUIRE(folder);
    const auto digest = folder->write("jobs.csv", "abc");
    REQUIRE(digest);
    CHECK(*digest == sha256_hex("abc"));
    CHECK_FALSE(fs::exists(dir));
  }
  CHECK(tmp.entries() == 0);  // not committed: nothing is left

  for (int run = 1; run <= 2; ++run) {  // the second replaces the first
    auto folder = RunFolder::create(dir + "/");
    REQUIRE(folder);
    REQUIRE(folder->write("jobs.csv", std::to_string(run)));
    RunManifest m;
    m.policy = "las";
    m.seed = 7;
    m.policy_options = {{"queues", "[1, 2]"}};
    REQUIRE(folder->commit(m));
  }
  CHECK(tmp.entries() == 1);
  CHECK(is_run_folder(dir));
  std::ifstream jobs(dir + "/jobs.csv");
  std::string text;
  jobs >> text;
  CHECK(text == "2");
  std::ifstream manifest(dir + "/run.json");
  const auto j = nlohmann::json::parse(manifest);
  CHECK(j["finished"] == true);
  CHECK(j["policy"]["options"]["queues"] == "[1, 2]");
  CHECK(j["seed"] == 7);
  CHECK(j["measured"].contains("wall_s"));
}

TEST_CASE("run folder: refuses what is not its own", "[observe]") {
  TempDir tmp;
  fs::create_directory(tmp.of("mine"));
  std::ofstream(tmp.of("mine") + "/thesis.txt") << "years";
  std::ofstream(tmp.of("file")) << "x";
  CHECK_FALSE(RunFolder::create(tmp.of("mine")));
  CHECK_FALSE(RunFolder::create(tmp.of("file")));
  CHECK_FALSE(RunFolder::create("."));
  CHECK_FALSE(RunFolder::create(tmp.of("file") + "/below"));
  fs::create_directory(tmp.of("empty"));
  auto folder = RunFolder::create(tmp.of("empty"));
  REQUIRE(folder);
  REQUIRE(folder->commit({}));
  CHECK(is_run_folder(tmp.of("empty")));
  CHECK(fs::exists(tmp.of("mine") + "/thesis.txt"));
}

TEST_CASE("run folder: an earlier run is kept unless it is to be replaced, also one that came late", "[observe]") {
  TempDir tmp;
  const std::string dir = tmp.of("kept");
  auto late = RunFolder::create(dir, false);
  REQUIRE(late);
  REQUIRE(RunFolder::create(dir, false)->commit({}));
  CHECK_FALSE(RunFolder::create(dir, false));
  REQUIRE(late->write("jobs.csv", "late"));
  CHECK_FALSE(late->commit({}));
  CHECK_FALSE(fs::exists(dir + "/jobs.csv"));
  CHECK(RunFolder::create(dir, true));
}

TEST_CASE("run folder: what a killed run left aside goes, what is written now stays", "[observe]") {
  TempDir tmp;
  for (const char* name : {"a.tmp-4711-0", "b.tmp-4711-12", "c.tmp-4711-0", "d.tmp-x-0", "e.tmp-1-0.old"})
    fs::create_directory(tmp.of(name));
  std::ofstream(tmp.of("a.tmp-4711-0") + "/events.jsonl.zst") << "half";
  std::ofstream(tmp.of("c.tmp-4711-0") + "/thesis.txt") << "years";
  auto writing = RunFolder::create(tmp.of("w"));
  REQUIRE(writing);
  auto folder = RunFolder::create(tmp.of("a"));
  REQUIRE(folder);
  CHECK_FALSE(fs::exists(tmp.of("a.tmp-4711-0")));
  CHECK_FALSE(fs::exists(tmp.of("b.tmp-4711-12")));
  CHECK(fs::exists(tmp.of("c.tmp-4711-0") + "/thesis.txt"));
  CHECK(fs::exists(tmp.of("d.tmp-x-0")));
  CHECK(fs::exists(tmp.of("e.tmp-1-0.old")));
  CHECK(writing->write("jobs.csv", "abc"));
  CHECK(writing->commit({}));
}

TEST_CASE("result digest: the text of sha256sum", "[observe]") {
  CHECK(result_digest("a", "b", "") == sha256_hex("a  jobs.csv\nb  samples.csv\n"));
  CHECK(result_digest("a", "b", "c") == sha256_hex("a  jobs.csv\nb  samples.csv\nc  events.jsonl\n"));
}

// Checkpoint folders survive a crash at any step of a commit and any damage to their bytes.
#include "backend/protocol/checkpoint_dir.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;
using orrery::test::text_of;
namespace fs = std::filesystem;

Checkpoint checkpoint(std::int64_t step, std::int64_t incarnation = 1) {
  Checkpoint c;
  c.stamp.job = "a";
  c.stamp.incarnation = incarnation;
  c.stamp.step = step;
  c.stamp.done = Work{step * 10};
  c.files = {{"state.txt", "step " + std::to_string(step)}, {"empty", ""}};
  return c;
}

struct Crash {};

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("a crash at any step of a commit leaves the checkpoint before or the new one", "[live]") {
  int crashes = 0;
  for (int at = 0;; ++at) {
    const test::TempFolder dir;
    const std::string folder = dir.file("checkpoints");
    REQUIRE(save_checkpoint(folder, checkpoint(1)));
    REQUIRE(save_checkpoint(folder, checkpoint(2)));
    int calls = 0;
    bool crashed = false;
    try {
      const auto saved = save_checkpoint(folder, checkpoint(3), [&](std::string_view) {
        if (calls++ == at) throw Crash{};
      });
      CHECK(saved);
    } catch (const Crash&) {
      crashed = true;
    }
    const auto found = load_checkpoint(folder);
    INFO("crash before call " << at);
    REQUIRE(found.newest);
    CHECK(found.passed_over.empty());
    const std::int64_t step = found.newest->checkpoint.stamp.step;
    CHECK(found.newest->checkpoint == checkpoint(step));
    CHECK(step >= 2);
    REQUIRE(save_checkpoint(folder, checkpoint(4)));  // the rest of the crash is no obstacle
    CHECK(load_checkpoint(folder).newest->checkpoint == checkpoint(4));
    CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);
    if (!crashed) break;
    ++crashes;
  }
  CHECK(crashes >= 8);
}

TEST_CASE("any damaged byte of a checkpoint is noticed, and the one before is taken", "[live]") {
  const test::TempFolder dir;
  const std::string folder = dir.file("checkpoints");
  REQUIRE(save_checkpoint(folder, checkpoint(1)));
  const auto newest = save_checkpoint(folder, checkpoint(2));
  REQUIRE(newest);
  int damages = 0;
  std::vector<fs::path> files;
  for (const auto& f : fs::directory_iterator(*newest)) files.push_back(f.path());
  const auto is_noticed = [&] {
    const auto found = load_checkpoint(folder);
    REQUIRE(found.newest);
    CHECK(found.newest->checkpoint == checkpoint(1));
    CHECK(found.passed_over.size() == 1);
    ++damages;
  };
  for (const fs::path& file : files) {
    const std::string good = text_of(file);
    INFO(file);
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
      write_bytes(file, bad);
      is_noticed();
    }
    write_bytes(file, good + "x");
    is_noticed();
    if (!good.empty()) {
      write_bytes(file, good.substr(0, good.size() - 1));
      is_noticed();
    }
    fs::remove(file);
    is_noticed();
    write_bytes(file, good);
  }
  CHECK(load_checkpoint(folder).newest->checkpoint == checkpoint(2));
  std::printf("checkpoints: %d damages, all noticed\n", damages);
}

TEST_CASE("a gang that was replaced cannot commit any more", "[live]") {
  const test::TempFolder dir;
  const std::string folder = dir.file("checkpoints");
  REQUIRE(save_checkpoint(folder, checkpoint(5, 2)));
  CHECK_FALSE(save_checkpoint(folder, checkpoint(9, 1)));
  CHECK(load_checkpoint(folder).newest->checkpoint == checkpoint(5, 2));
}

TEST_CASE("a folder that does not exist holds no checkpoint", "[live]") {
  const auto found = load_checkpoint("/nonexistent/checkpoints");
  CHECK_FALSE(found.newest);
  CHECK(found.passed_over.empty());
}

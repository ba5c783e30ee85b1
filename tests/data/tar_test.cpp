// Shards: our tar reader and writer, also against archives of other tools.
#include "backend/data/tar.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

namespace {
using namespace orrery;
using namespace orrery::data;
using orrery::test::text_of;

std::string_view content(const std::string& bytes, const TarEntry& e) {
  return std::string_view(bytes).substr(e.offset, e.size);
}

TEST_CASE("A tar that we write is read back, long names and empty files included", "[data][tar]") {
  TarWriter writer;
  const std::string long_name = "a/" + std::string(180, 'x') + ".txt";
  writer.add("0001.txt", "hello");
  writer.add(long_name, std::string(513, 'y'));
  writer.add("empty.cls", "");
  const std::string bytes = writer.finish();
  CHECK(bytes.size() % 512 == 0);
  const auto index = index_tar("t.tar", bytes);
  REQUIRE(index);
  CHECK(index->cut_off.empty());
  REQUIRE(index->entries.size() == 3);
  CHECK(index->entries[0].name == "0001.txt");
  CHECK(content(bytes, index->entries[0]) == "hello");
  CHECK(index->entries[1].name == long_name);
  CHECK(content(bytes, index->entries[1]) == std::string(513, 'y'));
  CHECK(index->entries[2].size == 0);
}

TEST_CASE("Archives of GNU tar are read, in its own format and as pax and ustar", "[data][tar]") {
  const test::TempFolder dir;
  const std::string long_name = std::string(120, 'n') + ".txt";
  std::ofstream(std::filesystem::path(dir.path()) / "a.txt") << "alpha";
  std::ofstream(std::filesystem::path(dir.path()) / long_name) << "beta";
  for (const std::string format : {"gnu", "pax", "ustar"}) {
    const std::string tar = (std::filesystem::path(dir.path()) / (format + ".tar")).string();
    const std::string names = format == "ustar" ? "a.txt" : "a.txt " + long_name;
    REQUIRE(std::system(("tar --format=" + format + " -C " + dir.path() + " -cf " + tar + " " + names).c_str()) == 0);
    const std::string bytes = text_of(tar);
    const auto index = index_tar(tar, bytes);
    REQUIRE(index);
    CHECK(index->cut_off.empty());
    REQUIRE(index->entries.size() == (format == "ustar" ? 1 : 2));
    CHECK(content(bytes, index->entries[0]) == "alpha");
    if (format == "ustar") continue;
    CHECK(index->entries[1].name == long_name);
    CHECK(content(bytes, index->entries[1]) == "beta");
  }
  // And GNU tar reads ours.
  TarWriter writer;
  writer.add(std::string(150, 'z') + ".txt", "ours");
  std::ofstream(std::filesystem::path(dir.path()) / "ours.tar", std::ios::binary) << writer.finish();
  CHECK(std::system(
            ("tar -C " + dir.path() + " -xf " + (std::filesystem::path(dir.path()) / "ours.tar").string()).c_str()) ==
        0);
  CHECK(text_of((std::filesystem::path(dir.path()) / (std::string(150, 'z') + ".txt")).string()) == "ours");
}

TEST_CASE("A file that is no tar is one clear error; a damaged tail keeps what lies before it", "[data][tar]") {
  const auto picture = index_tar("cat.jpg", std::string(2000, 'j'));
  REQUIRE_FALSE(picture);
  CHECK(picture.error().items.size() == 1);
  CHECK(picture.error().items[0].message.find("`cat.jpg` is not a tar archive") == 0);
  CHECK_FALSE(index_tar("short", "abc"));

  TarWriter writer;
  writer.add("1.txt", "one");
  writer.add("2.txt", "two");
  std::string bytes = writer.finish();
  const auto truncated = index_tar("t", std::string_view(bytes).substr(0, 1200));
  REQUIRE(truncated);
  CHECK(truncated->entries.size() == 1);
  CHECK(truncated->cut_off == "at byte 1024: the archive ends without its two empty blocks");
  bytes[1024] = '!';  // the second name, against its checksum
  const auto damaged = index_tar("t", bytes);
  REQUIRE(damaged);
  CHECK(damaged->entries.size() == 1);
  CHECK(damaged->cut_off == "at byte 1024: the checksum of a header is wrong");
}

}  // namespace

// Lines of stored logs: plain and packed ones are the same, however lines lie across what is read at once; a packed
// log that was cut off ends with what it has, and what cannot be unpacked is damage.
#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include <zstd.h>

#include "sim/observe/log/log_lines.hpp"
#include "tests/support/temp_dir.hpp"

namespace orrery {
namespace {

struct ReadLines {
  std::vector<std::string> lines;
  bool damaged = false;
};

ReadLines lines_of(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  LogLines in(path);
  REQUIRE(in.is_open());
  ReadLines read;
  for (std::string line; in.next(line);) read.lines.push_back(line);
  read.damaged = in.damaged();
  return read;
}

std::string zstd_packed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

}  // namespace

TEST_CASE("lines of a log are read whole, plain and packed", "[observe]") {
  const test::TempFolder folder;
  const std::string plain = folder.file("a.jsonl"), packed = folder.file("a.jsonl.zst");
  std::vector<std::string> lines;
  std::string text;
  for (std::size_t i = 0; i < 400; ++i) {
    lines.push_back(std::string(i % 7 == 0 ? 0 : (i * 7919) % 3000, static_cast<char>('a' + i % 26)));
    text += lines.back() + "\n";
  }
  REQUIRE(text.size() > 400'000);  // several pieces
  CHECK(lines_of(plain, text).lines == lines);
  CHECK(lines_of(packed, zstd_packed(text)).lines == lines);
  CHECK(lines_of(plain, "a\n\nlast").lines == std::vector<std::string>{"a", "", "last"});
  CHECK(lines_of(plain, "").lines.empty());

  const std::string bytes = zstd_packed(text);
  const ReadLines cut = lines_of(packed, bytes.substr(0, bytes.size() / 2));
  CHECK_FALSE(cut.damaged);
  CHECK(cut.lines.size() < lines.size());
  CHECK(lines_of(packed, "no zstd at all").damaged);
  CHECK_FALSE(LogLines(folder.file("none")).is_open());
}

}  // namespace orrery

// How errors are shown: within a terminal of 80 columns, the caret under what it points at.
#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/core/random.hpp"

namespace {

using namespace orrery;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::size_t characters(const std::string& s) {
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

TEST_CASE("carets never run past the terminal and stand under what they point at", "[core]") {
  RandomStream rng = stream(3, "tests/carets");
  for (int i = 0; i < 3000; ++i) {
    // Characters of one to three bytes, each one once in 64.
    std::string line;
    std::vector<std::size_t> starts;
    for (std::uint64_t n = uniform_below(rng, i % 3 == 0 ? 400 : 90); n > 0; --n) {
      starts.push_back(line.size());
      const auto c = static_cast<char>('0' + uniform_below(rng, 64));
      const std::uint64_t kind = uniform_below(rng, 8);
      if (kind == 0)
        line += "\xc3\xa9";
      else if (kind == 1)
        line += "\xe2\x82\xac";
      else
        line += c;
    }
    starts.push_back(line.size());
    if (line.empty()) continue;
    const std::size_t at = starts[uniform_below(rng, starts.size())];
    Diagnostic d{"wrong"};
    d.where = {"f", static_cast<int>(1 + uniform_below(rng, 1'000'000)), static_cast<int>(at + 1)};
    d.line_text = line;
    d.width = static_cast<int>(1 + uniform_below(rng, 200));
    const auto shown = lines_of(render(Error(d)));
    INFO(i << "\n" << render(Error(d)));
    REQUIRE(shown.size() == 5);
    for (const std::string& s : shown) CHECK(characters(s) <= 81);  // a caret may stand behind a full line
    const std::string& text = shown[3];
    const std::size_t caret = shown[4].find('^');
    REQUIRE(caret != std::string::npos);
    if (at == line.size()) continue;
    // The same character as the one that is meant.
    std::size_t byte = 0;
    for (std::size_t n = 0; n < caret; ++n) do
        ++byte;
      while (byte < text.size() && (text[byte] & 0xc0) == 0x80);
    REQUIRE(byte < text.size());
    CHECK(text[byte] == line[at]);
    CHECK(characters(shown[4]) <= characters(text));
  }
}

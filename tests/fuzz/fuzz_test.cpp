// Fuzzing as a plain test: seeds and kept findings, each mutated by a deterministic mutator, 4,000 times per target
// (or another share: tests/support/effort.hpp); scripts/fuzz goes deeper.
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "orrery_paths.hpp"
#include "sim/core/random.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/support/effort.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;
using namespace std::string_literals;

std::vector<std::string> corpus(std::string_view target) {
  std::vector<std::string> out = fuzz_target(target).seeds();
  const std::filesystem::path folder = std::filesystem::path(ORRERY_SOURCE_DIR) / "tests/fuzz/corpus" / target;
  if (!std::filesystem::is_directory(folder)) return out;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

const std::vector<std::string>& dictionary() {
  static const std::vector<std::string> words{"NaN",
                                              "nan",
                                              "inf",
                                              "-1",
                                              "0",
                                              "1e308",
                                              "-0",
                                              "99999999999999999999",
                                              "9223372036854775807",
                                              "0.0000000001",
                                              ",",
                                              "\"",
                                              "\"\"",
                                              "\n",
                                              "\r\n",
                                              "\r",
                                              "\0"s,
                                              "\xef\xbb\xbf",
                                              "\xff",
                                              ";",
                                              "#",
                                              " ",
                                              "\t",
                                              "{",
                                              "}",
                                              "[",
                                              "]",
                                              ":",
                                              "- ",
                                              "null",
                                              "true",
                                              "~",
                                              "&a",
                                              "*a",
                                              "!!int",
                                              "|",
                                              "@hard:",
                                              "@soft",
                                              "1h",
                                              "GB/s",
                                              "job_id",
                                              "version: 1",
                                              "e+",
                                              "\\u0000"};
  return words;
}

std::string mutate(RandomStream& rng, const std::vector<std::string>& from) {
  std::string s = from[uniform_below(rng, from.size())];
  for (std::uint64_t n = 1 + uniform_below(rng, 4); n > 0; --n) {
    const std::size_t at = uniform_below(rng, s.size() + 1);
    const std::size_t len = std::min<std::size_t>(1 + uniform_below(rng, 12), s.size() - at);
    switch (uniform_below(rng, 8)) {
      case 0:
        if (at < s.size()) s[at] = static_cast<char>(s[at] ^ (1 << uniform_below(rng, 8)));
        break;
      case 1: s.insert(at, 1, static_cast<char>(uniform_below(rng, 256))); break;
      case 2: s.erase(at, len); break;
      case 3: s.insert(at, s.substr(at, len)); break;
      case 4: s.replace(at, len, dictionary()[uniform_below(rng, dictionary().size())]); break;
      case 5: s.insert(at, dictionary()[uniform_below(rng, dictionary().size())]); break;
      case 6: {  // splice
        const std::string& other = from[uniform_below(rng, from.size())];
        s = s.substr(0, at) + other.substr(uniform_below(rng, other.size() + 1));
        break;
      }
      default: s.resize(at); break;
    }
  }
  return s;
}

}  // namespace

TEST_CASE("no input breaks a parser", "[fuzz]") {
  const auto runs = share_of<std::uint64_t>(4000);
  std::uint64_t executions = 0;
  for (const FuzzTarget& target : fuzz_targets()) {
    const auto inputs = corpus(target.name);
    RandomStream rng = stream(1, "tests/fuzz");
    for (std::uint64_t i = 0; i < inputs.size() + runs; ++i) {
      const std::string bytes = i < inputs.size() ? inputs[i] : mutate(rng, inputs);
      try {
        target.run(bytes);
      } catch (const std::exception& e) {
        FAIL("target " << target.name << ", execution " << i << ": " << e.what() << "\n" << bytes);
      }
      ++executions;
    }
  }
  std::printf("fuzz: %llu executions over %zu targets\n", static_cast<unsigned long long>(executions),
              fuzz_targets().size());
}

// Text that is written as YAML reads back as the same text, whatever it looks like: scalars, items of lists, and the
// section that stands for `--policy NAME`.
#include "scenarios/spec/yaml_text.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "scenarios/app/scenario_args.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/random.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

// What YAML, or a reader in a hurry, takes for something else.
const std::vector<std::string>& odd_texts() {
  static const std::vector<std::string> texts{
      "null", "Null", "NULL", "~",   "true", "no",   "1e3", "0x1f", " a ",   " a",    "a ",     "a  b",   "-",
      "- a",  "--n",  "?",    "? a", ":",    "a: b", "a:",  "a #b", "#",     "it's",  "'",      "\"",     "\\",
      "[x]",  "{a}",  ",",    "&a",  "*a",   "!a",   "|",   ">",    "%",     "@",     "`",      "a\nb",   "a\tb",
      "a\rb", "---",  "...",  ".",   "=",    "<<",   "nan", ".inf", "$HOME", "a\x01", "\u00e9", "\u2028", "12:30:00"};
  return texts;
}

// One of them, or up to four pieces of them.
std::string odd_text(RandomStream& rng) {
  const auto piece = [&rng] { return odd_texts()[uniform_below(rng, odd_texts().size())]; };
  if (uniform_below(rng, 2) == 0) return piece();
  std::string text;
  for (std::uint64_t n = uniform_below(rng, 4) + 1; n > 0; --n) text += piece();
  return text;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : ", ") + yaml_item(w);
  return "[" + out + "]";
}

const char* const kPlainScenario =
    "version: 1\ncluster: { groups: [ { name: n, count: 1, gpus_per_node: 4 } ] }\n"
    "workload: { generate: { jobs: 5 }, load: 0.5 }\n";

}  // namespace

TEST_CASE("scalars and items read back as the same text", "[app][yaml]") {
  RandomStream rng = stream(1, "tests/yaml_text");
  const auto reads_back = [](const std::string& text) {
    INFO("`" << text << "`");
    const YAML::Node block = YAML::Load("k: " + yaml_scalar(text) + "\n");
    const YAML::Node flow = YAML::Load("{ k: " + yaml_scalar(text) + ", l: [" + yaml_item(text) + "] }");
    for (const YAML::Node& n : {block["k"], flow["k"], flow["l"][0], YAML::Load(yaml_quoted(text))}) {
      REQUIRE(n.IsScalar());
      CHECK(n.Scalar() == text);
    }
    CHECK(flow["l"].size() == 1);
  };
  reads_back("");
  for (const std::string& text : odd_texts()) reads_back(text);
  for (int i = 0; i < 2'000; ++i) reads_back(odd_text(rng));
  for (const char* plain : {"python3", "--n=3", "a/b.py", "1e3", "true", "a b"}) CHECK(yaml_item(plain) == plain);
  for (const char* plain : {"python3", "a/b.py", "1e3", "true"}) CHECK(yaml_scalar(plain) == plain);
}

TEST_CASE("the words of a command are what was written, whatever they look like", "[app][yaml][external]") {
  RandomStream rng = stream(2, "tests/yaml_text");
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> words{"python3"};
    for (std::uint64_t n = uniform_below(rng, 4); n > 0; --n) words.push_back(odd_text(rng));
    const std::string text = kPlainScenario + ("policy: { name: external, command: " + list_of(words) + " }\n");
    INFO(text);
    const auto s = read_scenario_text("/somewhere/s.yaml", text);
    if (!s) FAIL(render(s.error()));
    CHECK(external_options(s->policy)->command == words);
    const auto again = read_scenario_text("elsewhere.yaml", effective_yaml(*s));
    if (!again) FAIL(render(again.error()));
    CHECK(external_options(again->policy)->command == words);
  }
  for (const char* one : {"~", "null", " a ", "a: b", "say \"hi\""}) {  // of a scalar, which is one word
    const std::string text = kPlainScenario + ("policy: { name: external, command: " + yaml_quoted(one) + " }\n");
    const auto s = read_scenario_text("s.yaml", text);
    if (!s) FAIL(render(s.error()));
    CHECK(external_options(s->policy)->command == std::vector<std::string>{one});
  }
}

TEST_CASE("--policy takes an entry whose paths have apostrophes and the like", "[app][yaml][external]") {
  for (const std::string& odd : {std::string("it's"), std::string("a: \"b\""), std::string("#1, {2}")}) {
    INFO(odd);
    const test::TempFolder dir;
    const std::string library = "/somewhere/" + odd + "/mine.so";
    std::ofstream(dir.file("s.yaml")) << kPlainScenario << "compare:\n  policies:\n    - { name: mine, library: "
                                      << yaml_quoted(library) << " }\n    - { name: external, command: [python3, "
                                      << yaml_quoted(odd + ".py") << "] }\n";
    Args args("orrery run SCENARIO", {"scenario"});
    add_scenario_options(args);
    REQUIRE(args.parse({dir.file("s.yaml")}));
    const auto mine = scenario_from(args, "mine");
    if (!mine) FAIL(render(mine.error()));
    CHECK(mine->policy.options.at("library") == library);
    const auto outside = scenario_from(args, "external");
    if (!outside) FAIL(render(outside.error()));
    CHECK(external_options(outside->policy)->command == std::vector<std::string>{"python3", odd + ".py"});
  }
}

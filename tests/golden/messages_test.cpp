// Golden error messages: what a user sees for wrong input, whole. messages.txt holds the cases and the expected text;
// it changes only through scripts/approve. A case is
//   === KIND: name        KIND: trace, scenario, catalogue (with the job files of tests/support) or command
//   input                 \xNN, \t, \r, \n and \\ as in C; a command's words are apart by blanks
//   ---
//   expected message
#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "orrery_paths.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "tests/support/catalogue.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/text_file.hpp"

namespace {

using namespace orrery;

const std::string kMessages = std::string(ORRERY_SOURCE_DIR) + "/tests/golden/messages.txt";

struct MessageCase {
  std::string kind, name, input, expected;
};

std::vector<MessageCase> cases() {
  std::vector<MessageCase> out;
  std::ifstream in(kMessages);
  std::string line;
  std::string* into = nullptr;
  while (std::getline(in, line)) {
    if (line.rfind("=== ", 0) == 0) {
      const std::size_t colon = line.find(": ");
      out.push_back({line.substr(4, colon - 4), line.substr(colon + 2), "", ""});
      into = &out.back().input;
    } else if (line == "---" && into == &out.back().input) {
      into = &out.back().expected;
    } else if (into != nullptr) {
      *into += line + "\n";
    }
  }
  return out;
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
  }
  return out;
}

std::string trace_message(const std::string& bytes) {
  const auto text = decode_text("t.csv", bytes);
  if (!text) return render(text.error());
  const auto trace = read_trace_text("t.csv", *text);
  if (!trace) return render(trace.error());
  NodeGroup group;
  group.count = 1;
  group.gpus_per_node = 8;
  group.gpu = "A100";
  const auto workload = to_workload(*trace, Topology({group}), "t.csv");
  return workload ? "" : render(workload.error());
}

std::string scenario_message(const std::string& bytes) {
  const auto text = decode_text("s.yaml", bytes);
  if (!text) return render(text.error());
  const auto scenario = app::read_scenario_text("s.yaml", *text);
  return scenario ? "" : render(scenario.error());
}

std::string catalogue_message(const std::string& text) {
  const auto catalogue = test::read_small(text);
  return catalogue ? "" : render(catalogue.error());
}

std::string command_message(std::string words) {
  while (!words.empty() && words.back() == '\n') words.pop_back();
  const std::string command =
      fmt::format("cd '{}' && '{}' {} 2>&1 >/dev/null", ORRERY_SOURCE_DIR, ORRERY_BINARY, words);
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char piece[4096];
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, n);
  const int status = pclose(pipe);
  return fmt::format("{}exit code {}\n", out, status / 256);
}

}  // namespace

TEST_CASE("error messages are as approved", "[messages][fingerprint]") {
  std::vector<MessageCase> all = cases();
  const bool approve = std::getenv("ORRERY_APPROVE") != nullptr;
  for (MessageCase& c : all) {
    std::string said = c.kind == "trace"       ? trace_message(unescaped(c.input.substr(0, c.input.size() - 1)))
                       : c.kind == "scenario"  ? scenario_message(unescaped(c.input))
                       : c.kind == "catalogue" ? catalogue_message(unescaped(c.input))
                                               : command_message(c.input);
    if (!said.empty() && said.back() != '\n') said += '\n';
    INFO(c.kind << ": " << c.name << " (a wanted change is approved with scripts/approve \"reason\")");
    CHECK_FALSE(said.empty());
    if (approve)
      c.expected = said;
    else
      CHECK(c.expected == said);
  }
  CHECK(all.size() >= 60);
  std::printf("messages: %zu checked\n", all.size());
  if (!approve) return;
  std::ofstream out(kMessages);
  for (const MessageCase& c : all)
    out << "=== " << c.kind << ": " << c.name << '\n' << c.input << "---\n" << c.expected;
}

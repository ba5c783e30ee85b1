// Runs under a policy in another process: small Python programs that do what a test wants.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>
#include <string>

#include "scenarios/run/simulate.hpp"
#include "tests/support/temp_dir.hpp"

namespace orrery::test {

inline app::PolicyConfig external_config(const std::string& command) {
  app::PolicyConfig c;
  c.name = "external";
  c.options["command"] = command;
  c.options["timeout"] = "60s";
  return c;
}

inline app::RunReport run_of(const app::Prepared& p, const app::PolicyConfig& policy,
                             std::optional<std::string> folder = {}) {
  app::RunRequest request;
  request.policy = policy;
  request.folder = std::move(folder);
  auto report = simulate(p, request);
  if (!report) FAIL(render(report.error()));
  return std::move(*report);
}

// A program that says `ready` and then does, for every view (v) in turn (n = 1, 2, ...), what `body` says.
inline std::string program(const TempFolder& dir, const std::string& body) {
  std::ofstream(dir.file("bad.py")) << "import json, os, sys, time\n"
                                       "def say(m): print(m if isinstance(m, str) else json.dumps(m), flush=True)\n"
                                       "open(os.path.dirname(os.path.abspath(__file__)) + '/pid', 'w')"
                                       ".write(str(os.getpid()))\n"
                                       "sys.stdin.readline()\n"
                                       "say({'ready': 1})\n"
                                       "for n, line in enumerate(sys.stdin, 1):\n"
                                       "  v = json.loads(line)\n"
                                       "  e = v['epoch']\n"
                                       "  jobs = [j['id'] for j in v['jobs']]\n  " +
                                           body + "\n";
  return fmt::format("[python3, {}]", dir.file("bad.py"));
}

// With FILE for the conversation that a run in `dir` has left beside its folder.
inline std::string in_file(std::string text, const TempFolder& dir) {
  const std::string file = dir.file("run.conversation.jsonl.zst");
  for (std::size_t at = text.find(file); at != std::string::npos; at = text.find(file))
    text.replace(at, file.size(), "FILE");
  return text;
}

inline constexpr const char* kTwentyJobs = R"(version: 1
cluster: { groups: [ { name: n, count: 2, gpus_per_node: 4, gpu: h200 } ] }
workload: { generate: { jobs: 20 }, load: 0.8 }
)";

}  // namespace orrery::test

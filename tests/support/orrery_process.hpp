// The command as a process of its own, for tests of what survives one.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "orrery_paths.hpp"

namespace orrery::test {

// Starts `orrery WORDS...`; what it says is appended to `log`.
inline pid_t start_orrery(const std::vector<std::string>& words, const std::string& log) {
  std::vector<std::string> all{ORRERY_BINARY};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& w : all) argv.push_back(w.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, ORRERY_BINARY, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(failed == 0);
  return pid;
}

}  // namespace orrery::test

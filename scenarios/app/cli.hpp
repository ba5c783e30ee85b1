// The command line: one table of verbs, each verb in a file of its own (verb_*.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::app {

// Exit codes: 0 ok; 1 a run failed; 2 usage or input; 3 a gate failed; 4 engine unavailable;
// 5 finished with failed points; 130 interrupted.
inline constexpr int kOk = 0;
inline constexpr int kRunFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kGateFailed = 3;
inline constexpr int kEngineUnavailable = 4;
inline constexpr int kFailedPoints = 5;
inline constexpr int kInterrupted = 130;

struct Verb {
  std::string_view name;
  std::string_view summary;  // for `orrery help`
  // The arguments after the verb; returns an exit code. Results go to stdout, everything else to stderr.
  int (*run)(const std::vector<std::string>& arguments);
};

int run_verb(const std::vector<std::string>& arguments);
int compare_verb(const std::vector<std::string>& arguments);
int trace_verb(const std::vector<std::string>& arguments);
int policy_verb(const std::vector<std::string>& arguments);
int live_verb(const std::vector<std::string>& arguments);
int doctor_verb(const std::vector<std::string>& arguments);
int train_verb(const std::vector<std::string>& arguments);
int live_calibrate_action(const std::vector<std::string>& arguments);
int live_validate_action(const std::vector<std::string>& arguments);
int metrics_verb(const std::vector<std::string>& arguments);

int run_command_line(int argc, const char* const* argv);

// Prints the diagnostics on stderr; returns kUsage.
int report_error(const Error& error);
// The whole text to stdout; false (with a message) when it could not be written, as on a full disk.
bool print(std::string_view text);

}  // namespace orrery::app

// The command line: one table of verbs, each verb in a file of its own.
#pragma once

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

int run_command_line(int argc, const char* const* argv);

}  // namespace orrery::app

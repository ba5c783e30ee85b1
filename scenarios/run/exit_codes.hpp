// What the command says to the shell when it ends; what a run came to decides which.
#pragma once

#include <array>
#include <string_view>

namespace orrery::app {

inline constexpr int kOk = 0;
inline constexpr int kRunFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kGateFailed = 3;
inline constexpr int kEngineUnavailable = 4;
inline constexpr int kFailedPoints = 5;
inline constexpr int kInterrupted = 130;

struct ExitCode {
  int code;
  std::string_view meaning;
};
inline constexpr std::array<ExitCode, 7> kExitCodes{{
    {kOk, "all went well"},
    {kRunFailed, "a run ended before its jobs did, or output could not be written"},
    {kUsage, "the command line or an input is wrong"},
    {kGateFailed, "a gate failed: a live run differed too much from its simulation"},
    {kEngineUnavailable, "what should run the jobs is not there"},
    {kFailedPoints, "the run ended, but jobs or points of it failed, or no job could run"},
    {kInterrupted, "interrupted with Ctrl-C"},
}};

}  // namespace orrery::app

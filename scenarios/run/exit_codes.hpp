// What the command says to the shell when it ends; what a run came to decides which.
#pragma once

namespace orrery::app {

inline constexpr int kOk = 0;
inline constexpr int kRunFailed = 1;          // a run ended before its jobs did
inline constexpr int kUsage = 2;              // wrong arguments or input
inline constexpr int kGateFailed = 3;         // a comparison that was to hold does not
inline constexpr int kEngineUnavailable = 4;  // what should run the jobs is not there
inline constexpr int kFailedPoints = 5;       // finished, but jobs failed for good or none was accepted
inline constexpr int kInterrupted = 130;      // Ctrl-C

}  // namespace orrery::app

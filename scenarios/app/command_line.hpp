// The whole command, for programs whose source reads nothing else.
#pragma once

namespace orrery::app {

// Runs a verb (cli.hpp); returns its exit code.
int run_command_line(int argc, const char* const* argv);

}  // namespace orrery::app

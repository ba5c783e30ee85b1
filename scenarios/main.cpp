// The `orrery` command: hands its arguments to the verbs in scenarios/app.
#include "scenarios/app/cli.hpp"

int main(int argc, char** argv) {
  return orrery::app::run_command_line(argc, argv);
}

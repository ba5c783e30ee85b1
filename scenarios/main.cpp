// The `orrery` command: hands its arguments to the verbs in scenarios/app.
#include "scenarios/app/command_line.hpp"
#include "scenarios/run/heap.hpp"

int main(int argc, char** argv) {
  orrery::app::keep_heap();
  return orrery::app::run_command_line(argc, argv);
}

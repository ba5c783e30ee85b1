// The command line of the two trainers (CPU and CUDA), which differ in their platform only.
#pragma once

#include <functional>

#include "backend/trainer/trainer_worker.hpp"

namespace orrery::trainer {

// Parses `--rank R --world N --run-folder DIR [--rendezvous-s S]` and lives one rank's life; its exit status.
int worker_main(int argc, char** argv, const std::function<Expected<Platform>()>& platform);

}  // namespace orrery::trainer

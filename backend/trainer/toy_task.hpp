// The smallest task there is: two dense layers that learn a fixed random function of eight numbers, plus a branch
// that only some samples use. For tests of the loop, the ranks and the protocol; takes milliseconds.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "backend/trainer/task.hpp"

namespace orrery::trainer {

// Keys of `model`: `width` (default 32), `branch` (default true: samples at positions divisible by 3 also pass
// through a branch that others leave unused), `dropout` (default 0), `pause_ms` (default 0: how long a forward
// sleeps).
[[nodiscard]] Expected<std::unique_ptr<Task>> make_toy_task(const nlohmann::json& config, const TaskContext& context);

}  // namespace orrery::trainer

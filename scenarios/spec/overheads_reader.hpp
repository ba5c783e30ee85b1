// The sections `overheads` and `checkpoints` of a scenario.
//   overheads:
//     launch: 10s
//     restart: { by: checkpoint, bandwidth: 2GB/s, start: 26s, per_rank: 10ms, bytes: { bert: 1.3GB, default: 5GB } }
//     stop: 20s
//   checkpoints: { every: 1h, cost: { by: checkpoint, bandwidth: 2GB/s } }
// or a time, or times by model, instead of `by: checkpoint`.
#pragma once

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

// What is wrong with them is complained of.
void read_overheads(YamlWalk& w, const Place& at, OverheadConfig& o);
void read_checkpoints(YamlWalk& w, const Place& at, CheckpointConfig& c);

}  // namespace orrery::app

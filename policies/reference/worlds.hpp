// The worlds of published simulators, as far as they are not ours: what emulations.cpp makes its rows of.
#pragma once

#include "sim/api/emulation.hpp"

namespace orrery {

// Muri (Rivendile/Muri): every event takes seconds from a running job, by its model and GPUs; the work of a job is
// iterations x iteration time x 1.015; ends within a relative 1e-9 are one, which is 8 ms after three months.
[[nodiscard]] Duration muri_toll(const JobSpec& job);
[[nodiscard]] Work muri_work(std::int64_t iterations, Duration iteration_time);
[[nodiscard]] bool muri_same_end(Time earlier, Time later);

// Pollux: stretches end on whole seconds; one that would end after a step of 60 s ends after it, though it be rounded
// down to it. Its Optimus accumulates on one GPU whatever the batch, unlike the jobs themselves.
[[nodiscard]] Time pollux_stretch_end(Time end, Time now);
[[nodiscard]] Belief::Split pollux_split(Belief::Split ours, std::int64_t batch, std::int32_t gpus);

// TitanSched: its predictor charges one pass too many, and answers in whole seconds. Jobs' times are counted in steps
// of how often it decides under each policy, each of which rounds what a job ran in it to whole seconds.
[[nodiscard]] Belief::Split titan_split(Belief::Split ours, std::int64_t batch, std::int32_t gpus);
[[nodiscard]] Duration titan_rounded(double seconds);
[[nodiscard]] CountedTime titan_counted(std::string_view policy);

}  // namespace orrery

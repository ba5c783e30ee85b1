// NCCL between GPUs: what the CUDA trainer has beyond the CPU one. Only files named cuda_* and main_cuda.cpp include
// CUDA headers; they are built where the toolkit and the CUDA half of the wheel are.
#pragma once

#include "backend/trainer/trainer_worker.hpp"

namespace orrery::trainer {

// The first visible GPU with an NCCL communicator between the ranks; fails with what is missing (no driver, no GPU).
[[nodiscard]] Expected<Platform> cuda_platform();

}  // namespace orrery::trainer

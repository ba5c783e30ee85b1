// orrery-trainer-cuda: one rank of a training job on a GPU, with NCCL between the ranks.
#include "backend/trainer/cuda_nccl.hpp"
#include "backend/trainer/worker_main.hpp"

int main(int argc, char** argv) {
  return orrery::trainer::worker_main(argc, argv, orrery::trainer::cuda_platform);
}

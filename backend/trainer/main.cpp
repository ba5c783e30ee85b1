// orrery-trainer: one rank of a training job on CPUs, with Gloo between the ranks.
#include "backend/trainer/worker_main.hpp"

int main(int argc, char** argv) {
  return orrery::trainer::worker_main(argc, argv, []() -> orrery::Expected<orrery::trainer::Platform> {
    return orrery::trainer::Platform{
        at::kCPU, [](const c10::intrusive_ptr<c10d::Store>& store, const std::string& name, int rank, int world) {
          return orrery::trainer::make_gloo_communicator(store, name, rank, world);
        }};
  });
}

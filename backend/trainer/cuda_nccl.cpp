// See cuda_nccl.hpp.
#include "backend/trainer/cuda_nccl.hpp"

#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "backend/trainer/c10d_communicator.hpp"

namespace orrery::trainer {
namespace {

// A rank alone needs no NCCL; ORRERY_NCCL_ALONE=1 gives it one all the same (scripts/gpu-check).
std::unique_ptr<Communicator> make_nccl(const c10::intrusive_ptr<c10d::Store>& met, const std::string& name, int rank,
                                        int world) {
  if (world == 1 && std::getenv("ORRERY_NCCL_ALONE") == nullptr) return make_lonely_communicator();
  c10::intrusive_ptr<c10d::Store> store = met;
  if (!store) store = c10::make_intrusive<c10d::HashStore>();
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::hours(24);  // a suspended gang must not be taken for a hung one
  const auto own = c10::make_intrusive<c10d::PrefixStore>(name, store);
  auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(own, rank, world, options);
  const at::Device device(at::kCUDA, c10::cuda::current_device());
  group->setBoundDeviceId(device);
  return make_c10d_communicator(std::move(group), rank, world, device);
}

}  // namespace

Expected<Platform> cuda_platform() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) return fail(fmt::format("no GPU can be used: {}", cudaGetErrorString(code)));
  if (count == 0) return fail("no GPU can be seen (CUDA_VISIBLE_DEVICES)");
  c10::cuda::set_device(0);
  return Platform{at::Device(at::kCUDA, 0), make_nccl};
}

}  // namespace orrery::trainer

// A Communicator over any c10d::Backend. Part of communicator.hpp for those who make backends.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <memory>

#include "backend/trainer/communicator.hpp"

namespace orrery::trainer {

// Tensors on other devices than `device` (the backend's) are copied there and back.
[[nodiscard]] std::unique_ptr<Communicator> make_c10d_communicator(c10::intrusive_ptr<c10d::Backend> backend,
                                                                   int rank, int world, at::Device device);

}  // namespace orrery::trainer

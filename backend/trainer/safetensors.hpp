// Tensors as bytes in the safetensors layout and back; and the tensors of a checkpoint. Python's `safetensors` reads
// what is written here and the other way round.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::trainer {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// The file's bytes: tensors in this order (any device and strides; written from the CPU, contiguous). A type that the
// layout does not have is an assertion: the caller chose it.
[[nodiscard]] std::string to_safetensors(const NamedTensors& tensors,
                                         const std::map<std::string, std::string>& metadata = {});

// The tensors of a file by name, as copies on the CPU; `what` names the file in errors.
[[nodiscard]] Expected<std::map<std::string, at::Tensor>> from_safetensors(std::string_view bytes,
                                                                           const std::string& what);
[[nodiscard]] Expected<std::map<std::string, at::Tensor>> read_safetensors(const std::string& path);

// The model of the newest whole checkpoint in `dir` (which also may be one `step-N` or `version-N` itself): its
// parameters and buffers by the names the task gave them. For transfer.
[[nodiscard]] Expected<std::map<std::string, at::Tensor>> load_model(const std::string& dir);

}  // namespace orrery::trainer

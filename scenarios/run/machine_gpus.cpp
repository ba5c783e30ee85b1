#include "scenarios/run/machine_gpus.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace orrery::app {

MachineGpus machine_gpus() {
  MachineGpus out;
  std::error_code ignored;
  while (std::filesystem::exists(fmt::format("/dev/nvidia{}", out.count), ignored)) ++out.count;
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  out.driver = driver != nullptr;
  if (driver != nullptr) ::dlclose(driver);
  return out;
}

}  // namespace orrery::app

// The GPUs of this machine, looked for at run time: orrery itself links nothing of CUDA.
#pragma once

namespace orrery::app {

struct MachineGpus {
  int count = 0;        // devices of the kernel's driver
  bool driver = false;  // whether its library is there
};
[[nodiscard]] MachineGpus machine_gpus();

}  // namespace orrery::app

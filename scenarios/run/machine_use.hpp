// How busy this machine was while a live run went on, with it and with others: what its measured times are worth.
#pragma once

#include <cstdint>

namespace orrery::app {

class MachineUse {
 public:
  // Begins to measure.
  MachineUse();
  struct Shares {
    double cpu_pressure_pct = -1;  // of the time, in which some process waited for a core; -1 = unknown
    double others_cpu_pct = -1;    // of all cores, what programs that are not the run's used; -1 = unknown
  };
  // Since the beginning.
  [[nodiscard]] Shares shares() const;

 private:
  // CPU time since boot in which cores were busy or taken away, and that of this program with all children that it
  // has waited for; in seconds. all_s < 0 where the kernel does not say.
  struct CpuTime {
    double all_s = -1, ours_s = 0;
    static CpuTime now();
  };
  std::int64_t began_ns_, waited_us_;
  CpuTime before_;
};

}  // namespace orrery::app

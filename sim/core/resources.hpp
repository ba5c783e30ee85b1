// What a job asks for (Demand) and the interning of equal demands into classes. "Does not fit" is answered
// once per class and decision, so a queue of a million jobs with 32 distinct demands costs 32 answers.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sim/core/ids.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// A set of GPU types as bits; bit i = the i-th type of the topology. 0 = any type.
using GpuTypeMask = std::uint32_t;

struct Demand {
  std::int32_t gpus = 1;                      // whole GPUs, or 1 when milli_per_gpu < 1000; 0 = CPU only
  std::int32_t milli_per_gpu = kMilliPerGpu;  // share of each GPU, thousandths
  std::int64_t cpu_milli = 0;                 // whole job, thousandths of a core; 0 = not modelled
  std::int64_t mem_bytes = 0;                 // whole job, host memory; 0 = not modelled
  GpuTypeMask gpu_types = 0;
  // Of one GPU that is cut up (NodeGroup::mig_slices); 0 = whole GPUs. Nothing reads it yet.
  std::int32_t mig_slices = 0;
  friend auto operator<=>(const Demand&, const Demand&) = default;
  [[nodiscard]] std::int64_t milli_gpus() const { return std::int64_t{gpus} * milli_per_gpu; }
  // Whole GPUs of any type and nothing else: what counting placements understand exactly.
  [[nodiscard]] bool plain() const {
    return gpus > 0 && milli_per_gpu == kMilliPerGpu && cpu_milli == 0 && mem_bytes == 0 && gpu_types == 0;
  }
};

class DemandTable {
 public:
  DemandClass intern(const Demand& d) {
    const auto [it, fresh] = ids_.try_emplace(d, DemandClass(static_cast<std::uint32_t>(demands_.size())));
    if (fresh) demands_.push_back(d);
    return it->second;
  }
  [[nodiscard]] const Demand& operator[](DemandClass c) const { return demands_[c.index()]; }
  [[nodiscard]] std::size_t size() const { return demands_.size(); }

 private:
  std::map<Demand, DemandClass> ids_;
  std::vector<Demand> demands_;
};

}  // namespace orrery

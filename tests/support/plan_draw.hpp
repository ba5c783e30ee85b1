// Random plans of every member, for tests of what writes and reads them.
#pragma once

#include <string_view>

#include "sim/api/plan.hpp"
#include "sim/core/random.hpp"

namespace orrery::test {

inline constexpr int kPlanJobs = 9;

class PlanDraw {
 public:
  explicit PlanDraw(std::uint64_t seed, std::string_view name = "plans") : rng_(stream(seed, name)) {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(uniform_below(rng_, static_cast<std::uint64_t>(n)));
  }
  bool half() { return below(2) == 0; }
  JobId job() { return JobId(static_cast<std::uint32_t>(below(kPlanJobs))); }
  std::int64_t number() {
    const std::int64_t n = below(1'000'000);
    return half() ? n * 1'000'000'000 : half() ? n : -n;
  }
  std::uint32_t small() { return half() ? 0 : static_cast<std::uint32_t>(half() ? below(5) + 1 : 0xfffffffe); }
  RunConfig config() {
    RunConfig c;
    c.batch = half() ? 0 : number();
    c.accumulation = half() ? 0 : static_cast<std::int32_t>(below(99)) - 7;
    c.execution_plan = small();
    c.start_version = half() ? kFromBase : small();
    if (half()) c.start_parent = job();
    c.anew = half();
    return c;
  }
  Allocation gpus() {
    Allocation all;
    for (std::uint32_t n = 0; n < 6; ++n) {
      if (below(3) > 0) continue;
      NodeSlice s;
      s.node = NodeId(n);
      s.gpus = GpuMask(static_cast<std::uint64_t>(below(255) + 1));
      if (half()) s.milli_per_gpu = static_cast<std::int32_t>(below(1000)) + 1;
      if (half()) s.cpu_milli = below(64'000);
      if (half()) s.mem_bytes = below(1 << 30) << 9;
      all.add(s);
    }
    return all;
  }
  Target target() {
    Target t;
    t.act = static_cast<Act>(below(5));
    t.gpus = gpus();
    if (half()) t.config = config();
    if (half()) t.group = GroupId(static_cast<std::uint32_t>(below(1000)));
    if (half()) t.sharing = static_cast<Sharing>(below(4));
    return t;
  }
  Plan plan() {
    Plan p;
    for (std::int64_t n = below(5); n > 0; --n) p.targets.emplace_back(job(), target());
    for (std::int64_t n = below(3); n > 0; --n)
      p.commands.push_back({job(), static_cast<Command::Kind>(below(3)), half() ? config() : RunConfig{}});
    if (half()) p.wake_at = Time{below(1'000'000'000'000)};
    for (std::int64_t n = below(4); n > 0; --n)
      p.reasons.push_back({job(), static_cast<ReasonCode>(below(5)), number()});
    for (std::int64_t n = below(3); n > 0; --n) p.reservations.push_back({job(), Time{below(1'000'000'000)}});
    return p;
  }

 private:
  RandomStream rng_;
};

}  // namespace orrery::test

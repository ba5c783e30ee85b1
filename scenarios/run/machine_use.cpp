#include "scenarios/run/machine_use.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "backend/protocol/clock.hpp"

namespace orrery::app {
namespace {

// Microseconds in which some process has waited for a core since boot; -1 where the kernel does not say.
std::int64_t cpu_wait_us() {
  std::ifstream file("/proc/pressure/cpu");
  std::string line;
  if (!std::getline(file, line)) return -1;
  const std::size_t at = line.find("total=");
  return at == std::string::npos ? -1 : std::strtoll(line.c_str() + at + 6, nullptr, 10);
}

}  // namespace

MachineUse::CpuTime MachineUse::CpuTime::now() {
  CpuTime use;
  std::ifstream file("/proc/stat");
  std::string line, word;
  if (std::getline(file, line)) {
    std::istringstream fields(line);
    fields >> word;
    double ticks = 0, one = 0;
    // user nice system idle iowait irq softirq steal
    for (int i = 0; i < 8 && fields >> one; ++i) ticks += i == 3 || i == 4 ? 0 : one;
    use.all_s = ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage r{};
    (void)::getrusage(who, &r);
    for (const timeval& t : {r.ru_utime, r.ru_stime})
      use.ours_s += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  }
  return use;
}

MachineUse::MachineUse() : began_ns_(live::monotonic_ns()), waited_us_(cpu_wait_us()), before_(CpuTime::now()) {}

MachineUse::Shares MachineUse::shares() const {
  const std::int64_t took_us = std::max<std::int64_t>(1, (live::monotonic_ns() - began_ns_) / 1000);
  Shares s;
  if (waited_us_ >= 0)
    s.cpu_pressure_pct = 100.0 * static_cast<double>(cpu_wait_us() - waited_us_) / static_cast<double>(took_us);
  const CpuTime after = CpuTime::now();
  const double could_s = static_cast<double>(took_us) / 1e6 * static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
  const double others_s = after.all_s - before_.all_s - (after.ours_s - before_.ours_s);
  if (before_.all_s >= 0) s.others_cpu_pct = std::clamp(100 * others_s / could_s, 0.0, 100.0);
  return s;
}

}  // namespace orrery::app

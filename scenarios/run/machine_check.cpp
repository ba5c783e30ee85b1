// See machine_check.hpp.
#include "scenarios/run/machine_check.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/engine/local/priority.hpp"
#include "backend/engine/local/process.hpp"
#include "backend/protocol/files.hpp"
#include "orrery_version.hpp"
#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/live_run.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/machine_gpus.hpp"
#include "traces/format/canonical.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

Finding simulator() {
  return {Health::ok, "simulator",
          fmt::format("orrery {} ({}): {} policies, {} placements, {} trace formats", kVersion, kCommit,
                      policy_table().size(), placement_table().size(), trace_formats().size())};
}

Finding recorded_traces() {
  const char* named = std::getenv("ORRERY_TRACES");
  const std::string folder = named != nullptr ? named : "../shared/traces";
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return {Health::ok, "recorded traces", folder};
  return {Health::none, "recorded traces", fmt::format("no folder `{}`; ORRERY_TRACES names another", folder)};
}

// A checkpoint is nothing without a disk that can be waited for.
Finding disk() {
  std::error_code failed;
  const std::string folder = fs::current_path(failed).string();
  const std::string file = fmt::format("{}/.orrery-doctor-{}", folder, ::getpid());
  const std::int64_t began = live::monotonic_ns();
  const auto written = live::replace_file(file, "x");
  const double took_ms = static_cast<double>(live::monotonic_ns() - began) / 1e6;
  fs::remove(file, failed);
  if (!written) return {Health::warn, "disk", "nothing can be written here; name a folder with -o"};
  return {Health::ok, "disk", fmt::format("a file is on disk here after {:.1f} ms", took_ms)};
}

Finding local_engine() {
  const auto cores = live::own_cores().size();
  const long fd = ::syscall(SYS_pidfd_open, ::getpid(), 0);
  if (fd < 0) return {Health::fail, "local engine", "this kernel has no pidfd (Linux 5.3 has)"};
  ::close(static_cast<int>(fd));
  std::string text = fmt::format("{} core{}", cores, cores == 1 ? "" : "s");
  const bool priority = live::may_raise_priority();
  const bool pressure = std::ifstream("/proc/pressure/cpu").good();
  if (!priority) text += "; raised priority is refused: the paced gate is 3 % instead of 1 %";
  if (!pressure) text += "; the kernel does not tell of CPU pressure";
  return {priority && pressure ? Health::ok : Health::warn, "local engine", text};
}

Finding paced_worker() {
  const auto worker = find_worker("");
  if (worker) return {Health::ok, "paced worker", *worker};
  return {Health::fail, "paced worker", "not built: scripts/build release orrery-paced"};
}

Finding trainer(bool gpus) {
  const char* const what = gpus ? "CUDA trainer" : "trainer";
  const auto path = find_trainer(gpus);
  if (!path && gpus) return {Health::none, what, "not built: it needs LibTorch's CUDA half and a CUDA toolkit"};
  if (!path)
    return {Health::none, what,
            "not built, so live runs use paced workers: scripts/bootstrap --live && scripts/build"};
  // Whether it can be loaded here: the LibTorch that it was built with may be gone.
  if (!live::succeeds({*path, "--help"}))
    return {Health::fail, what,
            *path + " does not start, its LibTorch may be gone: scripts/bootstrap --live && scripts/build"};
  return {Health::ok, what, *path};
}

Finding gpus() {
  const MachineGpus found = machine_gpus();
  if (found.count > 0 && found.driver) return {Health::ok, "GPUs", fmt::format("{} and a driver", found.count)};
  if (found.count > 0)
    return {Health::warn, "GPUs", fmt::format("{} but no driver library libcuda.so.1", found.count)};
  return {Health::none, "GPUs", "none; live runs use CPU slots (live.gpus stays off)"};
}

}  // namespace

std::string_view to_string(Health h) {
  switch (h) {
    case Health::ok: return "ok";
    case Health::warn: return "warn";
    case Health::none: return "n/a";
    case Health::fail: return "FAIL";
  }
  return "";
}

std::vector<Finding> check_machine() {
  return {simulator(),    recorded_traces(), disk(),        local_engine(),
          paced_worker(), trainer(false),    trainer(true), gpus()};
}

}  // namespace orrery::app

// See worker_main.hpp.
#include "backend/trainer/worker_main.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::trainer {
namespace {

constexpr const char* kUsage =
    "usage: orrery-trainer --rank R --world N --run-folder DIR [--rendezvous-s 60]\n"
    "One rank of a training job; the worker protocol on stdin and stdout, logs in DIR/logs/rank-R.txt.\n"
    "`orrery train FILE.yaml` runs a whole job.\n"
    "  --rendezvous-s  seconds to wait for a rank that does not come\n";

int refuse(const std::string& why) {
  std::fputs(fmt::format("orrery-trainer: {}\n{}", why, kUsage).c_str(), stderr);
  return live::kExitUsage;
}

// The number, or -1.
std::int64_t number(std::string_view text) {
  std::int64_t n = -1;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  return code == std::errc() && end == text.data() + text.size() && n >= 0 && n <= live::kMaxWorld ? n : -1;
}

// Every step allocates the tensors of the one before. What glibc gave back to the kernel in between would be faulted
// in, page by page, and zeroed again: more of it the larger the batch (docs/models-and-data.md).
void keep_memory() {
  constexpr int kGiB = 1 << 30, kMiB = 1 << 20;
  if (::mallopt(M_MMAP_THRESHOLD, kGiB) == 0) ::mallopt(M_MMAP_THRESHOLD, 32 * kMiB);
  ::mallopt(M_TRIM_THRESHOLD, kGiB);
  ::mallopt(M_TOP_PAD, 64 * kMiB);
}

}  // namespace

int worker_main(int argc, char** argv, const std::function<Expected<Platform>()>& platform) {
  keep_memory();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::int64_t rank = -1, world = -1, rendezvous = 60;
  std::string run_folder;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& key = arguments[i];
    if (key == "--help") return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
    if (i + 1 == arguments.size()) return refuse(fmt::format("`{}` has no value", key));
    std::int64_t* const target = key == "--rank"           ? &rank
                                 : key == "--world"        ? &world
                                 : key == "--rendezvous-s" ? &rendezvous
                                                           : nullptr;
    if (key == "--run-folder") {
      run_folder = arguments[i + 1];
    } else if (target == nullptr) {
      return refuse(fmt::format("unknown option `{}`", key));
    } else if (*target = number(arguments[i + 1]); *target < 0) {
      return refuse(fmt::format("`{} {}`: 0 to {} is wanted", key, arguments[i + 1], live::kMaxWorld));
    }
  }
  if (rank < 0 || world < 1 || rank >= world || run_folder.empty())
    return refuse("--rank, --world and --run-folder are needed, with rank < world");
  auto log = worker::Log::open(run_folder, static_cast<int>(rank));
  if (!log) return refuse(log.error().items.at(0).message);
  const int status =
      TrainerWorker({static_cast<int>(rank), static_cast<int>(world), run_folder, rendezvous}, *log).run(platform);
  std::fflush(stdout);
  // Threads of torch and Gloo may still wait for peers that are gone; nothing of theirs is needed any more.
  ::_exit(status);
}

}  // namespace orrery::trainer

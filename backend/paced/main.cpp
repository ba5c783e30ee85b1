// orrery-paced: one rank of a paced job. Speaks the worker protocol (backend/protocol/PROTOCOL.md) on stdin and
// stdout, so a person can play the controller:
//   orrery-paced --rank 0 --world 1 --run-folder DIR
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "backend/paced/worker.hpp"
#include "backend/protocol/log.hpp"
#include "backend/protocol/protocol.hpp"

namespace {

constexpr const char* kUsage =
    "usage: orrery-paced --rank R --world N --run-folder DIR [--rendezvous-s 30] [--peer-s 60]\n"
    "One rank of a paced job; the worker protocol on stdin and stdout, logs in DIR/logs/rank-R.txt.\n"
    "  --rendezvous-s  seconds to wait for a rank that does not come\n"
    "  --peer-s        seconds to wait for a rank that is silent at the end of a step\n";

int refuse(const std::string& why) {
  std::fputs(fmt::format("orrery-paced: {}\n{}", why, kUsage).c_str(), stderr);
  return orrery::live::kExitUsage;
}

// The number, or -1.
std::int64_t number(std::string_view text, std::int64_t high) {
  std::int64_t n = -1;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  return code == std::errc() && end == text.data() + text.size() && n >= 0 && n <= high ? n : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::int64_t rank = -1, world = -1, rendezvous = 30, peer = 60;
  std::string run_folder;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& key = arguments[i];
    if (key == "--help") return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
    if (i + 1 == arguments.size()) return refuse(fmt::format("`{}` has no value", key));
    const std::string& value = arguments[i + 1];
    std::int64_t* const target = key == "--rank"           ? &rank
                                 : key == "--world"        ? &world
                                 : key == "--rendezvous-s" ? &rendezvous
                                 : key == "--peer-s"       ? &peer
                                                           : nullptr;
    if (key == "--run-folder") {
      run_folder = value;
    } else if (target == nullptr) {
      return refuse(fmt::format("unknown option `{}`", key));
    } else if (*target = number(value, orrery::live::kMaxWorld); *target < 0) {
      return refuse(fmt::format("`{} {}`: 0 to {} is wanted", key, value, orrery::live::kMaxWorld));
    }
  }
  if (rank < 0 || world < 1 || rank >= world || run_folder.empty())
    return refuse("--rank, --world and --run-folder are needed, with rank < world");
  auto log = orrery::worker::Log::open(run_folder, static_cast<int>(rank));
  if (!log) return refuse(log.error().items.at(0).message);
  return orrery::paced::Worker({static_cast<int>(rank), static_cast<int>(world), run_folder, rendezvous, peer}, *log)
      .run();
}

// See log.hpp.
#include "backend/protocol/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <utility>

namespace orrery::worker {

Expected<Log> Log::open(const std::string& run_folder, int rank) {
  if (auto ok = live::make_folders(run_folder + "/logs"); !ok) return tl::make_unexpected(ok.error());
  Log log;
  log.path_ = fmt::format("{}/logs/rank-{}.txt", run_folder, rank);
  log.file_ = live::Fd(::open(log.path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!log.file_) return live::fail_errno("open", log.path_);
  return log;
}

void Log::note(std::string_view text) {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  tm utc{};
  ::gmtime_r(&t.tv_sec, &utc);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  const std::string line = fmt::format("{}.{:06}Z [{}] {}\n", date.data(), t.tv_nsec / 1000, ::getpid(), text);
  // One write per line: lines of several incarnations do not mix.
  if (::write(file_.get(), line.data(), line.size()) < 0) return;
}

}  // namespace orrery::worker

#include "backend/live/run_clock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "backend/protocol/clock.hpp"
#include "backend/protocol/crc32c.hpp"
#include "sim/core/units.hpp"

namespace orrery::live {
namespace {

constexpr std::int64_t kAtOnce = 2'000'000;  // ns
constexpr int kTries = 4;
constexpr std::size_t kDigits = 20;

// Of one length, so that a note replaces the one before it in a single write.
std::string text_of(Time run) {
  std::string number = fmt::format("{:0{}}", run.ns, kDigits);
  return fmt::format("{} {:08x}\n", number, crc32c(number));
}

}  // namespace

std::optional<std::int64_t> modified_ns(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return std::nullopt;
  return std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

Time ClockNote::run_at(std::int64_t other_ns, std::int64_t time_scale) const {
  const Int128 ns = run.ns + static_cast<Int128>(other_ns - at_ns) * time_scale;
  return Time{static_cast<std::int64_t>(std::clamp<Int128>(ns, 0, kForever.ns))};
}

std::optional<ClockNote> read_clock(const std::string& path) {
  const auto at_ns = modified_ns(path);
  const auto text = read_file(path);
  if (!at_ns || !text || text->size() < kDigits) return std::nullopt;
  ClockNote note{{}, *at_ns};
  const std::string_view number = std::string_view(*text).substr(0, kDigits);
  const auto [end, error] = std::from_chars(number.data(), number.data() + kDigits, note.run.ns);
  if (error != std::errc{} || end != number.data() + kDigits || text_of(note.run) != *text) return std::nullopt;
  return note;
}

Expected<RunClock> RunClock::open(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!file) return fail_errno("create", path);
  return RunClock(std::move(file));
}

void RunClock::note(const std::function<Time()>& clock) {
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t began = monotonic_ns();
    const std::string text = text_of(clock());
    // A disk that is full keeps the note before this one, which is only older.
    if (::pwrite(file_.get(), text.data(), text.size(), 0) < 0 || monotonic_ns() - began < kAtOnce) return;
  }
}

}  // namespace orrery::live

#include "scenarios/run/live_remains.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "backend/live/run_clock.hpp"
#include "backend/protocol/files.hpp"

namespace orrery::app {
namespace {

// What time the file system says it is: that of a file beside the clock's note, which is written now.
Expected<std::optional<std::int64_t>> file_system_now_ns(const LiveFolder& beside) {
  const std::string present = beside.clock() + ".now";
  if (auto ok = live::write_file(present, "now\n"); !ok) return tl::make_unexpected(std::move(ok.error()));
  const auto now_ns = live::modified_ns(present);
  std::error_code ignored;
  std::filesystem::remove(present, ignored);
  return now_ns;
}

}  // namespace

Expected<Remains> remains_of(const Prepared& prepared, const LiveFolder& beside, const live::JournalContents& past,
                             bool count) {
  const LiveConfig config = prepared.scenario.live.value_or(LiveConfig{});
  Remains r;
  r.outage.stood = past.batches.empty() ? Time{} : past.batches.back().now;
  const auto note = live::read_clock(beside.clock());
  if (note) r.outage.stood = std::max(r.outage.stood, note->run);
  const std::int64_t longest = (config.lease + kStopGrace + kStopGrace).ns;  // that a worker may outlive it
  for (const JobSpec& spec : prepared.workload.specs) {
    r.committed.push_back(beside.committed(spec.id));
    const auto saved = beside.committed_at_ns(spec.id);
    if (!note || !saved) continue;
    const std::int64_t at_ns = std::min(*saved, note->at_ns + longest);
    r.outage.stood = std::max(r.outage.stood, note->run_at(at_ns, config.time_scale));
  }
  const auto now_ns = file_system_now_ns(beside);
  if (!now_ns) return tl::make_unexpected(now_ns.error());
  if (!note || !*now_ns) return r;
  const Time would_be = std::max(r.outage.stood, note->run_at(**now_ns, config.time_scale));
  r.stood_wall = Duration{(would_be - r.outage.stood).ns / config.time_scale};
  if (count) r.outage.counted = would_be - r.outage.stood;
  return r;
}

}  // namespace orrery::app

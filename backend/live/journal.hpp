// What a live run has been told and has decided, on disk before it is acted upon: with it a controller that was
// killed can be replaced by another, which replays the batches into a fresh policy and goes on. A file begins with
// one line, "orrery-journal 5"; records follow: 32 bits of length, 32 bits of CRC-32C of the payload, the payload
// (all little endian). The first record is the run's identity; then batches of events, each synced before anybody
// sees it, and the digests of the decisions that followed. What a crash left half written at the end is dropped;
// damage anywhere else is an error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/protocol/fence.hpp"
#include "backend/protocol/files.hpp"
#include "sim/api/plan.hpp"
#include "sim/core/error.hpp"
#include "sim/core/event.hpp"

namespace orrery::live {

// One return of Executor::wait_until().
struct JournalBatch {
  Time now{};
  Time deadline = kNever;  // of the wait
  std::vector<Event> events{};
};

struct JournalContents {
  std::string identity;  // whatever must be equal for a replay to make sense; the writer's
  std::vector<JournalBatch> batches{};
  std::vector<std::uint32_t> plans{};  // [epoch - 1]: digest of the decision
  std::uint64_t bytes = 0;             // of whole records; what follows was half written
};

// CRC-32C over all that a decision says (plan_text.hpp): jobs, GPUs, how they run, commands, reasons, reservations.
[[nodiscard]] std::uint32_t digest_of(const Plan& plan);

// The whole records of `bytes`; `path` is for messages.
[[nodiscard]] Expected<JournalContents> parse_journal(const std::string& path, std::string_view bytes);
[[nodiscard]] Expected<JournalContents> read_journal(const std::string& path);

// Holds a lock on the file: a journal has one writer at a time. Where a lock was lost (another file of that name, a
// file system without locks), the fence keeps a writer that was replaced from writing on.
class JournalWriter {
 public:
  // A new journal; fails when there is one.
  [[nodiscard]] static Expected<JournalWriter> create(const std::string& path, std::string_view identity);
  // Goes on with one that was read: what was half written is cut off.
  [[nodiscard]] static Expected<JournalWriter> append_to(const std::string& path, const JournalContents& contents);

  // From now on nothing is written unless the fence holds.
  void guard(Fence fence) { fence_ = std::move(fence); }
  // Appends and syncs; returns when it is on disk.
  [[nodiscard]] Expected<Ok> batch(Time now, Time deadline, std::span<const Event> events);
  // Appends; on disk with the next batch.
  [[nodiscard]] Expected<Ok> plan(std::uint32_t digest);

 private:
  JournalWriter(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  [[nodiscard]] Expected<Ok> append(std::string_view payload);

  std::string path_;
  Fd file_;
  std::string buffer_{};
  Fence fence_{};
};

}  // namespace orrery::live

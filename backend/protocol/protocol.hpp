// The words between a controller and a gang: one line each, over the stdin and stdout of rank 0. This file is the
// whole protocol as types; PROTOCOL.md beside it holds the grammar, the states and every legal exchange. Both sides
// link it, so neither can speak a dialect. It knows no pipes: a line comes in as text (see line_buffer.hpp), a
// message goes out as text. All numbers are integers; work is in nanoseconds at the reference rate, as the scheduler
// counts it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "backend/protocol/fence.hpp"
#include "sim/core/error.hpp"
#include "sim/core/units.hpp"
#include "sim/core/why.hpp"

namespace orrery::live {

inline constexpr std::int64_t kProtocolVersion = 2;              // 2: members of merged gangs, `reconfigure`
inline constexpr std::size_t kMaxLineBytes = 64 * 1024;          // of one line, without its newline
inline constexpr std::int64_t kMaxLeaseSeconds = 1'000'000'000;  // about 30 years
inline constexpr std::int64_t kMaxWorld = 1'000'000;
inline constexpr std::int64_t kFillAlways = 1000;        // Fill: as many steps as it can
inline constexpr std::int64_t kMaxSlow = 1'000'000'000;  // Slow: a thousand times as long

// What a worker's exit status means, whoever the worker is.
inline constexpr int kExitDone = 0;   // all work is done; `done` was said
inline constexpr int kExitError = 1;  // it failed; `error` was said, if it could be
inline constexpr int kExitUsage = 2;  // never began: bad command line, bad `start`, foreign version
inline constexpr int kExitStopped =
    75;  // stopped on purpose; what was done is in the newest checkpoint (EX_TEMPFAIL)

// How long the phases of a paced worker take, wall time: start (and restore) from its own beginning until `ready`,
// stop from being asked until it leaves, the rest of its step and its checkpoint included.
struct PacedCosts {
  Duration start, restore, save, stop;
  friend bool operator==(const PacedCosts&, const PacedCosts&) = default;
};

// The store of features that probes share (feature_store.hpp). Kept in it are features of which `readers_per_mille`
// thousandths of a reader are expected, where that takes less than computing them as often.
struct FeatureFolder {
  std::string path;  // of the folder; empty = there is no store
  std::int64_t limit_bytes = 0, bytes_per_s = 1, readers_per_mille = 1000;
  friend bool operator==(const FeatureFolder&, const FeatureFolder&) = default;
};

// --- to the worker ------------------------------------------------------------------------------------------------

struct Start {
  std::string job;               // a name that is also a file name: not empty, no `/`, not `.` or `..`
  std::int64_t incarnation = 1;  // >= 1: which launch of the job
  std::int64_t generation = 0;   // >= 0: which gang of this launch
  std::int64_t world = 1;        // ranks
  std::string run_folder;        // rendezvous happens under here
  std::string checkpoint_dir;
  bool restore = false;                 // go on from the newest valid checkpoint, if there is any
  Work total_work;                      // of the job, over all its launches
  Duration step_time{1};                // wall time of one step at this placement, after any time scale; > 0
  Work step_work{1};                    // done by one step; > 0
  std::int64_t save_every_steps = 0;    // 0 = only when asked
  std::int64_t report_every_steps = 1;  // 0 = never
  PacedCosts costs;
  std::int64_t lease_s = 0;  // the first lease, from `start` on; 0 = no lease
  std::string task{};        // path of a file that says what to train; empty = a paced job
  std::string from{};        // folder of what a parent published, to start from; empty = as the task says
  Fence fence{};             // of the controller; fenced off, a rank neither obeys nor commits
  std::int64_t batch = 0, accumulation = 0;  // as in Reconfigure, from the first step on
  FeatureFolder features{};
  std::optional<std::int64_t> fill{};  // as in Fill, from the first step on: of a filler; nothing: it is none
  friend bool operator==(const Start&, const Start&) = default;
};
struct Save {
  friend bool operator==(Save, Save) = default;
};
struct Publish {
  friend bool operator==(Publish, Publish) = default;
};
struct Stop {
  friend bool operator==(Stop, Stop) = default;
};
struct Lease {
  std::int64_t seconds = 1;  // from the moment it is read; 1 to kMaxLeaseSeconds
  friend bool operator==(Lease, Lease) = default;
};
// From the next step on: another global batch and accumulation (0 = its own), with what a step then is.
struct Reconfigure {
  std::int64_t batch = 0, accumulation = 0;
  Duration step_time{1};
  Work step_work{1};
  friend bool operator==(const Reconfigure&, const Reconfigure&) = default;
};
// To a filler, which runs where another gang does, its host: it is to make steps for so many thousandths of the time,
// in between it rests. 0: it rests until it is told otherwise. From the step that it makes on.
struct Fill {
  std::int64_t per_mille = kFillAlways;
  friend bool operator==(Fill, Fill) = default;
};
// To a paced gang: how much longer its steps take for its fillers, in millionths, from the next one on. It then says
// of steps how long they take by plan (Step::spent), so what is measured of it is exact on a busy machine, too.
struct Slow {
  std::int64_t millionths = 0;
  friend bool operator==(Slow, Slow) = default;
};
// A member more: what a gang of its own would be started with. Its `world` and `lease_s` are the gang's.
struct Join {
  Start start;
  friend bool operator==(const Join&, const Join&) = default;
};
// To leave at once, without saving; of a member only.
struct Drop {
  friend bool operator==(Drop, Drop) = default;
};
// To one member of a merged gang; the gang's first one is meant where no job is named. `Stop`: it saves and leaves.
struct ToMember {
  std::string job;  // a word
  std::variant<Save, Publish, Stop, Drop, Reconfigure> what;
  friend bool operator==(const ToMember&, const ToMember&) = default;
};
using ToWorker = std::variant<Start, Save, Publish, Stop, Lease, Reconfigure, Join, ToMember, Fill, Slow>;

// --- from the worker ----------------------------------------------------------------------------------------------

struct Hello {
  std::int64_t version = kProtocolVersion;
  std::string worker;  // "paced", "trainer"
  friend bool operator==(const Hello&, const Hello&) = default;
};
struct Ready {
  std::int64_t step = 0;  // where the gang goes on
  Work done;
  friend bool operator==(Ready, Ready) = default;
};
struct Step {
  std::int64_t step = 0;  // steps done by the job, over all its launches
  Work done;
  Duration spent;  // wall time of the steps since the last `step` or `ready`; saves are not counted
  // CPU time of one core per sample loaded and preprocessed since the last `step`, on rank 0; 0 = not measured,
  // which is not said.
  Duration cpu_per_sample{};
  friend bool operator==(Step, Step) = default;
};
struct Saving {
  std::int64_t step = 0;  // of the checkpoint that it begins to write; what it has done is in it
  friend bool operator==(Saving, Saving) = default;
};
struct Saved {
  std::int64_t step = 0;
  Work done;
  std::string path;  // of the committed checkpoint
  friend bool operator==(const Saved&, const Saved&) = default;
};
struct Published {
  std::int64_t version = 1;  // 1, 2, ... of this job
  std::int64_t step = 0;
  std::string path;
  friend bool operator==(const Published&, const Published&) = default;
};
struct Done {
  std::int64_t step = 0;
  friend bool operator==(Done, Done) = default;
};
struct WorkerError {
  std::string text;  // one line
  friend bool operator==(const WorkerError&, const WorkerError&) = default;
};
struct Reconfigured {
  std::int64_t batch = 0, accumulation = 0;
  friend bool operator==(Reconfigured, Reconfigured) = default;
};
// A child's first epoch is over: it was worth so many epochs of a job that starts from the base, in millionths, with
// a standard error. At most once a launch.
struct Assessed {
  std::int64_t worth = 0;
  std::int64_t error = 1;  // > 0
  friend bool operator==(Assessed, Assessed) = default;
};
// It does not do what it was told, and goes on as before.
struct Refused {
  Refusal why = Refusal::impossible;  // not `none`
  std::string text;                   // one line
  friend bool operator==(const Refused&, const Refused&) = default;
};
// What became of features in the store: those with that key (feature_entry.hpp), of the job that says so but where
// they were dropped. `time`: of a hit, what reading them spares it; else what computing them took; 0 = not known.
struct FeaturesUsed {
  FeatureUse use = FeatureUse::hit;
  Duration time;
  std::string key;  // a word
  friend bool operator==(const FeaturesUsed&, const FeaturesUsed&) = default;
};
// A filler makes steps for so many thousandths of the time from now on, as it was told to.
struct Filling {
  std::int64_t per_mille = kFillAlways;
  friend bool operator==(Filling, Filling) = default;
};
// Steps of a paced gang take so many millionths longer from the next one on, as it was told.
struct Slowed {
  std::int64_t millionths = 0;
  friend bool operator==(Slowed, Slowed) = default;
};
// The member is none any more: it was told to stop, and what it has done is in its newest checkpoint, or to drop.
struct Left {
  friend bool operator==(Left, Left) = default;
};
// Of a member of a merged gang other than the first one; `Left` of any.
struct FromMember {
  std::string job;  // a word
  std::variant<Ready, Step, Saving, Saved, Published, Done, WorkerError, Reconfigured, Refused, FeaturesUsed,
               Assessed, Left>
      what;
  friend bool operator==(const FromMember&, const FromMember&) = default;
};
using FromWorker = std::variant<Hello, Ready, Step, Saving, Saved, Published, Done, WorkerError, Reconfigured,
                                Refused, FeaturesUsed, Assessed, FromMember, Filling, Slowed>;

// The message in one line (without its newline). Errors have one diagnostic, which quotes the line, shortened: no
// UTF-8, control characters, more than kMaxLineBytes, an unknown verb, missing or extra fields, a number that is
// none, is out of range or does not fit 63 bits, a `start` with missing, unknown or doubled keys, a foreign version.
[[nodiscard]] Expected<ToWorker> parse_to_worker(std::string_view line);
[[nodiscard]] Expected<FromWorker> parse_from_worker(std::string_view line);

// The line of a message, with its newline. What parse accepted comes out as it was read. The text of an error is made
// to fit a line: control characters become spaces, bytes that are not UTF-8 become `?`, and it is cut at 4,000 bytes.
[[nodiscard]] std::string format(const ToWorker& message);
[[nodiscard]] std::string format(const FromWorker& message);

// The line as a diagnostic shows it: at most 80 bytes, what cannot be printed as `?`.
[[nodiscard]] std::string shortened(std::string_view line);

}  // namespace orrery::live

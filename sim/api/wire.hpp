// The wire: what a policy in another process reads and writes, as JSON, one object a line (docs/wire.md). Orrery says
// `hello`, the policy `ready`; then, for every decision, Orrery sends a view and the policy answers with a plan. The
// first view is full; the others have what changed. Members that have their default values are left out. Every member
// of every struct is written and read by its name in one table: one without a name there does not compile. Events and
// plans are written as in the stored log, but jobs by their numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"
#include "sim/core/error.hpp"

namespace orrery::wire {

// Of every line: raised when a line that was understood before would not be, or would mean something else.
inline constexpr int kVersion = 1;

// The first line, from Orrery.
struct Hello {
  std::uint64_t seed = 1;
  std::vector<std::string> gpu_types{};  // bit i of a demand's `gpu_types` is the i-th of them
  std::vector<NodeGroup> groups{};       // nodes are numbered from 0, group after group
};

// The second line, from the policy.
struct Ready {
  EventMask wakes_on = kArrive | kEnd | kFail | kCapacity | kPublish | kTimer;  // as Policy::wakes_on()
};

// A job as it stands at the instant of its line. It is not sent again while nothing but time passes: what has become
// of it by then follows from its state and its rate.
struct Job {
  JobId id{};
  JobState state = JobState::submitted;
  std::optional<JobSpec> spec{};  // the first time only
  bool ready = false;
  Incarnation incarnation = 0;
  std::uint32_t restarts = 0;
  Duration waited{}, ran{};
  GpuTime attained{};
  std::vector<GpuTime> attained_on{};  // [GPU type]; empty where all are of one
  Work done{};
  Rate rate{};
  Work committed{};
  std::optional<Estimate> estimate{};
  Allocation held{};
  std::optional<Target> target{};
  std::optional<Measured> measured{};
  Duration cpu_per_sample{};
  std::vector<Version> versions{};
  std::int32_t phase = 0;
};

// A decision's line, from Orrery.
struct View {
  bool full = false;  // all jobs that have not ended, else those that changed since the last view
  std::uint64_t epoch = 0;
  Time now{};
  std::int64_t free = 0;  // wholly free GPUs once all standing targets are reached
  std::vector<Job> jobs{};
  std::vector<Event> events{};  // since the last view
};

// The policy's answer. Targets, in their order, then the jobs of `place`.
struct Answer {
  std::uint64_t epoch = 0;  // of the view that it answers
  Plan plan{};
  std::vector<JobId> place{};  // jobs for which Orrery chooses GPUs, by the policy's `placement`, where they fit
  bool in_order = false;       // the first of `place` that does not fit ends it, and waits for resources
};

// The job as the wire says it, with its spec if it is wanted.
[[nodiscard]] Job job_of(const ClusterView& view, JobId id, bool with_spec);

// Each is one line without its end.
void append(std::string& out, const Hello& hello);
void append(std::string& out, const Ready& ready);
void append(std::string& out, const View& view);
void append(std::string& out, const Answer& answer);

// What is wrong with a line, and where in it (1 = the first byte, 0 = not known).
struct Wrong {
  std::string message;
  int column = 0;
};
template <class T>
using Read = tl::expected<T, Wrong>;

// Their inverses. What is not known is an error.
[[nodiscard]] Read<Hello> read_hello(std::string_view line);
[[nodiscard]] Read<Ready> read_ready(std::string_view line);
[[nodiscard]] Read<View> read_view(std::string_view line);
[[nodiscard]] Read<Answer> read_answer(std::string_view line);

}  // namespace orrery::wire

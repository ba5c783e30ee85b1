// Where the time of a training step goes, measured inside the real trainer: torch's record functions tell when a part
// of the model begins (its scopes) and which operator of the backward pass runs (by its sequence number, which says
// in which part of the forward pass it was made).
#pragma once

#include <ATen/SequenceNumber.h>
#include <ATen/record_function.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace orrery::test {

// CPU time of the calling thread, which others on the same machine do not stretch, or wall time; seconds.
inline double clock_s(clockid_t clock) {
  timespec t{};
  (void)clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Seconds of a step by part: "data", "optimiser" (with "zero"), "reduce", "other", and for each phase of a
// micro-batch, in order, its name with forward and backward (means over the micro-batches).
struct StepTimes {
  struct Phase {
    std::string name;
    double forward = 0, backward = 0;
  };
  std::vector<Phase> phases;
  std::map<std::string, double> rest;
  double total = 0;
};

// Records the calling thread's steps between start() and stop().
class StepRecorder {
 public:
  explicit StepRecorder(clockid_t clock) : clock_(clock) {}
  ~StepRecorder() {
    if (active_ == this) active_ = nullptr;
  }
  StepRecorder(const StepRecorder&) = delete;
  StepRecorder& operator=(const StepRecorder&) = delete;

  void start() {
    events_.clear();
    active_ = this;
    at::RecordFunctionCallback callback(&begun, &ended);
    callback.scopes({at::RecordScope::USER_SCOPE, at::RecordScope::BACKWARD_FUNCTION}).needsInputs(false);
    handle_ = at::addThreadLocalCallback(callback);
    note("other", kNone);
  }

  StepTimes stop(int micro_batches) {
    note("end", kNone);
    at::removeCallback(handle_);
    active_ = nullptr;
    return sorted(micro_batches);
  }

 private:
  static constexpr std::int64_t kNone = -1;
  struct Event {
    double at = 0;
    std::string scope;              // what runs from now on; empty: the operator `backward`
    std::int64_t backward = kNone;  // its sequence number
    std::uint64_t next = 0;         // the next one that the forward pass will give
  };

  void note(std::string scope, std::int64_t backward) {
    events_.push_back({clock_s(clock_), std::move(scope), backward, at::sequence_number::peek()});
  }
  static std::unique_ptr<at::ObserverContext> begun(const at::RecordFunction& f) {
    if (active_ == nullptr) return nullptr;
    if (f.scope() == at::RecordScope::USER_SCOPE) {
      active_->end_backward();
      active_->note(f.name(), kNone);
    } else {
      active_->note("", f.seqNr());
    }
    return nullptr;
  }
  static void ended(const at::RecordFunction& f, at::ObserverContext*) {
    if (active_ == nullptr) return;
    if (f.scope() == at::RecordScope::USER_SCOPE)
      active_->note("other", kNone);
    else
      active_->operator_ended_ = clock_s(active_->clock_);
  }
  // After the last operator of a backward pass its graph is taken down, which is no part's.
  void end_backward() {
    if (!events_.empty() && events_.back().scope.empty())
      events_.push_back({operator_ended_, "other", kNone, at::sequence_number::peek()});
  }

  [[nodiscard]] StepTimes sorted(int micro_batches) const {
    StepTimes out;
    struct Range {
      std::uint64_t first, last;
      std::size_t phase;
    };
    std::vector<Range> made;  // sequence numbers of phases
    std::size_t phase = 0;
    double* running = nullptr;
    for (std::size_t i = 0; i + 1 < events_.size(); ++i) {
      const Event& e = events_[i];
      const double s = events_[i + 1].at - e.at;
      out.total += s;
      if (e.scope.empty()) {
        const auto n = static_cast<std::uint64_t>(e.backward);
        for (const Range& r : made)
          if (n >= r.first && n < r.last) running = &out.phases[r.phase].backward;
      } else if (e.scope == "data") {
        phase = 0, made.clear();
        running = &out.rest["data"];
      } else if (e.scope == "zero" || e.scope == "optimiser") {
        running = &out.rest["optimiser"];
      } else if (e.scope == "reduce" || e.scope == "other") {
        running = &out.rest[e.scope];
      } else {
        if (phase == out.phases.size()) out.phases.push_back({e.scope});
        made.push_back({e.next, events_[i + 1].next, phase});
        running = &out.phases[phase++].forward;
      }
      *running += s;
    }
    for (StepTimes::Phase& p : out.phases) p.forward /= micro_batches, p.backward /= micro_batches;
    out.rest["data"] /= micro_batches;
    return out;
  }

  static inline thread_local StepRecorder* active_ = nullptr;
  clockid_t clock_;
  double operator_ended_ = 0;
  at::CallbackHandle handle_{};
  std::vector<Event> events_;
};

inline double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  return all[all.size() / 2];
}

// Part by part the median.
inline StepTimes median(const std::vector<StepTimes>& steps) {
  StepTimes out = steps.front();
  const auto of = [&steps](auto part) {
    std::vector<double> all;
    for (const StepTimes& s : steps) all.push_back(part(s));
    return median(std::move(all));
  };
  for (std::size_t p = 0; p < out.phases.size(); ++p) {
    out.phases[p].forward = of([p](const StepTimes& s) { return s.phases[p].forward; });
    out.phases[p].backward = of([p](const StepTimes& s) { return s.phases[p].backward; });
  }
  for (auto& [name, seconds] : out.rest) seconds = of([&name](const StepTimes& s) { return s.rest.at(name); });
  out.total = of([](const StepTimes& s) { return s.total; });
  return out;
}

}  // namespace orrery::test

// What was filled of the bubbles that jobs advertise, and what that cost them, as events alone say it. What is idle
// and used follows from what jobs advertise and need (sim/api/bubbles.hpp); how much slower hosts were is what they
// reported beside fillers over what they reported alone: their own measure of their speed, or that between two
// reports between which nothing changed. O(fillers of a host) per event of one of them; nothing is kept of other
// jobs.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "sim/api/bubbles.hpp"
#include "sim/core/event.hpp"

namespace orrery {

struct BubbleJob {
  Bubbles bubbles{};
  FillWork fills{};
  bool phased = false;  // its steps are not all alike
};

class BubbleMeter {
 public:
  // Every event of a job. `of`: what that one, and the host of a launch, advertise and need.
  template <class Of>
  void note(const Event& e, const Of& of) {
    if (e.kind() == EventKind::launch && (e.get<event::Launch>().host.valid() || of(e.job).bubbles.any())) {
      launch(e, of);
    } else if (hosts_.contains(e.job)) {
      host(e);
    } else if (fillers_.contains(e.job)) {
      filler(e);
    }
  }
  // Up to now, milli-GPU x ns.
  struct Totals {
    Int128 idle = 0, used = 0;
  };
  [[nodiscard]] Totals totals(Time now) const;
  // How much longer steps took beside fillers; nothing where no host reported both.
  [[nodiscard]] std::optional<double> slowdown() const;

 private:
  struct Speed {
    double work = 0, time = 0;  // ns
  };
  struct Speeds {
    Speed alone, filled;
  };
  struct Host {
    Allocation gpus;
    Work committed{};
    bool runs = false;
    Time since{};
    std::int64_t idle = 0;  // its GPUs times the share of a step that they idle, thousandths of a billionth
    int fillers = 0;        // that run
    bool clean = false;     // nothing has changed since `said`
    Time changed_at{};      // when something last did
    bool measures = false;  // it reports its own speed
    Time said_at{};
    Work said{};
    std::int32_t phase = 0;
    std::map<std::int32_t, Speeds> phases;
  };
  struct Filler {
    JobId host{};
    std::int64_t gpus_milli = 0;
    Rate whole{};  // of the time that all its windows take of a step
    std::int32_t per_mille = 0;
    bool runs = false;
    Time since{};
  };

  template <class Of>
  void launch(const Event& e, const Of& of) {
    const auto& [gpus, anew, host, fill] = e.get<event::Launch>();
    if (host.valid())
      enter(e.job, host, *gpus, of(e.job), of(host), fill);
    else
      enter(e.job, *gpus, of(e.job), anew);
  }
  void enter(JobId job, const Allocation& gpus, const BubbleJob& of, bool anew);
  void enter(JobId job, JobId host, const Allocation& gpus, const BubbleJob& own, const BubbleJob& of,
             std::int32_t fill);
  void host(const Event& e);
  void filler(const Event& e);
  void run(Host& h, bool on, Time now);
  void run(Filler& f, bool on, Time now);
  static void changed(Host& h, Time now);
  static void reported(Host& h, Time now, Work done, std::int32_t phase, Rate own);
  [[nodiscard]] static Int128 used(const Filler& f, Time now);
  [[nodiscard]] static Int128 idle(const Host& h, Time now);

  std::map<JobId, Host> hosts_;
  std::map<JobId, Filler> fillers_;
  Totals totals_{};
};

}  // namespace orrery

// A simulator of the simplest kind, to hold the real one against: a clock that ticks once a second, one pool of GPUs,
// lists that are sorted anew each tick. Shares no code with the product.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace orrery::test {

struct NaiveJob {
  long submit = 0, gpus = 1, duration = 1;
  long left = 0, start = -1, finish = -1;
  bool running = false;
};

// Policies: fifo, fjf, sjf (no preemption); srtf, srsf, smallest (preemptive, strict priority with skipping; ties:
// running first, then submit, then number). Returns false when the work does not end within `limit` ticks.
inline bool naive_run(const std::string& policy, long gpus, std::vector<NaiveJob>& jobs, long limit = 100'000) {
  const bool preemptive = policy == "srtf" || policy == "srsf" || policy == "smallest";
  for (NaiveJob& j : jobs) j.left = j.duration;
  for (long now = 0; now < limit; ++now) {
    // What ends at this tick ends before anything else is looked at.
    bool all_done = true;
    for (NaiveJob& j : jobs) {
      if (j.running && j.left == 0) {
        j.running = false;
        j.finish = now;
      }
      all_done = all_done && j.finish >= 0;
    }
    if (all_done) return true;
    std::vector<NaiveJob*> order;
    long free = gpus;
    for (NaiveJob& j : jobs) {
      if (j.finish >= 0 || j.submit > now) continue;
      if (j.running && !preemptive) {
        free -= j.gpus;
        continue;
      }
      order.push_back(&j);
    }
    const auto key = [&policy](const NaiveJob& j) {
      if (policy == "sjf") return j.duration;
      if (policy == "srtf") return j.left;
      if (policy == "srsf") return j.left * j.gpus;
      if (policy == "smallest") return j.gpus;
      return j.submit;
    };
    std::stable_sort(order.begin(), order.end(), [&](const NaiveJob* a, const NaiveJob* b) {
      if (key(*a) != key(*b)) return key(*a) < key(*b);
      if (a->running != b->running) return a->running;
      return a->submit < b->submit;
    });
    for (NaiveJob* j : order) {
      j->running = j->gpus <= free;
      if (!j->running && policy == "fifo") break;
      if (!j->running) continue;
      free -= j->gpus;
      if (j->start < 0) j->start = now;
    }
    for (NaiveJob& j : jobs)
      if (j.running) --j.left;
  }
  return false;
}

}  // namespace orrery::test

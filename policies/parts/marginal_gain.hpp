// GPUs handed out one by one, each to the job that gains most by it: the core of Optimus (Peng et al., EuroSys'18).
#pragma once

#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "policies/parts/sizes.hpp"

namespace orrery {

// Time that all of the job after `done` is expected to save by one GPU more than `gpus`, ns; 0 where nobody knows.
[[nodiscard]] inline std::int64_t time_saved_after(const ClusterView& view, const JobView& job, Work done,
                                                   std::int32_t gpus) {
  const auto left = view.work_after(job, done);
  if (!left) return 0;
  const Duration now = view.time_for(job, *left, gpus), then = view.time_for(job, *left, gpus + 1);
  return now == kForever || then == kForever ? 0 : (now - then).ns;
}
// All that is left of it.
[[nodiscard]] inline std::int64_t time_saved(const ClusterView& view, JobId job, std::int32_t gpus) {
  const JobView v = view.job(job);
  return time_saved_after(view, v, v.done, gpus);
}

struct AdmitAll {
  bool operator()(const SizedJob&) const { return true; }
};

// Sets `gpus` of every job: first its least number, in the order of the list, while `left` lasts and where
// admits(job), which is asked of those that fit; then one after another. `first(job)` is its gain by one more than
// its least, `next(job)` after each; no gain, no GPU. Of equal gains the first in the list wins. `Job` is a SizedJob.
// O((jobs + left) log jobs).
template <class Job, class First, class Next, class Admits = AdmitAll>
void give_by_gain(std::vector<Job>& jobs, std::int64_t left, First first, Next next, Admits admits = {}) {
  using Gain = decltype(first(jobs.front()));
  using Candidate = std::pair<Gain, std::int64_t>;  // gain, -index: the first of equals
  for (Job& j : jobs) {
    if (j.least > left || !admits(j)) continue;
    j.gpus = j.least;
    left -= j.least;
  }
  std::priority_queue<Candidate> best;
  for (std::size_t i = 0; i < jobs.size() && left > 0; ++i) {
    if (jobs[i].gpus == 0) continue;
    if (const Gain gain = first(jobs[i]); gain > 0) best.emplace(gain, -static_cast<std::int64_t>(i));
  }
  while (left > 0 && !best.empty()) {
    const std::int64_t index = best.top().second;
    Job& j = jobs[static_cast<std::size_t>(-index)];
    best.pop();
    ++j.gpus;
    --left;
    if (const Gain gain = next(j); gain > 0) best.emplace(gain, index);
  }
}

// By saved(job, GPUs), what one GPU more would save; no gain beyond the most GPUs that a job can use.
template <class Saved>
void give_by_time_saved(std::vector<SizedJob>& jobs, std::int64_t left, Saved saved) {
  const auto gain = [&saved](const SizedJob& j) { return j.gpus + 1 > j.most ? 0 : saved(j.id, j.gpus); };
  give_by_gain(jobs, left, gain, gain);
}

// The jobs that want GPUs, those with the smallest least number first, else in order of arrival; `ids` is scratch.
inline void smallest_least_first(const ClusterView& view, std::vector<JobId>& ids, std::vector<SizedJob>& jobs) {
  wanting_jobs(view, ids);
  jobs.clear();
  for (const JobId id : ids)
    if (const auto job = sized(view, id)) jobs.push_back(*job);
  std::stable_sort(jobs.begin(), jobs.end(), [](const SizedJob& a, const SizedJob& b) { return a.least < b.least; });
}

}  // namespace orrery

#include "policies/registry.hpp"

namespace orrery {

const std::vector<PolicyInfo>& policy_table() {
  static const std::vector<PolicyInfo> table = {
      {"fifo", "strict order of arrival; the first job that does not fit holds up the rest",
       "Starts jobs in order of submission while they fit, and stops at the first that does not. No preemption.", "",
       make_fifo},
      {"fjf", "fit-job-first: FIFO that goes on past jobs that do not fit",
       "Starts every job that fits, in order of submission. Wide jobs may starve. No preemption.", "", make_fjf},
      {"sjf", "shortest estimated run time first, no preemption",
       "Starts every job that fits, in order of estimated run time. Jobs without an estimate come last.", "",
       make_sjf},
      {"smallest", "fewest GPUs first, with preemption",
       "At every event serves {running, waiting} jobs by number of GPUs (ties: running first, then arrival), goes on "
       "past jobs that do not fit, and preempts running jobs that are not served.",
       "", make_smallest},
      {"lpjf", "longest pending job first, no preemption",
       "Strict order by time spent waiting, longest first. Equal to FIFO unless jobs come back after failures.", "",
       make_lpjf},
      {"easy", "EASY backfilling: the first blocked job has a reservation, later ones may not delay it",
       "FIFO, and a reservation for the first job that does not fit at the earliest time the running jobs' estimates "
       "allow. Any later job may start if it fits now and delays no reservation.",
       "Lifka, JSSPP 1995; Mu'alem and Feitelson, TPDS 2001", make_easy,
       {{"depth", "integer", "1", "how many blocked jobs hold a reservation (1 = EASY)"}}},
      {"conservative", "conservative backfilling: every blocked job has a reservation",
       "EASY with unlimited reservation depth. When a job ends early, reservations are re-placed one by one in order "
       "of submission with the others in place, so that none moves to a later time.",
       "Mu'alem and Feitelson, TPDS 2001", make_conservative},
      {"srtf", "shortest remaining time first, with preemption",
       "At every event serves {running, waiting} jobs by estimated remaining time (ties: running first, then "
       "arrival), goes on past jobs that do not fit, and preempts running jobs that are not served.",
       "", make_srtf},
      {"srsf", "shortest remaining service (time x GPUs) first, with preemption",
       "Like srtf, ordered by estimated remaining time multiplied by the number of GPUs.", "", make_srsf},
      {"tiresias", "discretised least attained service (2D-LAS), with preemption",
       "Jobs sink through queues as their attained service crosses the limits; queues are served in order, each in "
       "the order of its list, past jobs that do not fit; running jobs that are not served are preempted.",
       "Gu et al., Tiresias, NSDI 2019", make_tiresias,
       {{"service", "choice", "dlas-gpu", "what is attained: executed time x GPUs, or executed time alone",
         {"dlas-gpu", "dlas"}},
        {"limits", "gpu_time_list", "[3250GPUs, 7200GPUs]",
         "service at which a job moves to the next queue, one limit per queue but the last"},
        {"starvation", "integer", "0",
         "N > 0: a job that has waited N times as long as it ran returns to the first queue; 0 = never"}}},
  };
  return table;
}

const PolicyInfo* find_policy(std::string_view name) {
  for (const PolicyInfo& p : policy_table())
    if (p.name == name) return &p;
  return nullptr;
}

}  // namespace orrery

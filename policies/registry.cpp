#include "policies/registry.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMostTime = std::int64_t{36'500} * 86'400;  // s
constexpr std::int64_t kMany = 1'000'000;

}  // namespace

const std::vector<PolicyInfo>& policy_table() {
  static const std::vector<PolicyInfo> table = {
      {"fifo",
       "strict order of arrival; the first job that does not fit holds up the rest",
       "Starts jobs in order of submission while they fit, and stops at the first that does not. No preemption.",
       "",
       make_fifo,
       {},
       Conserves::order},
      {"fjf", "fit-job-first: FIFO that goes on past jobs that do not fit",
       "Starts every job that fits, in order of submission. Wide jobs may starve. No preemption.", "", make_fjf},
      {"sjf", "shortest estimated run time first, no preemption",
       "Starts every job that fits, in order of estimated run time. Jobs without an estimate come last.", "",
       make_sjf},
      {"smallest", "fewest GPUs first, with preemption",
       "At every event serves {running, waiting} jobs by number of GPUs (ties: running first, then arrival), goes on "
       "past jobs that do not fit, and preempts running jobs that are not served.",
       "", make_smallest},
      {"lpjf",
       "longest pending job first, no preemption",
       "Strict order by time spent waiting, longest first. Equal to FIFO unless jobs come back after failures.",
       "",
       make_lpjf,
       {},
       Conserves::order},
      {"easy",
       "EASY backfilling: the first blocked job has a reservation, later ones may not delay it",
       "FIFO, and a reservation for the first job that does not fit at the earliest time the running jobs' estimates "
       "and the placement allow. Any later job may start if it fits now and delays no reservation. While the first "
       "one "
       "waits for a running job without an estimate, nobody passes it.",
       "Lifka, JSSPP 1995; Mu'alem and Feitelson, TPDS 2001",
       make_easy,
       {{"depth", "integer", "1", "how many blocked jobs hold a reservation (1 = EASY)", {}, 1, kMany}},
       Conserves::order},
      {"conservative",
       "conservative backfilling: every blocked job has a reservation",
       "EASY with unlimited reservation depth. When a job ends early, reservations are re-placed one by one in order "
       "of submission with the others in place, so that none moves to a later time.",
       "Mu'alem and Feitelson, TPDS 2001",
       make_conservative,
       {},
       Conserves::order},
      {"srtf",
       "shortest remaining time first, with preemption",
       "At every event serves {running, waiting} jobs by estimated remaining time (ties: running first, then "
       "arrival), goes on past jobs that do not fit, and preempts running jobs that are not served.",
       "",
       make_srtf,
       {{"running",
         "choice",
         "kept",
         "under `emulate: titan` only: running jobs are kept, as released, or preempted for shorter ones",
         {"kept", "preempted"}}}},
      {"srsf", "shortest remaining service (time x GPUs) first, with preemption",
       "Like srtf, ordered by estimated remaining time multiplied by the number of GPUs.", "", make_srsf},
      {"qssf", "quasi-shortest service first: smallest predicted GPU-time first, no preemption",
       "Starts every job that fits, in order of predicted run time x GPUs. Meant for `workload.estimates: history`, "
       "which predicts from the tenant's earlier jobs.",
       "Hu et al., Helios, SC 2021", make_qssf},
      {"edf", "earliest deadline first, with preemption",
       "Strict priority by deadline; jobs without one come last, in order of arrival.", "Liu and Layland, JACM 1973",
       make_edf},
      {"las",
       "least attained service first, with preemption",
       "Strict priority by attained GPU-time, compared in whole quanta: two equal jobs alternate once per quantum, "
       "or once per `hold` where that is longer. Tiresias is its discretised form with fewer preemptions.",
       "Nuyens and Wierman, 2008; Gu et al., Tiresias, NSDI 2019",
       make_las,
       {{"quantum", "gpu_time", "300GPUs", "GPU-time after which a running job is compared anew", {}, 1, kMostTime},
        {"hold", "time", "5m", "run time after its start before which it is not", {}, 0, kMostTime}}},
      {"gittins",
       "largest Gittins index first, from the service of finished jobs, with preemption",
       "Strict priority by the chance to finish within a quantum over the service expected to be spent, given what a "
       "job has attained and what earlier jobs needed. Least attained service until 16 jobs have finished.",
       "Gittins, 1979; Gu et al., Tiresias (2D-Gittins), NSDI 2019",
       make_gittins,
       {{"quantum",
         "gpu_time",
         "3250GPUs",
         "quantum of the index; a running job is compared anew after it",
         {},
         1,
         kMostTime},
        {"hold", "time", "5m", "run time after its start before which it is not", {}, 0, kMostTime},
        {"horizon",
         "choice",
         "quantum",
         "the index over one quantum, or the largest over all quanta (sup)",
         {"quantum", "sup"}}}},
      {"drf", "dominant resource fairness between tenants, no preemption",
       "Again and again the tenant with the smallest dominant share (the largest of its shares of GPUs, CPUs and "
       "memory) starts its first job that fits.",
       "Ghodsi et al., DRF, NSDI 2011", make_drf},
      {"gandiva",
       "time slicing: a job without free GPUs shares those of jobs of its size, in turns",
       "Members of a set of GPUs run one quantum each, the others are suspended on the GPUs. The least crowded set "
       "of the same demand is joined; members not yet launched move to GPUs that become free.",
       "Xiao et al., Gandiva, OSDI 2018",
       make_gandiva,
       {{"quantum", "time", "60s", "how long a turn lasts", {}, 1, kMostTime},
        {"most", "integer", "4", "most jobs that share a set of GPUs; more wait", {}, 1, kMany}}},
      {"optimus",
       "the next GPU to the job whose remaining time it shortens most, with preemption",
       "Every period each job gets its least number of GPUs, small numbers first, then one GPU after another goes to "
       "the job that gains most. Between periods waiting jobs start on their least, nothing is resized.",
       "Peng et al., Optimus, EuroSys 2018",
       make_optimus,
       {{"period", "time", "600s", "how often numbers of GPUs are reconsidered", {}, 1, kMostTime},
        {"gains",
         "choice",
         "released",
         "under `emulate: titan` only: gains of the last job in the list for every job, as released, or right ones",
         {"released", "corrected"}}}},
      {"scripted",
       "what a file says, step by step; for tests and for trying things out by hand",
       "Lines of WHEN JOB ACTION: `90s a run n0:0-1`, `@12 a preempt`; WHEN is a time of the run or the number of a "
       "decision, the actions are run, preempt, suspend, cancel, checkpoint and publish. Jobs that the file does not "
       "name are scheduled first-in, first-out.",
       "",
       make_scripted,
       {{"file", "file", "", "the script, relative to the scenario that names it; none = no job is named"}},
       Conserves::nothing},
      {"themis",
       "finish-time fairness: GPUs on leases, free ones to the jobs treated worst, with preemption",
       "Jobs hold GPUs on leases. What is free or whose lease is over goes to the jobs with the largest ratio of "
       "their "
       "time in the shared cluster to their time alone on an equal share of it; the others are offered what is left. "
       "Deterministic: the partial-allocation auction of the paper is not bid for.",
       "Mahajan et al., Themis, NSDI 2020",
       make_themis,
       {{"lease", "time", "1200s", "how long GPUs are granted for", {}, 1, kMostTime},
        {"percent",
         "integer",
         "80",
         "share of the jobs, the worst-treated ones, that are served first",
         {},
         1,
         100}}},
      {"titan",
       "numbers of GPUs that together bring every job closest to its fair share, with preemption",
       "Every period the jobs with least to do, one per GPU, get the numbers of GPUs that minimise the sum over jobs "
       "of remaining time over remaining time on an equal share. Exact: a knapsack over the cluster's GPUs. Between "
       "periods waiting jobs start on their least. Tasks are not merged.",
       "Gao et al., Titan, SoCC 2022",
       make_titan,
       {{"period", "time", "120s", "how often numbers of GPUs are reconsidered", {}, 1, kMostTime},
        {"sizes",
         "choice",
         "nodes",
         "sizes considered: 1 to 4 and multiples of 4, or every number",
         {"nodes", "all"}}}},
      {"tiresias",
       "discretised least attained service (2D-LAS), with preemption",
       "Jobs sink through queues as their attained service crosses the limits; queues are served in order, each in "
       "the order of its list, past jobs that do not fit; running jobs that are not served are preempted.",
       "Gu et al., Tiresias, NSDI 2019",
       make_tiresias,
       {{"service",
         "choice",
         "dlas-gpu",
         "what is attained: executed time x GPUs, or executed time alone",
         {"dlas-gpu", "dlas"}},
        {"limits",
         "gpu_time_list",
         "[3250GPUs, 7200GPUs]",
         "service at which a job moves to the next queue, one limit per queue but the last",
         {},
         1,
         kMostTime},
        {"starvation",
         "integer",
         "0",
         "N > 0: a job that has waited N times as long as it ran returns to the first queue; 0 = never",
         {},
         0,
         kMany}}},
  };
  return table;
}

const PolicyInfo* find_policy(std::string_view name) {
  for (const PolicyInfo& p : policy_table())
    if (p.name == name) return &p;
  return nullptr;
}

}  // namespace orrery

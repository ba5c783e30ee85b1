// What saving and restarting cost, and how often to save. Sources: Young, CACM 1974; Daly, FGCS 2006 (the optimum and
// the expected time); Kokolis et al., HPCA 2025 (effective training time ratio). Times in seconds. Pure functions, to
// set the `checkpoints` and `overheads` of a scenario by; not called in the event path.
#pragma once

#include <cstdint>
#include <span>

#include "sim/core/time.hpp"

namespace orrery {

// Bytes of a checkpoint: 16-bit weights, with 12 bytes of optimiser state per trained parameter unless it is only to
// be used (evaluated, or transferred from).
[[nodiscard]] double checkpoint_bytes(double parameters, double trained, bool for_use_only);

struct StorageCost {
  double device_bytes_per_s = 25e9;  // from a GPU to its host's memory, of one node
  double storage_bytes_per_s = 0;    // of the shared storage, all nodes together; 0 = no limit
  double node_bytes_per_s = 0;       // of one node to the storage; 0 = no limit
};
struct SaveCost {
  double stall_s = 0;  // the job stands still
  double write_s = 0;  // until it is safe; the same, unless saving is asynchronous
};
// Each of `nodes` writes an even part. Asynchronously only the copy to the host's memory stands in the way.
[[nodiscard]] SaveCost save_cost(double bytes, int nodes, const StorageCost& storage, bool asynchronous);

// From a failure to the first step: found, placed, processes started, ranks connected (a part per rank), loaded,
// data wound forward, first slow steps. Weights that are resident already are not loaded (a warm runtime).
struct RestartCost {
  double detect_s = 0, start_s = 20, connect_s = 1, connect_per_rank_s = 0.01, wind_s = 0, warm_up_s = 5;
};
[[nodiscard]] double restart_s(const RestartCost& cost, int ranks, double bytes, int nodes,
                               const StorageCost& storage, bool resident);

// Best time between two checkpoints of blocking cost `save_s`, for a job with this mean time between failures (of a
// node, over its nodes). Young: sqrt(2 d M). Daly: that * (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d, M if d >= 2M.
[[nodiscard]] double young_interval_s(double save_s, double mtbf_s);
[[nodiscard]] double daly_interval_s(double save_s, double mtbf_s);

// Expected time for `work_s` with failures by chance: M e^(R/M) (e^((t + d)/M) - 1) W / t.
[[nodiscard]] double expected_time_s(double work_s, double interval_s, double save_s, double restart_s,
                                     double mtbf_s);

// Productive share of a long run: (1 - N r (u + t/2)) / (1 + w/t); r in failures per node and second. Valid while
// failures cost little; never below 0.
[[nodiscard]] double effective_time_ratio(int nodes, double failures_per_node_s, double restart_s, double interval_s,
                                          double save_s);

// Work lost by a failure, on average: half an interval, and what was not yet safe of an asynchronous save.
[[nodiscard]] double lost_work_s(double interval_s, const SaveCost& save);

// How long a job that runs for `run` alone, undisturbed and at its own rate, stands still besides: for a checkpoint
// of cost `save` whenever it has run for `every` since it started or last saved, but not at its end, and for a
// publication of cost `publish` at each of `points` (per mille of its work, ascending). Exact, but for points that
// fall onto the instant of a checkpoint, or that are later thought useless: then it is at most this.
[[nodiscard]] Duration stands_still(Duration run, Duration every, Duration save, Duration publish,
                                    std::span<const std::int32_t> points = {});

}  // namespace orrery

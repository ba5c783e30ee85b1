// Recorded capacity: how many nodes (or GPUs) a cluster or a spot market had over time, and when GPUs failed. Read
// from the forms in which such recordings are published and turned into outages, which executors replay as capacity
// events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/time.hpp"
#include "sim/models/lifecycle/failures.hpp"

namespace orrery {

// From `at` on so many are there.
struct CapacityStep {
  Time at{};
  std::int64_t count = 0;
  friend bool operator==(const CapacityStep&, const CapacityStep&) = default;
};

struct CapacityTrace {
  std::string format;               // "spot", "bamboo", "gcloud", "node-sequence", "gpu-number"
  bool gpus = false;                // counts GPUs, not nodes
  std::int64_t samples = 0;         // rows or ticks read
  std::vector<CapacityStep> steps;  // changes only, the first at the recording's zero
  Time end{};                       // of the recording
};

// Forms: JSON of skypilot spot traces ({"metadata": {"gap_seconds": n}, "data": [...]}); `ms,add|remove,node` of
// Bamboo; `date, time, running` of its gcloud recordings; `time,active,total` of HeliosArtifact's Philly;
// `date,...,total` (GPUs per day) of Helios.
[[nodiscard]] Expected<CapacityTrace> read_capacity_text(const std::string& file, std::string_view text);
[[nodiscard]] Expected<CapacityTrace> read_capacity(const std::string& path);

// The trace on a cluster of nodes with so many GPUs each: node i is out while at most i nodes are there, or fewer
// GPUs than the nodes up to it have, so the last come and go first. What a cluster has beyond the recording's largest
// number is never there.
[[nodiscard]] std::vector<Outage> outages_of(const CapacityTrace& trace, const std::vector<int>& node_gpus);
// On equal nodes.
[[nodiscard]] std::vector<Outage> outages_of(const CapacityTrace& trace, std::int64_t nodes, int gpus_per_node);

// One GPU of the Titan supercomputer (OLCF, SC'20): a serial number in one slot, from insertion to removal.
struct GpuLife {
  std::string serial;
  std::string location;  // cX-YcCsSnN: cabinet, cage, slot, node
  Time insert{}, remove{};
  std::int64_t duration_s = 0;
  enum class End : std::uint8_t { none, double_bit_error, off_the_bus } end = End::none;
  bool timed = false;  // has insertion and duration
};
[[nodiscard]] Expected<std::vector<GpuLife>> read_gpu_lives_text(const std::string& file, std::string_view text);
[[nodiscard]] Expected<std::vector<GpuLife>> read_gpu_lives(const std::string& path);
// Every error takes its node out for `repair`; an error of a node that is out already changes nothing. Nodes are
// numbered by location, modulo `nodes`: a smaller cluster has the errors of all of Titan's. Times from the first one.
[[nodiscard]] std::vector<Outage> outages_of(const std::vector<GpuLife>& lives, std::int64_t nodes, Duration repair);

// A recording of either sort as outages of a cluster.
struct CapacityOf {
  std::vector<int> node_gpus;  // of each node
  Duration repair{};           // how long an error of a GPU takes its node out
};
struct RecordedOutages {
  std::vector<Outage> outages;
  std::string about;  // what was read, in one line
};
// The lives of GPUs are known by their header (`SN,location,...,insert,remove,...,event`); anything else is capacity.
[[nodiscard]] Expected<RecordedOutages> read_outages(const std::string& path, const CapacityOf& cluster);

}  // namespace orrery

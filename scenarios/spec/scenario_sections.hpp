// The sections of a scenario, a file each: `NAME_section.cpp` has one table of its keys, which says of every key what
// it is called, what it means, how it is read and how it is written back. Errors are left in the walker. A key
// without a meaning and a writer does not compile.
//   write_NAME(config, digest): the section as YAML behind its colon (yaml_text.hpp); `digest` leaves out what does
//   not bear on results.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenarios/spec/scenario.hpp"
#include "scenarios/spec/yaml_walk.hpp"

namespace orrery::app {

void read_cluster(YamlWalk& w, const Place& at, ClusterConfig& c);
[[nodiscard]] std::string write_cluster(ClusterConfig c, bool digest);

void read_workload(YamlWalk& w, const Place& at, WorkloadConfig& c);
[[nodiscard]] std::string write_workload(WorkloadConfig c, bool digest);
[[nodiscard]] GenerateSpec read_generate(YamlWalk& w, const Place& at);
[[nodiscard]] std::string write_generate(GenerateSpec g, bool digest);
// Complains of what a generated workload lacks elsewhere in the scenario, which has been read: the catalogue, and
// what a GPU of the cluster can do. `workload` is that section.
void check_generated(YamlWalk& w, const Place& workload, const Scenario& s);

// What is not said is as in `defaults`.
[[nodiscard]] PolicyConfig read_policy(YamlWalk& w, const Place& at, const PolicyConfig& defaults);
// With all options of the policy, those that were not given with their defaults under `emulate`.
[[nodiscard]] std::string write_policy(PolicyConfig c, const std::string& emulate, bool digest);

// Nothing when it is no map. `groups`: of the cluster, whose types `hardware` names.
[[nodiscard]] std::optional<PerformanceConfig> read_performance(YamlWalk& w, const Place& at,
                                                                const std::vector<NodeGroup>& groups);
[[nodiscard]] std::string write_performance(PerformanceConfig c, bool digest);

void read_overheads(YamlWalk& w, const Place& at, OverheadConfig& o);
[[nodiscard]] std::string write_overheads(OverheadConfig o, bool digest);
void read_checkpoints(YamlWalk& w, const Place& at, CheckpointConfig& c);
[[nodiscard]] std::string write_checkpoints(CheckpointConfig c, bool digest);

// `nodes`: of the cluster; 0 = not known, its section is wrong.
void read_failures(YamlWalk& w, const Place& at, std::int64_t nodes, FailureConfig& f);
[[nodiscard]] std::string write_failures(FailureConfig f, bool digest);

void read_publish(YamlWalk& w, const Place& at, PublishConfig& c);
[[nodiscard]] std::string write_publish(PublishConfig c, bool digest);

// A relative `folder` is beside `scenario_file`.
void read_features(YamlWalk& w, const Place& at, const std::string& scenario_file, FeaturesConfig& c);
[[nodiscard]] std::string write_features(FeaturesConfig c, bool digest);
void read_merging(YamlWalk& w, const Place& at, MergingConfig& c);
[[nodiscard]] std::string write_merging(MergingConfig c, bool digest);

void read_decoding(YamlWalk& w, const Place& at, DecodingConfig& c);
[[nodiscard]] std::string write_decoding(DecodingConfig c, bool digest);
void read_bubbles(YamlWalk& w, const Place& at, BubblesConfig& c);
[[nodiscard]] std::string write_bubbles(BubblesConfig c, bool digest);

void read_measure(YamlWalk& w, const Place& at, MeasureConfig& c);
[[nodiscard]] std::string write_measure(MeasureConfig c, bool digest);

// Nothing when it is no map.
[[nodiscard]] std::optional<NetworkConfig> read_network(YamlWalk& w, const Place& at);
[[nodiscard]] std::string write_network(NetworkConfig c, bool digest);

// Relative paths of job files are beside `scenario_file`.
void read_live(YamlWalk& w, const Place& at, const std::string& scenario_file, LiveConfig& c);
[[nodiscard]] std::string write_live(LiveConfig c, bool digest);

}  // namespace orrery::app

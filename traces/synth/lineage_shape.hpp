// What a generated lineage workload is made to have after its jobs have been drawn: shares of GPU-time, when parents
// arrive, which jobs are elastic. Each is drawn from a stream of its own or from none, so that what it does not
// change stays what it was. GPU-time is run time (of a child: from its base checkpoint) x requested GPUs.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/format/canonical.hpp"
#include "traces/synth/generators.hpp"

namespace orrery {

// Makes everything but pretraining longer or shorter by one factor, so that it has spec.children of the lineages'
// GPU-time; then what is beside them by another, so that this has spec.independent of all. Lengths are changed, not
// how many children a parent has: who descends from whom, GPUs, and how lengths are spread around their median stay
// as they were drawn, and 1,500 jobs keep their 30 or so parents, where 60 % of the GPU-time in ten times as many
// children would leave them 3, which would not contend. `alone`: [row] beside the lineages. Errors: a share is wanted
// of jobs of which there are none.
[[nodiscard]] Expected<void> weigh_lineages(Trace& trace, const std::vector<bool>& alone, const GenerateSpec& spec);

// Moves the pretraining jobs of lineages, with the evaluations that are submitted with them: `burst`: to 0; where
// `staggered`, time is stretched piece by piece between them, so that their gaps are even and nobody passes another.
// Submits are ascending before and after, and not yet placed (place_arrivals()).
void arrange_parents(Trace& trace, const std::vector<bool>& alone, ParentArrivals arrivals);

// Gives spec.elastic of the jobs of each kind of the catalogue a range of GPUs: from a quarter of what they ask for,
// or as few as their memory allows, to four times it, or as many as there are or share its batch.
void make_elastic(Trace& trace, const GenerateSpec& spec, std::int64_t cluster_gpus);

// The same jobs, none of which descends from another.
void drop_edges(Trace& trace);

}  // namespace orrery

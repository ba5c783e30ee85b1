// Which jobs share features: the probes of a catalogue, by what they are trained on.
#pragma once

#include "scenarios/run/prepared.hpp"
#include "sim/models/lifecycle/feature_store.hpp"

namespace orrery::app {

// Of a scenario without `features` it is off.
[[nodiscard]] FeatureStoreModel feature_store(const Scenario& s);

// Says of every probe of the catalogue what features it needs (JobSpec::features), where they are worth keeping: jobs
// of one model and data set need the same ones. Their pass has the share of the job's run time that the cost model
// gives it. Does nothing in a scenario without `features`.
void share_features(const Scenario& s, const CatalogueFile* catalogue, Workload& workload);

}  // namespace orrery::app

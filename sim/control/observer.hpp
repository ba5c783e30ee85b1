// Observers watch a run: the event log, the metrics, the invariant checker. They see every event of the one
// stream in order, and every plan, and change nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/api/plan.hpp"
#include "sim/api/view.hpp"
#include "sim/core/event.hpp"
#include "sim/core/topology.hpp"

namespace orrery {

// What observers may look at; owned by the controller, valid for the whole run.
struct RunContext {
  const Topology* topology = nullptr;
  const std::vector<JobRecord>* records = nullptr;  // all jobs by JobId, also those not yet submitted
  const Inventory* physical = nullptr;
  const Inventory* planned = nullptr;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_begin(const RunContext&) {}
  // Something will probably be said of the job soon: what is kept of it may be fetched (sim/core/fetch.hpp). Changes
  // nothing that can be seen.
  virtual void expect(JobId /*job*/) const {}
  // After the event has been applied to the records.
  virtual void on_event(const Event& /*event*/) {}
  // The validated plan of a decision, before the reconciler acts on it. `epoch` counts decisions from 1.
  virtual void on_plan(Time /*now*/, std::uint64_t /*epoch*/, const Plan& /*plan*/) {}
  // All events of one instant's batch have been applied and the reconciler has acted.
  virtual void on_batch_end(Time /*now*/) {}
  virtual void on_end(Time /*now*/) {}
};

}  // namespace orrery

// Who watches a live run while it goes on: the command's screen, a test, nobody (this class itself). An observer of
// its events that is also told what is no event: that time passes, that a gang failed and why, that the run was
// interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "scenarios/run/simulate.hpp"
#include "sim/control/observer.hpp"

namespace orrery::app {

class LiveView : public Observer {
 public:
  // While nothing happens, several times a second.
  virtual void beat(Time /*now*/) {}
  // The run was interrupted: nothing runs any more.
  virtual void interrupted(Time /*now*/) {}
  // A gang failed; one line for people.
  virtual void failure(const std::string& /*why*/) {}
  // A line of the run's own.
  virtual void line(const std::string& /*text*/) {}
};

struct LiveViewSetup {
  const Prepared* prepared = nullptr;    // outlives the view
  std::vector<double> expected_jct_s{};  // [job] what a simulation says, NaN where it says nothing; may be empty
  std::string folder{};                  // of the run while it goes on
  std::int64_t time_scale = 1;
  Time resumed_from{};                // what was before is replayed: counted, not shown again
  std::function<Work(JobId)> done{};  // how far a job's work has got, as last reported
};
using MakeLiveView = std::function<std::unique_ptr<LiveView>(LiveViewSetup setup)>;

}  // namespace orrery::app

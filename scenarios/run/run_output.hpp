// What a run leaves on disk: its folder with the event log, which is written while it goes on, and the tables and the
// manifest, which are written at its end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/run/run_record.hpp"
#include "scenarios/run/simulate.hpp"
#include "sim/control/observer.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {

class RunOutput {
 public:
  // Opens the folder and the log that `request` wants, if it wants any. All three must outlive it.
  [[nodiscard]] static Expected<RunOutput> open(const Prepared& prepared, const RunRequest& request,
                                                const RunRecord& record);
  // The log, where there is one.
  [[nodiscard]] std::vector<Observer*> observers();
  // Where a file of the run folder is written; nothing without a folder.
  [[nodiscard]] std::optional<std::string> path(std::string_view file) const;
  // Commits the folder, where there is one: the digest of what is in it. Of a run that failed nothing is left that
  // looks finished.
  [[nodiscard]] Expected<std::string> write(const RunReport& report);

 private:
  RunOutput(const Prepared& prepared, const RunRequest& request, const RunRecord& record)
      : prepared_(&prepared), request_(&request), record_(&record) {}

  const Prepared* prepared_;
  const RunRequest* request_;
  const RunRecord* record_;
  std::optional<RunFolder> folder_{};
  std::unique_ptr<EventLog> log_{};  // observed by address
};

}  // namespace orrery::app

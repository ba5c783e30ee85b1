// Run-time estimates from history, for policies that need some and traces that have none: the mean of the run
// times of the tenant's last two finished jobs (Tsafrir, Etsion and Feitelson, TPDS 2007). Without history the
// user's own estimate, else the mean over all finished jobs, else nothing. Works from events alone, so it is the
// same in a live run. The job source asks it at every submission.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "sim/control/observer.hpp"

namespace orrery {

class HistoryEstimates final : public Observer {
 public:
  void on_begin(const RunContext& context) override { records_ = context.records; }
  void on_event(const Event& e) override;
  [[nodiscard]] std::optional<Duration> estimate(const JobSpec& spec) const;

 private:
  struct LastTwo {
    Duration newer{}, older{};
    int count = 0;
  };
  const std::vector<JobRecord>* records_ = nullptr;
  std::map<std::string, LastTwo> tenants_;
  Int128 sum_ns_ = 0;
  std::int64_t finished_ = 0;
};

}  // namespace orrery

#include "policies/order/lpjf.hpp"

#include "policies/registry.hpp"

namespace orrery {
namespace {

std::unique_ptr<Policy> make_lpjf(PolicySetup setup, OptionReader&) {
  return std::make_unique<LongestPending>(std::move(setup.placement));
}

}  // namespace

const PolicyInfo lpjf_policy = {
    .name = "lpjf",
    .title = "longest pending job first, no preemption",
    .doc =
        "Strict order by time spent waiting, longest first. Equal to FIFO unless jobs come back after "
        "failures.",
    .make = make_lpjf,
    .conserves = Conserves::order,
};

}  // namespace orrery

// A library of policies as users write them, against the installed headers: FIFO again, for tests and for measuring
// what a library costs, and policies that throw.
#include <stdexcept>

#include "policies/parts/class_queues.hpp"
#include "sim/api/policy_library.hpp"

namespace {

using namespace orrery;

class FifoAgain final : public Policy {
 public:
  FifoAgain(OwnPlacement placement, std::int64_t most) : placement_(std::move(placement)), most_(most) {}
  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<FifoAgain>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    std::int64_t started = 0;
    for (const JobId job : view.pending().ids()) {
      if (started++ == most_) return;
      if (plan.start(job, *placement_)) continue;
      plan.reason(job, ReasonCode::resources, plan.free().free_gpus());
      return;
    }
  }

 private:
  OwnPlacement placement_;
  std::int64_t most_;
};

class Throws final : public Policy {
 public:
  void schedule(const ClusterView& view, PlanBuilder&) override {
    if (view.epoch == 2) throw std::runtime_error("no such tenant");
  }
};

std::unique_ptr<Policy> make_fifo_again(PolicySetup setup, OptionReader& options) {
  return std::make_unique<FifoAgain>(std::move(setup.placement), options.integer("most"));
}
std::unique_ptr<Policy> make_throws(PolicySetup, OptionReader&) {
  return std::make_unique<Throws>();
}
std::unique_ptr<Policy> make_throws_early(PolicySetup, OptionReader&) {
  throw std::runtime_error("nothing works");
}

const PolicyInfo fifo_again{
    .name = "fifo-again",
    .title = "strict order of arrival, from a library",
    .make = make_fifo_again,
    .options = {{"most", "integer", "1000000", "jobs started in one decision", {}, 1, kMany}},
    .conserves = Conserves::order,
};
const PolicyInfo throws{.name = "throws", .title = "throws in its second decision", .make = make_throws};
const PolicyInfo throws_early{.name = "throws-early", .title = "throws when it is made", .make = make_throws_early};

}  // namespace

ORRERY_POLICIES(fifo_again, throws, throws_early)

// One number that stands for everything a run said, in order: events, plans, reasons. Equal runs have equal ones.
#pragma once

#include <string_view>

#include "sim/control/observer.hpp"
#include "sim/core/random.hpp"

namespace orrery::test {

class Fingerprint final : public Observer {
 public:
  void on_event(const Event& e) override {
    add(e.at.ns);
    add(static_cast<std::int64_t>(e.kind));
    add(e.job.value);
    add(e.value);
    add(e.value2);
    if (e.gpus != nullptr) add_allocation(*e.gpus);
  }
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override {
    add(now.ns);
    add(static_cast<std::int64_t>(epoch));
    for (const auto& [job, target] : plan.targets) {
      add(job.value);
      add(static_cast<std::int64_t>(target.act));
      add_allocation(target.gpus);
    }
    add(plan.wake_at ? plan.wake_at->ns : -1);
    for (const Reason& r : plan.reasons) {
      add(r.job.value);
      add(static_cast<std::int64_t>(r.code));
      add(r.argument);
    }
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void add(std::int64_t v) {
    hash_ = hash64(std::string_view(reinterpret_cast<const char*>(&v), sizeof v), hash_);
  }
  void add_allocation(const Allocation& a) {
    for (const NodeSlice& s : a.slices()) {
      add(s.node.value);
      add(static_cast<std::int64_t>(s.gpus.low_word()));
      if (s.gpus.high_word() != 0) add(static_cast<std::int64_t>(s.gpus.high_word()));
    }
  }
  std::uint64_t hash_ = hash64("");
};

}  // namespace orrery::test

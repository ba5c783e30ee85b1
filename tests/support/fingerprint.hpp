// One number that stands for everything a run said, in order: events, plans, reasons. Equal runs have equal ones, and
// runs that differ in anything have not: what is hashed is what the stored log would hold.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "sim/api/allocation_text.hpp"
#include "sim/api/event_members.hpp"
#include "sim/api/plan_text.hpp"
#include "sim/control/observer.hpp"
#include "sim/core/random.hpp"

namespace orrery::test {

class Fingerprint final : public Observer {
 public:
  void on_event(const Event& e) override {
    const auto& [at, job, gang, incarnation, what] = e;
    add(at.ns);
    add(static_cast<std::int64_t>(e.kind()));
    add(job.value);
    add(gang.value);
    add(incarnation);
    const auto members = [this]<class Says>(const Says& says) {
      each(says, [this](auto, std::string_view name, const auto& member) {
        // Members that came later: where they say nothing, fingerprints are what they were.
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, bool>)
          if (name == "anew" && !member) return;
        constexpr bool kGrew = Says::kKind == EventKind::launch || Says::kKind == EventKind::reconfigured ||
                               Says::kKind == EventKind::progress;
        if constexpr (kGrew) {
          const bool later = name == "host" || name == "fill_per_mille" || name == "phase" || name == "rate";
          if (later && member == std::remove_cvref_t<decltype(member)>{}) return;
        }
        add_member(member);
      });
    };
    std::visit(members, what);
  }
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override {
    add(now.ns);
    add(static_cast<std::int64_t>(epoch));
    text_.clear();
    append_plan(text_, plan, {});
    hash_ = hash64(text_, hash_);
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void add_member(JobId v) { add(v.value); }
  void add_member(NodeId v) { add(v.value); }
  void add_member(Work v) { add(v.ns); }
  void add_member(Duration v) { add(v.ns); }
  void add_member(Rate v) { add(v.per_billion); }
  void add_member(std::optional<Duration> v) { add(v ? v->ns : -1); }
  void add_member(const Allocation* gpus) {
    if (gpus == nullptr) return;
    text_.clear();
    append_allocation(text_, *gpus);
    append_host_shares(text_, *gpus);
    hash_ = hash64(text_, hash_);
  }
  template <class T>
  void add_member(T v) {
    add(static_cast<std::int64_t>(v));
  }
  void add(std::int64_t v) { hash_ = hash64(std::string_view(reinterpret_cast<const char*>(&v), sizeof v), hash_); }
  std::uint64_t hash_ = hash64("");
  std::string text_;
};

}  // namespace orrery::test

// Why a job was rejected, as its event says: value = ReasonCode, value2 = 1 where it was the policy that declined it.
// The words are those of jobs.csv, the event log and the screen.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/core/event.hpp"

namespace orrery {

enum class Rejection : std::uint8_t {
  none,
  infeasible,   // no placement could ever hold it on this cluster
  parent_lost,  // a job that it needs can never get as far as it must
  declined,     // by the policy
};

[[nodiscard]] std::string_view to_string(Rejection r);  // "" of none
[[nodiscard]] Rejection rejection_of(const Event& reject);
// What makes the event say so.
void say_rejection(Rejection r, Event& reject);

}  // namespace orrery

#include "sim/observe/log/rejection.hpp"

#include "sim/api/plan.hpp"

namespace orrery {

std::string_view to_string(Rejection r) {
  switch (r) {
    case Rejection::none: return "";
    case Rejection::infeasible: return "infeasible";
    case Rejection::parent_lost: return "parent_lost";
    case Rejection::declined: return "declined";
  }
  return "";
}

Rejection rejection_of(const Event& reject) {
  if (reject.value2 != 0) return Rejection::declined;
  return static_cast<ReasonCode>(reject.value) == ReasonCode::infeasible ? Rejection::infeasible
                                                                         : Rejection::parent_lost;
}

void say_rejection(Rejection r, Event& reject) {
  reject.value = static_cast<std::int64_t>(r == Rejection::infeasible ? ReasonCode::infeasible : ReasonCode::none);
  reject.value2 = r == Rejection::declined ? 1 : 0;
}

}  // namespace orrery

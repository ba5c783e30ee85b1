#include "sim/core/why.hpp"

namespace orrery {

std::string_view to_string(ReasonCode c) {
  switch (c) {
    case ReasonCode::none: return "none";
    case ReasonCode::resources: return "resources";
    case ReasonCode::priority: return "priority";
    case ReasonCode::reservation: return "reservation";
    case ReasonCode::infeasible: return "infeasible";
    case ReasonCode::held: return "held";
    case ReasonCode::slower: return "slower";
    case ReasonCode::merged: return "merged";
    case ReasonCode::fills: return "fills";
    case ReasonCode::throttled: return "throttled";
  }
  return "?";
}

std::string_view to_string(Rejection r) {
  switch (r) {
    case Rejection::none: return "";
    case Rejection::infeasible: return "infeasible";
    case Rejection::parent_lost: return "parent_lost";
    case Rejection::declined: return "declined";
  }
  return "";
}

std::string_view to_string(Refusal r) {
  switch (r) {
    case Refusal::none: return "";
    case Refusal::not_running: return "not_running";
    case Refusal::busy: return "busy";
    case Refusal::impossible: return "impossible";
    case Refusal::out_of_range: return "out_of_range";
  }
  return "";
}

std::string_view to_string(FeatureUse u) {
  switch (u) {
    case FeatureUse::hit: return "hit";
    case FeatureUse::miss: return "miss";
    case FeatureUse::stored: return "stored";
    case FeatureUse::unkept: return "unkept";
    case FeatureUse::dropped: return "dropped";
  }
  return "";
}

}  // namespace orrery

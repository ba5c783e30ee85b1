// Why a job waits, why it was rejected, and the like: codes, not strings, with the words that every log, table and
// screen uses.
#pragma once

#include <cstdint>
#include <string_view>

namespace orrery {

// Why a job waits, for `explain` and the log; holds until changed.
enum class ReasonCode : std::uint8_t {
  none,
  resources,    // does not fit now; argument = free GPUs
  priority,     // others come first; argument = its rank, if known
  reservation,  // would delay a reservation; argument = the reservation's time (ns)
  infeasible,   // can never fit
  held,         // for a later version of a parent; argument = seconds of run time saved per 100 s of waiting
  slower,       // begins anew: slower than from its base; argument = what its first epoch was worth, per mille
  merged,       // with another job (about) in its gang; argument = GPU-seconds saved
  fills,        // the bubbles of another job (about); argument = share of its speed alone, per mille
  throttled,    // it fills less: argument = slow-down measured of its host (about), millionths; per_mille = its new
                // rate
};
[[nodiscard]] std::string_view to_string(ReasonCode c);

enum class Rejection : std::uint8_t {
  none,
  infeasible,   // no placement could ever hold it on this cluster
  parent_lost,  // a job that it needs can never get as far as it must
  declined,     // by the policy
};
[[nodiscard]] std::string_view to_string(Rejection r);  // "" of none

// Why a command was not obeyed.
enum class Refusal : std::uint8_t {
  none,
  not_running,  // the job makes no steps
  busy,         // it stands still to save, or was just told to
  impossible,   // whatever it is: its speed model, or its worker, does not know the like
  out_of_range  // not with these values: no such batch, or not on so many GPUs
};
[[nodiscard]] std::string_view to_string(Refusal r);  // "" of none

// What became of features in the store (event::Features).
enum class FeatureUse : std::uint8_t {
  hit,      // they are there: the job reads them
  miss,     // they are not: the job computes them
  stored,   // it has, and they are there from now on
  unkept,   // it has, but there was no room for them
  dropped,  // they are not there any more: others were used later
};
[[nodiscard]] std::string_view to_string(FeatureUse u);

}  // namespace orrery

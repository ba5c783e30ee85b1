// What a policy from outside the tree did wrong in a run: its program died, was too slow or answered with nonsense;
// its code threw. Thrown out of Policy::schedule through the controller, caught where a run ends.
#pragma once

#include "sim/core/error.hpp"

namespace orrery::app {

struct PolicyFailed {
  Error error;
};

[[noreturn]] inline void policy_failed(Diagnostic d) {
  throw PolicyFailed{Error(std::move(d))};
}

// An error's words without the first, `error: `, and the last newline: a run's failure.
[[nodiscard]] inline std::string failure_text(const Error& error) {
  std::string text = render(error);
  if (text.starts_with("error: ")) text.erase(0, 7);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}
[[nodiscard]] inline std::string failure_text(const PolicyFailed& failed) {
  return failure_text(failed.error);
}

}  // namespace orrery::app

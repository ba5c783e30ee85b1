// The command line: one table of verbs, each verb in a file of its own (verb_*.cpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/app/command_line.hpp"
#include "scenarios/run/exit_codes.hpp"
#include "sim/core/error.hpp"

namespace orrery::app {

class Args;

struct Verb {
  std::string_view name;
  std::string_view summary;  // for `orrery help`
  // The arguments after the verb; returns an exit code. Results go to stdout, everything else to stderr.
  int (*run)(const std::vector<std::string>& arguments);
};

int run_verb(const std::vector<std::string>& arguments);
int compare_verb(const std::vector<std::string>& arguments);
int trace_verb(const std::vector<std::string>& arguments);
int policy_verb(const std::vector<std::string>& arguments);
int live_verb(const std::vector<std::string>& arguments);
int doctor_verb(const std::vector<std::string>& arguments);
int train_verb(const std::vector<std::string>& arguments);
int live_calibrate_action(const std::vector<std::string>& arguments);
int live_validate_action(const std::vector<std::string>& arguments);
int metrics_verb(const std::vector<std::string>& arguments);
int reference_verb(const std::vector<std::string>& arguments);

// Prints the diagnostics on stderr; returns kUsage.
int report_error(const Error& error);
// Says that `name`, an argument, is none of `names`, and which of them may be meant; returns kUsage. `what`: "unknown
// verb".
int report_unknown(std::string_view what, std::string_view name, const std::vector<std::string_view>& names,
                   std::string_view plural = {});
// Hands the arguments of a verb to the action that the first of them names, or prints which there are.
int run_action(std::string_view verb, const std::vector<Verb>& actions, const std::vector<std::string>& arguments);
// Reads the arguments of a verb. An exit code where nothing is left to do: they are wrong, or ask for help.
[[nodiscard]] std::optional<int> read_arguments(Args& args, const std::vector<std::string>& arguments);
// The whole text to stdout; false (with a message) when it could not be written, as on a full disk.
bool print(std::string_view text);

}  // namespace orrery::app

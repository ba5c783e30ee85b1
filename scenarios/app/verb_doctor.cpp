// `orrery doctor`: what works on this machine.
#include <fmt/format.h>

#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/run/machine_check.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::app {

int doctor_verb(const std::vector<std::string>& arguments) {
  Args args("orrery doctor [--json]", {});
  args.options()("json", "an array of objects: health, what, text");
  if (const auto done = read_arguments(args, arguments)) return *done;
  std::string out;
  bool good = true;
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Finding& f : check_machine()) {
    good = good && f.health != Health::fail;
    out += fmt::format("{:<5} {:<16} {}\n", to_string(f.health), f.what, f.text);
    all.push_back({{"health", to_string(f.health)}, {"what", f.what}, {"text", f.text}});
  }
  if (!print(args.has("json") ? json_text(all, 2) + "\n" : out)) return kRunFailed;
  return good ? kOk : kEngineUnavailable;
}

}  // namespace orrery::app

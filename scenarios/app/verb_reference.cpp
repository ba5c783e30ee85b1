// `orrery reference TOPIC`: the tables the program works from, as pages in Markdown. docs/reference holds them; one
// test compares. Nothing is said here that is not in a table.
#include <fmt/format.h>

#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/exit_codes.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "scenarios/spec/scenario_keys.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/quantity.hpp"
#include "sim/observe/metrics/tables.hpp"
#include "traces/exporters/exporters.hpp"
#include "traces/format/canonical.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::app {
namespace {

// A cell of a table; `|` would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string sentence(std::string_view text) {
  std::string out = cell(text);
  if (!out.empty() && out.front() >= 'a' && out.front() <= 'z') out.front() = static_cast<char>(out.front() - 32);
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", cell(text));
}

std::string header(std::initializer_list<std::string_view> names) {
  std::string out = "|", rule = "|";
  for (const std::string_view name : names) {
    out += fmt::format(" {} |", name);
    rule += "---|";
  }
  return out + "\n" + rule + "\n";
}

std::string scenario_keys_page() {
  std::string out =
      "# Scenario keys\n\nA key is written as `--set` takes it. `N` is the number of an item in a list, from 0. "
      "`NAME` is a name that you choose. A key without a default must be given, or is off without it.\n";
  for (const ScenarioKey& k : scenario_keys()) {
    if (k.path.find('.') == std::string::npos) {
      const bool section = k.takes == "map" || k.path == "policy" || k.path == "compare";
      out += fmt::format("\n## `{}`\n\n{}{}.{}\n", k.path, sentence(k.about),
                         section ? "" : fmt::format(" ({})", cell(k.takes)),
                         section || k.value.empty() ? "" : fmt::format(" Default: {}.", code(k.value)));
      if (section) out += "\n" + header({"key", "takes", "default", "meaning"});
    } else {
      out += fmt::format("| {} | {} | {} | {} |\n", code(k.path), cell(k.takes), code(k.value), cell(k.about));
    }
  }
  return out;
}

std::string trace_columns_page() {
  std::string out =
      "# Trace columns\n\nThe columns of Orrery's own format, a CSV with a header. Times are in seconds.\n\n";
  out += header({"column", "meaning"});
  for (const TraceColumn& c : trace_columns()) out += fmt::format("| {} | {} |\n", code(c.name), cell(c.about));
  return out;
}

std::string trace_formats_page() {
  std::string out =
      "# Trace formats\n\n## Read\n\n`trace import NAME`, or `workload.trace` of a scenario. `auto` tells them "
      "apart.\n\n";
  out += header({"name", "what it is", "assumed where the file does not say"});
  for (const TraceFormat& f : trace_formats())
    out += fmt::format("| {} | {} | {} |\n", code(f.name), cell(f.about), cell(f.assumed));
  out += "\n## Written\n\n`trace export NAME`\n\n" + header({"name", "what it is"});
  for (const TraceExporter& e : trace_exporters()) out += fmt::format("| {} | {} |\n", code(e.name), cell(e.about));
  out += "\n## Generated\n\n`trace gen NAME`, or `workload.generate.model` of a scenario\n\n";
  out += header({"name", "jobs", "keys of its own"});
  for (const Generator& g : generators()) {
    std::string keys;
    for (const std::string_view key : g.keys) keys += fmt::format("{}{}", keys.empty() ? "" : ", ", code(key));
    out += fmt::format("| {} | {} | {} |\n", code(g.name), cell(g.about), keys);
  }
  return out;
}

std::string options_of(const PolicyInfo& p) {
  if (p.options.empty()) return "";
  std::string out = "\n" + header({"option", "takes", "default", "meaning"});
  for (const OptionSpec& o : p.options) {
    std::string takes = o.type;
    for (char& c : takes)
      if (c == '_') c = ' ';
    if (const std::string range = range_text(o); !range.empty()) takes += " " + range;
    if (!o.choices.empty()) takes = fmt::format("{}: {}", how_many(o), joined(o.choices, ", "));
    out += fmt::format("| {} | {} | {} | {} |\n", code(o.name), cell(takes), code(o.default_value), cell(o.doc));
  }
  return out;
}

std::string policies_page() {
  std::string out = "# Policies\n\nOptions are keys beside `policy.name`. [How they work](../policies/README.md).\n";
  for (const PolicyInfo& p : policy_table()) {
    out += fmt::format("\n## `{}`\n\n{}{}\n", p.name, p.doc,
                       p.source.empty() ? "" : fmt::format(" Source: {}.", p.source));
    out += options_of(p);
  }
  const PolicyInfo& external = external_policy();
  out += fmt::format("\n## `{}`\n\n{} [How](../policy.md).\n{}", external.name, external.doc, options_of(external));
  out +=
      "\n## Of a library\n\n`policy: { name: NAME, library: ./NAME.so }` takes the options of the library's own row. "
      "[How](../policy.md).\n";
  out += "\n## Placements\n\nThe key `placement` beside `policy.name`, `count` by default.\n\n" +
         header({"placement", "where a job goes"});
  for (const PlacementInfo& p : placement_table()) out += fmt::format("| {} | {} |\n", code(p.name), cell(p.doc));
  return out;
}

std::string metrics_page() {
  std::string out =
      "# Metrics\n\nKeys are those of `summary.json` and of `--json` and `--csv`. The unit 1 is a ratio.\n\n" +
      header({"key", "in tables", "unit", "meaning"});
  for (const MetricDefinition& m : metric_definitions())
    out += fmt::format("| {} | {} | {} | {} |\n", code(m.key), cell(m.title), cell(m.unit), cell(m.definition));
  out += "\n## Of `compare`\n\n" + header({"key", "meaning"});
  for (const auto& [key, about] : report::interval_definitions())
    out += fmt::format("| {} | {} |\n", code(key), cell(about));
  return out;
}

std::string exit_codes_page() {
  std::string out = "# Exit codes\n\n" + header({"code", "meaning"});
  for (const ExitCode& e : kExitCodes) out += fmt::format("| {} | {} |\n", e.code, cell(e.meaning));
  return out;
}

std::string units_page() {
  std::string out =
      "# Units\n\nA quantity is a decimal and a unit, `1.5h`. Without a unit it is an error, except for 0. GB is "
      "10^9 bytes, GiB 2^30 bytes, Gb 10^9 bits. GPU-time is a time with `GPU` before its unit: `3250GPUs`, "
      "`2GPUh`.\n\n" +
      header({"quantity", "units"});
  const auto row = [&out](std::string_view what, std::span<const UnitName> units) {
    std::string names;
    for (const UnitName& u : units) names += fmt::format("{}{}", names.empty() ? "" : " ", code(u.name));
    out += fmt::format("| {} | {} |\n", what, names);
  };
  row("time", time_units());
  row("size", byte_units());
  row("bandwidth", bandwidth_units());
  row("rate", frequency_units());
  return out;
}

struct Topic {
  std::string_view name;
  std::string_view about;
  std::string (*page)();
};

const std::vector<Topic>& topics() {
  static const std::vector<Topic> table{
      {"scenario-keys", "every key of a scenario: what it takes, its default, what it means", scenario_keys_page},
      {"policies", "policies with their options, and placements", policies_page},
      {"metrics", "every number of a report", metrics_page},
      {"trace-columns", "the columns of Orrery's own trace format", trace_columns_page},
      {"trace-formats", "formats that are read and written, and generators", trace_formats_page},
      {"units", "how times, sizes, bandwidths and rates are written", units_page},
      {"exit-codes", "what the command says to the shell", exit_codes_page},
  };
  return table;
}

}  // namespace

int reference_verb(const std::vector<std::string>& arguments) {
  Args args("orrery reference [TOPIC]", {"topic"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  const std::string wanted = args.text("topic");
  std::string list;
  std::vector<std::string_view> names;
  for (const Topic& t : topics()) {
    if (t.name == wanted) return print(t.page()) ? kOk : kRunFailed;
    names.push_back(t.name);
    list += fmt::format("{:<13} {}\n", t.name, t.about);
  }
  if (wanted.empty()) return print(list) ? kOk : kRunFailed;
  return report_unknown("no topic", wanted, names);
}

}  // namespace orrery::app

// `orrery policy list|show|new` and `orrery metrics`: the tables the program itself works from.
#include <fmt/format.h>

#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/app/args.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/report/table.hpp"
#include "scenarios/run/new_policy.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/core/joined.hpp"
#include "sim/observe/metrics/tables.hpp"

namespace orrery::app {
namespace {

std::string capability_words(const Capabilities& c) {
  std::string out;
  const auto add = [&out](bool has, std::string_view word) {
    if (has) out += fmt::format("{}{}", out.empty() ? "" : ", ", word);
  };
  add(c.preempts, "preempts");
  add(c.elastic, "elastic");
  add(c.shares, "shares GPUs");
  add(c.needs_estimates, "needs estimates");
  return out;
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width = 100) {
  std::string out(indent, ' ');
  std::size_t column = indent;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    if (column + (end - from) + 1 > width && column > indent) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(from, end - from);
    column += end - from;
    from = end + 1;
  }
  return out + "\n";
}

int list_policies() {
  std::string out;
  for (const PolicyInfo& p : policy_table()) {
    const std::string can = capability_words(p.capabilities);
    out += fmt::format("{:<13} {}{}\n", p.name, p.title, can.empty() ? "" : fmt::format("  [{}]", can));
  }
  out += fmt::format("\n{:<13} {}\n", external_policy().name, external_policy().title);
  out += "NAME          of a shared library, `policy: { name: NAME, library: ./NAME.so }`\n";
  out += "\nplacements (policy.placement):\n";
  for (const PlacementInfo& p : placement_table()) out += fmt::format("{:<13} {}\n", p.name, p.doc);
  return print(out) ? kOk : kRunFailed;
}

std::string_view promise_words(Conserves conserves) {
  switch (conserves) {
    case Conserves::work: return "  leaves nothing free beside a waiting job that fits\n";
    case Conserves::held:
      return "  leaves nothing free beside a waiting job that fits, unless that is held for a version or features\n";
    case Conserves::order:
    case Conserves::nothing: return "";
  }
  return "";
}

int show_policy(const std::string& name) {
  PolicyConfig c;
  c.name = name;
  if (!is_external(c))
    if (auto made = make_policy(c, "none", 1); !made) return report_error(made.error());
  const PolicyInfo& info = is_external(c) ? external_policy() : *find_policy(name);
  std::string out = fmt::format("{}: {}\n\n{}", info.name, info.title, wrapped(info.doc, 2));
  if (!info.source.empty()) out += fmt::format("\n  source: {}\n", info.source);
  const std::string can = capability_words(info.capabilities);
  if (!can.empty()) out += fmt::format("  {}\n", can);
  out += promise_words(info.conserves);
  out += "\noptions (keys beside policy.name):\n";
  out += fmt::format("  {:<12} {:<14} default {}\n{}", "placement", "choice", "count",
                     wrapped("where a job goes; see `orrery policy list`", 6));
  for (const OptionSpec& o : info.options) {
    out += fmt::format("  {:<12} {:<14} default {}\n{}", o.name, o.type, o.default_value, wrapped(o.doc, 6));
    if (const std::string range = range_text(o); !range.empty()) out += fmt::format("      {}\n", range);
    if (!o.choices.empty()) out += fmt::format("      {}: {}\n", how_many(o), joined(o.choices, ", "));
  }
  return print(out) ? kOk : kRunFailed;
}

int new_policy(const std::vector<std::string>& arguments) {
  Args args("orrery policy new NAME [--python | --library | --tree] [-o FOLDER]", {"name"});
  args.options()("python", "a program in Python (the default)")(
      "library", "a shared library in C++, against an installed Orrery")("tree", "in Orrery's own tree, here")(
      "output,o", taking<std::string>(), "the folder (default: NAME; not with --tree)");
  args.at_most_one({"python", "library", "tree"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  if (!args.has("name")) return report_error(Error(Diagnostic{"which name? `orrery policy new mine`"}));
  const NewPolicyKind kind = args.has("tree")      ? NewPolicyKind::tree
                             : args.has("library") ? NewPolicyKind::library
                                                   : NewPolicyKind::python;
  if (args.has("tree") && args.has("output"))
    return report_error(Error(Diagnostic{"--tree has its own places for files; leave out -o"}));
  const std::string name = args.text("name");
  const auto written = write_new_policy(name, kind, args.text("output", name));
  if (!written) return report_error(written.error());
  return print(*written) ? kOk : kRunFailed;
}

}  // namespace

int policy_verb(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments.front() == "new") return new_policy({arguments.begin() + 1, arguments.end()});
  Args args("orrery policy list | orrery policy show NAME | orrery policy new NAME", {"action", "name"});
  if (const auto done = read_arguments(args, arguments)) return *done;
  const std::string action = args.text("action");
  if (action == "list" && !args.has("name")) return list_policies();
  if (action == "show" && args.has("name")) return show_policy(args.get<std::string>("name"));
  Diagnostic d{"`orrery policy` wants `list`, or `show` or `new` and a name"};
  const auto near = closest(action, std::vector<std::string_view>{"list", "show", "new"});
  if (!near.empty() && near != action) d.hint = fmt::format("did you mean `{}`?", near);
  return report_error(Error(std::move(d)));
}

int metrics_verb(const std::vector<std::string>& arguments) {
  Args args("orrery metrics", {});
  if (const auto done = read_arguments(args, arguments)) return *done;
  std::string out;
  for (const MetricDefinition& m : metric_definitions())
    out += fmt::format("{} ({}), in {}\n{}", m.key, m.title, m.unit, wrapped(m.definition, 4));
  for (const auto& [key, about] : report::interval_definitions())
    out += fmt::format("{} (of `compare`)\n{}", key, wrapped(std::string(about), 4));
  return print(out) ? kOk : kRunFailed;
}

}  // namespace orrery::app

#include "scenarios/app/cli.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>

#include "orrery_version.hpp"
#include "scenarios/app/args.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/joined.hpp"

namespace orrery::app {
namespace {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table{
      {"run", "one scenario under one policy; leaves a run folder", run_verb},
      {"compare", "several policies (and seeds) on one scenario; prints a table", compare_verb},
      {"live", "run, resume, validate, status: the same policies on real processes", live_verb},
      {"train", "one training job by itself on this machine", train_verb},
      {"trace", "import, check, stats, gen, export, scale, slice, merge: work on trace files", trace_verb},
      {"policy", "list, show: the policies, placements and their options; new: one of your own", policy_verb},
      {"doctor", "what works on this machine", doctor_verb},
      {"metrics", "what each number of a report means, with its unit", metrics_verb},
      {"reference", "keys, options, columns, units, exit codes: the pages of docs/reference", reference_verb},
  };
  return table;
}

std::string overview() {
  std::string out = fmt::format(
      "orrery {}: simulate scheduling policies for GPU clusters on recorded traces\n\n"
      "usage: orrery VERB [ARGUMENTS]\n\n",
      kVersion);
  for (const Verb& v : verbs()) out += fmt::format("  {:<9} {}\n", v.name, v.summary);
  out += "\n`orrery VERB --help` says more. A first look: orrery compare scenarios/quickstart.yaml\n";
  return out;
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string& name = arguments.front();
  if (name == "--version" || name == "version")
    return print(fmt::format("orrery {} ({}, {}, {})\n", kVersion, kCommit, kCompiler, kBuildType)) ? kOk
                                                                                                    : kRunFailed;
  const bool help = name == "help" || name == "--help" || name == "-h";
  if (help && arguments.size() == 1) return print(overview()) ? kOk : kRunFailed;
  const std::string& wanted = help ? arguments[1] : name;
  std::vector<std::string_view> names;
  for (const Verb& v : verbs()) {
    names.push_back(v.name);
    if (v.name == wanted)
      return v.run(help ? std::vector<std::string>{"--help"}
                        : std::vector<std::string>(arguments.begin() + 1, arguments.end()));
  }
  return report_unknown("unknown verb", wanted, names, "verbs");
}

// Unlike fmt::print it does not throw where nobody reads any more (`orrery ... 2>&1 | head`).
void complain(const std::string& text) {
  std::fputs(text.c_str(), stderr);
}

}  // namespace

int report_error(const Error& error) {
  std::fputs(render(error).c_str(), stderr);
  return kUsage;
}

int report_unknown(std::string_view what, std::string_view name, const std::vector<std::string_view>& names,
                   std::string_view plural) {
  Diagnostic d{fmt::format("{} `{}`", what, name)};
  if (const auto near = closest(name, names); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
  if (!plural.empty()) d.notes.push_back(fmt::format("{}: {}", plural, joined(names, ", ")));
  return report_error(Error(std::move(d)));
}

int run_action(std::string_view verb, const std::vector<Verb>& actions, const std::vector<std::string>& arguments) {
  std::string help = fmt::format("usage: orrery {} ACTION [ARGUMENTS]\n\n", verb);
  std::vector<std::string_view> names;
  for (const Verb& a : actions) {
    help += fmt::format("  {:<9} {}\n", a.name, a.summary);
    names.push_back(a.name);
  }
  if (arguments.empty()) return complain(help), kUsage;
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h") return print(help) ? kOk : kRunFailed;
  for (const Verb& a : actions)
    if (a.name == name) return a.run({arguments.begin() + 1, arguments.end()});
  return report_unknown(fmt::format("unknown action of `orrery {}`:", verb), name, names, "actions");
}

std::optional<int> read_arguments(Args& args, const std::vector<std::string>& arguments) {
  if (auto ok = args.parse(arguments); !ok) return report_error(ok.error());
  if (args.wants_help()) return print(args.help()) ? kOk : kRunFailed;
  return std::nullopt;
}

bool print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return true;
  if (errno != EPIPE) complain(fmt::format("error: cannot write to standard output: {}\n", std::strerror(errno)));
  return false;
}

int run_command_line(int argc, const char* const* argv) {
  // A write that cannot be done is an error with a message, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + (argc > 0 ? argc : 1));
  try {
    if (arguments.empty()) {
      std::fputs(overview().c_str(), stderr);
      return kUsage;
    }
    return dispatch(arguments);
  } catch (const AssertionFailed& e) {
    complain(fmt::format("internal error: {}\nThis is a bug in orrery; please report it with the command line.\n",
                         e.what()));
  } catch (const std::bad_alloc&) {
    complain("error: out of memory\n");
  } catch (const std::system_error& e) {
    if (e.code() != std::errc::broken_pipe) complain(fmt::format("internal error: {}\n", e.what()));
  } catch (const std::exception& e) {
    complain(fmt::format("internal error: {}\n", e.what()));
  }
  return kRunFailed;
}

}  // namespace orrery::app

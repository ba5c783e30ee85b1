// What the actions of `orrery trace` have in common.
#include "scenarios/app/trace_args.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "scenarios/app/cli.hpp"
#include "sim/core/gpu_mask.hpp"

namespace orrery::app {

int usage_error(std::string message, std::string hint) {
  Diagnostic d{std::move(message)};
  d.hint = std::move(hint);
  return report_error(Error(std::move(d)));
}

std::string report_text(const ImportReport& r) {
  std::string out = fmt::format("read {} rows ({}): kept {}", r.rows, r.format, r.kept);
  std::int64_t dropped = 0;
  for (const auto& [reason, count] : r.dropped) dropped += count;
  out += fmt::format(", dropped {}\n", dropped);
  for (const auto& [reason, count] : r.dropped) out += fmt::format("  dropped {}: {}\n", count, reason);
  for (const std::string& note : r.notes) out += fmt::format("  note: {}\n", note);
  return out;
}

std::int64_t parse_gpus(const std::string& text) {
  char* end = nullptr;
  const long long nodes = std::strtoll(text.c_str(), &end, 10);
  if (end == text.c_str() || nodes < 1 || nodes > 1'000'000) return 0;
  if (*end == '\0') return nodes;
  if (*end != 'x') return 0;
  const char* rest = end + 1;
  const long long each = std::strtoll(rest, &end, 10);
  return end == rest || *end != '\0' || each < 1 || each > GpuMask::kMost ? 0 : nodes * each;
}

void add_read_options(Args& args) {
  args.options()("format", taking<std::string>(), "auto (default), canonical, philly, ...")(
      "skip-bad-rows", "count rows that cannot be read as dropped instead of stopping");
}

ReadOptions read_options(const Args& args) {
  ReadOptions o;
  o.format = args.text("format", "auto");
  o.skip_bad_rows = args.has("skip-bad-rows");
  return o;
}

Expected<void> spare_inputs(const std::string& output, const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const std::string& input : inputs)
    for (const char* part : {"", "/jobs.csv", "/jobs.csv.zst"}) {
      if (input.empty() || !fs::exists(input + part, ignored) || !fs::equivalent(input + part, output, ignored))
        continue;
      Diagnostic d{fmt::format("`{}` is read: it is not written over", output)};
      d.hint = "choose another file with -o";
      return fail(std::move(d));
    }
  return {};
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string trace_command(const std::string& action, const std::vector<std::string>& arguments) {
  std::string command = "orrery trace " + action;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    if (a == "-o" || a == "--output") {
      ++i;
      continue;
    }
    // A rate such as 12/h is no path.
    const bool option = i > 0 && arguments[i - 1].rfind("--", 0) == 0 && arguments[i - 1] != "--skip-bad-rows";
    if (a.rfind("-o", 0) != 0 && a.rfind("--output=", 0) != 0)
      command += " " + (option || a.rfind("--", 0) == 0 ? a : base_name(a));
  }
  return command;
}

}  // namespace orrery::app

// See live_status.hpp.
#include "scenarios/run/live_status.hpp"

#include <fmt/format.h>

#include <vector>

#include "backend/engine/registry.hpp"
#include "backend/protocol/files.hpp"
#include "scenarios/run/live_folder.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/run_folder.hpp"

namespace orrery::app {
namespace {

// What a job that trains says of itself in metrics.jsonl, else how far its reports say that its work has got.
std::string job_progress(const nlohmann::json& job, const std::string& folder) {
  std::string out;
  if (job.contains("id") && job.contains("launch")) {
    const std::string own = fmt::format("{}/jobs/{}", folder, json_text(job["id"]));
    const auto task = live::read_file(own + "/task.json");
    const auto lines = live::read_file(fmt::format("{}/launch-{}/metrics.jsonl", own, json_text(job["launch"])));
    const auto steps = task ? read_json(*task) : nlohmann::json();
    if (lines && !lines->empty()) {
      const std::size_t end = lines->rfind('\n');  // what follows is half written
      const std::size_t from = end == std::string::npos || end == 0 ? 0 : lines->rfind('\n', end - 1) + 1;
      const auto last = read_json(std::string_view(*lines).substr(from, end - from));
      if (last.is_object() && last.contains("step")) {
        out += fmt::format("  step {}", json_text(last["step"]));
        if (steps.is_object() && steps.contains("steps")) out += fmt::format(" of {}", json_text(steps["steps"]));
        if (last.contains("loss") && last["loss"].is_number())
          out += fmt::format(", loss {:.4g}", last["loss"].get<double>());
      }
    }
  }
  if (job.contains("progress") && job["progress"].is_number())
    out += fmt::format("{} {:.0f} %", out.empty() ? " " : ",", 100 * job["progress"].get<double>());
  return out;
}

}  // namespace

Expected<std::string> live_status(const std::string& run) {
  std::string folder = LiveFolder(run).path();
  auto text = live::read_file(folder + "/status.json");
  if (!text) text = live::read_file((folder = run + "/live") + "/status.json");
  if (!text) {
    Diagnostic d{fmt::format("no live run `{}`: neither `{}.live` nor `{}/live` has a status.json", run, run, run)};
    if (is_run_folder(run)) d.hint = "that is a simulated run";
    return fail(std::move(d));
  }
  const auto j = read_json(*text);
  if (j.is_discarded() || !j.is_object()) return fail(Diagnostic{"status.json is damaged"});
  const bool ended = j.value("ended", false);
  const bool stopped = !ended && !live::runs({j.value("controller", "")});
  std::string out = fmt::format("{}: {} of {} jobs finished at {:.1f} s, {} launches, {} failures",
                                ended     ? "ended"
                                : stopped ? "stopped"
                                          : "running",
                                j.value("finished", 0), j.value("jobs", 0), j.value("time_s", 0.0),
                                j.value("launches", 0), j.value("failures", 0));
  if (const int failed = j.value("failed", 0); failed > 0) out += fmt::format(", {} failed for good", failed);
  if (const int rejected = j.value("rejected", 0); rejected > 0) out += fmt::format(", {} rejected", rejected);
  out += "\n";
  for (const auto& r : j.value("running", nlohmann::json::array()))
    out += fmt::format("  {:<16} {:<14} {}{}\n", r.value("gpus", ""), r.value("job", ""),
                       stopped ? "stopped" : r.value("state", ""), job_progress(r, folder));
  const auto waiting = j.value("waiting", std::vector<std::string>{});
  if (!waiting.empty()) out += fmt::format("  queue: {}\n", joined(waiting, " "));
  if (const auto drift = j.value("drift", ""); !drift.empty()) out += "  " + drift + "\n";
  if (stopped) out += fmt::format("  its controller is gone: `orrery live resume {}` goes on with it\n", run);
  return out;
}

}  // namespace orrery::app

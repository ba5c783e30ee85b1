#include "scenarios/app/live_screen.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "backend/engine/local/process.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::app {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kQueueShown = 6;
constexpr std::size_t kNodesShown = 8;

struct Counts {
  std::vector<const JobRecord*> holding{}, waiting{};
};

Counts count(const RunContext& context) {
  Counts c;
  for (const JobRecord& r : *context.records) {
    if (!r.known || is_final(r.state)) continue;
    (holds_gpus(r.state) ? c.holding : c.waiting).push_back(&r);
  }
  return c;
}

// A line per node: who is on each of its slots; `-` is a free one, `a+b` are two jobs at once.
std::string slots_text(const Topology& topology, const std::vector<const JobRecord*>& holding) {
  std::string out;
  for (std::uint32_t n = 0; n < static_cast<std::uint32_t>(std::min(topology.node_count(), kNodesShown)); ++n) {
    std::vector<std::string> slots(static_cast<std::size_t>(topology.node(NodeId(n)).gpus));
    for (const JobRecord* r : holding)
      for (const NodeSlice& slice : r->held.slices())
        for (std::size_t i = 0; slice.node == NodeId(n) && i < slots.size(); ++i)
          if (slice.gpus.has(static_cast<int>(i))) slots[i] += (slots[i].empty() ? "" : "+") + r->spec->name;
    out += fmt::format("  n{:<4}", n);
    for (const std::string& who : slots) out += fmt::format(" {:<9}", who.empty() ? "-" : who);
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  if (topology.node_count() > kNodesShown)
    out += fmt::format("  and {} more nodes\n", topology.node_count() - kNodesShown);
  return out;
}

}  // namespace

MakeLiveView live_screen(bool quiet) {
  return [quiet](LiveViewSetup setup) { return std::make_unique<LiveScreen>(std::move(setup), quiet); };
}

LiveScreen::LiveScreen(LiveViewSetup setup, bool quiet)
    : setup_(std::move(setup)), prepared_(setup_.prepared), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

void LiveScreen::line(const std::string& text) {
  if (quiet_) return;
  std::string out;
  if (drawn_lines_ > 0) out = fmt::format("\x1b[{}A\x1b[J", drawn_lines_);
  drawn_lines_ = 0;
  std::fputs((out + text + "\n").c_str(), stderr);  // nobody may be listening any more; the run goes on
}

void LiveScreen::failure(const std::string& why) {
  line("failed: " + why);
}

void LiveScreen::on_event(const Event& e) {
  if (e.kind() == EventKind::launch) ++launches_;
  if (e.kind() == EventKind::finished) ++finished_, drifted(e);
  if (e.kind() == EventKind::reject) ++rejected_;
  if (const auto* failed = failure_of(e)) {
    if (!failed->node.valid()) ++failures_;
    if (failed->for_good) ++failed_;
  }
  if (terminal_ || quiet_ || e.at < setup_.resumed_from) return;
  const bool shown = e.kind() == EventKind::started || e.kind() == EventKind::finished ||
                     e.kind() == EventKind::stopped || e.kind() == EventKind::failed ||
                     e.kind() == EventKind::launch_failed;
  if (!shown) return;
  const JobRecord& r = (*context_.records)[e.job.index()];
  line(fmt::format("{:>9.1f} s  {:<13} {}{}", to_seconds(e.at), to_string(e.kind()), r.spec->name,
                   e.kind() == EventKind::started ? fmt::format(" on {}", r.held.to_string()) : std::string()));
}

void LiveScreen::drifted(const Event& e) {
  if (e.job.index() >= setup_.expected_jct_s.size() || std::isnan(setup_.expected_jct_s[e.job.index()])) return;
  const JobSpec& spec = *(*context_.records)[e.job.index()].spec;
  const double later_s = to_seconds(e.at - spec.submit) - setup_.expected_jct_s[e.job.index()];
  ++drift_.jobs;
  drift_.sum_s += later_s;
  if (std::abs(later_s) < std::abs(drift_.largest_s)) return;
  drift_.largest_s = later_s;
  drift_.largest_job = spec.name;
}

std::string LiveScreen::drift_text() const {
  if (drift_.jobs == 0) return {};
  return fmt::format("drift against the simulation: {:+.1f} s a job, {:+.1f} s at most ({})",
                     drift_.sum_s / static_cast<double>(drift_.jobs), drift_.largest_s, drift_.largest_job);
}

void LiveScreen::on_batch_end(Time now) {
  beat(now);
}

void LiveScreen::beat(Time now) {
  const std::int64_t clock = live::monotonic_ns();
  if (clock - written_ns_ >= kSecond) write_status(now, false);
  if (terminal_ && !quiet_ && clock - drawn_ns_ >= kSecond / 5) {
    drawn_ns_ = clock;
    redraw(now);
  }
}

void LiveScreen::interrupted(Time now) {
  stopped_ = true;
  write_status(now, false);
}

void LiveScreen::on_end(Time now) {
  if (terminal_ && !quiet_) redraw(now);
  if (!terminal_ && drift_.jobs > 0) line(fmt::format("{:>9.1f} s  {}", to_seconds(now), drift_text()));
  write_status(now, true);
}

// Not synced: it is for people, and the run matters more.
void LiveScreen::write_status(Time now, bool ended) {
  written_ns_ = live::monotonic_ns();
  const std::string path = setup_.folder + "/status.json", aside = path + ".tmp";
  if (live::write_file(aside, status_json(now, ended))) (void)std::rename(aside.c_str(), path.c_str());
}

void LiveScreen::redraw(Time now) {
  const std::string text = block(now);
  const std::string up = drawn_lines_ > 0 ? fmt::format("\x1b[{}A\x1b[J", drawn_lines_) : std::string();
  drawn_lines_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  std::fputs((up + text).c_str(), stderr);
}

std::string LiveScreen::block(Time now) const {
  const Counts c = count(context_);
  std::string out = fmt::format(
      "{:.0f} s ({:.0f} s of wall clock)   {} of {} jobs finished, {} running, {} waiting, "
      "{} launches, {} failures\n",
      to_seconds(now), to_seconds(now) / static_cast<double>(setup_.time_scale), finished_, context_.records->size(),
      c.holding.size(), c.waiting.size(), launches_, failures_);
  out += slots_text(*prepared_->topology, c.holding);
  for (const JobRecord* r : c.holding)
    out += fmt::format("  {:<16} {:<14} {}\n", r->held.to_string(), r->spec->name, to_string(r->state));
  if (!c.waiting.empty()) {
    out += "  queue:";
    for (std::size_t i = 0; i < std::min(c.waiting.size(), kQueueShown); ++i) out += " " + c.waiting[i]->spec->name;
    if (c.waiting.size() > kQueueShown) out += fmt::format(" and {} more", c.waiting.size() - kQueueShown);
    out += "\n";
  }
  if (const std::string drift = drift_text(); !drift.empty()) out += "  " + drift + "\n";
  return out;
}

std::string LiveScreen::status_json(Time now, bool ended) const {
  const Counts c = count(context_);
  nlohmann::ordered_json j;
  j["controller"] = live::own_handle().text;
  j["ended"] = ended;
  j["interrupted"] = stopped_;
  j["time_s"] = to_seconds(now);
  j["time_scale"] = setup_.time_scale;
  j["jobs"] = context_.records->size();
  j["finished"] = finished_;
  j["failed"] = failed_;
  j["rejected"] = rejected_;
  j["launches"] = launches_;
  j["failures"] = failures_;
  j["drift"] = drift_text();
  j["running"] = nlohmann::ordered_json::array();
  for (const JobRecord* r : c.holding) {
    nlohmann::ordered_json job{{"job", r->spec->name},
                               {"state", stopped_ ? std::string_view("stopped") : to_string(r->state)},
                               {"gpus", r->held.to_string()},
                               {"id", r->spec->id.value},
                               {"launch", r->incarnation}};
    const Work total = prepared_->workload.truths[r->spec->id.index()].work;
    if (setup_.done && total.ns > 0)
      job["progress"] = static_cast<double>(setup_.done(r->spec->id).ns) / static_cast<double>(total.ns);
    j["running"].push_back(std::move(job));
  }
  j["waiting"] = nlohmann::ordered_json::array();
  for (const JobRecord* r : c.waiting) j["waiting"].push_back(r->spec->name);
  return json_text(j, 2) + "\n";
}

}  // namespace orrery::app

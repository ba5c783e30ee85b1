#include "sim/observe/metrics/bubble_meter.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::int64_t kBillion = 1'000'000'000;
constexpr std::int32_t kUnknown = -1;  // in which phase a launch goes on, until it reports one

// Ends the time in which a job runs.
bool ends_run(EventKind k) {
  return k == EventKind::stop || k == EventKind::suspended || k == EventKind::stopped || k == EventKind::failed ||
         k == EventKind::launch_failed || k == EventKind::finished || k == EventKind::cancel ||
         k == EventKind::reject;
}

}  // namespace

void BubbleMeter::enter(JobId job, const Allocation& gpus, const BubbleJob& of, bool anew) {
  Host& h = hosts_[job];
  run(h, false, h.since);
  h.gpus = gpus;
  if (anew) h.committed = {};
  h.phase = of.phased ? kUnknown : 0;
  h.idle = 0;
  for (std::int32_t stage = 0; stage < of.bubbles.stages; ++stage) {
    const Duration window = stage_use(of.bubbles, stage, {}).idle;
    const Int128 whole = static_cast<Int128>(stage_gpus(of.bubbles, gpus, stage).milli_gpus()) * kBillion;
    h.idle += static_cast<std::int64_t>(whole * window.ns / of.bubbles.step.ns);
  }
}

void BubbleMeter::enter(JobId job, JobId host, const Allocation& gpus, const BubbleJob& own, const BubbleJob& of,
                        std::int32_t fill) {
  const auto at = hosts_.find(host);
  const std::int32_t stage = at == hosts_.end() ? -1 : stage_of(of.bubbles, at->second.gpus, gpus);
  fillers_[job] = {host,
                   gpus.milli_gpus(),
                   fill_rate(of.bubbles, stage_use(of.bubbles, stage, own.fills), kWholeFill),
                   fill,
                   false,
                   {}};
}

Int128 BubbleMeter::idle(const Host& h, Time now) {
  return h.runs ? static_cast<Int128>((now - h.since).ns) * h.idle / kBillion : 0;
}

Int128 BubbleMeter::used(const Filler& f, Time now) {
  if (!f.runs) return 0;
  const Rate share{f.whole.per_billion * f.per_mille / kWholeFill};
  return static_cast<Int128>(work_in(now - f.since, share).ns) * f.gpus_milli;
}

void BubbleMeter::run(Host& h, bool on, Time now) {
  totals_.idle += idle(h, now);
  h.runs = on;
  h.since = now;
  changed(h, now);
}

void BubbleMeter::run(Filler& f, bool on, Time now) {
  totals_.used += used(f, now);
  const auto host = hosts_.find(f.host);
  if (host != hosts_.end()) {
    host->second.fillers += (on ? 1 : 0) - (f.runs ? 1 : 0);
    changed(host->second, now);
  }
  f.runs = on;
  f.since = now;
}

void BubbleMeter::changed(Host& h, Time now) {
  h.clean = false;
  h.changed_at = now;
}

// Who measures its own speed says since when nothing has changed, and in other reports nothing of it. The time until
// a report is of the phase before, where another one begins there.
void BubbleMeter::reported(Host& h, Time now, Work done, std::int32_t phase, Rate own) {
  const std::int32_t of = h.phase == kUnknown && phase == 0 ? 0 : h.phase;  // in the first one from the beginning
  h.measures = h.measures || own.per_billion > 0;
  const Time since = h.measures ? std::max(h.said_at, h.changed_at) : h.said_at;
  if (of != kUnknown && h.runs && now > since && (h.measures ? own.per_billion > 0 : h.clean)) {
    Speeds& in = h.phases[of];
    Speed& s = h.fillers > 0 ? in.filled : in.alone;
    const auto ns = static_cast<double>((now - since).ns);
    s.time += ns;
    s.work += h.measures ? ns * static_cast<double>(own.per_billion) / 1e9 : static_cast<double>((done - h.said).ns);
  }
  h.phase = phase;
  h.said = done;
  h.said_at = now;
  h.clean = true;
}

void BubbleMeter::host(const Event& e) {
  Host& h = hosts_.at(e.job);
  if (e.kind() == EventKind::started || e.kind() == EventKind::resumed) {
    run(h, true, e.at);
    if (e.kind() == EventKind::started) reported(h, e.at, h.committed, h.phase, {});
  } else if (const auto* says = e.get_if<event::Progress>()) {
    reported(h, e.at, says->done, says->phase, says->rate);
  } else if (const auto* save = e.get_if<event::Checkpointed>()) {  // what it stood still for is nobody's fault
    h.committed = save->committed;
    h.clean = false;
    reported(h, e.at, save->committed, h.phase, {});
  } else if (ends_run(e.kind())) {
    run(h, false, e.at);
    if (const auto* left = e.get_if<event::Stopped>()) h.committed = left->committed;
    if (e.kind() == EventKind::failed || e.kind() == EventKind::launch_failed) h.committed = failure_of(e)->committed;
  }
}

void BubbleMeter::filler(const Event& e) {
  Filler& f = fillers_.at(e.job);
  if (e.kind() == EventKind::started) return run(f, true, e.at);
  if (const auto* says = e.get_if<event::Reconfigured>()) {
    if (f.runs) run(f, true, e.at);
    f.per_mille = says->fill_per_mille;
  }
  if (!ends_run(e.kind())) return;
  run(f, false, e.at);
  if (e.kind() != EventKind::stop) fillers_.erase(e.job);
}

BubbleMeter::Totals BubbleMeter::totals(Time now) const {
  Totals t = totals_;
  for (const auto& [job, h] : hosts_) t.idle += idle(h, now);
  for (const auto& [job, f] : fillers_) t.used += used(f, now);
  return t;
}

std::optional<double> BubbleMeter::slowdown() const {
  double took = 0, alone = 0;
  for (const auto& [job, h] : hosts_) {
    for (const auto& [phase, in] : h.phases) {
      if (in.alone.work <= 0 || in.filled.time <= 0) continue;
      took += in.filled.time;
      alone += in.filled.work * in.alone.time / in.alone.work;
    }
  }
  if (alone <= 0) return std::nullopt;
  return took / alone - 1;
}

}  // namespace orrery

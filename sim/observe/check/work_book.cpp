#include "sim/observe/check/work_book.hpp"

#include <algorithm>

#include "sim/api/emulation.hpp"
#include "sim/models/speed/colocation.hpp"

namespace orrery {

void WorkBook::begin(const RunContext& context, WorldModel world) {
  context_ = context;
  world_ = std::move(world);
  entries_.assign(context.records->size(), Entry{});
  const Topology& t = *context.topology;
  if (world_.network != nullptr) links_.emplace(*world_.network);
  if (world_.cpus) cpus_.emplace(t);
  if (world_.slow_nodes) {
    slowdown_.assign(t.node_count(), kFullSpeed);
    there_.resize(t.node_count());
  }
  if (world_.rule == nullptr || world_.rule->toll == nullptr) return;
  for (const JobRecord& r : *context.records) {
    const Duration takes = world_.rule->toll(*r.spec);
    const auto at =
        std::find_if(pauses_.begin(), pauses_.end(), [takes](const Pause& p) { return p.takes == takes; });
    pause_of_.push_back(static_cast<std::uint32_t>(at - pauses_.begin()));
    if (at == pauses_.end()) pauses_.push_back({takes});
  }
}

template <class Do>
void WorkBook::for_places(const Allocation& gpus, Do act) {
  if (first_gpu_.empty()) {
    std::size_t all = 0;
    for (std::uint32_t n = 0; n < context_.topology->node_count(); ++n) {
      first_gpu_.push_back(all);
      all += static_cast<std::size_t>(context_.topology->node(NodeId(n)).gpus);
    }
    if (world_.speed != nullptr) place_of_.assign(world_.speed->places().begin(), world_.speed->places().end());
    on_place_.resize(place_of_.empty() ? all : *std::max_element(place_of_.begin(), place_of_.end()) + 1);
  }
  for (const NodeSlice& s : gpus.slices())
    for (GpuMask rest = s.gpus; rest.any(); rest.drop_lowest()) {
      const std::size_t gpu = first_gpu_[s.node.index()] + static_cast<std::size_t>(rest.lowest());
      act(on_place_[place_of_.empty() ? gpu : place_of_[gpu]]);
    }
}

// ---- time

void WorkBook::pass(Time now) {
  if (now <= now_) return;
  if (!dirty_.empty() || links_ || cpus_) resolve();
  if (!pauses_.empty()) pause(now);
  now_ = now;
  if (!in_stretches() || !world_.prompt) return;
  // Stretches that are over, and that no save can reach back into, are asked for once: questions begin after them.
  const Time over = now - world_.longest_save;
  for (std::uint32_t slot = 0; slot < launches_.size(); ++slot) {
    Entry& e = entries_[launches_[slot].job.index()];
    if (e.slot != slot || !e.runs) continue;
    for (Time end = e.now.end; end <= over; end = e.now.end) {
      advance(&launches_[slot], e.now, end);
      if (e.now.end == end) break;  // it gets nowhere
    }
  }
}

// Whatever happens, every job that runs has progressed by max(elapsed - toll, 0).
void WorkBook::pause(Time now) {
  last_dt_ = now - now_;
  for (Pause& p : pauses_) {
    p.last_ns = std::max<std::int64_t>((last_dt_ - p.takes).ns, 0);
    p.left_ns += p.last_ns;
  }
}

// At the instant that is over, jobs came and went and nodes changed their speed: who goes on at another one?
void WorkBook::resolve() {
  if (links_)
    for (const auto& [job, rate] : links_->update()) {
      Launch& l = *launch_of(entries_[job.index()]);
      l.base = rate;
      mark(l);
    }
  if (cpus_)
    for (const auto& [job, speed] : cpus_->update()) {
      Launch& l = *launch_of(entries_[job.index()]);
      l.decodes = speed;
      mark(l);
    }
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    Launch& l = launches_[dirty_[i]];
    l.dirty = false;
    Entry& e = entries_[l.job.index()];
    if (e.slot != dirty_[i]) continue;  // it has left
    if (e.runs) find_rate(l);
    refresh(e, l);
  }
  dirty_.clear();
}

// The speed of a job that runs, by who else is on its GPUs.
void WorkBook::find_rate(Launch& l) {
  const PerformanceModel* model = world_.speed;
  const bool minds = model != nullptr && model->minds_neighbours();
  if ((!minds && !l.takes_turns) || l.host.valid()) return;
  with_.clear();
  std::size_t most = 1;
  for_places(l.gpus, [&](const auto& there) {
    most = std::max(most, there.size());
    for (const JobId other : there)
      if (other != l.job) with_.push_back(other);
  });
  if (!minds) {
    l.turns = static_cast<std::int64_t>(most);
    return;
  }
  std::sort(with_.begin(), with_.end());
  with_.erase(std::unique(with_.begin(), with_.end()), with_.end());
  if (l.merged.valid())  // its own gang is not beside it
    std::erase_if(with_, [&](JobId other) { return launch_of(entries_[other.index()])->merged == l.merged; });
  l.base = model->in_stretches() ? model->share(spec(l.job), l.gpus, with_)
                                 : model->speed(spec(l.job), l.gpus, l.config, with_).rate;
}

void WorkBook::mark(Launch& l) {
  if (l.dirty) return;
  l.dirty = true;
  dirty_.push_back(entries_[l.job.index()].slot);
}

bool WorkBook::rounds_ends() const {
  return world_.rule != nullptr && world_.rule->stretch_end != nullptr;
}

void WorkBook::begin_stretch(const Launch& l, Segment& s) const {
  const PerformanceModel::Stretch next = world_.speed->stretch(spec(l.job), l.gpus, l.config, Work{s.ns});
  s.until = next.until;
  s.left = next.left == kForever ? kForever : time_for(Work{next.left.ns}, s.rate);
  s.end = kNever;
  if (s.left == kForever) return;
  if (s.until > l.total && s.ns < l.total.ns) {  // a child with a head start has less to do than the model thinks
    const Int128 whole = (s.until - Work{s.ns}).ns;
    s.left = Duration{
        static_cast<std::int64_t>((static_cast<Int128>(s.left.ns) * (l.total.ns - s.ns) + whole - 1) / whole)};
    s.until = l.total;
  }
  s.end = s.since + s.left;
  if (rounds_ends()) s.end = world_.rule->stretch_end(s.end, s.since);
}

void WorkBook::advance(const Launch* l, Segment& s, Time to) const {
  if (to < s.since) return;
  if (l == nullptr || !in_stretches()) {
    const Duration d = to - s.since;
    s.since = to;
    if (s.rate == kUnitRate) {
      s.ns = add_ns(s.ns, d.ns);
      return;
    }
    const Int128 sum = static_cast<Int128>(d.ns) * s.rate.per_billion + s.frac;
    s.ns = add_ns(s.ns, static_cast<std::int64_t>(sum / kUnitRate.per_billion));
    s.frac = static_cast<std::int64_t>(sum % kUnitRate.per_billion);
    return;
  }
  while (to >= s.end && s.ns < l->total.ns) {
    const Time at = s.end;
    s.ns = s.until.ns;
    s.since = at;
    s.end = kNever;
    s.left = kForever;
    if (s.ns < l->total.ns) begin_stretch(*l, s);
    if (s.end == at && s.until.ns == s.ns) break;  // it gets nowhere
  }
  const Duration gone = to - s.since;
  s.since = to;
  if (s.left == kForever) return;
  if (gone >= s.left) {  // its end is rounded
    s.ns = s.until.ns;
    s.left = Duration{};
    return;
  }
  s.ns += static_cast<std::int64_t>(static_cast<Int128>(s.until.ns - s.ns) * gone.ns / s.left.ns);
  s.left -= gone;
}

// ---- what happens to jobs

void WorkBook::launch(JobId job, const Allocation& gpus, const RunConfig& config, Sharing sharing, GroupId group,
                      Work from, Work total) {
  leave(job, now_);
  Entry& e = entries_[job.index()];
  e.now = Segment{};
  e.now.ns = from.ns;
  e.settled = 0;
  const PerformanceModel* model = world_.speed;
  const bool stretches = in_stretches();
  if (model != nullptr && !stretches) e.now.rate = model->speed(spec(job), gpus, config, {}).rate;
  const bool merged = sharing == Sharing::merged;
  const bool takes_turns = group.valid() && !merged && (model == nullptr || !model->knows_sharing());
  const bool fills = config.host.valid();
  const bool in_phases = !spec(job).phases.empty() || (cpus_ && spec(job).demand.cpu_milli > 0);
  const bool changes = stretches || takes_turns || merged || links_ || world_.slow_nodes || fills || in_phases ||
                       spec(job).bubbles.any() || (model != nullptr && model->minds_neighbours());
  if (!changes) return;
  e.slot = launches_.take();
  Launch& l = launches_[e.slot];
  l = Launch{};
  l.job = job;
  l.gpus = gpus;
  l.config = config;
  l.base = e.now.rate;
  l.total = total;
  l.takes_turns = takes_turns;
  if (fills) {
    const Launch* const host = launch_of(entries_[config.host.index()]);
    const Bubbles& bubbles = spec(config.host).bubbles;
    l.host = config.host;
    l.use = stage_use(bubbles, host != nullptr ? stage_of(bubbles, host->gpus, gpus) : -1, spec(job).fills);
  }
  if (merged) {
    l.merged = group;
    l.part = model != nullptr ? model->merged_part(spec(job), gpus, config)
                              : IdealModel().merged_part(spec(job), gpus, config);
  }
  if (!world_.slow_nodes) return;
  for (const NodeSlice& s : l.gpus.slices()) {
    l.slowdown = std::max(l.slowdown, slowdown_[s.node.index()]);
    there_[s.node.index()].push_back(e.slot);
  }
  e.now.rate = slowed(l.base, l.slowdown);
}

void WorkBook::set_total(JobId job, Work total) {
  if (Launch* l = launch_of(entries_[job.index()])) l->total = total;
}

void WorkBook::meet(const Launch& l, bool comes) {
  if (l.merged.valid()) {
    std::vector<std::uint32_t>& gang = merged_[l.merged];
    const std::uint32_t slot = entries_[l.job.index()].slot;
    if (comes) gang.push_back(slot);
    if (!comes) std::erase(gang, slot);
    for (const std::uint32_t other : gang) mark(launches_[other]);
    if (gang.empty()) merged_.erase(l.merged);
  }
  if (l.host.valid()) return fill(l, comes);
  if (!l.takes_turns && (world_.speed == nullptr || !world_.speed->minds_neighbours())) return;
  for_places(l.gpus, [&](auto& there) {
    if (!comes) there.erase(std::find(there.begin(), there.end(), l.job));
    for (const JobId other : there)
      if (Launch* beside = launch_of(entries_[other.index()])) mark(*beside);
    if (comes) there.push_back(l.job);
  });
}

void WorkBook::run(JobId job, Time now) {
  Entry& e = entries_[job.index()];
  if (e.runs) return;
  e.runs = true;
  e.now.since = now;
  e.now.left = kForever;
  e.now.end = kNever;
  if (!pauses_.empty()) e.now.frac = pauses_[pause_of_[job.index()]].left_ns;
  Launch* l = launch_of(e);
  if (l == nullptr) return;
  l->fresh = true;
  l->history.clear();
  in_phase(*l, (*context_.records)[job.index()].phase, true);
  mark(*l);
  meet(*l, true);
  if (links_) links_->start(job, l->gpus, l->merged.valid() ? std::optional(l->merged.value) : std::nullopt);
  if (!in_stretches() || !rounds_ends()) return;
  l->fresh = false;  // rounded to nothing, a stretch may be over at once
  begin_stretch(*l, e.now);
}

void WorkBook::stand(JobId job, Time now) {
  Entry& e = entries_[job.index()];
  if (!e.runs) return;
  Launch* l = launch_of(e);
  if (l != nullptr) {
    remember(e, *l);
    if (links_) links_->stop(job);
    if (cpus_) cpus_->leave(job);
    l->decodes = kUnitRate;
    meet(*l, false);
  }
  if (!pauses_.empty()) {
    e.now.ns = done(job, now).done.ns;
    e.now.frac = 0;
  } else {
    advance(l, e.now, now);
  }
  e.settled += 1;
  e.runs = false;
}

bool WorkBook::stood_still(JobId job, Duration d) {
  Entry& e = entries_[job.index()];
  e.settled += 2;
  if (d.ns <= 0) return d.ns == 0;
  Launch* l = launch_of(e);
  if (l == nullptr || (!saves_take_time() && !in_stretches())) {  // one speed, as far as is known
    if (e.runs) advance(l, e.now, now_);
    const Int128 lost = static_cast<Int128>(d.ns) * e.now.rate.per_billion - e.now.frac;
    const Int128 whole = lost <= 0 ? 0 : (lost + kUnitRate.per_billion - 1) / kUnitRate.per_billion;
    e.now.frac = static_cast<std::int64_t>(whole * kUnitRate.per_billion - lost);
    e.now.ns -= static_cast<std::int64_t>(whole);
    return true;  // more than it ran for shows in what it says it has done
  }
  const Time ended = e.runs ? now_ : e.now.since;
  const Time began = ended - d;
  const Segment* from = e.runs && e.now.since <= began ? &e.now : nullptr;
  for (std::size_t i = l->history.size(); i-- > 0 && from == nullptr;)
    if (l->history[i].since <= began) from = &l->history[i];
  if (from == nullptr) return false;
  Segment then = *from;
  advance(l, then, began);
  e.now.ns = then.ns;
  e.now.frac = then.frac;
  e.now.since = ended;
  e.now.left = kForever;
  e.now.end = kNever;
  l->history.clear();
  if (!e.runs) return true;
  l->fresh = true;
  mark(*l);
  return true;
}

void WorkBook::leave(JobId job, Time now) {
  stand(job, now);
  Entry& e = entries_[job.index()];
  if (e.slot == kNone) return;
  if (world_.slow_nodes)
    for (const NodeSlice& s : launches_[e.slot].gpus.slices()) {
      auto& there = there_[s.node.index()];
      there.erase(std::find(there.begin(), there.end(), e.slot));
    }
  launches_.leave(e.slot);
  e.slot = kNone;
}

// ---- what is known

WorkBook::Reckoned WorkBook::done(JobId job, Time now) const {
  const Entry& e = entries_[job.index()];
  if (!pauses_.empty()) {
    const std::int64_t since = e.runs ? pauses_[pause_of_[job.index()]].left_ns - e.now.frac : 0;
    return {Work{e.now.ns + since}, 0};
  }
  Segment s = e.now;
  const Launch* l = launch_of(e);
  if (e.runs) advance(l, s, now);
  const bool exact = s.rate == kUnitRate && l == nullptr;
  const std::int64_t each = in_stretches() ? 64 : 1;
  const std::int64_t a_moment = s.rate.per_billion / kUnitRate.per_billion + 1;
  return {Work{s.ns}, exact ? 0 : each * (std::int64_t{e.settled} + 2) + a_moment};
}

Duration WorkBook::overdue(JobId job, Time now, Work total) const {
  const Entry& e = entries_[job.index()];
  if (!pauses_.empty()) {  // the last stretch of time before an end is not paused
    const Pause& p = pauses_[pause_of_[job.index()]];
    const std::int64_t unpaused = e.runs && e.now.since < now ? last_dt_.ns - p.last_ns : 0;
    const std::int64_t over = done(job, now).done.ns + unpaused - total.ns;
    const auto same_end = world_.rule->same_end;
    return over < 0 && same_end != nullptr && same_end(now, now + Duration{-over}) ? Duration{} : Duration{over};
  }
  const Reckoned r = done(job, now);
  const std::int64_t over = r.done.ns - total.ns;
  if (over < 0) return over + r.slack_ns < 0 ? Duration{over} : Duration{};
  if (!in_stretches()) return over > r.slack_ns ? time_for(Work{over}, e.now.rate) : Duration{};
  // In stretches nothing is done beyond the end: was it there already?
  const Duration slack = Duration{r.slack_ns} + (rounds_ends() ? world_.rule->coarseness : Duration{});
  if (!e.runs || now - e.now.since <= slack || done(job, now - slack).done < total) return {};
  return slack;
}

}  // namespace orrery

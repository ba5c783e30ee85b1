#include "sim/observe/metrics/study.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sim/core/fetch.hpp"

namespace orrery {
namespace {

constexpr std::size_t kMaxShapes = 32;
constexpr double kTypicalShare = 0.95;  // of the jobs, that the shapes stand for
constexpr std::int64_t kMicro = 1'000'000;

// The most frequent demands, as FGD draws its typical workload.
std::vector<FragmentShape> typical_shapes(const std::vector<JobSpec>& specs) {
  std::map<Demand, std::int64_t> jobs_of;
  for (const JobSpec& s : specs) ++jobs_of[s.demand];
  std::vector<std::pair<std::int64_t, Demand>> frequent;
  for (const auto& [demand, jobs] : jobs_of) frequent.emplace_back(-jobs, demand);
  std::sort(frequent.begin(), frequent.end());
  std::vector<FragmentShape> shapes;
  double covered = 0;
  for (const auto& [minus_jobs, demand] : frequent) {
    if (shapes.size() == kMaxShapes || covered >= kTypicalShare * static_cast<double>(specs.size())) break;
    shapes.push_back({demand, static_cast<double>(-minus_jobs)});
    covered += shapes.back().share;
  }
  for (FragmentShape& shape : shapes) shape.share /= covered;
  return shapes;
}

FragmentMeter make_fragment_meter(const StudyInputs& in) {
  std::vector<FragmentMeter::Kind> kinds;
  for (std::size_t g = 0; g < in.groups.size(); ++g) {
    const NodeGroup& group = in.groups[g];
    kinds.push_back(
        {group.gpus_per_node,
         {group.cpu_milli > 0 ? group.cpu_milli : -1, group.mem_bytes > 0 ? group.mem_bytes : -1, in.group_type[g]}});
  }
  return {in.shapes, std::move(kinds), in.node_group};
}

}  // namespace

StudyInputs make_study_inputs(const std::vector<JobSpec>& specs, const Topology& topology) {
  StudyInputs in;
  in.groups = topology.groups();
  for (const NodeGroup& g : in.groups) in.group_type.push_back(topology.type_bit(g.gpu));
  in.node_gpus = gpus_by_node(topology);
  for (std::size_t n = 0; n < topology.node_count(); ++n)
    in.node_group.push_back(topology.node(NodeId(static_cast<std::uint32_t>(n))).group);
  in.jobs.reserve(specs.size());
  for (const JobSpec& s : specs) {
    StudyJob j;
    j.deadline = s.deadline;
    j.tflop = s.tflop;
    for (const Dependency& d : s.after) j.parents.push_back(d.parent);
    j.filling = {s.bubbles, s.fills, !s.phases.empty()};
    in.jobs.push_back(std::move(j));
  }
  in.shapes = typical_shapes(specs);
  return in;
}

StudyFold::StudyFold(std::shared_ptr<const JobTable> table, StudyInputs inputs)
    : table_(std::move(table)),
      in_(std::move(inputs)),
      held_(in_.node_gpus),
      running_(in_.node_gpus),
      fragments_(make_fragment_meter(in_)),
      jobs_(in_.jobs.size()),
      groups_(in_.groups.size()),
      speeds_known_(in_.speedup != nullptr) {
  for (std::size_t n = 0; n < in_.node_gpus.size(); ++n) {
    usable_ += in_.node_gpus[n];
    fragments_.refresh(n, held_);
  }
}

StudyFold::~StudyFold() = default;

void StudyFold::advance(Time now) {
  if (now == now_) return;
  const Int128 dt = (now - now_).ns;
  const FragmentMeter::Totals& idle = fragments_.totals();
  totals_.contending += dt * contending_;
  totals_.usable += dt * usable_;
  totals_.share += dt * share_micro_;
  totals_.idle += dt * idle.idle_milli;
  totals_.fragment += dt * idle.fragment_micro;
  totals_.unusable += dt * idle.unusable_milli;
  totals_.speedup += dt * speedup_milli_;
  for (Group& g : groups_) {
    g.held += dt * g.held_milli;
    g.running += dt * g.running_milli;
  }
  now_ = now;
}

StudyFold::Waste& StudyFold::waste_of(Job& j) {
  if (j.waste == 0) {
    waste_.emplace_back();
    j.waste = static_cast<std::uint32_t>(waste_.size());
  }
  return waste_[j.waste - 1];
}

void StudyFold::change_contention(int by_jobs, std::int64_t by_gpus) {
  contending_ += by_jobs;
  usable_ += by_gpus;
  share_micro_ = contending_ > 0 ? usable_ * kMicro / contending_ : 0;
}

void StudyFold::hold(Job& j, const Event& e) {
  Live& l = live_[j.live];
  static const Allocation kNothing;
  const auto& [taken, anew, host, fill] = e.get<event::Launch>();
  const Allocation& gpus = taken != nullptr && !host.valid() ? *taken : kNothing;  // a filler's are its host's
  if (j.launches > 0 && (*table_)[e.job.index()].measured) {
    ++restarts_;
    if (!(gpus == l.held)) ++migrations_;
  }
  ++j.launches;
  l.held = gpus;
  l.held_since = e.at;
  l.unsaved_ns = 0;
  l.holds = true;
  l.stopping = false;
  if (j.committed_ns == 0) j.spared_ns = 0;  // it looks again
  l.speedup_milli = 0;
  if (speeds_known_ && gpus.gpu_count() > 0) {
    const std::optional<double> speedup = in_.speedup(e.job, gpus);
    speeds_known_ = speedup.has_value();
    l.speedup_milli = std::llround(1000 * speedup.value_or(0));
  }
  fragments_.count(l.held, 1);
  held_.count(l.held, 1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].held_milli += milli;
    fragments_.refresh(node, held_);
  });
}

void StudyFold::run(Job& j, bool on) {
  Live& l = live_[j.live];
  if (l.runs == on) return;
  settle(j);
  l.runs = on;
  l.run_since = now_;
  speedup_milli_ += on ? l.speedup_milli : -l.speedup_milli;
  running_.count(l.held, on ? 1 : -1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].running_milli += milli;
  });
}

// Books the running time up to now.
void StudyFold::settle(Job& j) {
  Live& l = live_[j.live];
  if (!l.runs) return;
  const std::int64_t ns = in_.clock.ran(l.run_since, now_).ns;
  const std::int64_t ahead = ns - (now_ - l.run_since).ns;
  l.run_since = now_;
  l.unsaved_ns += ns;
  l.ran_ns += ns;
  if (ahead == 0) return;
  l.ahead_ns += ahead;
  l.life_ahead_ns += ahead;
  for (const NodeSlice& s : l.held.slices()) {
    Group& g = groups_[in_.node_group[s.node.index()]];
    const Int128 more = static_cast<Int128>(ahead) * s.gpu_count() * s.milli_per_gpu;
    g.held += more;
    g.running += more;
  }
}

// Of its latest running time the job stood still for so long.
void StudyFold::stand_still(Job& j, Duration stood) {
  Live& l = live_[j.live];
  settle(j);
  const std::int64_t still = std::clamp<std::int64_t>(stood.ns, 0, l.unsaved_ns);
  if (still == 0) return;
  waste_of(j).checkpoint += static_cast<Int128>(still) * l.held.milli_gpus();
  l.unsaved_ns -= still;
}

// So much work survives: no more than at the last save means that whatever was done since is rolled back.
void StudyFold::keep(Job& j, Work work) {
  Live& l = live_[j.live];
  settle(j);
  const Int128 ran = static_cast<Int128>(l.unsaved_ns) * l.held.milli_gpus();
  if (work.ns > j.committed_ns)
    l.kept += ran;
  else if (ran > 0)
    waste_of(j).lost += ran;
  j.committed_ns = work.ns;
  l.unsaved_ns = 0;
}

// All that it has done is dropped.
void StudyFold::begin_anew(Job& j) {
  Live& l = live_[j.live];
  if (l.kept > 0) waste_of(j).lost += l.kept;
  l.kept = 0;
  j.committed_ns = j.saved_ns = 0;
  j.heir = false;
}

// What it held until now at the price, power and peak of its nodes.
void StudyFold::book(Job& j, Time now) {
  Live& l = live_[j.live];
  settle(j);
  const double held_s = to_seconds(now - l.held_since + Duration{std::exchange(l.ahead_ns, 0)});
  const double ran_s = static_cast<double>(std::exchange(l.ran_ns, 0)) / 1e9;
  l.held_since = now;
  for (const NodeSlice& s : l.held.slices()) {
    const NodeGroup& group = in_.groups[in_.node_group[s.node.index()]];
    const double gpus = static_cast<double>(s.gpu_count()) * s.milli_per_gpu / kMilliPerGpu;
    j.peak_tflop += held_s * gpus * static_cast<double>(group.peak_gflop_per_s) / 1000;
    j.cost += held_s / 3600 * gpus * static_cast<double>(group.price_micro_per_h) / 1e6;
    j.energy_j += gpus *
                  ((held_s - ran_s) * static_cast<double>(group.idle_milliwatt) +
                   ran_s * static_cast<double>(group.busy_milliwatt)) /
                  1000;
  }
}

void StudyFold::release(Job& j, Time now) {
  Live& l = live_[j.live];
  run(j, false);
  if (!l.holds) return;
  book(j, now);
  l.holds = false;
  fragments_.count(l.held, -1);
  held_.count(l.held, -1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].held_milli += milli;
    fragments_.refresh(node, held_);
  });
}

void StudyFold::end(Job& j, Time now) {
  Live& l = live_[j.live];
  release(j, now);
  j.ended = true;
  if (l.contends) {
    change_contention(-1, 0);
    const auto id = static_cast<std::size_t>(&j - jobs_.data());
    const double life_s = to_seconds(now - l.ready);
    const double counted_s = to_seconds(now - l.ready + Duration{l.life_ahead_ns});
    const double asked = counted_s * static_cast<double>((*table_)[id].milli_gpus) / kMilliPerGpu;
    double equal = static_cast<double>(totals_.share - l.share) / kMicro / 1e9;
    if (l.life_ahead_ns != 0 && life_s > 0) equal *= counted_s / life_s;
    j.deserved_gpu_s = std::min(asked, equal);
  }
  l.contends = false;
  const Int128 usable = totals_.usable - l.usable;
  if (usable > 0) j.contention = static_cast<double>(totals_.contending - l.contending) / static_cast<double>(usable);
  live_.leave(std::exchange(j.live, kNone));
}

void StudyFold::change_capacity(const Event& e) {
  const std::size_t node = e.get<event::Capacity>().node.index();
  const bool down = e.get<event::Capacity>().usable == 0;
  if (fragments_.down(node) != down) change_contention(0, down ? -in_.node_gpus[node] : in_.node_gpus[node]);
  fragments_.set_down(node, down);
  fragments_.refresh(node, held_);
}

void StudyFold::expect(JobId job) const {
  if (job.index() >= jobs_.size()) return;
  fetch(jobs_[job.index()]);
  if (const std::uint32_t live = jobs_[job.index()].live; live != kNone) fetch(live_[live]);
}

void StudyFold::on_event(const Event& e) {
  advance(e.at);
  if (e.kind() == EventKind::capacity) return change_capacity(e);
  if (!e.job.valid() || e.job.index() >= jobs_.size()) return;
  Job& j = jobs_[e.job.index()];
  if (j.ended) return;
  bubbles_.note(e, [this](JobId job) -> const BubbleJob& { return in_.jobs[job.index()].filling; });
  if (j.live == kNone) {
    j.live = live_.take();
    live_[j.live] = Live{};
  }
  Live& l = live_[j.live];
  switch (e.kind()) {
    case EventKind::submit:
      if (first_submit_ == kNever && (*table_)[e.job.index()].measured) {
        first_submit_ = e.at;
        at_first_submit_ = totals_;
      }
      l.contending = totals_.contending;
      l.usable = totals_.usable;
      break;
    case EventKind::ready:
      if (l.contends) break;
      change_contention(1, 0);
      l.contends = true;
      l.ready = e.at;
      l.share = totals_.share;
      break;
    case EventKind::launch:
      if (e.get<event::Launch>().anew) begin_anew(j);
      hold(j, e);
      break;
    case EventKind::started:
    case EventKind::resumed:
      if (l.holds && !l.stopping) run(j, true);
      break;
    case EventKind::stop:
      l.stopping = true;
      run(j, false);
      break;
    case EventKind::suspended:
      run(j, false);
      stand_still(j, e.get<event::Suspended>().broken_off);
      break;
    case EventKind::checkpointed:
      stand_still(j, e.get<event::Checkpointed>().stood_still);
      j.committed_ns = e.get<event::Checkpointed>().committed.ns;
      l.kept += static_cast<Int128>(l.unsaved_ns) * l.held.milli_gpus();
      l.unsaved_ns = 0;
      break;
    case EventKind::inherited:
      j.heir = true;
      j.saved_ns = e.get<event::Inherited>().saved.ns;
      break;
    case EventKind::features: note_features(j, e); break;
    case EventKind::failed:
    case EventKind::launch_failed:
      stand_still(j, failure_of(e)->broken_off);
      keep(j, failure_of(e)->committed);
      if (failure_of(e)->for_good)
        end(j, e.at);
      else
        release(j, e.at);
      break;
    case EventKind::stopped:
      stand_still(j, e.get<event::Stopped>().broken_off);
      keep(j, e.get<event::Stopped>().committed);
      release(j, e.at);
      break;
    case EventKind::finished:
      end(j, e.at);
      if (!(*table_)[e.job.index()].measured) break;
      at_last_finish_ = totals_;
      last_finish_ = e.at;
      break;
    case EventKind::cancel: keep(j, Work{j.committed_ns}); [[fallthrough]];
    case EventKind::reject: end(j, e.at); break;
    default: break;
  }
}

void StudyFold::on_end(Time now) {
  advance(now);
  for (Job& j : jobs_)
    if (j.live != kNone && live_[j.live].holds) book(j, now);
}

}  // namespace orrery

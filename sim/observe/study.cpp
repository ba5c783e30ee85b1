#include "sim/observe/study.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace orrery {
namespace {

constexpr std::size_t kMaxShapes = 32;

}  // namespace

StudyInputs make_study_inputs(const std::vector<JobSpec>& specs, const Topology& topology) {
  StudyInputs in;
  in.groups = topology.groups();
  in.node_gpus = gpus_by_node(topology);
  for (std::size_t n = 0; n < topology.node_count(); ++n)
    in.node_group.push_back(topology.node(NodeId(static_cast<std::uint32_t>(n))).group);
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> demands;
  for (const JobSpec& s : specs) {
    StudyJob j;
    j.deadline = s.deadline;
    j.tflop = s.tflop;
    for (const Dependency& d : s.after) j.parents.push_back(d.parent);
    in.jobs.push_back(std::move(j));
    if (s.demand.gpus > 0) ++demands[{s.demand.gpus, s.demand.milli_per_gpu}];
  }
  std::vector<std::pair<std::int64_t, std::pair<std::int32_t, std::int32_t>>> frequent;
  for (const auto& [demand, jobs] : demands) frequent.emplace_back(-jobs, demand);
  std::sort(frequent.begin(), frequent.end());
  if (frequent.size() > kMaxShapes) frequent.resize(kMaxShapes);
  std::int64_t total = 0;
  for (const auto& [minus_jobs, demand] : frequent) total -= minus_jobs;
  for (const auto& [minus_jobs, demand] : frequent)
    in.shapes.push_back(
        {demand.first, demand.second, 0, static_cast<double>(-minus_jobs) / static_cast<double>(total)});
  return in;
}

StudyFold::StudyFold(std::shared_ptr<const JobTable> table, StudyInputs inputs)
    : table_(std::move(table)),
      in_(std::move(inputs)),
      held_(in_.node_gpus),
      running_(in_.node_gpus),
      jobs_(in_.jobs.size()),
      groups_(in_.groups.size()),
      node_idle_milli_(in_.node_gpus.size()),
      node_fragment_micro_(in_.node_gpus.size()),
      node_down_(in_.node_gpus.size()) {
  for (std::size_t n = 0; n < in_.node_gpus.size(); ++n) {
    usable_ += in_.node_gpus[n];
    refresh(n);
  }
}

void StudyFold::advance(Time now) {
  if (now == now_) return;
  const Int128 dt = (now - now_).ns;
  contending_sum_ += dt * contending_;
  usable_sum_ += dt * usable_;
  idle_sum_ += dt * idle_milli_;
  fragment_sum_ += dt * fragment_micro_;
  for (Group& g : groups_) {
    g.held += dt * g.held_milli;
    g.running += dt * g.running_milli;
  }
  now_ = now;
}

// F of a node, in millionths of a GPU. Nodes whose GPUs are free or taken whole, the usual ones, are looked up.
std::int64_t StudyFold::fragment_micro(std::size_t node) {
  const auto gpus = static_cast<std::size_t>(in_.node_gpus[node]);
  scratch_.clear();
  std::size_t whole = 0;
  bool partial = false;
  for (std::size_t i = 0; i < gpus; ++i) {
    scratch_.push_back(held_.left(node, i));
    whole += scratch_.back() == kMilliPerGpu;
    partial = partial || (scratch_.back() != 0 && scratch_.back() != kMilliPerGpu);
  }
  if (partial) return std::llround(1000 * fragmented_milli(scratch_, -1, in_.shapes));
  if (whole_.size() <= gpus) whole_.resize(gpus + 1);
  std::vector<std::int64_t>& known = whole_[gpus];
  if (known.empty()) known.resize(gpus + 1, -1);
  if (known[whole] < 0) known[whole] = std::llround(1000 * fragmented_milli(scratch_, -1, in_.shapes));
  return known[whole];
}

void StudyFold::refresh(std::size_t node) {
  std::int64_t idle = 0, fragment = 0;
  if (!node_down_[node]) {
    fragment = fragment_micro(node);
    for (const std::int32_t left : scratch_) idle += left;
  }
  idle_milli_ += idle - std::exchange(node_idle_milli_[node], idle);
  fragment_micro_ += fragment - std::exchange(node_fragment_micro_[node], fragment);
}

void StudyFold::hold(Job& j, const Event& e) {
  const Allocation gpus = e.gpus != nullptr ? *e.gpus : Allocation{};
  if (j.launches > 0) {
    ++restarts_;
    if (!(gpus == j.held)) ++migrations_;
  }
  ++j.launches;
  j.held = gpus;
  j.held_since = e.at;
  j.holds = true;
  j.stopping = false;
  held_.count(j.held, 1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].held_milli += milli;
    refresh(node);
  });
}

void StudyFold::run(Job& j, bool on) {
  if (j.runs == on) return;
  j.runs = on;
  running_.count(j.held, on ? 1 : -1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].running_milli += milli;
  });
}

void StudyFold::release(Job& j, Time now) {
  run(j, false);
  if (!j.holds) return;
  j.holds = false;
  for (const NodeSlice& s : j.held.slices()) {
    const std::int64_t peak = in_.groups[in_.node_group[s.node.index()]].peak_gflop_per_s;
    j.peak_gflop += static_cast<Int128>((now - j.held_since).ns) * std::popcount(s.gpus) * s.milli_per_gpu * peak;
  }
  held_.count(j.held, -1, [this](std::size_t node, std::int64_t milli) {
    groups_[in_.node_group[node]].held_milli += milli;
    refresh(node);
  });
}

void StudyFold::end(Job& j, Time now) {
  release(j, now);
  j.ended = true;
  if (j.contends) --contending_;
  j.contends = false;
  const Int128 usable = usable_sum_ - j.usable;
  if (usable > 0) j.contention = static_cast<double>(contending_sum_ - j.contending) / static_cast<double>(usable);
}

void StudyFold::on_event(const Event& e) {
  advance(e.at);
  if (e.kind == EventKind::capacity) {
    const std::size_t node = e.node.index();
    const bool down = e.value == 0;
    if (node_down_[node] != down) usable_ += down ? -in_.node_gpus[node] : in_.node_gpus[node];
    node_down_[node] = down;
    return refresh(node);
  }
  if (!e.job.valid() || e.job.index() >= jobs_.size()) return;
  Job& j = jobs_[e.job.index()];
  if (j.ended) return;
  switch (e.kind) {
    case EventKind::submit:
      first_submit_ = std::min(first_submit_, e.at);
      j.contending = contending_sum_;
      j.usable = usable_sum_;
      break;
    case EventKind::ready:
      contending_ += j.contends ? 0 : 1;
      j.contends = true;
      break;
    case EventKind::launch: hold(j, e); break;
    case EventKind::started:
    case EventKind::resumed:
      if (j.holds && !j.stopping) run(j, true);
      break;
    case EventKind::stop: j.stopping = true; [[fallthrough]];
    case EventKind::suspended: run(j, false); break;
    case EventKind::checkpointed: checkpoint_milli_ns_ += static_cast<Int128>(e.value2) * j.held.milli_gpus(); break;
    case EventKind::inherited:
      j.heir = true;
      j.saved_ns = e.value2;
      break;
    case EventKind::stopped: release(j, e.at); break;
    case EventKind::failed:
    case EventKind::launch_failed:
      if (e.value2 == 1)
        end(j, e.at);
      else
        release(j, e.at);
      break;
    case EventKind::finished:
    case EventKind::reject:
    case EventKind::cancel: end(j, e.at); break;
    default: break;
  }
}

}  // namespace orrery

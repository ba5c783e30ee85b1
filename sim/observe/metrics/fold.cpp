#include "sim/observe/metrics/fold.hpp"

#include <algorithm>
#include <limits>

#include "sim/core/assert.hpp"
#include "sim/core/fetch.hpp"

namespace orrery {
namespace {

std::int32_t narrow(std::int64_t v) {
  ORRERY_ASSERT(v >= std::numeric_limits<std::int32_t>::min() && v <= std::numeric_limits<std::int32_t>::max(),
                "{} does not fit a sample", v);
  return static_cast<std::int32_t>(v);
}

auto adds_to(std::int64_t& total) {
  return [&total](std::size_t, std::int64_t milli) { total += milli; };
}

}  // namespace

JobTable make_job_table(const std::vector<JobRecord>& records) {
  JobTable table;
  table.reserve(records.size());
  for (const JobRecord& r : records) {
    const JobSpec& s = *r.spec;
    const std::int64_t milli = std::int64_t{s.demand.gpus} * s.demand.milli_per_gpu;
    table.push_back({s.name, s.tenant, s.model, std::string(to_string(s.kind)), s.demand.gpus, milli});
  }
  return table;
}

std::vector<std::int32_t> gpus_by_node(const Topology& topology) {
  std::vector<std::int32_t> gpus(topology.node_count());
  for (std::size_t i = 0; i < gpus.size(); ++i) gpus[i] = topology.node(NodeId(static_cast<std::uint32_t>(i))).gpus;
  return gpus;
}

void SampleSeries::push_back(const Sample& s) {
  if (pieces_.empty() || pieces_.back().size() == kPiece) {
    const bool first = pieces_.empty();  // it grows: most runs are short
    pieces_.emplace_back().reserve(first ? 0 : kPiece);
  }
  pieces_.back().push_back({s.at.ns, narrow(s.gpus_held_milli), narrow(s.gpus_running_milli), narrow(s.gpus_down),
                            narrow(s.queue_jobs), narrow(s.queue_gpus)});
}

Sample SampleSeries::operator[](std::size_t i) const {
  const Packed& p = pieces_[i / kPiece][i % kPiece];
  return {Time{p.at_ns}, p.held_milli, p.running_milli, p.down, p.queue_jobs, p.queue_gpus};
}

MetricsFold::MetricsFold(std::shared_ptr<const JobTable> jobs, std::vector<std::int32_t> node_gpus, RunClock clock)
    : table_(std::move(jobs)),
      clock_(clock),
      jobs_(table_->size()),
      node_gpus_(std::move(node_gpus)),
      node_down_(node_gpus_.size()),
      held_meter_(node_gpus_),
      running_meter_(node_gpus_) {
  for (const std::int32_t g : node_gpus_) usable_gpus_ += g;
}

MetricsFold::~MetricsFold() = default;

void MetricsFold::flush_sample() {
  Sample values = now_;
  values.at = last_.at;  // compare the values, not the instant
  if (values == last_) return;
  samples_.push_back(now_);
  last_ = now_;
}

void MetricsFold::advance(Time now) {
  if (now == now_.at) return;
  ORRERY_ASSERT(now > now_.at, "time went back from {} to {} ns", now_.at.ns, now.ns);
  flush_sample();
  const Int128 dt = (now - now_.at).ns;
  totals_.held += dt * now_.gpus_held_milli;
  totals_.running += dt * now_.gpus_running_milli;
  totals_.usable += dt * usable_gpus_ * kMilliPerGpu;
  now_.at = now;
}

void MetricsFold::take(Job& j, const Event& e) {
  j.slot = held_.take();
  Held& h = held_[j.slot];
  const auto& [taken, anew, host, fill] = e.get<event::Launch>();
  h.gpus = taken != nullptr && !host.valid() ? *taken : Allocation{};  // a filler's are its host's
  h.milli = h.gpus.milli_gpus();
  held_meter_.count(h.gpus, 1, adds_to(now_.gpus_held_milli));
}

void MetricsFold::drop(Job& j) {
  Held& h = held_[j.slot];
  held_meter_.count(h.gpus, -1, adds_to(now_.gpus_held_milli));
  h.gpus.clear();
  held_.leave(j.slot);
}

// Books the time since the last change under the phase it was spent in.
void MetricsFold::settle(Job& j, Time now) {
  const Duration passed = now - j.since;
  const Duration d = j.phase == Phase::running ? clock_.ran(j.since, now) : passed;
  j.since = now;
  if (j.phase == Phase::blocked || j.phase == Phase::queued) j.wait += d;
  if (j.phase != Phase::holding && j.phase != Phase::running) return;
  const GpuTime t = gpu_time(d, held_[j.slot].milli);
  j.held += t;
  if (j.phase != Phase::running) return;
  j.run += d;
  j.service += t;
  if (d == passed) return;
  const Int128 more = gpu_time(d - passed, held_[j.slot].milli).milli_gpu_ns;
  totals_.held += more;
  totals_.running += more;
  j.ahead += d - passed;
}

void MetricsFold::enter(Job& j, JobId id, Phase to, Time now) {
  settle(j, now);
  const auto holds = [](Phase p) { return p == Phase::holding || p == Phase::running; };
  const std::int64_t gpus = (*table_)[id.index()].gpus;
  const auto running = adds_to(now_.gpus_running_milli);
  if (j.phase == Phase::queued) {
    now_.queue_jobs -= 1;
    now_.queue_gpus -= gpus;
  }
  if (j.phase == Phase::running) running_meter_.count(held_[j.slot].gpus, -1, running);
  if (holds(j.phase) && !holds(to)) drop(j);
  j.phase = to;
  if (to == Phase::running) running_meter_.count(held_[j.slot].gpus, 1, running);
  if (to == Phase::queued) {
    now_.queue_jobs += 1;
    now_.queue_gpus += gpus;
  }
}

void MetricsFold::end(Job& j, JobId id, JobState state, Time now) {
  enter(j, id, Phase::ended, now);
  j.state = state;
  if (state != JobState::finished) return;
  j.finish = now + j.ahead;
  if (!(*table_)[id.index()].measured) return;
  last_finish_ = std::max(last_finish_, j.finish);
  at_last_finish_ = totals_;
  at_last_finish_.usable += static_cast<Int128>((last_finish_ - now).ns) * usable_gpus_ * kMilliPerGpu;
}

void MetricsFold::expect(JobId job) const {
  if (job.index() >= jobs_.size()) return;
  fetch(jobs_[job.index()]);
  fetch((*table_)[job.index()].gpus);
}

void MetricsFold::on_event(const Event& e) {
  advance(e.at);
  ++events_;
  if (e.kind() == EventKind::decide) ++decisions_;
  if (e.kind() == EventKind::capacity) {
    const auto& [node, usable] = e.get<event::Capacity>();
    ORRERY_ASSERT(node.index() < node_gpus_.size(), "node {} is not in the cluster", node.value);
    const std::int32_t down = node_gpus_[node.index()] - usable;
    std::int32_t& was = node_down_[node.index()];
    now_.gpus_down += down - was;
    usable_gpus_ -= down - was;
    was = down;
  }
  if (!e.job.valid() || e.kind() == EventKind::decide || e.kind() == EventKind::capacity) return;
  ORRERY_ASSERT(e.job.index() < jobs_.size(), "job {} is not in the table", e.job.value);
  Job& j = jobs_[e.job.index()];
  if (j.phase == Phase::ended) return;
  const bool holds = j.phase == Phase::holding || j.phase == Phase::running;
  switch (e.kind()) {
    case EventKind::submit:
      j.submit = j.since = e.at;
      j.phase = Phase::blocked;
      if (first_submit_ == kNever && (*table_)[e.job.index()].measured) {
        first_submit_ = e.at;
        at_first_submit_ = totals_;
      }
      break;
    case EventKind::ready:
      enter(j, e.job, Phase::queued, e.at);
      j.state = JobState::pending;
      break;
    case EventKind::launch:
      enter(j, e.job, Phase::ended, e.at);  // out of the queue
      take(j, e);
      j.phase = Phase::holding;
      j.launches += 1;
      j.first_start = std::min(j.first_start, e.at);
      j.state = JobState::starting;
      break;
    case EventKind::started:
    case EventKind::resumed:
      if (!holds || j.state == JobState::stopping) break;  // crossed a stop on its way
      enter(j, e.job, Phase::running, e.at);
      j.state = JobState::running;
      break;
    case EventKind::stop:
      if (holds) enter(j, e.job, Phase::holding, e.at);
      j.preemptions += 1;
      j.state = JobState::stopping;
      break;
    case EventKind::suspended:
      if (holds) enter(j, e.job, Phase::holding, e.at);
      j.state = JobState::suspended;
      break;
    case EventKind::failed:
    case EventKind::launch_failed:
      if (failure_of(e)->for_good) {
        end(j, e.job, JobState::failed, e.at);
        break;
      }
      [[fallthrough]];
    case EventKind::stopped:
      enter(j, e.job, Phase::queued, e.at);
      j.state = JobState::pending;
      break;
    case EventKind::preprocessing: j.cpu_per_sample = e.get<event::Preprocessing>().cpu_per_sample; break;
    case EventKind::finished: end(j, e.job, JobState::finished, e.at); break;
    case EventKind::reject:
      end(j, e.job, JobState::rejected, e.at);
      j.rejection = e.get<event::Reject>().why;
      break;
    case EventKind::cancel: end(j, e.job, JobState::cancelled, e.at); break;
    default: break;
  }
}

void MetricsFold::on_end(Time now) {
  advance(now);
  flush_sample();
  for (Job& j : jobs_)
    if (j.phase != Phase::unknown) settle(j, now);
}

}  // namespace orrery

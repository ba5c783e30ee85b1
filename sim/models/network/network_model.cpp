#include "sim/models/network/network_model.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"
#include "sim/core/node_widths.hpp"
#include "sim/core/small_vector.hpp"
#include "sim/models/training/step_graph.hpp"
#include "sim/models/training/training_step.hpp"

namespace orrery {

NetworkModel::NetworkModel(const Topology& topology, const std::vector<JobSpec>& jobs, const StepTraffic& usual,
                           const std::map<std::string, StepTraffic>& by_model)
    : topology_(&topology), jobs_(&jobs), fabric_(topology), traffic_{usual} {
  std::map<std::string, std::uint32_t> index;
  for (const auto& [model, traffic] : by_model) {
    index[model] = static_cast<std::uint32_t>(traffic_.size());
    traffic_.push_back(traffic);
  }
  for (const StepTraffic& t : traffic_) ORRERY_ASSERT(t.compute.ns > 0, "a step of {} ns", t.compute.ns);
  for (const JobSpec& spec : jobs) {
    const auto row = index.find(spec.model);
    of_job_.push_back(row == index.end() ? 0 : row->second);
    packed_.push_back(packed_step(spec, spec.demand.gpus));
  }
}

// Computation, and what of the communication does not hide behind it. Bandwidths of 0 are unknown: no time.
Duration NetworkModel::step_time(const StepTraffic& t, int widest, std::int64_t nodes, std::int64_t inside,
                                 std::int64_t between) const {
  Duration communication{};
  if (widest > 1 && inside > 0) communication += send_time(ring_bytes(widest, t.gradient_bytes), inside);
  if (nodes > 1 && between > 0)
    communication += send_time(ring_bytes(static_cast<int>(nodes), t.gradient_bytes), between);
  const Duration hidden{t.compute.ns / 1000 * t.hidden_per_mille};
  return t.compute + std::max(Duration{}, communication - hidden);
}

// On the widest nodes that the job may use, then on narrower ones; what no node is left for goes on as if there were
// more of the first group's (the job will be rejected).
Duration NetworkModel::packed_step(const JobSpec& spec, int gpus) const {
  if (gpus == 0) return traffic_[of_job_[spec.id.index()]].compute;  // nothing to exchange
  const NodeWidths widths(spec.demand, *topology_);
  int left = gpus, most = 0;
  std::int64_t nodes = 0, inside = 0, between = 0;
  const auto fill = [&](const NodeGroup& group, int width, std::int64_t count) {
    const std::int64_t taken = std::min<std::int64_t>(count, (left + width - 1) / width);
    if (taken == 0) return;
    inside = nodes == 0 ? group.nvlink_bytes_per_s : std::min(inside, group.nvlink_bytes_per_s);
    between = nodes == 0 ? group.nic_bytes_per_s : std::min(between, group.nic_bytes_per_s);
    most = std::max(most, std::min(left, width));
    nodes += taken;
    left -= static_cast<int>(std::min<std::int64_t>(taken * width, left));
  };
  const std::vector<NodeGroup>& groups = topology_->groups();
  for (const int width : widths.all())
    for (std::size_t g = 0; g < groups.size() && left > 0; ++g)
      if (widths.of_group(g) == width) fill(groups[g], width, groups[g].count);
  if (left > 0 && !groups.empty()) fill(groups[0], std::max(groups[0].gpus_per_node, 1), left);
  return step_time(traffic_[of_job_[spec.id.index()]], most, nodes, inside, between);
}

NetworkModel::Step NetworkModel::step(const JobSpec& spec, const Allocation& gpus) const {
  const StepTraffic& t = traffic_[of_job_[spec.id.index()]];
  Step out;
  int widest = 0;
  std::int64_t inside = 0, between = 0;
  SmallVector<NodeId, 8> nodes;
  for (const NodeSlice& s : gpus.slices()) {
    nodes.push_back(s.node);
    widest = std::max(widest, s.gpu_count());
    const std::int64_t nvlink = topology_->groups()[topology_->node(s.node).group].nvlink_bytes_per_s;
    inside = inside == 0 ? nvlink : std::min(inside, nvlink);
  }
  if (nodes.size() > 1 && t.gradient_bytes > 0) {
    out.links = fabric_.ring(std::span<const NodeId>(nodes.data(), nodes.size()));
    out.wire_bytes = ring_bytes(static_cast<int>(nodes.size()), t.gradient_bytes);
    for (const LinkUse& u : out.links) {
      const std::int64_t share = fabric_.capacities()[u.link] / u.weight;
      between = between == 0 ? share : std::min(between, share);
    }
  }
  out.alone = step_time(t, widest, static_cast<std::int64_t>(nodes.size()), inside, between);
  return out;
}

Rate NetworkModel::rate_of(const JobSpec& spec, std::int64_t milli_gpus, Duration step) const {
  const std::int64_t requested = spec.demand.milli_gpus();
  if (requested == 0 || milli_gpus == 0) return kUnitRate;
  const Duration packed = packed_[spec.id.index()];
  const Int128 rate = static_cast<Int128>(kUnitRate.per_billion) * milli_gpus * packed.ns;
  return {static_cast<std::int64_t>(rate / (static_cast<Int128>(requested) * step.ns))};
}

Speed NetworkModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig&, std::span<const JobId>) const {
  const Duration alone =
      shape.where() != nullptr ? step(spec, *shape.where()).alone : packed_step(spec, shape.gpus());
  return {rate_of(spec, shape.milli_gpus(), alone)};
}

NetworkContention::NetworkContention(const NetworkModel& model)
    : model_(&model), links_(model.fabric().capacities()) {}

void NetworkContention::start(JobId job, const Allocation& gpus, std::optional<std::uint32_t> gang) {
  if (job.index() >= running_.size()) running_.resize(job.index() + 1);
  Running& r = running_[job.index()];
  ORRERY_ASSERT(!r.present, "job {} started twice", job.value);
  NetworkModel::Step step = model_->step(model_->job(job), gpus);
  r.present = true;
  r.milli_gpus = gpus.milli_gpus();
  r.alone = step.alone;
  r.wire_bytes = step.wire_bytes;
  r.sender = sender_of(gang);
  Sender& s = senders_[r.sender];
  if (!s.jobs.empty()) links_.remove(s.flow);
  s.jobs.push_back(job);
  if (s.jobs.size() == 1 || !step.links.empty()) s.links = std::move(step.links);
  send(r.sender);
}

void NetworkContention::stop(JobId job) {
  if (job.index() >= running_.size() || !running_[job.index()].present) return;
  running_[job.index()].present = false;
  const std::uint32_t id = running_[job.index()].sender;
  Sender& s = senders_[id];
  links_.remove(s.flow);
  dirty_ = true;
  s.jobs.erase(std::find(s.jobs.begin(), s.jobs.end(), job));
  if (!s.jobs.empty()) return send(id);
  if (s.gang) sender_of_gang_.erase(*s.gang);
  senders_.leave(id);
}

std::uint32_t NetworkContention::sender_of(std::optional<std::uint32_t> gang) {
  if (gang)
    if (const auto there = sender_of_gang_.find(*gang); there != sender_of_gang_.end()) return there->second;
  const std::uint32_t id = senders_.take();
  senders_[id].gang = gang;
  if (gang) sender_of_gang_[*gang] = id;
  return id;
}

// What all of its jobs send.
void NetworkContention::send(std::uint32_t sender) {
  Sender& s = senders_[sender];
  s.wire_bytes = 0;
  s.alone = Duration{};
  for (const JobId job : s.jobs) {
    const Running& r = running_[job.index()];
    s.wire_bytes = add_ns(s.wire_bytes, r.wire_bytes);
    s.alone += r.alone;
  }
  const Int128 wanted = (static_cast<Int128>(s.wire_bytes) * kNsPerSecond + s.alone.ns - 1) / s.alone.ns;
  s.wanted = static_cast<std::int64_t>(wanted);
  s.flow = links_.add(s.links, s.wanted);
  if (s.flow >= sender_of_flow_.size()) sender_of_flow_.resize(s.flow + 1);
  sender_of_flow_[s.flow] = sender;
  dirty_ = true;
}

std::span<const NetworkContention::Changed> NetworkContention::update() {
  changed_.clear();
  if (!dirty_) return changed_;
  dirty_ = false;
  for (const FlowId flow : links_.update()) {
    const Sender& s = senders_[sender_of_flow_[flow]];
    const std::int64_t got = links_.rate(flow);
    Duration steps = s.alone;
    if (got < s.wanted) steps = std::max(steps, send_time(s.wire_bytes, std::max<std::int64_t>(got, 1)));
    for (const JobId job : s.jobs) {
      const Running& r = running_[job.index()];
      const Int128 longer = (static_cast<Int128>(r.alone.ns) * steps.ns + s.alone.ns - 1) / s.alone.ns;
      const Duration step{static_cast<std::int64_t>(longer)};
      changed_.push_back({job, model_->rate_of(model_->job(job), r.milli_gpus, step)});
    }
  }
  return changed_;
}

}  // namespace orrery

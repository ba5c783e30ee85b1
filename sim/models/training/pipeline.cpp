#include "sim/models/training/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

struct Slot {
  OpKind kind = OpKind::forward;
  int chunk = 0;
  int micro_batch = 0;
};
using Order = std::vector<Slot>;

Order gpipe_order(int micro_batches) {
  Order out;
  for (int m = 0; m < micro_batches; ++m) out.push_back({OpKind::forward, 0, m});
  for (int m = 0; m < micro_batches; ++m) out.push_back({OpKind::backward, 0, m});
  return out;
}

// Warm-up forwards, then one forward, one backward in turn, then the backwards that are left. With `weights` every
// backward is followed by a weight gradient, but a device keeps as many of them back as there are devices before it.
Order one_f_one_b_order(int devices, int device, int micro_batches, bool weights) {
  Order out;
  const int warm_up = std::min(micro_batches, devices - device);
  int forward = 0, weight = 0;
  while (forward < warm_up) out.push_back({OpKind::forward, 0, forward++});
  for (int backward = 0; backward < micro_batches; ++backward) {
    out.push_back({OpKind::backward, 0, backward});
    if (weights && backward - weight >= device) out.push_back({OpKind::weight_gradient, 0, weight++});
    if (forward < micro_batches) out.push_back({OpKind::forward, 0, forward++});
  }
  while (weights && weight < micro_batches) out.push_back({OpKind::weight_gradient, 0, weight++});
  return out;
}

// Megatron-LM: groups of `devices` micro-batches go through the first chunks, then through the second ones, ...
Order interleaved_order(int devices, int device, int micro_batches, int chunks) {
  const int total = micro_batches * chunks, group = devices * chunks;
  const auto slot = [&](OpKind kind, int k) {
    const int chunk = k % group / devices;
    return Slot{kind, kind == OpKind::forward ? chunk : chunks - 1 - chunk, k / group * devices + k % devices};
  };
  const int warm_up = std::min(total, 2 * (devices - device - 1) + (chunks - 1) * devices);
  Order out;
  int forward = 0;
  while (forward < warm_up) out.push_back(slot(OpKind::forward, forward++));
  for (int backward = 0; backward < total; ++backward) {
    if (forward < total) out.push_back(slot(OpKind::forward, forward++));
    out.push_back(slot(OpKind::backward, backward));
  }
  return out;
}

Order order_of(const PipelineSpec& spec, int device) {
  const int p = static_cast<int>(spec.devices.size());
  switch (spec.schedule) {
    case PipelineSchedule::gpipe: return gpipe_order(spec.micro_batches);
    case PipelineSchedule::one_f_one_b: return one_f_one_b_order(p, device, spec.micro_batches, false);
    case PipelineSchedule::interleaved: return interleaved_order(p, device, spec.micro_batches, spec.chunks);
    case PipelineSchedule::zero_bubble_h1: return one_f_one_b_order(p, device, spec.micro_batches, true);
  }
  return {};
}

// The graph as it is built; virtual stage = chunk * devices + device.
class PipelineBuilder {
 public:
  explicit PipelineBuilder(const PipelineSpec& spec)
      : spec_(spec),
        p_(static_cast<int>(spec.devices.size())),
        stages_(p_ * spec.chunks),
        forward_(static_cast<std::size_t>(stages_ * spec.micro_batches)),
        backward_(forward_.size()) {}

  StepGraph build() {
    for (int d = 0; d < p_; ++d) add_device(d);
    for (int m = 0; m < spec_.micro_batches; ++m) {
      for (int s = 0; s + 1 < stages_; ++s) {
        send(forward_[index(s, m)], forward_[index(s + 1, m)], s, s + 1);
        send(backward_[index(s + 1, m)], backward_[index(s, m)], s + 1, s);
      }
      graph_.order(forward_[index(stages_ - 1, m)], backward_[index(stages_ - 1, m)]);
    }
    return std::move(graph_);
  }

 private:
  [[nodiscard]] std::size_t index(int stage, int m) const {
    return static_cast<std::size_t>(stage * spec_.micro_batches + m);
  }

  void add_device(int d) {
    const StageCost& cost = spec_.devices[static_cast<std::size_t>(d)];
    const bool weights = spec_.schedule == PipelineSchedule::zero_bubble_h1;
    ORRERY_ASSERT(weights || cost.weight_gradient.ns == 0, "weight gradients are split off in zero_bubble_h1 only");
    const std::uint32_t device = graph_.add_resource(fmt::format("device {}", d));
    // To the next device and to the previous one; the last sends to the first where there are several chunks.
    to_next_.push_back(graph_.add_link(spec_.link_bytes_per_s));
    to_previous_.push_back(graph_.add_link(spec_.link_bytes_per_s));
    std::int64_t position = 0;
    StepGraph::Op last{};
    for (const Slot& slot : order_of(spec_, d)) {
      Operation o;
      o.kind = slot.kind;
      o.part = static_cast<std::uint32_t>(slot.chunk * p_ + d);
      o.micro_batch = static_cast<std::uint32_t>(slot.micro_batch);
      o.resource = device;
      o.priority = position;
      o.duration = slot.kind == OpKind::forward    ? cost.forward
                   : slot.kind == OpKind::backward ? cost.backward
                                                   : cost.weight_gradient;
      const StepGraph::Op op = graph_.add(std::move(o));
      if (position++ > 0) graph_.order(last, op);
      last = op;
      const std::size_t at = index(slot.chunk * p_ + d, slot.micro_batch);
      if (slot.kind == OpKind::forward) forward_[at] = op;
      if (slot.kind == OpKind::backward) backward_[at] = op;
    }
    if (spec_.gradient_bytes == 0) return;
    Operation reduce;
    reduce.kind = OpKind::reduce;
    reduce.part = static_cast<std::uint32_t>(d);
    reduce.bytes = spec_.gradient_bytes;
    reduce.links.push_back({graph_.add_link(spec_.gradient_bytes_per_s), 1});
    graph_.add(std::move(reduce), {last});
  }

  void send(StepGraph::Op from, StepGraph::Op to, int from_stage, int to_stage) {
    const bool local = from_stage % p_ == to_stage % p_;  // one device only
    if (local || (spec_.send_latency.ns == 0 && spec_.boundary_bytes == 0)) return graph_.order(from, to);
    Operation o;
    o.kind = OpKind::send;
    o.part = static_cast<std::uint32_t>(from_stage);
    o.micro_batch = graph_.at(from).micro_batch;
    o.duration = spec_.send_latency;
    o.bytes = spec_.boundary_bytes;
    const auto device = static_cast<std::size_t>(from_stage % p_);
    o.links.push_back({to_stage > from_stage ? to_next_[device] : to_previous_[device], 1});
    graph_.order(graph_.add(std::move(o), {from}), to);
  }

  const PipelineSpec& spec_;
  int p_, stages_;
  StepGraph graph_;
  std::vector<StepGraph::Op> forward_, backward_;
  std::vector<LinkId> to_next_, to_previous_;
};

Duration times(Duration d, std::int64_t n) {
  return Duration{d.ns * n};
}

}  // namespace

StepGraph pipeline_step(const PipelineSpec& spec) {
  ORRERY_ASSERT(!spec.devices.empty() && spec.micro_batches >= 1 && spec.chunks >= 1,
                "{} devices, {} micro-batches, {} chunks", spec.devices.size(), spec.micro_batches, spec.chunks);
  ORRERY_ASSERT(spec.chunks == 1 || (spec.schedule == PipelineSchedule::interleaved &&
                                     spec.micro_batches % static_cast<int>(spec.devices.size()) == 0),
                "chunks need the interleaved schedule and {} micro-batches to be a multiple of {} devices",
                spec.micro_batches, spec.devices.size());
  return PipelineBuilder(spec).build();
}

double bubble_fraction(int devices, int micro_batches, int chunks) {
  return static_cast<double>(devices - 1) / static_cast<double>(chunks * micro_batches + devices - 1);
}

Duration pipeline_time(int devices, int micro_batches, Duration forward, Duration backward, int chunks) {
  return times(forward + backward, std::int64_t{chunks} * micro_batches + devices - 1);
}

Duration gpipe_time(const std::vector<StageCost>& devices, int micro_batches) {
  Duration sum{}, forward{}, backward{};
  for (const StageCost& d : devices) {
    sum += d.forward + d.backward;
    forward = std::max(forward, d.forward);
    backward = std::max(backward, d.backward);
  }
  return sum + times(forward + backward, micro_batches - 1);
}

Duration one_f_one_b_bubble(int devices, const StageCost& c) {
  return times(c.forward + c.backward + c.weight_gradient, devices - 1);
}

Duration zero_bubble_h1_bubble(int devices, const StageCost& c) {
  return times(c.forward + c.backward - c.weight_gradient, devices - 1);
}

int activations_in_flight(int devices, int stage, int micro_batches) {
  return std::min(micro_batches, devices - stage);
}

}  // namespace orrery

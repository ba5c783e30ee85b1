#include "sim/models/training/training_step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sim/core/assert.hpp"

namespace orrery {
namespace {

class TrainingStepBuilder {
 public:
  explicit TrainingStepBuilder(const TrainingStepSpec& spec) : spec_(spec) {
    std::uint32_t devices = spec.fusion.device + 1;
    for (const PartCost& t : spec.towers) devices = std::max(devices, t.device + 1);
    for (std::uint32_t d = 0; d < devices; ++d) graph_.add_resource(fmt::format("device {}", d));
    last_.resize(devices);
    stream_ = graph_.add_resource("communication");
    link_ = graph_.add_link(spec.link_bytes_per_s);
  }

  StepGraph build() {
    for (int m = 0; m < spec_.micro_batches; ++m) add_micro_batch(m);
    add_buckets();
    return std::move(graph_);
  }

 private:
  using Op = StepGraph::Op;
  struct Bucket {
    std::int64_t bytes = 0;
    Op made{};  // the piece of the backward pass after which it is full
    std::uint32_t part = 0;
    std::uint32_t device = 0;
  };

  // A device does its work in the order in which it is added: it is a program, it does not look for something to do.
  Op compute(OpKind kind, std::uint32_t part, int m, std::uint32_t device, Duration d,
             std::initializer_list<Op> after) {
    Operation o;
    o.kind = kind;
    o.part = part;
    o.micro_batch = static_cast<std::uint32_t>(m);
    o.resource = device;
    o.priority = next_++;
    o.duration = d;
    const Op op = graph_.add(std::move(o), after);
    if (last_[device]) graph_.order(*last_[device], op);
    last_[device] = op;
    return op;
  }

  Operation traffic(OpKind kind, std::uint32_t part, std::int64_t bytes, int hops) {
    Operation o;
    o.kind = kind;
    o.part = part;
    o.resource = stream_;
    o.priority = next_++;
    o.duration = Duration{spec_.hop_latency.ns * hops};
    o.bytes = bytes;
    o.links.push_back({link_, 1});
    return o;
  }

  // The backward pass of a part, in as many pieces as it has buckets in the last micro-batch.
  void backward(const PartCost& part, std::uint32_t index, int m, Op after) {
    const bool last = m + 1 == spec_.micro_batches;
    const std::size_t pieces = last ? std::max<std::size_t>(part.bucket_bytes.size(), 1) : 1;
    Op piece = after;
    for (std::size_t i = 0; i < pieces; ++i) {
      const auto n = static_cast<std::int64_t>(pieces), k = static_cast<std::int64_t>(i);
      const Duration d{part.backward.ns * (k + 1) / n - part.backward.ns * k / n};
      piece = compute(OpKind::backward, index, m, part.device, d, {piece});
      if (last && i < part.bucket_bytes.size()) buckets_.push_back({part.bucket_bytes[i], piece, index, part.device});
    }
    end_of_backward_ = piece;
  }

  void add_micro_batch(int m) {
    const auto fusion = static_cast<std::uint32_t>(spec_.towers.size());
    std::vector<Op> encoded;
    for (std::uint32_t t = 0; t < fusion; ++t)
      encoded.push_back(compute(OpKind::forward, t, m, spec_.towers[t].device, spec_.towers[t].forward, {}));
    const Op fused = compute(OpKind::forward, fusion, m, spec_.fusion.device, spec_.fusion.forward, {});
    const Op loss = compute(OpKind::forward, fusion + 1, m, spec_.fusion.device, spec_.loss_forward, {fused});
    for (const Op e : encoded) graph_.order(e, fused);
    if (spec_.exchange_bytes > 0 && spec_.ranks > 1) {
      const Op exchange = graph_.add(traffic(OpKind::send, fusion, spec_.exchange_bytes, spec_.ranks - 1), {fused});
      graph_.order(exchange, loss);
    }
    const Op loss_back = compute(OpKind::backward, fusion + 1, m, spec_.fusion.device, spec_.loss_backward, {loss});
    backward(spec_.fusion, fusion, m, loss_back);
    const Op after_fusion = end_of_backward_;
    // Autograd goes backwards: the tower that ran last comes first.
    for (std::uint32_t t = fusion; t-- > 0;) {
      backward(spec_.towers[t], t, m, after_fusion);
      if (m + 1 == spec_.micro_batches) ends_.push_back(end_of_backward_);
    }
    if (m + 1 == spec_.micro_batches) ends_.push_back(after_fusion);
  }

  // Buckets are launched in sequence, never whichever fills first: all ranks must agree.
  void add_buckets() {
    std::vector<Op> sent;
    for (const Bucket& b : buckets_) {
      if (spec_.ranks == 1) break;
      const Op op = graph_.add(
          traffic(OpKind::reduce, b.part, ring_bytes(spec_.ranks, b.bytes), 2 * (spec_.ranks - 1)), {b.made});
      if (!sent.empty()) graph_.order(sent.back(), op);
      if (!spec_.overlap)
        for (const Op end : ends_) graph_.order(end, op);
      sent.push_back(op);
    }
    std::vector<std::uint32_t> devices;
    for (const Bucket& b : buckets_) devices.push_back(b.device);
    std::sort(devices.begin(), devices.end());
    devices.erase(std::unique(devices.begin(), devices.end()), devices.end());
    for (const std::uint32_t d : devices) {
      const Op op = compute(OpKind::optimiser, 0, spec_.micro_batches - 1, d, spec_.optimiser, {});
      for (const Op s : sent) graph_.order(s, op);
      for (const Op end : ends_) graph_.order(end, op);
    }
  }

  const TrainingStepSpec& spec_;
  StepGraph graph_;
  std::vector<std::optional<Op>> last_;  // [device]
  std::uint32_t stream_ = 0;
  LinkId link_ = 0;
  std::int64_t next_ = 0;
  std::vector<Bucket> buckets_;
  std::vector<Op> ends_;  // of the last micro-batch's backward passes
  Op end_of_backward_{};
};

}  // namespace

StepGraph training_step(const TrainingStepSpec& spec) {
  ORRERY_ASSERT(spec.micro_batches >= 1 && spec.ranks >= 1, "{} micro-batches, {} ranks", spec.micro_batches,
                spec.ranks);
  return TrainingStepBuilder(spec).build();
}

std::int64_t ring_bytes(int ranks, std::int64_t bytes) {
  const Int128 n = ranks;
  return static_cast<std::int64_t>((2 * (n - 1) * bytes + n - 1) / n);
}

StepGraph ring_all_reduce_graph(int ranks, std::int64_t bytes, Duration latency, std::int64_t link_bytes_per_s) {
  ORRERY_ASSERT(ranks >= 1 && bytes % ranks == 0, "{} bytes in {} chunks", bytes, ranks);
  StepGraph graph;
  const auto n = static_cast<std::size_t>(ranks);
  std::vector<LinkId> link;
  for (std::size_t r = 0; r < n; ++r) link.push_back(graph.add_link(link_bytes_per_s));
  std::vector<StepGraph::Op> before, now(n);
  for (int step = 0; step < 2 * (ranks - 1); ++step) {
    for (std::size_t r = 0; r < n; ++r) {
      Operation o;
      o.kind = OpKind::reduce;
      o.part = static_cast<std::uint32_t>(r);
      o.micro_batch = static_cast<std::uint32_t>(step);
      o.duration = latency;
      o.bytes = bytes / ranks;
      o.links.push_back({link[r], 1});
      now[r] = graph.add(std::move(o));
      if (step == 0) continue;
      graph.order(before[(r + n - 1) % n], now[r]);  // what came from the previous rank goes on to the next
      graph.order(before[r], now[r]);
    }
    before = now;
  }
  return graph;
}

}  // namespace orrery

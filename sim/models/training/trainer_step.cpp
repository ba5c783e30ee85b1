#include "sim/models/training/trainer_step.hpp"

#include <algorithm>
#include <optional>

#include "sim/core/assert.hpp"
#include "sim/models/training/training_step.hpp"

namespace orrery {
namespace {

using Op = StepGraph::Op;

class ProgramBuilder {
 public:
  explicit ProgramBuilder(const StepProgram& program) : program_(program) {
    device_ = graph_.add_resource("device");
    stream_ = graph_.add_resource("communication");
    link_ = graph_.add_link(program.link_bytes_per_s);
  }

  StepGraph build() {
    for (int m = 0; m < program_.micro_batches; ++m) {
      micro_ = m;
      compute(OpKind::forward, rest(), program_.data);
      for (std::uint32_t p = 0; p < rest(); ++p) {
        exchange(p, 1);
        compute(OpKind::forward, p, program_.phases[p].forward);
      }
      for (std::uint32_t p = rest(); p-- > 0;) {
        // What was gathered forward is summed backward, by a ring.
        exchange(p, 2);
        backward(p);
      }
    }
    std::optional<Op> sent;
    for (std::size_t b = 0; b < program_.buckets.size() && program_.ranks > 1; ++b) sent = reduce(b, sent);
    const Op optimiser = compute(OpKind::optimiser, rest(), program_.optimiser);
    if (sent) graph_.order(*sent, optimiser);
    return std::move(graph_);
  }

 private:
  static constexpr std::int64_t kSlices = 16;
  static constexpr std::size_t kNoBucket = static_cast<std::size_t>(-1);

  [[nodiscard]] std::uint32_t rest() const { return static_cast<std::uint32_t>(program_.phases.size()); }

  Operation operation(OpKind kind, std::uint32_t part, std::uint32_t resource, Duration d) {
    Operation o;
    o.kind = kind;
    o.part = part;
    o.micro_batch = static_cast<std::uint32_t>(micro_);
    o.resource = resource;
    o.priority = next_++;
    o.duration = d;
    return o;
  }

  // The device runs a program: one thing after the other.
  Op compute(OpKind kind, std::uint32_t part, Duration d) { return after_last(operation(kind, part, device_, d)); }
  Op after_last(Operation o) {
    const Op op = graph_.add(std::move(o));
    if (last_) graph_.order(*last_, op);
    last_ = op;
    return op;
  }

  // A ring of `rounds` times (n - 1) hops.
  void exchange(std::uint32_t part, int rounds) {
    const StepProgram::Phase& p = program_.phases[part];
    const int hops = rounds * (program_.ranks - 1) * p.exchanges;
    if (hops == 0) return;
    Operation o = operation(OpKind::send, part, stream_, Duration{program_.hop_latency.ns * hops});
    o.bytes = p.exchange_bytes * hops;
    o.links.push_back({link_, 1});
    after_last(std::move(o));
  }

  // In pieces, where buckets become full on the way.
  void backward(std::uint32_t p) {
    const Duration whole = program_.phases[p].backward;
    std::vector<std::pair<std::int64_t, std::size_t>> ends;
    if (micro_ + 1 == program_.micro_batches)
      for (std::size_t b = 0; b < program_.buckets.size(); ++b)
        if (program_.buckets[b].phase == p)
          ends.push_back({static_cast<std::int64_t>(static_cast<double>(whole.ns) * program_.buckets[b].made), b});
    // Where the device moves bytes, it does so in between.
    if (program_.device_moves_bytes)
      for (std::int64_t k = 1; k < kSlices; ++k) ends.push_back({whole.ns * k / kSlices, kNoBucket});
    std::sort(ends.begin(), ends.end());
    made_.resize(program_.buckets.size());
    std::int64_t done = 0;
    for (const auto& [end, bucket] : ends) {
      const Op op = compute(OpKind::backward, p, Duration{end - done});
      if (bucket != kNoBucket) made_[bucket] = op;
      done = end;
    }
    compute(OpKind::backward, p, Duration{whole.ns - done});
  }

  Op reduce(std::size_t bucket, std::optional<Op> before) {
    const StepProgram::Bucket& b = program_.buckets[bucket];
    const std::int64_t bytes = ring_bytes(program_.ranks, b.bytes);
    Operation wait =
        operation(OpKind::reduce, b.phase, stream_, Duration{program_.hop_latency.ns * 2 * (program_.ranks - 1)});
    if (!program_.device_moves_bytes) {
      wait.bytes = bytes;
      wait.links.push_back({link_, 1});
    }
    Op op = graph_.add(std::move(wait), {made_[bucket]});
    if (before) graph_.order(*before, op);
    if (program_.device_moves_bytes) {
      Operation copy = operation(OpKind::reduce, b.phase, device_, send_time(bytes, program_.link_bytes_per_s));
      copy.priority = -1;  // before what the device would do next
      op = graph_.add(std::move(copy), {op});
    }
    return op;
  }

  const StepProgram& program_;
  StepGraph graph_;
  std::uint32_t device_ = 0, stream_ = 0;
  LinkId link_ = 0;
  int micro_ = 0;
  std::int64_t next_ = 0;
  std::optional<Op> last_;
  std::vector<Op> made_;  // [bucket]: the piece of the backward pass after which it is full
};

Duration duration_of(double seconds) {
  return Duration{static_cast<std::int64_t>(seconds * 1e9)};
}

}  // namespace

StepGraph trainer_step(const StepProgram& program) {
  ORRERY_ASSERT(program.micro_batches >= 1 && program.ranks >= 1, "{} micro-batches, {} ranks", program.micro_batches,
                program.ranks);
  for (const StepProgram::Bucket& b : program.buckets)
    ORRERY_ASSERT(b.phase < program.phases.size() && b.made >= 0 && b.made <= 1, "a bucket of phase {}", b.phase);
  return ProgramBuilder(program).build();
}

DeviceWork data_work(const ModelConfig& model, const ModelCost& cost, std::int64_t batch) {
  const Passes p = passes(model);
  std::int64_t values = 0;
  if (p.text > 0) values += 4 * model.text->length;  // tokens and targets are of 8 bytes
  if (p.image > 0) values += model.image->tokens() * model.image->patch_values();
  if (p.audio > 0) values += model.audio->tokens() * model.audio->patch_values();
  std::int64_t calls = 0;
  for (const ModelPhase& phase : cost.phases) calls += phase.forward.calls;
  return {0, 0, 0, 2 * batch * values, calls};
}

DeviceWork optimiser_work(std::int64_t trained, std::int64_t tensors) {
  return {0, 0, 0, 11 * trained, tensors};
}

std::vector<StepProgram::Bucket> gradient_buckets(const ModelCost& cost, std::int64_t most_bytes) {
  std::array<std::uint32_t, kPartNames.size()> first_pass{};
  for (std::size_t i = cost.phases.size(); i-- > 0;)
    first_pass[static_cast<std::size_t>(cost.phases[i].part)] = static_cast<std::uint32_t>(i);
  std::array<std::int64_t, kPartNames.size()> all{}, done{};
  for (const ParameterPiece& piece : cost.pieces) all[static_cast<std::size_t>(piece.part)] += piece.values;
  std::vector<StepProgram::Bucket> out;
  for (auto piece = cost.pieces.rbegin(); piece != cost.pieces.rend(); ++piece) {
    const auto part = static_cast<std::size_t>(piece->part);
    const std::int64_t bytes = piece->values * 4;
    done[part] += piece->values;
    const std::uint32_t phase = piece->used ? first_pass[part] : 0;
    if (out.empty() || out.back().bytes + bytes > most_bytes) out.push_back({0, phase, 0});
    StepProgram::Bucket& bucket = out.back();
    bucket.bytes += bytes;
    if (phase > bucket.phase || (phase == bucket.phase && bucket.made >= 1)) continue;  // something else is later
    bucket.phase = phase;
    const double made = static_cast<double>(done[part]) / static_cast<double>(all[part]);
    bucket.made = piece->used ? made : 1;
  }
  return out;
}

StepProgram step_program(const ModelConfig& model, std::int64_t batch, int micro_batches, int ranks,
                         const TrainerDevice& device, std::int64_t bucket_bytes) {
  const ModelCost cost = walk_cost(model, batch, ranks, false);
  const double slowest = ranks > 1 ? device.slowest_rank : 1;
  StepProgram out;
  for (const ModelPhase& p : cost.phases) {
    // A contrastive pair gathers the embeddings of both sides.
    const bool pairs = p.part == ModelPart::contrastive;
    const int exchanges = pairs ? 2 * static_cast<int>(passes(model).modalities() - 1) : 0;
    out.phases.push_back({p.part, duration_of(slowest * device.forward.seconds(p.forward)),
                          duration_of(slowest * device.backward.seconds(p.backward)), exchanges,
                          pairs ? 4 * batch * model.embedding : 0});
  }
  out.buckets = gradient_buckets(cost, bucket_bytes);
  out.micro_batches = micro_batches;
  const auto tensors = static_cast<std::int64_t>(cost.pieces.size());
  out.data = duration_of(slowest * device.data.seconds(data_work(model, cost, batch)));
  out.optimiser = duration_of(device.optimiser.seconds(optimiser_work(cost.parameters.trainable, tensors)));
  out.ranks = ranks;
  out.hop_latency = Duration{static_cast<std::int64_t>(device.link.latency_s * 1e9)};
  if (device.link.bytes_per_s > 0) out.link_bytes_per_s = static_cast<std::int64_t>(device.link.bytes_per_s);
  out.device_moves_bytes = device.moves_bytes;
  return out;
}

}  // namespace orrery

#include "sim/models/training/multimodal_cost.hpp"

#include <utility>
#include <vector>

namespace orrery {
namespace {

// Token features on their way: how many tokens of which width, and whether gradients flow back through them.
struct Flow {
  std::int64_t tokens = 0, width = 0;
  bool grad = false;
};

class Walk {
 public:
  Walk(const ModelConfig& m, std::int64_t batch, std::int64_t world, bool cached)
      : m_(m), batch_(batch), world_(world), cached_(cached) {
    full_ = !m.transfer || m.transfer->method == TransferMethod::full;
    lora_ = m.transfer && m.transfer->method == TransferMethod::lora;
    half_ = m.precision == Precision::bf16;
  }

  ModelCost run() {
    count_parameters();
    m_.head ? head() : pretrain();
    return std::move(cost_);
  }

 private:
  // --- parameters: each layer once, however many passes use it
  void scalars(std::int64_t n, bool trainable) {
    cost_.parameters.total += n;
    if (!trainable) return;
    cost_.parameters.trainable += n;
    cost_.pieces.push_back({part_, n, used_});
  }
  void linear_parameters(std::int64_t in, std::int64_t out, bool trainable) { scalars(in * out + out, trainable); }
  void inner_parameters(std::int64_t in, std::int64_t out) {
    linear_parameters(in, out, full_);
    if (lora_) scalars(m_.transfer->rank * (in + out), true);
  }
  void block_parameters(const StackConfig& s, bool cross) {
    const std::int64_t d = s.width;
    scalars((cross ? 3 : 2) * 2 * d, full_);
    if (cross) {
      inner_parameters(d, d);
      inner_parameters(d, 2 * d);
    } else {
      inner_parameters(d, 3 * d);
    }
    inner_parameters(d, d);
    inner_parameters(d, s.mlp * d);
    inner_parameters(s.mlp * d, d);
  }
  void stack_parameters(const StackConfig& s) {
    for (std::int64_t i = 0; i < s.layers; ++i) block_parameters(s, false);
    scalars(2 * s.width, full_);
  }
  void patch_parameters(std::int64_t values, std::int64_t tokens, const StackConfig& s) {
    linear_parameters(values, s.width, full_);
    scalars(tokens * s.width, full_);
    stack_parameters(s);
  }
  using TowerWidths = std::vector<std::pair<ModelPart, std::int64_t>>;
  void fusion_parameters(const TowerWidths& towers) {
    const StackConfig& s = m_.fusion.stack;
    const auto n = static_cast<std::int64_t>(towers.size());
    const bool joint = m_.fusion.kind == FusionKind::concatenation, gated = m_.fusion.kind == FusionKind::gated;
    for (const auto& [tower, w] : towers) {
      linear_parameters(w, s.width, full_);
      used_ = joint || (!gated && m_.head) || fills(tower);
      scalars(joint ? s.width : 2 * s.width, full_);
      used_ = true;
    }
    if (joint) stack_parameters(s);
    if (gated) {
      linear_parameters(n * s.width, n * s.width, full_);
      used_ = m_.head.has_value();  // it norms what is pooled
      scalars(2 * s.width, full_);
    }
    if (m_.fusion.kind == FusionKind::cross_attention)
      for (std::int64_t i = 0; i < s.layers; ++i)
        for (const auto& tower : towers) {
          used_ = i + 1 < s.layers || m_.head || fills(tower.first);
          block_parameters(s, true);
        }
    used_ = true;
  }
  // Whether an objective fills holes of this modality: then its fused tokens are asked for.
  bool fills(ModelPart tower) const {
    const ObjectiveConfig& o = m_.objectives;
    if (tower == ModelPart::text) return !m_.head && o.masked_text > 0;
    return !m_.head && tower == ModelPart::image && o.masked_image > 0;
  }
  void count_parameters() {
    const Passes p = passes(m_);
    const ObjectiveConfig& o = m_.objectives;
    TowerWidths towers;
    if (p.text > 0) {
      part_ = ModelPart::text;
      scalars((m_.text->vocabulary + m_.text->length) * m_.text->stack.width, full_);
      stack_parameters(m_.text->stack);
      towers.push_back({part_, m_.text->stack.width});
    }
    if (p.image > 0) {
      part_ = ModelPart::image;
      patch_parameters(m_.image->patch_values(), m_.image->tokens(), m_.image->stack);
      if (!m_.head && o.masked_image > 0) scalars(m_.image->stack.width, full_);
      towers.push_back({part_, m_.image->stack.width});
    }
    if (p.audio > 0) {
      part_ = ModelPart::audio;
      patch_parameters(m_.audio->patch_values(), m_.audio->tokens(), m_.audio->stack);
      towers.push_back({part_, m_.audio->stack.width});
    }
    part_ = ModelPart::fusion;
    if (p.fusion > 0) fusion_parameters(towers);
    if (m_.head) {
      part_ = ModelPart::head;
      linear_parameters(head_width(), m_.head->classes, true);
      return;
    }
    if (o.masked_text > 0) {
      part_ = ModelPart::masked_text;
      const std::int64_t d = m_.text->stack.width;
      linear_parameters(p.fusion > 0 ? m_.fusion.stack.width : d, d, true);
      scalars(2 * d + m_.text->vocabulary, true);
    }
    part_ = ModelPart::masked_image;
    if (o.masked_image > 0)
      linear_parameters(p.fusion > 0 ? m_.fusion.stack.width : m_.image->stack.width, m_.image->patch_values(), true);
    if (o.contrastive > 0) {
      part_ = ModelPart::contrastive;
      for (const auto& tower : towers) linear_parameters(tower.second, m_.embedding, true);
      scalars(1, true);
    }
  }
  std::int64_t head_width() const {
    switch (m_.head->input) {
      case HeadInput::text: return m_.text->stack.width;
      case HeadInput::image: return m_.image->stack.width;
      case HeadInput::audio: return m_.audio->stack.width;
      case HeadInput::fused: break;
    }
    return m_.fusion.stack.width;
  }

  // --- one step
  void begin(ModelPart part) { cost_.phases.push_back({part, {}, {}}); }
  DeviceWork& forward() { return cost_.phases.back().forward; }
  DeviceWork& backward() { return cost_.phases.back().backward; }
  // A product of [rows, in] and [in, out]; which of the two sides get gradients.
  void product(std::int64_t rows, std::int64_t in, std::int64_t out, bool left_grad, bool right_grad) {
    const std::int64_t flops = 2 * rows * in * out, sides = left_grad + right_grad;
    cost_.flops.forward += flops;
    cost_.flops.backward += flops * sides;
    forward() += {flops, in * out, 0, 0, 1};
    backward() += {flops * sides, in * out * sides, 0, 0, sides};
  }
  // Element-wise operators: fp32 values that they read and write, forward and, where there is one, backward.
  void pointwise(std::int64_t values, std::int64_t backward_values, bool grad, std::int64_t calls = 1) {
    forward() += {0, 0, 0, values, calls};
    if (grad) backward() += {0, 0, 0, backward_values, calls};
  }
  void residual(std::int64_t values, bool grad) { pointwise(3 * values, 3 * values, grad); }
  // Values that the graph keeps: in fp32, or as matrix products read them.
  void keep(std::int64_t values) { cost_.kept_bytes += 4 * values; }
  void keep_operand(std::int64_t values) { cost_.kept_bytes += (half_ ? 2 : 4) * values; }

  // Whether the result needs a gradient.
  bool inner_linear(std::int64_t rows, std::int64_t in, std::int64_t out, bool grad) {
    product(rows, in, out, grad, full_);
    if (lora_) {
      const ModelPhase before = cost_.phases.back();
      product(rows, in, m_.transfer->rank, grad, true);
      product(rows, m_.transfer->rank, out, true, true);
      cost_.phases.back().own_forward += forward() - before.forward;
      cost_.phases.back().own_backward += backward() - before.backward;
      keep_operand(rows * m_.transfer->rank);
    }
    return grad || full_ || lora_;
  }
  // Norms, and the positions and other vectors that are added: trained by full training only.
  bool norm(std::int64_t rows, std::int64_t width, bool grad) {
    const bool out = grad || full_;
    if (out) keep(rows * width + 2 * rows);  // the input, its means and deviations
    pointwise(2 * rows * width, 3 * rows * width, out);
    return out;
  }
  bool attention(std::int64_t queries, std::int64_t keys, const StackConfig& s, bool grad) {
    const std::int64_t flops = 4 * batch_ * queries * keys * s.width;
    cost_.flops.forward += flops;
    forward() += {0, 0, flops, 0, 1};
    // Heads side by side again; backward also joins the gradients of queries, keys and values.
    pointwise(2 * batch_ * queries * s.width, batch_ * (4 * queries + 4 * keys) * s.width, grad, 2);
    if (grad) {
      cost_.flops.backward += 2 * flops;
      backward() += {0, 0, 2 * flops, 0, 1};
      keep_operand(batch_ * (2 * queries + 2 * keys) * s.width);  // q, the result, k, v
      keep(batch_ * queries * s.heads);                           // log of the sums
    }
    return grad;
  }
  bool feed_forward(std::int64_t rows, const StackConfig& s, bool grad) {
    const bool n = norm(rows, s.width, grad);
    if (n || lora_) keep_operand(rows * s.width);
    const bool hidden = inner_linear(rows, s.width, s.mlp * s.width, n);
    if (hidden) keep_operand(2 * rows * s.mlp * s.width);  // before and after gelu
    pointwise(2 * rows * s.mlp * s.width, 3 * rows * s.mlp * s.width, hidden);
    residual(rows * s.width, hidden || grad);
    return inner_linear(rows, s.mlp * s.width, s.width, hidden) || grad;
  }
  void block(Flow& x, const StackConfig& s) {
    const std::int64_t rows = batch_ * x.tokens;
    const bool n = norm(rows, x.width, x.grad);
    if (n || lora_) keep_operand(rows * x.width);
    bool grad = inner_linear(rows, x.width, 3 * x.width, n);
    grad = attention(x.tokens, x.tokens, s, grad);
    grad = inner_linear(rows, x.width, x.width, grad) || x.grad;
    residual(rows * x.width, grad);
    x.grad = feed_forward(rows, s, grad);
  }
  void cross_block(Flow& x, std::int64_t keys, bool keys_grad, const StackConfig& s) {
    const std::int64_t rows = batch_ * x.tokens, context = batch_ * keys;
    bool grad = norm(rows, x.width, x.grad);
    const bool from = norm(context, x.width, keys_grad);
    if (grad || lora_) keep_operand(rows * x.width);
    if (from || lora_) keep_operand(context * x.width);
    const bool q = inner_linear(rows, x.width, x.width, grad);
    const bool kv = inner_linear(context, x.width, 2 * x.width, from);
    grad = attention(x.tokens, keys, s, q || kv);
    grad = inner_linear(rows, x.width, x.width, grad) || x.grad;
    residual(rows * x.width, grad);
    x.grad = feed_forward(rows, s, grad);
  }
  void stack(Flow& x, const StackConfig& s) {
    for (std::int64_t i = 0; i < s.layers; ++i) block(x, s);
    x.grad = norm(batch_ * x.tokens, x.width, x.grad);
  }
  Flow text() {
    begin(ModelPart::text);
    Flow x{m_.text->length, m_.text->stack.width, full_};
    const std::int64_t n = batch_ * x.tokens, words = m_.text->vocabulary;
    pointwise(5 * n * x.width, (4 * n + words) * x.width, full_, 2);  // look-up, positions
    stack(x, m_.text->stack);
    return x;
  }
  Flow patches(std::int64_t tokens, std::int64_t values, const StackConfig& s) {
    product(batch_ * tokens, values, s.width, false, full_);
    pointwise(batch_ * tokens * (2 * values + 3 * s.width), batch_ * tokens * 2 * s.width, full_, 2);
    if (full_) keep_operand(batch_ * tokens * values);
    Flow x{tokens, s.width, full_};
    stack(x, s);
    return x;
  }
  Flow image() {
    begin(ModelPart::image);
    return patches(m_.image->tokens(), m_.image->patch_values(), m_.image->stack);
  }
  Flow audio() {
    begin(ModelPart::audio);
    return patches(m_.audio->tokens(), m_.audio->patch_values(), m_.audio->stack);
  }
  // What comes of part `only` (-1: of all, pooled).
  Flow fuse(std::vector<Flow> parts, int only) {
    begin(ModelPart::fusion);
    const StackConfig& s = m_.fusion.stack;
    std::int64_t tokens = 0;
    for (Flow& x : parts) {
      product(batch_ * x.tokens, x.width, s.width, x.grad, full_);
      if (full_) keep_operand(batch_ * x.tokens * x.width);
      x = {x.tokens, s.width, x.grad || full_};
      tokens += x.tokens;
    }
    const auto n = static_cast<std::int64_t>(parts.size());
    Flow out = parts[static_cast<std::size_t>(only < 0 ? 0 : only)];
    if (m_.fusion.kind == FusionKind::concatenation) {
      Flow joint{tokens, s.width, false};
      for (const Flow& x : parts) joint.grad = joint.grad || x.grad;
      // The kind's vector added, all tokens side by side; backward cuts them up and adds up the rest as zeros.
      pointwise(5 * batch_ * tokens * s.width, 5 * batch_ * tokens * s.width, joint.grad, 2 * n);
      stack(joint, s);
      out.grad = joint.grad;
    } else if (m_.fusion.kind == FusionKind::gated) {
      bool grad = false;
      for (const Flow& x : parts) grad = grad || x.grad;
      product(batch_, n * s.width, n * s.width, grad, full_);
      keep_operand(3 * batch_ * n * s.width);
      for (const Flow& x : parts) {
        residual(batch_ * x.tokens * s.width, grad);
        norm(batch_ * x.tokens, s.width, grad);
      }
      out.grad = grad || full_;
    } else {
      for (std::int64_t i = 0; i < s.layers; ++i) {
        const std::vector<Flow> before = parts;
        for (std::size_t k = 0; k < parts.size(); ++k) {
          if (i + 1 == s.layers && only >= 0 && static_cast<std::size_t>(only) != k) continue;
          bool grad = false;
          for (std::size_t j = 0; j < before.size(); ++j) grad = grad || (j != k && before[j].grad);
          const std::int64_t context = tokens - parts[k].tokens;
          if (n > 2) pointwise(2 * batch_ * context * s.width, 4 * batch_ * context * s.width, grad);  // side by side
          cross_block(parts[k], context, grad, s);
        }
      }
      for (std::size_t k = 0; k < parts.size(); ++k)
        if (only < 0 || static_cast<std::size_t>(only) == k)
          parts[k].grad = norm(batch_ * parts[k].tokens, s.width, parts[k].grad);
      out = parts[static_cast<std::size_t>(only < 0 ? 0 : only)];
    }
    return out;
  }
  void head() {
    Flow in{1, head_width(), false};
    if (!cached_) {
      const Passes p = passes(m_);
      std::vector<Flow> parts;
      if (p.text > 0) parts.push_back(text());
      if (p.image > 0) parts.push_back(image());
      if (p.audio > 0) parts.push_back(audio());
      in.grad = (p.fusion > 0 ? fuse(parts, -1) : parts.front()).grad;
    }
    begin(ModelPart::head);
    product(batch_, in.width, m_.head->classes, in.grad, true);
    pointwise(2 * batch_ * m_.head->classes, 2 * batch_ * m_.head->classes, true, 3);
    keep(batch_ * (in.width + m_.head->classes));
  }
  void pretrain() {
    const ObjectiveConfig& o = m_.objectives;
    const Passes p = passes(m_);
    const bool contrast = o.contrastive > 0, fused = p.fusion > 0;
    Flow t, i, a;
    if (p.text > 0 && (contrast || (fused && o.masked_image > 0))) t = text();
    if (p.image > 0 && (contrast || (fused && o.masked_text > 0))) i = image();
    if (p.audio > 0) a = audio();
    if (contrast) contrastive({t, i, a});
    const auto present = [](std::vector<Flow> flows) {
      std::erase_if(flows, [](const Flow& f) { return f.tokens == 0; });
      return flows;
    };
    if (o.masked_text > 0) {
      Flow holes = text();
      if (fused) holes = fuse(present({holes, i, a}), 0);
      const std::int64_t d = m_.text->stack.width, rows = batch_ * masked_count(m_.text->length, o.text_ratio);
      begin(ModelPart::masked_text);
      pointwise(2 * rows * holes.width, 2 * batch_ * m_.text->length * holes.width, holes.grad);
      product(rows, holes.width, d, holes.grad, true);
      pointwise(4 * rows * d, 6 * rows * d, true, 2);
      pointwise(4 * rows * m_.text->vocabulary, 4 * rows * m_.text->vocabulary, true, 5);
      product(rows, d, m_.text->vocabulary, true, full_);
      keep_operand(rows * (holes.width + 4 * d));
      keep(rows * m_.text->vocabulary);
    }
    if (o.masked_image > 0) {
      Flow holes = image();
      if (fused) holes = fuse(present({t, holes, a}), t.tokens > 0 ? 1 : 0);
      const std::int64_t rows = batch_ * masked_count(m_.image->tokens(), o.image_ratio);
      begin(ModelPart::masked_image);
      pointwise(2 * rows * holes.width, 2 * batch_ * m_.image->tokens() * holes.width, holes.grad);
      product(rows, holes.width, m_.image->patch_values(), holes.grad, true);
      pointwise(5 * rows * m_.image->patch_values(), 3 * rows * m_.image->patch_values(), true, 4);
      keep_operand(rows * holes.width);
      keep(2 * rows * m_.image->patch_values());
    }
  }
  void contrastive(const std::vector<Flow>& flows) {
    begin(ModelPart::contrastive);
    std::int64_t modalities = 0;
    for (const Flow& f : flows) {
      if (f.tokens == 0) continue;
      ++modalities;
      pointwise(batch_ * f.tokens * f.width, batch_ * f.tokens * f.width, f.grad, 2);  // the mean over tokens
      product(batch_, f.width, m_.embedding, f.grad, true);
      keep(batch_ * (f.width + m_.embedding));
    }
    for (std::int64_t pair = 1; pair < modalities; ++pair) {
      for (int side = 0; side < 2; ++side) product(batch_, m_.embedding, batch_ * world_, true, true);
      pointwise(8 * batch_ * (m_.embedding + batch_ * world_), 12 * batch_ * (m_.embedding + batch_ * world_), true,
                16);  // to length 1, soft maximum, cross entropy
      keep(4 * batch_ * m_.embedding + 4 * batch_ * batch_ * world_);
    }
  }

  const ModelConfig& m_;
  std::int64_t batch_, world_;
  bool cached_, full_ = true, lora_ = false, half_ = false;
  ModelPart part_ = ModelPart::text;  // whose parameters are counted
  bool used_ = true;                  // whether the loss hangs on them
  ModelCost cost_;
};

}  // namespace

ModelCost walk_cost(const ModelConfig& model, std::int64_t batch, std::int64_t world, bool cached_features) {
  return Walk(model, batch, world, cached_features).run();
}

}  // namespace orrery

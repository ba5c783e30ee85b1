// The model against what is predicted from its configuration (parameters, FLOPs, memory), and what its parts promise.
#include "tests/backend/support_catch.hpp"

#include "backend/models/multimodal.hpp"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <c10/core/CPUAllocator.h>
#include <fmt/format.h>

#include "tests/backend/support_models.hpp"

namespace {
using namespace orrery;

std::vector<std::pair<std::string, ModelConfig>> zoo() {
  const std::vector<std::string> both{"text", "image"}, all{"text", "image", "audio"};
  std::vector<std::pair<std::string, ModelConfig>> list;
  const auto add = [&list](std::string name, ModelConfig m) -> ModelConfig& {
    list.emplace_back(std::move(name), std::move(m));
    return list.back().second;
  };
  add("contrastive", test::small_model(all)).objectives.contrastive = 1;
  add("mlm", test::small_model({"text"})).objectives.masked_text = 1;
  add("mim", test::small_model({"image"})).objectives.masked_image = 1;
  for (const FusionKind kind : {FusionKind::concatenation, FusionKind::gated, FusionKind::cross_attention}) {
    const auto number = static_cast<int>(kind);
    add(fmt::format("fusion {}", number), test::small_model(all, kind)).objectives = {1, 1, 1, 0.25, 0.5};
    add(fmt::format("fusion {} mlm", number), test::small_model(both, kind)).objectives = {0, 1, 0, 0.25, 0.5};
    ModelConfig& lora = add(fmt::format("fusion {} lora", number), test::small_model(both, kind));
    lora.head = HeadConfig{3, HeadInput::fused};
    lora.transfer = TransferConfig{TransferMethod::lora, 4, 8};
  }
  for (const TransferMethod method : {TransferMethod::lora, TransferMethod::probe}) {
    ModelConfig& m = add(fmt::format("retrieval {}", static_cast<int>(method)), test::small_model(both));
    m.objectives.contrastive = 1;
    m.transfer = TransferConfig{method, 4, 8};
  }
  for (const TransferMethod method : {TransferMethod::full, TransferMethod::lora, TransferMethod::probe}) {
    ModelConfig& m = add(fmt::format("transfer {}", static_cast<int>(method)), test::small_model({"image"}));
    m.head = HeadConfig{4, HeadInput::image};
    m.transfer = TransferConfig{method, 4, 8};
  }
  return list;
}

// FLOPs of matrix products from the shapes that ATen's operators are called with.
thread_local std::int64_t counted_flops = 0;

std::unique_ptr<at::ObserverContext> count_operator(const at::RecordFunction& fn) {
  const std::string_view name = fn.name();
  const auto shape = [&fn](std::size_t i) { return fn.inputs()[i].toTensor().sizes(); };
  if (name == "aten::mm") counted_flops += 2 * shape(0)[0] * shape(0)[1] * shape(1)[1];
  if (name == "aten::addmm") counted_flops += 2 * shape(1)[0] * shape(1)[1] * shape(2)[1];
  if (name == "aten::bmm") counted_flops += 2 * shape(0)[0] * shape(0)[1] * shape(0)[2] * shape(1)[2];
  // Queries [B, h, Lq, d], keys [B, h, Lk, d]: scores and values; twice that backward, whatever is recomputed.
  if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")
    counted_flops += 4 * shape(0)[0] * shape(0)[1] * shape(0)[2] * shape(0)[3] * shape(1)[2];
  if (name == "aten::_scaled_dot_product_flash_attention_for_cpu_backward")
    counted_flops += 8 * shape(1)[0] * shape(1)[1] * shape(1)[2] * shape(1)[3] * shape(2)[2];
  return nullptr;
}

class FlopCounter {
 public:
  FlopCounter() {
    counted_flops = 0;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(count_operator).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  ~FlopCounter() { at::removeCallback(handle_); }
  static std::int64_t take() { return std::exchange(counted_flops, 0); }

 private:
  at::CallbackHandle handle_;
};

TEST_CASE("Parameters are as many as predicted, and as many of them train", "[torch][models][cost]") {
  for (const auto& [name, config] : zoo()) {
    INFO(name);
    const models::MultimodalModel model(config, 3);
    std::int64_t total = 0, trainable = 0;
    for (const models::Parameter& p : model.parameters().all()) {
      total += p.value.numel();
      trainable += p.trainable ? p.value.numel() : 0;
    }
    CHECK(total == parameter_count(config).total);
    CHECK(trainable == parameter_count(config).trainable);
  }
}

TEST_CASE("FLOPs predicted from the configuration are those of the operators that ran", "[torch][models][cost]") {
  at::set_num_threads(1);
  for (const auto& [name, config] : zoo()) {
    INFO(name);
    const models::MultimodalModel model(config, 3);
    const models::Batch batch = test::random_batch(config, 5, 4);
    const FlopCounter counter;
    const at::Tensor loss = model.loss(batch).total;
    const std::int64_t forward = FlopCounter::take();
    loss.backward();
    const std::int64_t backward = FlopCounter::take();
    const StepFlops predicted = step_flops(config, 5);
    CHECK(forward == predicted.forward);
    CHECK(backward == predicted.backward);
  }
}

// Bytes of CPU memory that tensors hold now.
class ByteCounter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override { held += size; }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
  std::int64_t held = 0;
};

TEST_CASE("Memory of the graph is as predicted to within a tenth", "[torch][models][cost]") {
  at::set_num_threads(1);
  for (const auto& [name, config] : zoo()) {
    const models::MultimodalModel model(config, 3);
    const models::Batch batch = test::random_batch(config, 64, 4);
    const auto counter = std::make_shared<ByteCounter>();
    std::int64_t counted = 0;
    {
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
      const at::Tensor loss = model.loss(batch).total;
      counted = counter->held;
    }
    const std::int64_t predicted = step_memory(config, 64).activations;
    INFO(fmt::format("{}: {} predicted, {} counted, ratio {:.3f}", name, predicted, counted,
                     static_cast<double>(predicted) / static_cast<double>(counted)));
    const double slack = 20'000 + 0.1 * static_cast<double>(counted);
    CHECK(std::abs(static_cast<double>(predicted - counted)) < slack);
  }
}

TEST_CASE("A frozen parameter has no gradient; the trained ones do", "[torch][models][transfer]") {
  for (const TransferMethod method : {TransferMethod::lora, TransferMethod::probe}) {
    ModelConfig c = test::small_model({"image"});
    c.head = HeadConfig{4, HeadInput::image};
    c.transfer = TransferConfig{method, 4, 8};
    const models::MultimodalModel model(c, 3);
    model.loss(test::random_batch(c, 5, 4)).total.backward();
    for (const models::Parameter& p : model.parameters().all()) {
      INFO(p.name);
      CHECK(p.value.grad().defined() == p.trainable);
    }
  }
}

TEST_CASE("First values depend on seed and name only; LoRA begins at the pretrained model", "[torch][models]") {
  ModelConfig c = test::small_model({"image"});
  c.head = HeadConfig{4, HeadInput::image};
  const models::MultimodalModel plain(c, 3), again(c, 3), other(c, 4);
  c.transfer = TransferConfig{TransferMethod::lora, 4, 8};
  const models::MultimodalModel lora(c, 3);
  const models::Batch batch = test::random_batch(c, 5, 4);
  const at::Tensor loss = plain.loss(batch).total;
  CHECK(at::equal(loss, again.loss(batch).total));
  CHECK_FALSE(at::equal(loss, other.loss(batch).total));
  CHECK(at::allclose(loss, lora.loss(batch).total, 1e-6));
}

TEST_CASE("Two halves of a batch give the loss and the gradients of the whole, negatives shared", "[torch][models]") {
  ModelConfig c = test::small_model({"text", "image"}, FusionKind::cross_attention);
  c.objectives = {1, 1, 1, 0.25, 0.5};
  models::MultimodalModel model(c, 3);
  const models::Batch whole = test::random_batch(c, 6, 4);
  const auto half = [&whole](std::int64_t first) {
    models::Batch b = whole;
    for (at::Tensor* t : {&b.tokens, &b.text_valid, &b.image, &b.label, &b.masked_tokens, &b.text_positions,
                          &b.text_targets, &b.text_weights, &b.image_positions})
      *t = t->narrow(0, first, 3);
    return b;
  };
  const at::Tensor loss = model.loss(whole).total;
  loss.backward();
  std::vector<at::Tensor> gradients;
  for (const models::Parameter& p : model.parameters().all()) {
    gradients.push_back(p.value.grad().defined() ? p.value.grad().clone() : at::Tensor());
    p.value.mutable_grad().reset();
  }
  // Both ranks in one graph: what a rank gathers is recorded in a first round and used in the second.
  std::vector<at::Tensor> rows[2];
  const auto pass = [&](bool record) {
    at::Tensor sum;
    for (std::size_t r = 0; r < 2; ++r) {
      std::size_t call = 0;
      models::Negatives negatives;
      negatives.first = static_cast<std::int64_t>(r) * 3;
      negatives.all = [&, r](const at::Tensor& own) {
        if (record) {
          rows[r].push_back(own);
          return at::cat({own, own});
        }
        const std::size_t k = call++;
        return at::cat({rows[0][k], rows[1][k]});
      };
      const at::Tensor part = model.loss(half(static_cast<std::int64_t>(r) * 3), negatives).total;
      sum = sum.defined() ? sum + part : part;
    }
    return sum;
  };
  (void)pass(true);
  const at::Tensor halves = pass(false);
  CHECK(at::allclose(halves, loss, 1e-5));
  // rows come from the recording round: their gradients flow through its graph into the same parameters.
  halves.backward();
  std::size_t i = 0;
  for (const models::Parameter& p : model.parameters().all()) {
    INFO(p.name);
    const at::Tensor& wanted = gradients[i++];
    REQUIRE(wanted.defined() == p.value.grad().defined());
    if (wanted.defined()) CHECK(at::allclose(p.value.grad(), wanted, 1e-4, 1e-5));
  }
}

TEST_CASE("bf16 gives the loss to its precision, and fp32 gradients", "[torch][models]") {
  ModelConfig c = test::small_model({"text", "image"}, FusionKind::concatenation);
  c.objectives = {1, 1, 1, 0.25, 0.5};
  const models::MultimodalModel exact(c, 3);
  c.precision = Precision::bf16;
  const models::MultimodalModel half(c, 3);
  const models::Batch batch = test::random_batch(c, 6, 4);
  const at::Tensor a = exact.loss(batch).total, b = half.loss(batch).total;
  CHECK(b.scalar_type() == at::kFloat);
  CHECK(std::abs(a.item<double>() - b.item<double>()) < 0.02 * a.item<double>());
  CHECK_FALSE(at::equal(a, b));
  b.backward();
  CHECK(half.parameters().find("image.patch.weight")->value.grad().scalar_type() == at::kFloat);
}

}  // namespace

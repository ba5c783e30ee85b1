// What a model costs, worked out by hand for small configurations, and its spelling as JSON. That the numbers are
// those of the real model is tested where there is LibTorch (tests/backend/multimodal_test.cpp).
#include "sim/models/training/multimodal_model.hpp"

#include <catch2/catch.hpp>

#include "sim/core/json.hpp"
#include "sim/models/training/multimodal_config.hpp"

namespace {
using namespace orrery;

ModelConfig image_classifier() {
  ModelConfig m;
  m.image = ImageConfig{8, 4, 3, {8, 1, 2, 4}};
  m.head = HeadConfig{5, HeadInput::image};
  return m;
}

TEST_CASE("Parameters and FLOPs of one block, added up by hand", "[models][multimodal]") {
  const ModelConfig m = image_classifier();
  // patch 48*8+8 = 392, positions 4*8 = 32; block: norms 2*16, qkv 8*24+24 = 216, out 72, up 8*32+32 = 288,
  // down 32*8+8 = 264; final norm 16; head 8*5+5 = 45.
  CHECK(parameter_count(m).total == 392 + 32 + 32 + 216 + 72 + 288 + 264 + 16 + 45);
  CHECK(parameter_count(m).trainable == parameter_count(m).total);
  CHECK(gradient_bytes(m) == 4 * parameter_count(m).total);
  // Two samples of four tokens: 8 rows. Forward: patch 2*8*48*8 = 6144; qkv 2*8*8*24 = 3072; scores and values
  // 4*2*4*4*8 = 1024; out 1024; up 4096; down 4096; head 2*2*8*5 = 160. Backward twice that, but pixels need none.
  const StepFlops f = step_flops(m, 2);
  CHECK(f.forward == 6144 + 3072 + 1024 + 1024 + 4096 + 4096 + 160);
  CHECK(f.backward == 2 * f.forward - 6144);
}

TEST_CASE("Frozen parameters cost no gradient, no optimiser state and no backward", "[models][multimodal]") {
  ModelConfig m = image_classifier();
  const ParameterCount full = parameter_count(m);
  m.transfer = TransferConfig{TransferMethod::probe, 4, 8};
  CHECK(parameter_count(m).total == full.total);
  CHECK(parameter_count(m).trainable == 45);
  CHECK(step_flops(m, 2).backward == 160);  // the head's weights; its input needs no gradient
  CHECK(step_flops(m, 2, 1, true).forward == 160);
  CHECK(step_memory(m, 2).optimiser == 8 * 45);
  m.transfer->method = TransferMethod::lora;
  // rank 4: qkv 4*(8+24), out 4*16, up 4*40, down 4*40
  CHECK(parameter_count(m).trainable == 45 + 128 + 64 + 160 + 160);
  CHECK(parameter_count(m).total == full.total + 512);
  CHECK(step_flops(m, 2).backward < 2 * step_flops(m, 2).forward);
}

TEST_CASE("Which passes a step makes follows from objectives and fusion", "[models][multimodal]") {
  ModelConfig m;
  m.text = TextConfig{};
  m.image = ImageConfig{};
  m.objectives.contrastive = 1;
  CHECK((passes(m).text == 1 && passes(m).image == 1 && passes(m).fusion == 0));
  m.objectives.masked_text = 1;
  CHECK((passes(m).text == 2 && passes(m).image == 1));
  m.fusion.kind = FusionKind::gated;
  m.objectives.contrastive = 0;
  CHECK((passes(m).text == 1 && passes(m).image == 1 && passes(m).fusion == 1));  // the image is context
  m.objectives.masked_image = 1;
  CHECK((passes(m).text == 2 && passes(m).image == 2 && passes(m).fusion == 2));
  CHECK(why_invalid(m).empty());
  m.fusion.kind = FusionKind::none;
  m.audio = AudioConfig{};
  CHECK(why_invalid(m) == "a modality is used by no objective");
  CHECK(masked_count(16, 0.5) == 8);
  CHECK(masked_count(3, 0.1) == 1);
}

TEST_CASE("A model is written and read back the same; what is wrong is named", "[models][multimodal]") {
  ModelConfig m;
  m.text = TextConfig{300, 16, {32, 1, 2, 2}};
  m.image = ImageConfig{};
  m.audio = AudioConfig{};
  m.fusion = {FusionKind::cross_attention, {48, 2, 4, 3}};
  m.objectives = {1, 0.5, 0.25, 0.2, 0.6};
  m.precision = Precision::bf16;
  CHECK(read_model_config(to_json(m)) == m);
  ModelConfig head = image_classifier();
  head.transfer = TransferConfig{TransferMethod::lora, 2, 4};
  CHECK(read_model_config(to_json(head)) == head);

  const auto preset = read_model_config(nlohmann::json::parse(
      R"({"preset": "small", "image": {"layers": 3}, "text": {}, "objectives": {"contrastive": 1}})"));
  REQUIRE(preset);
  CHECK(preset->image->stack == StackConfig{384, 3, 6, 4});
  CHECK(preset->embedding == 384);

  const auto bad = read_model_config(nlohmann::json::parse(
      R"({"text": {"widht": 3, "heads": -1}, "fusion": {"kind": "glue"}, "objectives": {"masked_text": 1}})"));
  REQUIRE_FALSE(bad);
  REQUIRE(bad.error().items.size() == 3);
  CHECK(bad.error().items[0].message == "`model.text.heads` is -1, not a whole number from 1 to 1000000");
  CHECK(bad.error().items[1].message == "unknown key `model.text.widht`");
  CHECK(bad.error().items[1].hint == "did you mean `width`?");
  // Found by fuzzing catalogues: such bytes come from YAML, and printing them threw.
  CHECK(!read_model_config({{"image", {{"width", "25\x8b"}}}}));
  const auto odd = read_model_config(
      nlohmann::json::parse(R"({"text": {"width": 30, "heads": 4}, "objectives": {"masked_text": 1}})"));
  CHECK(odd.error().items[0].message == "`model` makes no model: text: 4 heads do not divide the width 30");
}

}  // namespace

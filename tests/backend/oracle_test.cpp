// The numerical oracle: the same weights and the same batch through our model and optimiser and through plain PyTorch
// (oracle/oracle.py, with the Python of the same wheel): loss within 1e-5, gradients and ten AdamW steps within 1e-4,
// for every tower, fusion, objective, transfer method. Skipped, visibly, where `import torch` fails.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "backend/trainer/adamw.hpp"
#include "backend/trainer/flat.hpp"
#include "backend/trainer/safetensors.hpp"
#include "orrery_paths.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/multimodal_config.hpp"
#include "tests/backend/support_catch.hpp"
#include "tests/backend/support_models.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/traces.hpp"

namespace {
using namespace orrery;
using trainer::Named;

struct Case {
  std::string name;
  ModelConfig model;
};

std::vector<Case> cases() {
  const std::vector<std::string> both{"text", "image"}, all{"text", "image", "audio"};
  std::vector<Case> list;
  const auto add = [&list](std::string name, ModelConfig m) -> ModelConfig& {
    list.push_back({std::move(name), std::move(m)});
    return list.back().model;
  };
  add("text-mlm", test::small_model({"text"})).objectives.masked_text = 1;
  add("image-mim", test::small_model({"image"})).objectives.masked_image = 1;
  add("audio-head", test::small_model({"audio"})).head = HeadConfig{5, HeadInput::audio};
  add("contrastive", test::small_model(both)).objectives.contrastive = 1;
  add("contrastive-three", test::small_model(all)).objectives.contrastive = 0.5;
  for (const auto& [name, kind] : {std::pair{"concatenation", FusionKind::concatenation},
                                   {"gated", FusionKind::gated},
                                   {"cross", FusionKind::cross_attention}}) {
    ModelConfig& m = add(fmt::format("{}-all-objectives", name), test::small_model(all, kind));
    m.objectives.contrastive = 1;
    m.objectives.masked_text = 0.7;
    m.objectives.masked_image = 0.4;
    add(fmt::format("{}-mlm", name), test::small_model(both, kind)).objectives.masked_text = 1;
    add(fmt::format("{}-head", name), test::small_model(both, kind)).head = HeadConfig{3, HeadInput::fused};
  }
  for (const auto& [name, method] :
       {std::pair{"full", TransferMethod::full}, {"lora", TransferMethod::lora}, {"probe", TransferMethod::probe}}) {
    ModelConfig& m = add(fmt::format("transfer-{}", name), test::small_model({"image"}));
    m.head = HeadConfig{4, HeadInput::image};
    m.transfer = TransferConfig{method, 3, 6};
  }
  ModelConfig& m = add("transfer-lora-cross", test::small_model(both, FusionKind::cross_attention));
  m.head = HeadConfig{2, HeadInput::fused};
  m.transfer = TransferConfig{TransferMethod::lora, 2, 8};
  return list;
}

constexpr trainer::OptimizerConfig kOptimizer{3e-3, 0.9, 0.98, 1e-8, 0.05, 3, true, 0.1, 1.0};
constexpr std::int64_t kSteps = 12;

std::vector<Named> named(models::MultimodalModel& model) {
  std::vector<Named> out;
  for (const models::Parameter& p : model.parameters().all()) out.push_back({p.name, p.value, p.decay});
  return out;
}

// LoRA's B starts at zero, which would hide A's gradient: give every parameter noise.
void shake(models::MultimodalModel& model) {
  const c10::NoGradGuard none;
  auto g = at::detail::createCPUGenerator(99);
  for (const models::Parameter& p : model.parameters().all()) {
    at::Tensor value = p.value;
    value.add_(at::randn(value.sizes(), g) * 0.05);
  }
}

at::Tensor one_step(models::MultimodalModel& model, const models::Batch& batch, trainer::FlatParameters& flat,
                    trainer::AdamW* optimizer, std::int64_t step) {
  flat.zero();
  const at::Tensor loss = model.loss(batch).total / static_cast<double>(batch.size());
  loss.backward();
  if (optimizer) (void)optimizer->step(step, step, kSteps);
  return loss.detach();
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Writes what oracle.py reads.
void write_case(const std::string& folder, const Case& c, std::int64_t batch_size) {
  std::filesystem::create_directories(folder);
  models::MultimodalModel model(c.model, 17);
  shake(model);
  const models::Batch batch = test::random_batch(c.model, batch_size, 23);
  trainer::NamedTensors input, output;
  nlohmann::json trainable = nlohmann::json::array(), decay = nlohmann::json::array();
  for (const models::Parameter& p : model.parameters().all()) {
    input.emplace_back("w." + p.name, p.value.detach().clone());
    if (p.trainable) trainable.push_back(p.name);
    if (p.decay) decay.push_back(p.name);
  }
  const auto put = [&input](const char* name, const at::Tensor& t) {
    if (t.defined()) input.emplace_back(name, t.contiguous());
  };
  put("b.tokens", batch.tokens);
  put("b.text_valid", batch.text_valid);
  put("b.image", batch.image);
  put("b.audio", batch.audio);
  put("b.label", batch.label);
  put("b.masked_tokens", batch.masked_tokens);
  put("b.text_positions", batch.text_positions);
  put("b.text_targets", batch.text_targets);
  put("b.text_weights", batch.text_weights);
  put("b.image_positions", batch.image_positions);
  write(folder + "/input.safetensors", trainer::to_safetensors(input));

  trainer::FlatParameters flat(named(model));
  output.emplace_back("loss", one_step(model, batch, flat, nullptr, 0).clone());
  for (const models::Parameter& p : model.parameters().trainable())
    output.emplace_back("g." + p.name, p.value.grad().detach().clone());
  trainer::AdamW optimizer(flat, kOptimizer);
  at::Tensor last;
  for (std::int64_t step = 0; step < 10; ++step) last = one_step(model, batch, flat, &optimizer, step);
  output.emplace_back("last_loss", last.clone());
  for (const models::Parameter& p : model.parameters().trainable())
    output.emplace_back("s." + p.name, p.value.detach().clone());
  write(folder + "/output.safetensors", trainer::to_safetensors(output));
  const nlohmann::json config{{"model", to_json(c.model)},
                              {"trainable", trainable},
                              {"decay", decay},
                              {"optimizer",
                               {{"lr", kOptimizer.lr},
                                {"betas", {kOptimizer.beta1, kOptimizer.beta2}},
                                {"eps", kOptimizer.eps},
                                {"weight_decay", kOptimizer.weight_decay},
                                {"warmup", kOptimizer.warmup},
                                {"min_lr_ratio", kOptimizer.min_lr_ratio},
                                {"clip", kOptimizer.clip},
                                {"steps", kSteps}}}};
  write(folder + "/config.json", config.dump());
}

// The lines that a command prints; nothing when it fails.
std::optional<std::vector<std::string>> lines_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::vector<std::string> lines;
  std::string line;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    if (c == '\n') {
      lines.push_back(std::exchange(line, {}));
    } else {
      line.push_back(static_cast<char>(c));
    }
  }
  if (::pclose(pipe) != 0) return {};
  return lines;
}

// A Python with the wheel's torch, as a command; empty (and the test counts as skipped) where there is none.
std::string python() {
  const std::filesystem::path site = std::filesystem::path(ORRERY_TORCH_ROOT).parent_path();
  for (const char* interpreter : {"/usr/bin/python3", "python3"}) {
    const std::string command = fmt::format("PYTHONPATH='{}' {} ", site.string(), interpreter);
    if (lines_of(command + "-c 'import torch' 2>/dev/null")) return command;
  }
  test::tally().skipped.emplace_back(test::tally().test, "no Python that can import torch: a lean LibTorch has none");
  return {};
}

TEST_CASE("Losses, gradients and ten optimiser steps are those of PyTorch", "[torch][oracle]") {
  at::set_num_threads(1);
  const std::string py = python();
  if (py.empty()) return;
  const test::TempFolder dir;
  for (const Case& c : cases()) write_case(dir.file(c.name), c, 6);
  const auto lines =
      lines_of(fmt::format("{} {}/tests/backend/oracle/oracle.py check {}", py, ORRERY_SOURCE_DIR, dir.path()));
  REQUIRE(lines);
  REQUIRE(lines->size() == cases().size());
  nlohmann::json worst{{"loss", 0.0}, {"gradient", 0.0}, {"steps", 0.0}};
  for (const std::string& line : *lines) {
    INFO(line);
    const nlohmann::json r = nlohmann::json::parse(line);
    CHECK(r["loss"].get<double>() <= 1e-5);
    CHECK(r["last_loss"].get<double>() <= 1e-4);
    CHECK(r["gradient"].get<double>() <= 1e-4);
    CHECK(r["steps"].get<double>() <= 1e-4);
    CHECK(r["moved"].get<double>() > 1e-3);  // ten steps went somewhere
    for (auto& [key, value] : worst.items()) value = std::max(value.get<double>(), r[key].get<double>());
  }
  WARN(fmt::format("{} cases; largest relative differences: {}", lines->size(), worst.dump()));
}

TEST_CASE("A step takes about as long as the same step from Python", "[.][torch][oracle][speed]") {
  at::set_num_threads(1);
  const std::string py = python();
  if (py.empty()) return;
  const test::TempFolder dir;
  Case c{"speed", test::small_model({"text", "image"}, FusionKind::cross_attention)};
  c.model.text->stack = c.model.image->stack = {128, 4, 4, 4};
  c.model.fusion.stack = {128, 2, 4, 4};
  c.model.objectives = {1, 1, 1, 0.25, 0.5};
  write_case(dir.file(c.name), c, 32);
  models::MultimodalModel model(c.model, 17);
  const models::Batch batch = test::random_batch(c.model, 32, 23);
  trainer::FlatParameters flat(named(model));
  trainer::AdamW optimizer(flat, kOptimizer);
  constexpr int kTimed = 15;
  std::vector<double> ratios;
  for (int round = 0; round < 3; ++round) {  // interleaved, since others use the machine as well
    std::vector<double> ours;
    for (int i = 0; i < kTimed + 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      (void)one_step(model, batch, flat, &optimizer, i);
      if (i >= 3)
        ours.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(ours.begin(), ours.end());
    const auto lines = lines_of(fmt::format("{} {}/tests/backend/oracle/oracle.py time {} {}", py, ORRERY_SOURCE_DIR,
                                            dir.file(c.name), kTimed));
    REQUIRE(lines);
    const double theirs = nlohmann::json::parse(lines->front())["median_ms"];
    ratios.push_back(ours[kTimed / 2] / theirs);
    WARN(fmt::format("round {}: ours {:.1f} ms a step, Python {:.1f} ms, ratio {:.3f}", round, ours[kTimed / 2],
                     theirs, ratios.back()));
  }
  std::sort(ratios.begin(), ratios.end());
  WARN(fmt::format("median ratio {:.3f} (aim: at most 1.15; reported, not gated)", ratios[1]));
  CHECK(ratios[1] > 0);
}

}  // namespace

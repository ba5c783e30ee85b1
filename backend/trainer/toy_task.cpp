// See toy_task.hpp.
#include "backend/trainer/toy_task.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <thread>

#include "sim/core/json.hpp"

namespace orrery::trainer {
namespace {

constexpr std::int64_t kInputs = 8;

// A number in [-1, 1) that depends on (seed, position, which) alone.
float draw(std::uint64_t seed, std::int64_t position, std::int64_t which) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15U + static_cast<std::uint64_t>(position) * 0xbf58476d1ce4e5b9U +
                    static_cast<std::uint64_t>(which) * 0x94d049bb133111ebU;
  for (int round = 0; round < 2; ++round) {
    x ^= x >> 31;
    x *= 0xd6e8feb86659fd93U;
  }
  x ^= x >> 32;
  return static_cast<float>(static_cast<double>(x >> 11) * 0x1p-52 - 1.0);
}

class ToyTask final : public Task {
 public:
  ToyTask(const nlohmann::json& model, const TaskContext& context)
      : context_(context),
        dropout_(model.value("dropout", 0.0)),
        branch_(model.value("branch", true)),
        pause_(model.value("pause_ms", std::int64_t{0})) {
    const auto width = model.value("width", std::int64_t{32});
    at::Generator generator = at::detail::createCPUGenerator(context.seed);
    const auto weight = [&](const char* name, std::int64_t out, std::int64_t in, bool decay) {
      at::Tensor w = at::randn({out, in}, generator) / std::sqrt(static_cast<double>(in));
      parameters_.push_back({name, w.to(context.device).requires_grad_(true), decay});
    };
    weight("first.weight", width, kInputs, true);
    weight("first.bias", 1, width, false);
    weight("branch.weight", width, kInputs, true);
    weight("last.weight", 1, width, true);
    parameters_.push_back({"frozen.scale", at::ones({1}).to(context.device), false});
  }

  std::vector<Named> parameters() override { return parameters_; }

  StepLoss forward(const Share& share) override {
    if (pause_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_));
    at::Tensor zero = at::zeros({}, at::kFloat).to(context_.device);
    if (share.count == 0) return {zero, {{"error", zero}}};
    at::Tensor x = at::empty({share.count, kInputs}, at::kFloat);
    at::Tensor in_branch = at::zeros({share.count, 1}, at::kFloat);
    for (std::int64_t i = 0; i < share.count; ++i) {
      const std::int64_t position = share.first + i;
      for (std::int64_t k = 0; k < kInputs; ++k)
        x.mutable_data_ptr<float>()[i * kInputs + k] = draw(context_.seed, position, k);
      in_branch.mutable_data_ptr<float>()[i] = position % 3 == 0 ? 1.0F : 0.0F;
    }
    const bool uses_branch = branch_ && in_branch.sum().item<float>() > 0;
    const at::Tensor wanted = (x.select(1, 0) * x.select(1, 1) + x.select(1, 2)).to(context_.device);
    x = x.to(context_.device);
    at::Tensor hidden = at::linear(x, parameters_[0].tensor) + parameters_[1].tensor;
    if (uses_branch) hidden = hidden + in_branch.to(context_.device) * at::linear(x, parameters_[2].tensor);
    hidden = at::gelu(hidden);
    if (dropout_ > 0) hidden = at::dropout(hidden, dropout_, true);
    const at::Tensor y = at::linear(hidden, parameters_[3].tensor).squeeze(1).to(at::kFloat);
    const at::Tensor error = (y - wanted) * parameters_[4].tensor;
    const auto global = static_cast<double>(share.global_batch);
    return {error.square().sum() / global, {{"error", error.detach().abs().sum() / global}}};
  }

  std::string state() override { return "toy"; }

 private:
  TaskContext context_;
  double dropout_;
  bool branch_;
  std::int64_t pause_;
  std::vector<Named> parameters_{};
};

}  // namespace

Expected<std::unique_ptr<Task>> make_toy_task(const nlohmann::json& config, const TaskContext& context) {
  try {
    return std::make_unique<ToyTask>(config.value("model", nlohmann::json::object()), context);
  } catch (const nlohmann::json::exception& e) {
    return fail(std::string("task `toy`: ") + e.what());
  }
}

}  // namespace orrery::trainer

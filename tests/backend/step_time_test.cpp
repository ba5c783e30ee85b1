// The step simulator against steps of the real trainer. A device is calibrated on the parts of some models (towers,
// fusion, losses, data, optimiser, each measured inside the training loop); the steps of other models, of other
// widths, depths, fusions, batches and micro-batches, and of two ranks, are simulated from their configuration alone.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "backend/trainer/rendezvous.hpp"
#include "backend/trainer/session.hpp"
#include "sim/models/multimodal_config.hpp"
#include "sim/models/trainer_step.hpp"
#include "tests/backend/support_step_times.hpp"
#include "tests/support/temp_dir.hpp"

// Last, since torch has a CHECK of its own.
#include <catch2/catch.hpp>

namespace {
using namespace orrery;
using Json = nlohmann::json;

struct Case {
  const char* name;
  ModelConfig model;
  std::int64_t batch = 8;  // of a rank's micro-batch
  int micro_batches = 1;
};

ModelConfig model_of(const std::vector<std::string>& modalities, FusionKind fusion, std::int64_t width,
                     std::int64_t layers) {
  ModelConfig m;
  const StackConfig stack{width, layers, 4, 4};
  for (const std::string& name : modalities) {
    if (name == "text") m.text = TextConfig{400, 24, stack};
    if (name == "image") m.image = ImageConfig{32, 4, 3, stack};
    if (name == "audio") m.audio = AudioConfig{32, 32, 4, 4, stack};
  }
  m.fusion = {fusion, {width, 1, 4, 4}};
  m.embedding = 64;
  m.objectives = {1, 0, 0};
  if (fusion != FusionKind::none) m.objectives = {1, 1, 1};
  return m;
}

const std::vector<std::string> kTwo{"text", "image"}, kThree{"text", "image", "audio"};

std::vector<Case> calibration() {
  return {{"contrastive, width 64, 2 layers", model_of(kTwo, FusionKind::none, 64, 2), 8},
          {"contrastive, width 192, 4 layers", model_of(kTwo, FusionKind::none, 192, 4), 8},
          {"concatenation, three modalities, width 96", model_of(kThree, FusionKind::concatenation, 96, 2), 16},
          {"cross-attention, width 128, batch 4", model_of(kTwo, FusionKind::cross_attention, 128, 1), 4}};
}

std::vector<Case> held_out() {
  return {{"contrastive, width 128, 3 layers, 2 micro-batches", model_of(kTwo, FusionKind::none, 128, 3), 8, 2},
          {"concatenation, width 128, 2 layers", model_of(kTwo, FusionKind::concatenation, 128, 2), 8},
          {"cross-attention, three modalities, width 96", model_of(kThree, FusionKind::cross_attention, 96, 2), 8},
          {"gated, three modalities, width 160, batch 12", model_of(kThree, FusionKind::gated, 160, 2), 12},
          {"concatenation, width 256, batch 4", model_of(kTwo, FusionKind::concatenation, 256, 2), 4}};
}

// One rank of a job, as a session that is stepped by hand.
class Trainee {
 public:
  Trainee(const Case& c, const std::string& folder, trainer::Communicator& gradients, trainer::Communicator& own)
      : case_(c) {
    const Json data = {{"kind", "pairs"}, {"samples", 256}, {"sound", true}};
    const Json config = {{"task", "multimodal"},
                         {"steps", 1000},
                         {"global_batch", c.batch * c.micro_batches * gradients.world()},
                         {"micro_batch", c.batch},
                         {"model", to_json(c.model)},
                         {"data", {{"folder", "pairs"}, {"make", data}}}};
    trainer::TaskContext context;
    context.comm = &own;
    context.work_folder = folder;
    auto session = trainer::Session::make(config, context, gradients);
    if (!session) throw std::runtime_error(render(session.error()));
    session_ = *std::move(session);
  }
  // A step by its parts, in CPU time of this thread.
  void step_by_parts() {
    test::StepRecorder recorder;
    recorder.start();
    (void)session_->step(false);
    steps_.push_back(recorder.stop(case_.micro_batches));
  }
  void step() {
    const double began = test::clock_s(CLOCK_MONOTONIC);
    (void)session_->step(false);
    walls_.push_back(test::clock_s(CLOCK_MONOTONIC) - began);
  }
  // Of all steps but the first three.
  [[nodiscard]] test::StepTimes by_parts() const {
    return test::median(std::vector<test::StepTimes>(steps_.begin() + 3, steps_.end()));
  }
  [[nodiscard]] double wall() const { return test::median(std::vector<double>(walls_.begin() + 3, walls_.end())); }
  [[nodiscard]] const Case& what() const { return case_; }
  [[nodiscard]] const trainer::Buckets& buckets() const { return session_->buckets(); }
  // CPU seconds of preparing a sample, in a thread of its own.
  [[nodiscard]] double prepare_s() const { return session_->task().data_cost().us_per_sample * 1e-6; }

 private:
  Case case_;
  std::unique_ptr<trainer::Session> session_;
  std::vector<test::StepTimes> steps_;
  std::vector<double> walls_;
};

// What is neither model nor optimiser: data, and the little between the parts.
double between(const test::StepTimes& t, int micro_batches) {
  return t.rest.at("data") + t.rest.at("other") / micro_batches;
}

TrainerDevice calibrated(const std::vector<std::unique_ptr<Trainee>>& trainees) {
  std::vector<TimedWork> forward, backward, data, optimiser;
  for (const auto& trainee : trainees) {
    const Case& c = trainee->what();
    const test::StepTimes t = trainee->by_parts();
    const ModelCost cost = walk_cost(c.model, c.batch, 1, false);
    REQUIRE(t.phases.size() == cost.phases.size());
    for (std::size_t p = 0; p < t.phases.size(); ++p) {
      REQUIRE(t.phases[p].name == name_of(cost.phases[p].part));  // the simulator's phases are the model's
      forward.push_back({cost.phases[p].forward, t.phases[p].forward});
      backward.push_back({cost.phases[p].backward, t.phases[p].backward});
    }
    data.push_back({data_work(c.model, c.batch), between(t, c.micro_batches)});
    optimiser.push_back({optimiser_work(cost.parameters.trainable, static_cast<std::int64_t>(cost.pieces.size())),
                         t.rest.at("optimiser")});
  }
  return {fit_speed(forward), fit_speed(backward), fit_speed(data), fit_speed(optimiser), {}, false};
}

void tell(const char* what, const DeviceSpeed& s) {
  std::printf("| %s | %.1f | %.0f | %.1f | %.2f | %.1f |\n", what, s.max_flops_per_s() / 1e9, s.half_rows(),
              s.attention_flop_s > 0 ? 1e-9 / s.attention_flop_s : 0, s.value_s > 0 ? 4e-9 / s.value_s : 0,
              s.call_s * 1e6);
}

void dump(const Trainee& trainee, const TrainerDevice& device) {
  const Case& c = trainee.what();
  const test::StepTimes t = trainee.by_parts();
  const ModelCost cost = walk_cost(c.model, c.batch, 1, false);
  std::printf("CASE|%s|%d|%.6f\n", c.name, c.micro_batches, t.total * 1e3);
  const auto print = [](const char* what, const std::string& name, const DeviceWork& w, double s, double simulated) {
    std::printf("%s|%s|%ld|%ld|%ld|%ld|%ld|%.6f|%.6f\n", what, name.c_str(), w.flops, w.weights, w.attention_flops,
                w.values, w.calls, s * 1e3, simulated * 1e3);
  };
  for (std::size_t p = 0; p < t.phases.size(); ++p) {
    const ModelPhase& phase = cost.phases[p];
    print("F", t.phases[p].name, phase.forward, t.phases[p].forward, device.forward.seconds(phase.forward));
    print("B", t.phases[p].name, phase.backward, t.phases[p].backward, device.backward.seconds(phase.backward));
  }
  const DeviceWork o = optimiser_work(cost.parameters.trainable, static_cast<std::int64_t>(cost.pieces.size()));
  print("O", "optimiser", o, t.rest.at("optimiser"), device.optimiser.seconds(o));
  const DeviceWork d = data_work(c.model, c.batch);
  print("D", "data", d, t.rest.at("data"), device.data.seconds(d));
  for (const auto& [name, s] : t.rest) std::printf("R|%s|%.6f\n", name.c_str(), s * 1e3);
}

// Runs `body` as both ranks of a gang of two, threads with Gloo between them.
void as_two_ranks(const std::function<void(int rank, trainer::Communicator& gradients, trainer::Communicator& own)>&
                      body) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::exception_ptr failures[2];
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&, r] {
      try {
        at::set_num_threads(1);
        const auto gradients = trainer::make_gloo_communicator(store, "gradients", r, 2);
        const auto own = trainer::make_gloo_communicator(store, "task", r, 2);
        body(r, *gradients, *own);
      } catch (...) {
        failures[r] = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& f : failures)
    if (f) std::rethrow_exception(f);
}

// Median seconds of an all-reduce of `bytes` by itself.
double all_reduce_s(trainer::Communicator& comm, std::int64_t bytes) {
  const at::Tensor t = at::zeros({bytes / 4}, at::TensorOptions().dtype(at::kFloat));
  std::vector<double> all;
  for (int i = 0; i < 25; ++i) {
    (void)comm.max(0);
    const double began = test::clock_s(CLOCK_MONOTONIC);
    comm.all_reduce_sum(t)();
    all.push_back(test::clock_s(CLOCK_MONOTONIC) - began);
  }
  return test::median(std::vector<double>(all.begin() + 5, all.end()));
}

void table_head() {
  std::printf("| configuration | ranks | measured ms | simulated ms | error |\n|---|---|---|---|---|\n");
}
void row(const char* name, int ranks, double measured, double simulated) {
  std::printf("| %s | %d | %.1f | %.1f | %+.0f %% |\n", name, ranks, measured * 1e3, simulated * 1e3,
              (simulated / measured - 1) * 100);
}

}  // namespace

TEST_CASE("simulated steps are those that were measured", "[torch][cost][steps][explore]") {
  at::set_num_threads(1);
  const test::TempFolder folder;
  const auto alone = trainer::make_lonely_communicator();
  std::vector<std::unique_ptr<Trainee>> known, others;
  for (const Case& c : calibration())
    known.push_back(std::make_unique<Trainee>(c, folder.file("job"), *alone, *alone));
  for (const Case& c : held_out())
    others.push_back(std::make_unique<Trainee>(c, folder.file("job"), *alone, *alone));
  for (int i = 0; i < 18; ++i)  // in turn, so that a slow moment of the machine hits all alike
    for (auto* set : {&known, &others})
      for (auto& trainee : *set) trainee->step_by_parts();

  const TrainerDevice device = calibrated(known);
  std::printf("| speed | GFLOP/s | half at rows | attention GFLOP/s | element-wise GB/s | us a call |\n");
  tell("forward", device.forward);
  tell("backward", device.backward);
  tell("optimiser", device.optimiser);
  tell("data", device.data);
    for (auto* set : {&known, &others})
      for (auto& trainee : *set) dump(*trainee, device);
  table_head();
  for (auto* set : {&known, &others})
    for (const auto& trainee : *set) {
      const Case& c = trainee->what();
      const double simulated =
          to_seconds(trainer_step(step_program(c.model, c.batch, c.micro_batches, 1, device)).run().total);
      const double measured = trainee->by_parts().total;
      row(c.name, 1, measured, simulated);
      INFO(c.name);
      CHECK(simulated / measured > 0.8);
      CHECK(simulated / measured < 1.25);
    }
}

TEST_CASE("simulated steps of two ranks", "[torch][cost][steps][explore]") {
  const test::TempFolder folder;
  std::vector<Case> cases = held_out();
  cases.resize(3);
  cases.push_back({"contrastive, width 256, 3 layers", model_of(kTwo, FusionKind::none, 256, 3), 8});
  TrainerDevice device;
  double small_s = 0, large_s = 0, prepare_s = 0;
  constexpr std::int64_t kSmall = 128 << 10, kLarge = 2 << 20;
  std::vector<double> measured(cases.size());
  std::vector<std::string> overlap(cases.size());
  as_two_ranks([&](int rank, trainer::Communicator& gradients, trainer::Communicator& own) {
    const double small = all_reduce_s(gradients, kSmall), large = all_reduce_s(gradients, kLarge);
    const auto alone = trainer::make_lonely_communicator();
    std::vector<std::unique_ptr<Trainee>> known, pairs;
    for (const Case& c : calibration())
      known.push_back(std::make_unique<Trainee>(c, folder.file("job"), *alone, *alone));
    for (const Case& c : cases) pairs.push_back(std::make_unique<Trainee>(c, folder.file("job"), gradients, own));
    for (int i = 0; i < 13; ++i) {
      for (auto& trainee : known) {  // calibrated while the other core works, too
        (void)own.max(0);
        trainee->step_by_parts();
      }
      for (auto& trainee : pairs) {
        (void)own.max(0);
        trainee->step();
      }
    }
    if (rank != 0) return;
    small_s = small, large_s = large;
    device = calibrated(known);
    prepare_s = known.front()->prepare_s();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      measured[i] = pairs[i]->wall();
      overlap[i] = fmt::format("{} of {}", pairs[i]->buckets().overlapped(), pairs[i]->buckets().count());
    }
  });
  // Two ranks: T = 2 alpha + S / B.
  device.link.bytes_per_s = static_cast<double>(kLarge - kSmall) / std::max(large_s - small_s, 1e-9);
  device.link.latency_s = std::max(0.0, small_s - kSmall / device.link.bytes_per_s) / 2;
  std::printf("all-reduce: latency %.0f us a hop, %.2f GB/s (%.2f, %.2f ms); sample prepared in %.0f us\n",
              device.link.latency_s * 1e6, device.link.bytes_per_s / 1e9, small_s * 1e3, large_s * 1e3,
              prepare_s * 1e6);
  tell("forward", device.forward);
  tell("backward", device.backward);
  table_head();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const auto simulate = [&](bool moves_bytes, int ranks) {
      StepProgram p = step_program(c.model, c.batch, c.micro_batches, ranks, device);
      // Both cores train: samples are prepared, and bytes moved, in their time.
      p.data = p.data + Duration{static_cast<std::int64_t>(prepare_s * static_cast<double>(c.batch) * 1e9)};
      p.device_moves_bytes = moves_bytes;
      return to_seconds(trainer_step(p).run().total);
    };
    const double simulated = simulate(true, 2);
    row(c.name, 2, measured[i], simulated);
    std::printf("  free engine %.1f ms, one rank %.1f ms, buckets under way %s\n", simulate(false, 2) * 1e3,
                simulate(true, 1) * 1e3, overlap[i].c_str());
    INFO(c.name);
    CHECK(simulated / measured[i] > 0.5);
    CHECK(simulated / measured[i] < 1.8);
  }
}

// The step simulator against steps of the real trainer. A device is calibrated on the parts of some models (towers,
// fusion, losses, data, optimiser, each measured inside the training loop); the steps of other models, of other
// widths, depths, fusions, batches and micro-batches, and of two ranks, are simulated from their configuration alone.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "backend/trainer/rendezvous.hpp"
#include "backend/trainer/session.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/multimodal_config.hpp"
#include "sim/models/training/trainer_step.hpp"
#include "tests/backend/support_step_times.hpp"
#include "tests/support/temp_dir.hpp"

// Last, since torch has a CHECK of its own.
#include <catch2/catch.hpp>

namespace {
using namespace orrery;
using Json = nlohmann::json;

struct StepCase {
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

std::vector<StepCase> calibration() {
  return {{"contrastive, width 64, 2 layers", model_of(kTwo, FusionKind::none, 64, 2), 8},
          {"contrastive, width 192, 4 layers", model_of(kTwo, FusionKind::none, 192, 4), 8},
          {"concatenation, three modalities, width 96", model_of(kThree, FusionKind::concatenation, 96, 2), 16},
          {"cross-attention, width 128, batch 4", model_of(kTwo, FusionKind::cross_attention, 128, 1), 4}};
}

std::vector<StepCase> held_out() {
  return {{"contrastive, width 128, 3 layers, 2 micro-batches", model_of(kTwo, FusionKind::none, 128, 3), 8, 2},
          {"concatenation, width 128, 2 layers", model_of(kTwo, FusionKind::concatenation, 128, 2), 8},
          {"cross-attention, three modalities, width 96", model_of(kThree, FusionKind::cross_attention, 96, 2), 8},
          {"gated, three modalities, width 160, batch 12", model_of(kThree, FusionKind::gated, 160, 2), 12},
          {"concatenation, width 256, batch 4", model_of(kTwo, FusionKind::concatenation, 256, 2), 4}};
}

// One rank of a job, as a session that is stepped by hand.
class Trainee {
 public:
  // By `clock`; `folder` of the job, the data lie beside it.
  Trainee(const StepCase& c, const std::string& folder, trainer::Communicator& gradients, trainer::Communicator& own,
          clockid_t clock)
      : case_(c), clock_(clock) {
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
  void step_by_parts() {
    test::StepRecorder recorder(clock_);
    recorder.start();
    (void)session_->step(false);
    steps_.push_back(recorder.stop(case_.micro_batches));
  }
  void step() {
    const double began = test::clock_s(clock_);
    (void)session_->step(false);
    seconds_.push_back(test::clock_s(clock_) - began);
  }
  // Of all steps but the first three.
  [[nodiscard]] test::StepTimes by_parts() const {
    return test::median(std::vector<test::StepTimes>(steps_.begin() + 3, steps_.end()));
  }
  [[nodiscard]] const std::vector<test::StepTimes>& steps() const { return steps_; }
  [[nodiscard]] double seconds() const {
    return test::median(std::vector<double>(seconds_.begin() + 3, seconds_.end()));
  }
  [[nodiscard]] const StepCase& what() const { return case_; }
  [[nodiscard]] const trainer::Buckets& buckets() const { return session_->buckets(); }

 private:
  StepCase case_;
  clockid_t clock_;
  std::unique_ptr<trainer::Session> session_;
  std::vector<test::StepTimes> steps_;
  std::vector<double> seconds_;
};

// What is neither model nor optimiser: data, and the little between the parts.
double between(const test::StepTimes& t, int micro_batches) {
  return t.rest.at("data") + t.rest.at("other") / micro_batches;
}

TrainerDevice calibrated(const std::vector<std::unique_ptr<Trainee>>& trainees) {
  std::vector<TimedWork> forward, backward, data, optimiser;
  for (const auto& trainee : trainees) {
    const StepCase& c = trainee->what();
    const test::StepTimes t = trainee->by_parts();
    const ModelCost cost = walk_cost(c.model, c.batch, 1, false);
    REQUIRE(t.phases.size() == cost.phases.size());
    for (std::size_t p = 0; p < t.phases.size(); ++p) {
      REQUIRE(t.phases[p].name == name_of(cost.phases[p].part));  // the simulator's phases are the model's
      forward.push_back({cost.phases[p].forward, t.phases[p].forward});
      backward.push_back({cost.phases[p].backward, t.phases[p].backward});
    }
    data.push_back({data_work(c.model, cost, c.batch), between(t, c.micro_batches)});
    optimiser.push_back({optimiser_work(cost.parameters.trainable, static_cast<std::int64_t>(cost.pieces.size())),
                         t.rest.at("optimiser")});
  }
  return {fit_speed(forward), fit_speed(backward), fit_speed(data), fit_speed(optimiser), {}, false};
}

void speeds_head() {
  std::printf(
      "| speed | GFLOP/s | half at rows | attention GFLOP/s | element-wise GB/s | us a call |\n"
      "|---|---|---|---|---|---|\n");
}
void tell(const char* what, const DeviceSpeed& s) {
  std::printf("| %s | %.1f | %.0f | %.1f | %.2f | %.1f |\n", what, s.max_flops_per_s() / 1e9, s.half_rows(),
              s.attention_flop_s > 0 ? 1e-9 / s.attention_flop_s : 0.0, s.value_s > 0 ? 4e-9 / s.value_s : 0.0,
              s.call_s * 1e6);
}

// What a step's time goes into, in per cent, by kind of work.
struct Shares {
  double products = 0, attention = 0, pointwise = 0, calls = 0, rest = 0;
};
Shares shares_of(const StepCase& c, const TrainerDevice& device) {
  const ModelCost cost = walk_cost(c.model, c.batch, 1, false);
  Shares s;
  const auto add = [&s](const DeviceWork& w, const DeviceSpeed& speed) {
    s.products += speed.seconds({w.flops, w.weights, 0, 0, 0});
    s.attention += speed.seconds({0, 0, w.attention_flops, 0, 0});
    s.pointwise += speed.seconds({0, 0, 0, w.values, 0});
    s.calls += speed.seconds({0, 0, 0, 0, w.calls});
  };
  for (const ModelPhase& p : cost.phases) add(p.forward, device.forward), add(p.backward, device.backward);
  const double whole = to_seconds(trainer_step(step_program(c.model, c.batch, 1, 1, device)).run().total);
  s.rest = whole - s.products - s.attention - s.pointwise - s.calls;
  for (double* part : {&s.products, &s.attention, &s.pointwise, &s.calls, &s.rest}) *part *= 100 / whole;
  return s;
}

// Runs `body` as both ranks of a gang of two, threads with Gloo between them.
void as_two_ranks(
    const std::function<void(int rank, trainer::Communicator& gradients, trainer::Communicator& own)>& body) {
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
void row(const char* name, const char* ranks, double measured, double simulated) {
  std::printf("| %s | %s | %.1f | %.1f | %+.0f %% |\n", name, ranks, measured * 1e3, simulated * 1e3,
              (simulated / measured - 1) * 100);
}

}  // namespace

TEST_CASE("simulated steps are those that were measured", "[torch][cost][steps]") {
  at::set_num_threads(1);
  const test::TempFolder folder;
  const auto alone = trainer::make_lonely_communicator();
  // CPU time of the thread that trains: others on the same machine do not stretch it.
  const auto trainees = [&](const std::vector<StepCase>& cases) {
    std::vector<std::unique_ptr<Trainee>> all;
    for (const StepCase& c : cases)
      all.push_back(std::make_unique<Trainee>(c, folder.file("job"), *alone, *alone, CLOCK_THREAD_CPUTIME_ID));
    return all;
  };
  const auto known = trainees(calibration()), others = trainees(held_out());
  for (int i = 0; i < 14; ++i)  // in turn, so that a slow moment of the machine hits all alike
    for (const auto* set : {&known, &others})
      for (const auto& trainee : *set) trainee->step_by_parts();

  const TrainerDevice device = calibrated(known);
  speeds_head();
  tell("forward", device.forward);
  tell("backward", device.backward);
  tell("optimiser", device.optimiser);
  tell("between the parts", device.data);
  std::printf("\n");
  table_head();
  std::vector<double> errors;
  for (const auto* set : {&known, &others})
    for (const auto& trainee : *set) {
      const StepCase& c = trainee->what();
      const double simulated =
          to_seconds(trainer_step(step_program(c.model, c.batch, c.micro_batches, 1, device)).run().total);
      const double measured = trainee->by_parts().total;
      row(c.name, set == &known ? "calibration" : "1", measured, simulated);
      if (set == &known) continue;
      // Within 10 % on a quiet machine; a core that changes its speed half-way spoils single ones.
      errors.push_back(simulated > measured ? simulated / measured - 1 : 1 - simulated / measured);
      INFO(c.name);
      CHECK(simulated / measured > 0.75);
      CHECK(simulated / measured < 1.35);
    }
  CHECK(test::median(errors) < 0.12);
  std::printf(
      "\n| of the step | products | attention | element-wise | calls | optimiser, data |\n"
      "|---|---|---|---|---|---|\n");
  for (const auto& trainee : others) {
    const Shares s = shares_of(trainee->what(), device);
    std::printf("| %s | %.0f %% | %.0f %% | %.0f %% | %.0f %% | %.0f %% |\n", trainee->what().name, s.products,
                s.attention, s.pointwise, s.calls, s.rest);
  }
  std::printf("\n");
}

TEST_CASE("simulated steps of two ranks are those that were measured", "[torch][cost][steps]") {
  const test::TempFolder folder;
  {
    const auto alone = trainer::make_lonely_communicator();
    const Trainee makes_the_data(calibration().front(), folder.file("job"), *alone, *alone, CLOCK_MONOTONIC);
  }
  std::vector<StepCase> cases = held_out();
  cases.resize(3);
  cases.push_back({"contrastive, width 256, 3 layers", model_of(kTwo, FusionKind::none, 256, 3), 8});
  TrainerDevice device;
  double small_s = 0, large_s = 0;
  constexpr std::int64_t kSmall = 128 << 10, kLarge = 2 << 20;
  std::vector<double> measured(cases.size());
  std::vector<std::vector<double>> alone_s[2];  // [rank][model][step]
  std::vector<std::string> overlap(cases.size());
  as_two_ranks([&](int rank, trainer::Communicator& gradients, trainer::Communicator& own) {
    const double small = all_reduce_s(gradients, kSmall), large = all_reduce_s(gradients, kLarge);
    // Calibrated while the other core trains, too, and by the clock on the wall: that is how these ranks will run.
    const auto alone = trainer::make_lonely_communicator();
    std::vector<std::unique_ptr<Trainee>> known, pairs;
    for (const StepCase& c : calibration())
      known.push_back(std::make_unique<Trainee>(c, folder.file("job"), *alone, *alone, CLOCK_MONOTONIC));
    for (const StepCase& c : cases)
      pairs.push_back(std::make_unique<Trainee>(c, folder.file("job"), gradients, own, CLOCK_MONOTONIC));
    for (int i = 0; i < 12; ++i) {
      for (const auto& trainee : known) {
        (void)own.max(0);
        trainee->step_by_parts();
      }
      for (const auto& trainee : pairs) {
        (void)own.max(0);
        trainee->step();
      }
    }
    for (const auto& trainee : known) {
      alone_s[rank].emplace_back();
      for (std::size_t i = 3; i < trainee->steps().size(); ++i)
        alone_s[rank].back().push_back(trainee->steps()[i].total);
    }
    if (rank != 0) return;
    small_s = small, large_s = large;
    device = calibrated(known);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      measured[i] = pairs[i]->seconds();
      overlap[i] = fmt::format("{} of {}", pairs[i]->buckets().overlapped(), pairs[i]->buckets().count());
    }
  });
  // Two ranks: T = 2 alpha + S / B. Both cores train, so they move the bytes as well.
  device.link.bytes_per_s = static_cast<double>(kLarge - kSmall) / std::max(large_s - small_s, 1e-6);
  device.link.latency_s = std::max(0.0, small_s - kSmall / device.link.bytes_per_s) / 2;
  device.moves_bytes = true;
  // The models of the calibration began their steps together.
  double slower = 0, typical = 0;
  for (std::size_t k = 0; k < alone_s[0].size(); ++k) {
    typical += test::median(alone_s[0][k]);
    std::vector<double> both;
    for (std::size_t i = 0; i < alone_s[0][k].size(); ++i)
      both.push_back(std::max(alone_s[0][k][i], alone_s[1][k][i]));
    slower += test::median(both);
  }
  device.slowest_rank = std::max(1.0, slower / typical);
  std::printf("all-reduce: %.0f us a hop, %.2f GB/s (128 KiB in %.2f ms, 2 MiB in %.2f ms); slower rank: %.2f\n\n",
              device.link.latency_s * 1e6, device.link.bytes_per_s / 1e9, small_s * 1e3, large_s * 1e3,
              device.slowest_rank);
  speeds_head();
  tell("forward", device.forward);
  tell("backward", device.backward);
  std::printf("\n");
  table_head();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const StepCase& c = cases[i];
    const double simulated =
        to_seconds(trainer_step(step_program(c.model, c.batch, c.micro_batches, 2, device)).run().total);
    row(c.name, "2", measured[i], simulated);
    INFO(c.name << ": all-reduces under way before the end of backward: " << overlap[i]);
    CHECK(simulated / measured[i] > 0.5);
    CHECK(simulated / measured[i] < 1.6);
  }
}

// The training loop without processes: ranks are threads of this program with real Gloo groups between them.
#include "tests/backend/support_catch.hpp"

#include "backend/trainer/session.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <torch/csrc/autograd/autograd.h>
#include <cmath>

#include "backend/trainer/safetensors.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_ranks.hpp"

namespace {

using namespace orrery;
using namespace orrery::trainer;
using nlohmann::json;
using test::as_ranks;
using test::make;

json toy(std::int64_t batch = 24) {
  return {{"task", "toy"},
          {"steps", 20},
          {"global_batch", batch},
          {"seed", 3},
          {"bucket_bytes", 512},
          {"model", {{"width", 32}}},
          {"optimizer", {{"lr", 0.01}, {"warmup", 4}, {"weight_decay", 0.1}}}};
}

// One rank's losses.
std::vector<double> train_alone(const json& config, int steps, std::uint32_t* checksum = nullptr) {
  std::vector<double> losses;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    for (int i = 0; i < steps; ++i) losses.push_back(session->step(true).loss);
    if (checksum != nullptr) *checksum = session->checksum();
  });
  return losses;
}

TEST_CASE("The loss of the toy task falls", "[torch][session]") {
  json config = toy();
  config["steps"] = 150;
  const std::vector<double> losses = train_alone(config, 150);
  CHECK(losses.back() < losses.front() / 3);
}

TEST_CASE("Two ranks of b samples train as one rank of 2b", "[torch][session]") {
  const std::vector<double> alone = train_alone(toy(), 20);
  for (const int world : {2, 3}) {
    std::vector<double> losses;
    std::size_t overlapped = 0;
    as_ranks(world, [&](int rank, Communicator& gradients, const TaskContext& context) {
      const auto session = make(toy(), context, gradients);
      for (int i = 0; i < 20; ++i) {
        const StepReport report = session->step(true);
        if (rank == 0) losses.push_back(report.loss);
        if (!session->ranks_agree()) throw std::runtime_error("the ranks' parameters differ");
      }
      if (rank == 0) overlapped = session->buckets().overlapped();
      if (session->buckets().count() < 3) throw std::runtime_error("too few buckets for a test");
    });
    REQUIRE(losses.size() == alone.size());
    CHECK(std::abs(losses.back() - alone.back()) <= 1e-5 * std::abs(alone.back()));
    INFO("buckets under way before backward was over: " << overlapped);
    CHECK(overlapped > 0);
  }
}

TEST_CASE("Accumulated micro batches are one batch", "[torch][session]") {
  json config = toy();
  const std::vector<double> whole = train_alone(config, 20);
  config["micro_batch"] = 5;
  const std::vector<double> parts = train_alone(config, 20);
  CHECK(std::abs(whole.back() - parts.back()) <= 1e-5 * std::abs(whole.back()));
}

// Updates of twice the batch, each by hand in double from the moments that the session keeps. The second of them was
// corrected as if it were the third, where the schedule stands by then.
TEST_CASE("After another batch AdamW counts its updates, not the samples", "[torch][session][adamw][reconfigure]") {
  json config = toy();
  config["optimizer"] = {{"lr", 0.01}, {"warmup", 0}, {"schedule", "constant"}, {"weight_decay", 0.0}};
  config["model"]["branch"] = false;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    const auto tensor = [&](const char* file, const char* name) {
      for (const live::CheckpointFile& f : session->save())
        if (f.name == file) return from_safetensors(f.bytes, f.name)->at(name).to(at::kDouble);
      throw std::runtime_error("no such tensor");
    };
    REQUIRE(session->reconfigure(48, 0));
    for (int update = 1; update <= 3; ++update) {
      const at::Tensor before = tensor("model.safetensors", "model.last.weight");
      session->step(false);
      const at::Tensor mean = tensor("optim.safetensors", "optim.last.weight.exp_avg");
      const at::Tensor square = tensor("optim.safetensors", "optim.last.weight.exp_avg_sq");
      const at::Tensor root = (square / (1 - std::pow(0.999, update))).sqrt() + 1e-8;
      const at::Tensor expected = before - 0.01 * mean / (1 - std::pow(0.9, update)) / root;
      const at::Tensor after = tensor("model.safetensors", "model.last.weight");
      CHECK((after - expected).abs().max().item<double>() < 1e-6);
    }
  });
}

// Three steps of 24 samples, then four of 48 in two micro batches: positions 72 to 263, on any number of ranks.
TEST_CASE("Another batch from a step on: the samples go on where they were", "[torch][session][reconfigure]") {
  std::vector<double> alone;
  std::uint32_t whole = 0;
  for (const int world : {1, 2}) {
    std::vector<double> losses;
    as_ranks(world, [&](int rank, Communicator& gradients, const TaskContext& context) {
      const auto session = make(toy(), context, gradients);
      for (int i = 0; i < 7; ++i) {
        if (i == 3 && !session->reconfigure(48, 1)) throw std::runtime_error("refused");
        const double loss = session->step(true).loss;
        if (rank == 0) losses.push_back(loss);
      }
      if (!session->ranks_agree()) throw std::runtime_error("the ranks' parameters differ");
      if (world == 1) whole = session->checksum();
    });
    if (world == 1) alone = losses;
    REQUIRE(losses.size() == 7);
    for (std::size_t i = 0; i < 7; ++i) CHECK(std::abs(losses[i] - alone[i]) <= 1e-5 * std::abs(alone[i]));
  }
  // Stopped after five steps and started again with that batch.
  std::vector<live::CheckpointFile> files;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(toy(), context, gradients);
    for (int i = 0; i < 5; ++i) {
      if (i == 3) REQUIRE(session->reconfigure(48, 1));
      session->step(false);
    }
    files = session->save();
  });
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(toy(), context, gradients);
    REQUIRE(session->reconfigure(48, 1));
    REQUIRE(session->load(files));
    for (int i = 0; i < 2; ++i) session->step(false);
    CHECK(session->checksum() == whole);
  });
}

TEST_CASE("A batch that cannot be split is refused, and nothing changes", "[torch][session][reconfigure]") {
  json config = toy();
  config["micro_batch"] = 24;
  const std::vector<double> straight = train_alone(config, 6);
  std::vector<double> losses;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    for (int i = 0; i < 6; ++i) {
      if (i == 2) CHECK_FALSE(session->reconfigure(2, 3));   // four micro batches of two samples
      if (i == 3) CHECK_FALSE(session->reconfigure(96, 1));  // 48 at once
      if (i == 4) CHECK(session->reconfigure(0, 0));
      losses.push_back(session->step(true).loss);
    }
  });
  CHECK(losses == straight);
}

TEST_CASE("A parameter that no sample of a rank uses has a zero gradient there, not a missing bucket",
          "[torch][session]") {
  // Batch 2 on two ranks: in steps where neither position is divisible by three, the branch is unused by both; else
  // by one of them.
  const json config = toy(2);
  const std::vector<double> alone = train_alone(config, 12);
  std::vector<double> losses;
  as_ranks(2, [&](int rank, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    for (int i = 0; i < 12; ++i) {
      const double loss = session->step(true).loss;
      if (rank == 0) losses.push_back(loss);
    }
    if (!session->ranks_agree()) throw std::runtime_error("the ranks' parameters differ");
  });
  CHECK(std::abs(losses.back() - alone.back()) <= 1e-5 * std::abs(alone.back()));
}

TEST_CASE("A stop and a resume change no bit; with dropout as well", "[torch][session][checkpoint]") {
  json config = toy();
  config["model"]["dropout"] = 0.2;
  std::uint32_t whole = 0;
  const std::vector<double> straight = train_alone(config, 20, &whole);
  std::vector<live::CheckpointFile> files;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    for (int i = 0; i < 7; ++i) session->step(false);
    files = session->save();
  });
  std::uint32_t resumed = 1;
  std::vector<double> losses;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(config, context, gradients);
    const auto ok = session->load(files);
    if (!ok) throw std::runtime_error(ok.error().items.at(0).message);
    for (int i = 7; i < 20; ++i) losses.push_back(session->step(true).loss);
    resumed = session->checksum();
  });
  CHECK(resumed == whole);
  CHECK(losses == std::vector<double>(straight.begin() + 7, straight.end()));
}

TEST_CASE("A checkpoint of one rank goes on with two: same data order, same losses", "[torch][session][checkpoint]") {
  const std::vector<double> straight = train_alone(toy(), 20);
  std::vector<live::CheckpointFile> files;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = make(toy(), context, gradients);
    for (int i = 0; i < 9; ++i) session->step(false);
    files = session->save();
  });
  double last = 0;
  as_ranks(2, [&](int rank, Communicator& gradients, const TaskContext& context) {
    const auto session = make(toy(), context, gradients);
    if (!session->load(files)) throw std::runtime_error("not loaded");
    for (int i = 9; i < 20; ++i) {
      const double loss = session->step(true).loss;
      if (rank == 0) last = loss;
    }
  });
  CHECK(std::abs(last - straight.back()) <= 1e-5 * std::abs(straight.back()));
}

TEST_CASE("A checkpoint of another model is refused by the name of a tensor", "[torch][session][checkpoint]") {
  std::vector<live::CheckpointFile> files;
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    files = make(toy(), context, gradients)->save();
    json wider = toy();
    wider["model"]["width"] = 33;
    const auto ok = make(wider, context, gradients)->load(files);
    REQUIRE(!ok);
    CHECK(ok.error().items.at(0).message.find("model.first.weight") != std::string::npos);
    json batch = toy(25);
    CHECK(!make(batch, context, gradients)->load(files));
  });
}

TEST_CASE("A checkpoint of another seed is refused: the data order would change in the middle",
          "[torch][session][checkpoint]") {
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const std::vector<live::CheckpointFile> files = make(toy(), context, gradients)->save();
    json other = toy();
    other["seed"] = 4;
    const auto ok = make(other, context, gradients)->load(files);
    REQUIRE(!ok);
    CHECK(ok.error().items.at(0).message.starts_with("the checkpoint is of seed 3, the job of 4: "));
  });
}

TEST_CASE("AdamW is the published update", "[torch][adamw]") {
  // One parameter of two elements, by hand in double.
  at::Tensor w = at::tensor({1.0, -2.0}, at::kFloat).requires_grad_(true);
  FlatParameters flat({{"w", w, true}});
  OptimizerConfig c;
  c.lr = 0.1;
  c.cosine = false;
  c.weight_decay = 0.01;
  c.clip = 0;
  AdamW optimizer(flat, c);
  double x[2] = {1.0, -2.0}, m[2] = {}, v[2] = {};
  for (int t = 1; t <= 5; ++t) {
    flat.zero();
    torch::autograd::backward({(w * w * at::tensor({1.0, 3.0}, at::kFloat)).sum()}, {});
    optimizer.step(t - 1, t - 1, 5);
    for (int i = 0; i < 2; ++i) {
      const double g = 2 * x[i] * (i == 0 ? 1 : 3);
      x[i] *= 1 - c.lr * c.weight_decay;
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * g;
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * g * g;
      x[i] -= c.lr * (m[i] / (1 - std::pow(c.beta1, t))) / (std::sqrt(v[i] / (1 - std::pow(c.beta2, t))) + c.eps);
      CHECK(w[i].item<double>() == Approx(x[i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("The rate warms up, then follows a cosine to its floor", "[torch][adamw]") {
  OptimizerConfig c;
  c.lr = 1;
  c.warmup = 4;
  c.min_lr_ratio = 0.1;
  CHECK(rate_at(c, 0, 104) == 0.25);
  CHECK(rate_at(c, 3, 104) == 1);
  CHECK(rate_at(c, 4, 104) == 1);
  CHECK(rate_at(c, 54, 104) == Approx(0.55));
  CHECK(rate_at(c, 104, 104) == Approx(0.1));
  CHECK(rate_at(c, 999, 104) == Approx(0.1));
}

TEST_CASE("Rows gathered from all ranks carry their gradients home", "[torch][communicator]") {
  as_ranks(3, [&](int rank, Communicator&, const TaskContext& context) {
    const std::vector<std::int64_t> counts{2, 1, 2};
    const std::int64_t n = counts[static_cast<std::size_t>(rank)];
    at::Tensor mine = at::full({n, 2}, rank + 1.0).requires_grad_(true);
    const at::Tensor all = gather_rows(*context.comm, mine, counts);
    if (all.sizes() != at::IntArrayRef({5, 2})) throw std::runtime_error("a wrong shape");
    if (all.select(1, 0).sum().item<double>() != 2 + 2 + 6) throw std::runtime_error("wrong rows");
    // Every rank weighs all rows by its own number: each row's gradient is the sum of these, 1 + 2 + 3.
    torch::autograd::backward({(all * (rank + 1.0)).sum()}, {});
    if (!mine.grad().eq(6.0).all().item<bool>()) throw std::runtime_error("a wrong gradient");
  });
}

TEST_CASE("Wrong job configs say what is wrong", "[torch][config]") {
  const auto message = [](json config) {
    const auto c = job_config(config);
    return c ? std::string() : c.error().items.at(0).message;
  };
  CHECK(message({{"steps", 0}}) == "`steps` is `0`; a whole number of at least 1 is wanted");
  CHECK(message({{"precision", "fp64"}}) == "`precision` is `\"fp64\"`; `fp32` or `bf16` is wanted");
  CHECK(message({{"optimizer", {{"speed", 1}}}}) == "unknown key `optimizer.speed`");
  CHECK(message({{"optimizer", {{"betas", {0.9, 1.0}}}}}) ==
        "`optimizer.betas` is `[0.9,1.0]`; a list of two numbers from 0 to below 1 is wanted");
  CHECK(message(toy()).empty());
  as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto none = Session::make({{"task", "nothing"}}, context, gradients);
    REQUIRE(!none);
    CHECK(none.error().items.at(0).message == "unknown task `nothing`");
  });
}

}  // namespace

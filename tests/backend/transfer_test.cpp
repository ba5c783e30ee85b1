// Transfer from a real pretraining checkpoint against the same model from random weights: the same data, optimiser and
// budget; counted are the steps until the held-out accuracy reaches a target. A source that learnt nothing of use (its
// captions speak of the background only) shows that the gain is the pretraining's, not the procedure's.
//   [transfer]            one seed, small; in CI
//   [.][evidence]         five seeds; prints the table of the README
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/data/maker.hpp"
#include "backend/live/checkpoint_dir.hpp"
#include "backend/trainer/session.hpp"
#include "tests/support/temp_dir.hpp"

namespace {
using namespace orrery;
using Json = nlohmann::json;

struct Sizes {
  int pretrain_steps = 1500, pretrain_samples = 8192;
  int labels = 256, test = 500;
  int budget = 400, every = 5;  // steps; how often is measured
  double target = 0.8;
};

class Lab {
 public:
  explicit Lab(Sizes sizes) : sizes_(sizes), comm_(trainer::make_lonely_communicator()) { at::set_num_threads(1); }

  // The checkpoint folder of a source: "pairs", or "useless" captions.
  std::string pretrained(bool useless) {
    const std::string name = useless ? "useless" : "pairs";
    Json config = base();
    config["steps"] = sizes_.pretrain_steps;
    config["global_batch"] = 64;
    config["optimizer"] = {{"lr", 0.002}, {"betas", {0.9, 0.98}}, {"weight_decay", 0.05}, {"warmup", 50}};
    config["model"]["text"] = {{"vocabulary", 400}, {"length", 24}};
    config["model"]["objectives"] = {{"contrastive", 1}};
    config["data"] = {{"folder", dir_.file("data-" + name)},
                      {"make", {{"kind", "pairs"}, {"samples", sizes_.pretrain_samples}, {"useless_captions", useless}}},
                      {"augment", true}};
    const auto session = make(config, "");
    double loss = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < sizes_.pretrain_steps; ++i) loss = session->step(i + 1 == sizes_.pretrain_steps).loss;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("source {}: {} steps in {:.0f} s, loss {:.3f}\n", name, sizes_.pretrain_steps, took.count(), loss);
    live::Checkpoint checkpoint;
    checkpoint.stamp.job = name;
    checkpoint.stamp.step = sizes_.pretrain_steps;
    checkpoint.files = session->save();
    const std::string folder = dir_.file("checkpoints-" + name);
    REQUIRE(live::save_checkpoint(folder, checkpoint));
    return folder;
  }

  // Steps until the target is reached; budget + 1 when it is not. `method` "scratch" trains everything from random.
  int steps_to_target(const std::string& kind, const std::string& method, const std::string& from, int seed) {
    Json config = base();
    config["seed"] = seed;
    config["steps"] = sizes_.budget;
    config["global_batch"] = 32;
    const double lr = method == "probe" ? 0.01 : method == "lora" ? 0.003 : 0.001;
    config["optimizer"] = {{"lr", lr}, {"weight_decay", 0.01}, {"warmup", 10}, {"schedule", "constant"}};
    const auto& names = data::set_kind_names();
    const auto at = static_cast<data::SetKind>(std::find(names.begin(), names.end(), kind) - names.begin());
    config["model"]["head"] = {{"classes", data::classes_of(at)}, {"input", "image"}};
    if (!from.empty()) config["model"]["transfer"] = {{"method", method}};
    config["data"] = {{"folder", dir_.file("data-" + kind)},
                      {"make", {{"kind", kind}, {"samples", sizes_.labels}, {"seed", 1001}}},
                      {"augment", method != "probe"}};
    config["evaluate"] = {{"folder", dir_.file("data-" + kind + "-test")},
                          {"make", {{"kind", kind}, {"samples", sizes_.test}, {"seed", 2001}}}};
    const auto session = make(config, from);
    for (int i = 1; i <= sizes_.budget; ++i) {
      (void)session->step(false);
      if (i % sizes_.every == 0 && session->task().evaluate().front().second >= sizes_.target) return i;
    }
    return sizes_.budget + 1;
  }

 private:
  static Json base() {
    return {{"task", "multimodal"}, {"seed", 1}, {"model", {{"preset", "tiny"}, {"image", {{"size", 32}, {"patch", 8}}}}}};
  }
  std::unique_ptr<trainer::Session> make(const Json& config, const std::string& from) {
    trainer::TaskContext context;
    context.comm = comm_.get();
    context.seed = config["seed"];
    context.from = from;
    context.work_folder = dir_.file("job");
    auto session = trainer::Session::make(config, context, *comm_);
    INFO((session ? std::string() : render(session.error())));
    REQUIRE(session);
    return std::move(*session);
  }

  Sizes sizes_;
  test::TempFolder dir_;
  std::unique_ptr<trainer::Communicator> comm_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string shown(int steps, int budget) { return steps > budget ? fmt::format(">{}", budget) : fmt::format("{}", steps); }

TEST_CASE("Transfer reaches the target sooner than training from scratch", "[torch][transfer]") {
  Sizes sizes;
  sizes.pretrain_steps = 500;
  sizes.pretrain_samples = 4096;
  sizes.budget = 150;
  sizes.target = 0.5;
  sizes.every = 10;
  Lab lab(sizes);
  const std::string source = lab.pretrained(false);
  const int scratch = lab.steps_to_target("shape", "scratch", "", 1);
  const int full = lab.steps_to_target("shape", "full", source, 1);
  WARN(fmt::format("scratch {}, full fine-tune {}", shown(scratch, sizes.budget), shown(full, sizes.budget)));
  CHECK(full <= sizes.budget);
  CHECK(full < scratch);
}

TEST_CASE("Five seeds: steps from scratch over steps by transfer", "[.][torch][evidence]") {
  const Sizes sizes;
  Lab lab(sizes);
  const std::string pairs = lab.pretrained(false), useless = lab.pretrained(true);
  struct Row {
    const char *source, *method;
    std::string from;
  };
  const std::vector<Row> rows{{"captions", "full", pairs},  {"captions", "lora", pairs},  {"captions", "probe", pairs},
                              {"background", "full", useless}, {"background", "lora", useless}, {"background", "probe", useless}};
  constexpr int kSeeds = 5;
  std::vector<int> scratch;
  for (int seed = 1; seed <= kSeeds; ++seed) scratch.push_back(lab.steps_to_target("shape", "scratch", "", seed));
  std::string table = "| source | method | steps by transfer (5 seeds) | steps from scratch | median ratio | worst seed |\n"
                      "| --- | --- | --- | --- | --- | --- |\n";
  bool one_below = false;
  for (const Row& row : rows) {
    std::vector<double> ratios;
    std::string steps, from_scratch;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      const int taken = lab.steps_to_target("shape", row.method, row.from, seed);
      const int alone = scratch[static_cast<std::size_t>(seed - 1)];
      ratios.push_back(static_cast<double>(alone) / taken);
      steps += (seed > 1 ? ", " : "") + shown(taken, sizes.budget);
      from_scratch += (seed > 1 ? ", " : "") + shown(alone, sizes.budget);
    }
    const double middle = median(ratios), worst = *std::min_element(ratios.begin(), ratios.end());
    const std::string line = fmt::format("| {} | {} | {} | {} | {:.2f} | {:.2f} |\n", row.source, row.method, steps,
                                         from_scratch, middle, worst);
    fmt::print("{}", line);
    std::fflush(stdout);
    table += line;
    if (row.from == pairs && row.method != std::string("probe")) {
      CHECK(middle >= 2);
      CHECK(worst > 1);
    }
    if (row.from == useless) one_below = one_below || middle < 1;
  }
  CHECK(one_below);
  WARN("\n" + table);
}

}  // namespace

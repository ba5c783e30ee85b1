// Jobs that start from one small pretrained model, for tests of merged gangs: by LoRA or as a probe, with a head or
// with projections, each with data of its own.
#pragma once

#include <ATen/Parallel.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_ranks.hpp"
#include "tests/support/temp_dir.hpp"

namespace orrery::test {

class Family {
 public:
  using Json = nlohmann::json;

  explicit Family(const std::string& precision = "fp32") : precision_(precision) {
    at::set_num_threads(1);
    parent_ = pretrained("parent", 7);
  }

  // A checkpoint folder of a model that has trained three steps from seed `seed`.
  std::string pretrained(const std::string& name, int seed) {
    Json config = base(seed);
    config["model"]["text"] = tower({{"vocabulary", 400}, {"length", 16}});
    config["model"]["objectives"] = {{"contrastive", 1}};
    config["data"] = set("pairs", 64, 1);
    const auto lonely = trainer::make_lonely_communicator();
    const auto session = make(config, context(*lonely), *lonely);
    for (int i = 0; i < 3; ++i) (void)session->step(false);
    live::Checkpoint checkpoint;
    checkpoint.stamp.job = name;
    checkpoint.stamp.step = 3;
    checkpoint.files = session->save();
    const std::string folder = dir_.file(name);
    if (!live::save_checkpoint(folder, checkpoint)) throw std::runtime_error("the parent cannot be saved");
    return folder;
  }

  // A head with labels of `kind` on pictures (or, `read`: "text").
  [[nodiscard]] Json labelled(const std::string& method, const std::string& kind, int seed,
                              const std::string& read = "image") const {
    Json config = base(seed);
    if (read == "text") {
      config["model"].erase("image");
      config["model"]["text"] = tower({{"vocabulary", 400}, {"length", 16}});
    }
    config["from"] = parent_;
    config["model"]["head"] = {{"classes", 8}, {"input", read}};
    config["model"]["transfer"] = transfer(method);
    config["data"] = set(kind, 48, seed);
    config["data"]["augment"] = method == "lora" && read == "image";
    return config;
  }
  // Pictures and their captions, contrasted.
  [[nodiscard]] Json contrasted(const std::string& method, int seed) const {
    Json config = base(seed);
    config["from"] = parent_;
    config["model"]["text"] = tower({{"vocabulary", 400}, {"length", 16}});
    config["model"]["objectives"] = {{"contrastive", 1}};
    config["model"]["transfer"] = transfer(method);
    config["data"] = set("pairs", 64, seed);
    return config;
  }

  [[nodiscard]] trainer::TaskContext context(trainer::Communicator& comm) const {
    trainer::TaskContext context;
    context.comm = &comm;
    context.work_folder = dir_.file("job");
    return context;
  }
  // A session of one rank.
  [[nodiscard]] std::unique_ptr<trainer::Session> session(const Json& config,
                                                          const live::FeatureFolder& features = {}) {
    if (!lonely_) lonely_ = trainer::make_lonely_communicator();
    trainer::TaskContext of_job = context(*lonely_);
    of_job.features = features;
    of_job.from = config.value("from", "");
    return make(config, of_job, *lonely_);
  }
  [[nodiscard]] trainer::Communicator& lonely() {
    if (!lonely_) lonely_ = trainer::make_lonely_communicator();
    return *lonely_;
  }

  // The losses of a job that trains alone.
  std::vector<double> alone(const Json& config, int steps) {
    const auto one = session(config);
    std::vector<double> losses;
    for (int i = 0; i < steps; ++i) losses.push_back(one->step(true).loss);
    return losses;
  }

  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }

 private:
  static Json tower(Json keys) {
    keys.update({{"width", 32}, {"layers", 2}, {"heads", 4}, {"mlp", 2}});
    return keys;
  }
  static Json transfer(const std::string& method) {
    Json t{{"method", method}};
    if (method == "lora") t.update({{"rank", 4}, {"alpha", 8}});
    return t;
  }
  static Json set(const std::string& kind, int samples, int seed) {
    return {{"make", {{"kind", kind}, {"samples", samples}, {"size", 16}, {"seed", seed}}}};
  }
  [[nodiscard]] Json base(int seed) const {
    return {{"task", "multimodal"},
            {"seed", seed},
            {"steps", 60},
            {"global_batch", 8},
            {"precision", precision_},
            {"optimizer", {{"lr", 0.003}, {"warmup", 5}}},
            {"model", {{"embedding", 32}, {"image", tower({{"size", 16}, {"patch", 8}})}}}};
  }

  TempFolder dir_{};
  std::string precision_, parent_{};
  std::unique_ptr<trainer::Communicator> lonely_{};
};

}  // namespace orrery::test

// The multimodal task under the training loop: what holds of the toy task holds of the real model and its data.
#include "tests/backend/support_catch.hpp"

#include "backend/trainer/multimodal_task.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>

#include "backend/data/maker.hpp"
#include "backend/data/tar.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_ranks.hpp"
#include "tests/support/temp_dir.hpp"

namespace {
using namespace orrery;
using namespace orrery::trainer;
using Json = nlohmann::json;

const Json kStack{{"width", 32}, {"layers", 1}, {"heads", 4}, {"mlp", 2}};
Json tower(Json keys) {
  keys.update(kStack);
  return keys;
}

// Pictures with five labels.
Json labelled(std::int64_t batch) {
  return {{"task", "multimodal"},
          {"steps", 20},
          {"global_batch", batch},
          {"seed", 3},
          {"bucket_bytes", 4096},
          {"optimizer", {{"lr", 0.002}, {"warmup", 3}}},
          {"model", {{"image", tower({{"size", 16}, {"patch", 8}})}, {"head", {{"classes", 5}, {"input", "image"}}}}},
          {"data", {{"folder", "shapes"}, {"make", {{"kind", "shape"}, {"samples", 64}, {"size", 16}}}}}};
}

// Three modalities that meet by cross-attention, all objectives.
Json everything(std::int64_t batch) {
  Json c = labelled(batch);
  c["model"] = {{"text", tower({{"vocabulary", 400}, {"length", 16}})},
                {"image", tower({{"size", 16}, {"patch", 8}})},
                {"audio", tower({{"mels", 16}, {"frames", 16}, {"patch_mels", 8}, {"patch_frames", 8}})},
                {"fusion", tower({{"kind", "cross_attention"}})},
                {"embedding", 32},
                {"objectives", {{"contrastive", 1}, {"masked_text", 0.5}, {"masked_image", 0.5}}}};
  c["data"] = {{"folder", "trios"},
               {"make", {{"kind", "pairs"}, {"samples", 64}, {"size", 16}, {"sound", true}}},
               {"augment", true}};
  return c;
}

class Place {
 public:
  Place() { at::set_num_threads(1); }
  // What a rank is told, with a folder for its data.
  [[nodiscard]] TaskContext here(TaskContext context) const {
    context.work_folder = dir_.file("job");
    return context;
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return dir_.file(name); }

  struct Trained {
    std::vector<StepReport> reports{};  // of rank 0
    std::uint32_t checksum = 0;
    std::vector<live::CheckpointFile> files{};
    std::uint64_t corrupt = 0;
  };
  // Trains to step `to`, from `files` where there are some; ranks must agree after every step.
  Trained train(const Json& config, int world, std::int64_t to, const std::vector<live::CheckpointFile>& files = {}) {
    Trained out;
    test::as_ranks(world, [&](int rank, Communicator& gradients, const TaskContext& context) {
      const auto session = test::make(config, here(context), gradients);
      if (!files.empty())
        if (const auto ok = session->load(files); !ok) throw std::runtime_error(ok.error().items.at(0).message);
      while (session->steps_done() < to) {
        StepReport report = session->step(true);
        if (rank == 0) out.reports.push_back(std::move(report));
        if (!session->ranks_agree()) throw std::runtime_error("the ranks' parameters differ");
      }
      auto saved = session->save();
      const std::uint64_t corrupt = session->task().data_cost().corrupt;
      const std::scoped_lock lock(mutex_);
      if (out.corrupt == 0) out.corrupt = corrupt;
      if (out.corrupt != corrupt) throw std::runtime_error("the ranks count other samples as corrupt");
      if (rank != 0) return;
      out.files = std::move(saved);
      out.checksum = session->checksum();
    });
    return out;
  }

 private:
  test::TempFolder dir_;
  std::mutex mutex_;
};

double relative(double a, double b) {
  return std::abs(a - b) / std::abs(b);
}

TEST_CASE("A rank without samples has the others' metrics: it neither hangs nor crashes", "[torch][multimodal]") {
  Place place;
  const auto alone = place.train(labelled(3), 1, 4);
  const auto check = [&](const Json& config, int world) {
    const auto gang = place.train(config, world, 4);
    for (std::size_t i = 0; i < 4; ++i) {
      const StepReport &a = gang.reports.at(i), &b = alone.reports.at(i);
      CHECK(relative(a.loss, b.loss) <= 1e-5);
      REQUIRE(a.metrics.size() == 1);
      CHECK(a.metrics[0].first == "head");
      CHECK(relative(a.metrics[0].second, b.metrics[0].second) <= 1e-5);
    }
  };
  check(labelled(3), 4);  // one of four ranks has none
  Json micro = labelled(3);
  micro["micro_batch"] = 1;
  check(micro, 2);  // the first micro batch of rank 0 is empty
  Json probe = labelled(3);
  probe["model"]["transfer"] = {{"method", "probe"}};
  CHECK(place.train(probe, 4, 4).reports.at(3).metrics.size() == 1);
}

TEST_CASE("A contrastive step that a rank has no samples for says what is too small", "[torch][multimodal]") {
  Place place;
  Json config = everything(1);
  CHECK_THROWS_WITH(place.train(config, 2, 1), Catch::Contains("a global batch of 1 is too small for 2 ranks"));
}

TEST_CASE("A contrastive model without text is evaluated: sounds are found by pictures", "[torch][multimodal]") {
  Place place;
  Json config = everything(8);
  config["model"].erase("text");
  config["model"].erase("fusion");
  config["model"]["objectives"] = {{"contrastive", 1}};
  config["evaluate"] = {{"folder", "test"},
                        {"make", {{"kind", "pairs"}, {"samples", 40}, {"size", 16}, {"sound", true}, {"seed", 2}}}};
  test::as_ranks(1, [&](int, Communicator& gradients, const TaskContext& context) {
    const auto session = test::make(config, place.here(context), gradients);
    for (int i = 0; i < 3; ++i) session->step(false);
    const auto found = session->task().evaluate();
    REQUIRE(found.size() == 2);
    CHECK(found[0].first == "recall_at_1");
    CHECK(found[1].first == "recall_at_5");
    CHECK(found[0].second >= 0);
    CHECK(found[1].second >= found[0].second);
    CHECK(found[1].second <= 1);
  });
}

TEST_CASE("The real model: two ranks of b samples train as one of 2b", "[torch][multimodal]") {
  Place place;
  const auto alone = place.train(everything(8), 1, 20), gang = place.train(everything(8), 2, 20);
  REQUIRE(gang.reports.size() == 20);
  const StepReport &a = gang.reports.back(), &b = alone.reports.back();
  CHECK(relative(a.loss, b.loss) <= 1e-5);
  CHECK(b.loss < alone.reports.front().loss);
  REQUIRE(a.metrics.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    INFO(a.metrics[i].first);
    CHECK(a.metrics[i].first == b.metrics[i].first);
    CHECK(relative(a.metrics[i].second, b.metrics[i].second) <= 2e-5);
  }
}

TEST_CASE("The real model: a stop and a resume change no bit, on one rank and on two", "[torch][multimodal]") {
  Place place;
  for (const int world : {1, 2}) {
    const auto straight = place.train(everything(8), world, 10);
    const auto first = place.train(everything(8), world, 4);
    const auto second = place.train(everything(8), world, 10, first.files);
    CHECK(second.checksum == straight.checksum);
    REQUIRE(second.files.size() == straight.files.size());
    for (std::size_t i = 0; i < straight.files.size(); ++i) {
      INFO(straight.files[i].name);
      // Ranks that are threads share one generator, which nothing here draws from.
      if (straight.files[i].name != "rng.safetensors") CHECK(second.files[i] == straight.files[i]);
    }
  }
}

TEST_CASE("Corrupt samples of a job are counted once each, on any number of ranks and after a resume",
          "[torch][multimodal][corrupt]") {
  Place place;
  const auto shard = place.path("shapes") / "shard-00000.tar";
  const auto options = data::maker_options_from_json(labelled(8)["data"]["make"].dump());
  REQUIRE(options);
  REQUIRE(data::make_dataset(place.path("shapes").string(), *options));
  std::string bytes;
  {
    std::ifstream in(shard, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const auto index = data::index_tar("s", bytes);
  REQUIRE(index);
  int broken = 0;
  for (const data::TarEntry& e : index->entries)
    if (e.name.ends_with(".ppm") && e.name[7] % 4 == 0) {
      bytes[e.offset] = 'X';
      ++broken;
    }
  std::ofstream(shard, std::ios::binary) << bytes;
  REQUIRE(broken > 10);
  // Eight steps of eight are all 64 samples once.
  const auto one = place.train(labelled(8), 1, 8), two = place.train(labelled(8), 2, 8);
  CHECK(one.corrupt == static_cast<std::uint64_t>(broken));
  CHECK(two.corrupt == one.corrupt);
  CHECK(place.train(labelled(8), 2, 16, one.files).corrupt == one.corrupt);
  CHECK(place.train(labelled(8), 1, 16, two.files).corrupt == one.corrupt);
}

}  // namespace

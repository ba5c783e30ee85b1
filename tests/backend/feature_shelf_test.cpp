// Features that probes share on disk: whoever reads them trains on the bits that it would have computed.
#include "tests/backend/support_catch.hpp"

#include <ATen/record_function.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "backend/protocol/feature_entry.hpp"
#include "backend/protocol/feature_store.hpp"
#include "backend/trainer/merged_gang.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_merged.hpp"

namespace {

using namespace orrery;
using namespace orrery::trainer;
using Json = nlohmann::json;
using test::Family;
namespace fs = std::filesystem;

constexpr int kSharedSteps = 20;  // of batches of 8, from 48 samples: three epochs and more

// How often the picture tower has run, in any model of the process.
class TowerCounter {
 public:
  TowerCounter() {
    runs_ = 0;
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction& f) {
                                      runs_ += std::string_view(f.name()) == "image" ? 1 : 0;
                                      return std::unique_ptr<at::ObserverContext>();
                                    }).scopes({at::RecordScope::USER_SCOPE}));
  }
  ~TowerCounter() { at::removeCallback(handle_); }
  TowerCounter(const TowerCounter&) = delete;
  TowerCounter& operator=(const TowerCounter&) = delete;
  [[nodiscard]] static int take() { return std::exchange(runs_, 0); }

 private:
  static inline int runs_ = 0;
  at::CallbackHandle handle_{};
};

struct Trained {
  std::vector<double> losses{};
  std::vector<std::string> said{};  // of features, without keys
  std::vector<std::pair<std::string, double>> evaluated{};
  std::string model{};  // the bytes that it would save
};

// A job of its own process's life: its shelf goes with it.
Trained train(Family& family, const Json& job, const live::FeatureFolder& folder) {
  Trained t;
  const auto session = family.session(job, folder);
  const auto hear = [&] {
    for (const live::FeaturesUsed& use : session->task().features_used()) t.said.emplace_back(to_string(use.use));
  };
  session->task().look_up();
  hear();
  for (int i = 0; i < kSharedSteps; ++i) {
    t.losses.push_back(session->step(true).loss);
    hear();
  }
  t.evaluated = session->task().evaluate();
  t.model = session->model_file().bytes;
  return t;
}

bool same_bits(const Trained& a, const Trained& b) {
  return a.losses.size() == b.losses.size() &&
         std::memcmp(a.losses.data(), b.losses.data(), a.losses.size() * sizeof(double)) == 0 &&
         a.evaluated == b.evaluated && a.model == b.model;
}

live::FeatureFolder folder_at(const std::string& path) {
  return {path, 1'000'000'000, 1'000'000'000'000, 1000};
}

std::vector<std::string> keys_in(const std::string& folder) {
  std::vector<std::string> keys;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    keys.push_back(at->path().stem().string());
  std::sort(keys.begin(), keys.end());
  return keys;
}

// A probe with test data.
Json probe(const Family& family, int seed, const std::string& kind = "shape") {
  Json job = family.labelled("probe", kind, seed);
  job["data"]["make"]["seed"] = 5;
  job["evaluate"]["make"] = job["data"]["make"];
  job["evaluate"]["make"]["seed"] = 6;
  return job;
}

const std::vector<std::string> kMiss{"miss", "stored"}, kHit{"hit"};

}  // namespace

TEST_CASE("a probe trains on shared features as on its own, bit for bit, in fp32 and bf16", "[torch][features]") {
  for (const char* precision : {"fp32", "bf16"}) {
    INFO(precision);
    Family family(precision);
    const live::FeatureFolder folder = folder_at(family.file("features"));
    const Json first = probe(family, 21), second = probe(family, 22);
    const Trained alone = train(family, first, {}), other = train(family, second, {});
    CHECK(alone.said.empty());
    const TowerCounter towers;
    const Trained computes = train(family, first, folder);
    CHECK(computes.said == kMiss);
    CHECK(TowerCounter::take() >= 48);
    CHECK(same_bits(computes, alone));
    // Another head, another order of samples: the same features, and those of the test data.
    const Trained reads = train(family, second, folder);
    CHECK(reads.said == kHit);
    CHECK(TowerCounter::take() == 0);
    CHECK(same_bits(reads, other));
    CHECK(keys_in(folder.path).size() == 2);
  }
}

TEST_CASE("other parents, data, pictures or precisions have other features", "[torch][features]") {
  Family family, half("bf16");
  const live::FeatureFolder folder = folder_at(family.file("features"));
  Json from_other = probe(family, 21);
  from_other["from"] = family.pretrained("other", 8);
  Json other_data = probe(family, 21);
  other_data["data"]["make"]["seed"] = 7;
  Json text = family.labelled("probe", "agreement", 21, "text");
  for (const Json& job : {probe(family, 21), from_other, other_data, text})
    CHECK(train(family, job, folder).said == kMiss);
  CHECK(train(half, probe(half, 21), folder).said == kMiss);
  // The number of classes is the head's.
  Json classes = probe(family, 23);
  classes["model"]["head"]["classes"] = 9;
  CHECK(train(family, classes, folder).said == kHit);
  // A job that trains its backbone, a little or wholly, has nothing to share.
  CHECK(train(family, family.labelled("lora", "shape", 21), folder).said.empty());
}

TEST_CASE("damaged features are computed anew", "[torch][features]") {
  Family family;
  const live::FeatureFolder folder = folder_at(family.file("features"));
  const Json job = probe(family, 21);
  const Trained alone = train(family, job, {});
  (void)train(family, job, folder);
  for (const std::string& key : keys_in(folder.path)) {
    const std::string path = worker::FeatureStore(folder.path, 1).path_of(key);
    const auto bytes = live::read_file(path);
    REQUIRE(bytes);
    std::string bad = *bytes;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
  }
  const Trained again = train(family, job, folder);
  CHECK(again.said == kMiss);
  CHECK(same_bits(again, alone));
  CHECK(train(family, job, folder).said == kHit);
}

TEST_CASE("features are kept where that is worth it and there is room", "[torch][features]") {
  Family family;
  live::FeatureFolder folder = folder_at(family.file("features"));
  const Json job = probe(family, 21);
  const std::vector<std::string> unkept{"miss", "unkept"};
  folder.limit_bytes = 100;
  CHECK(train(family, job, folder).said == unkept);
  folder.limit_bytes = 1'000'000'000;
  folder.bytes_per_s = 1;  // hours to read
  CHECK(train(family, job, folder).said == unkept);
  CHECK(keys_in(folder.path).empty());
}

TEST_CASE("merged probes with a store compute each sample once, and train as alone", "[torch][features]") {
  Family family;
  const live::FeatureFolder folder = folder_at(family.file("features"));
  std::vector<Json> jobs;
  for (int seed = 31; seed < 34; ++seed) {
    jobs.push_back(probe(family, seed));
    jobs.back().erase("evaluate");
  }
  std::vector<std::vector<double>> alone;
  for (const Json& job : jobs) alone.push_back(train(family, job, {}).losses);
  std::vector<std::unique_ptr<Session>> sessions;
  MergedGang gang(family.lonely());
  for (const Json& job : jobs) {
    sessions.push_back(family.session(job, folder));
    REQUIRE(gang.add(*sessions.back()));
    sessions.back()->task().look_up();
  }
  const TowerCounter towers;
  std::vector<std::vector<double>> losses(jobs.size());
  for (int i = 0; i < kSharedSteps; ++i) {
    const auto made = gang.step(std::vector<bool>(jobs.size(), true));
    for (std::size_t j = 0; j < jobs.size(); ++j) losses[j].push_back(made[j].report.loss);
  }
  CHECK(TowerCounter::take() == 48);
  CHECK(losses == alone);
  CHECK(keys_in(folder.path).empty());  // until somebody asks what became of them
  for (const auto& s : sessions) {
    const auto said = s->task().features_used();
    REQUIRE(said.size() == 2);
    CHECK((said[0].use == FeatureUse::miss && said[1].use == FeatureUse::stored));
  }
  CHECK(keys_in(folder.path).size() == 1);
}

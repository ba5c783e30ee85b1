// Several jobs on one frozen backbone: each trains as it would alone, whoever comes, goes, diverges or fails.
#include "tests/backend/support_catch.hpp"

#include "backend/trainer/merged_gang.hpp"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cmath>
#include <cstring>
#include <map>

#include "backend/trainer/safetensors.hpp"
#include "backend/trainer/shared_forward.hpp"
#include "sim/core/json.hpp"
#include "tests/backend/support_merged.hpp"

namespace {

using namespace orrery;
using namespace orrery::trainer;
using Json = nlohmann::json;
using test::Family;

constexpr int kMergedSteps = 50;

double apart(double a, double b) {
  return std::abs(a - b) / std::abs(b);
}

void same_losses(const std::vector<double>& merged, const std::vector<double>& alone, std::size_t first = 0) {
  REQUIRE(merged.size() + first <= alone.size());
  double worst = 0;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    REQUIRE((std::isfinite(merged[i]) && std::isfinite(alone[first + i])));
    worst = std::max(worst, apart(merged[i], alone[first + i]));
  }
  CAPTURE(worst, merged.front(), alone[first], merged.back(), alone.back());
  CHECK(worst <= 1e-5);
}

// How often each part of a model has run, of any model in the process.
class PartCounter {
 public:
  PartCounter() {
    counts_.clear();
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction& f) {
                                      ++counts_[f.name()];
                                      return std::unique_ptr<at::ObserverContext>();
                                    }).scopes({at::RecordScope::USER_SCOPE}));
  }
  ~PartCounter() { at::removeCallback(handle_); }
  PartCounter(const PartCounter&) = delete;
  PartCounter& operator=(const PartCounter&) = delete;
  int take(const std::string& part) { return std::exchange(counts_[part], 0); }

 private:
  static inline std::map<std::string, int> counts_;
  at::CallbackHandle handle_{};
};

// One step of all members, each one's loss behind its others.
void step_all(MergedGang& gang, const std::vector<std::vector<double>*>& losses) {
  const auto made = gang.step(std::vector<bool>(losses.size(), true));
  REQUIRE(made.size() == losses.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    INFO(made[i].failure);
    REQUIRE(made[i].failure.empty());
    losses[i]->push_back(made[i].report.loss);
  }
}

}  // namespace

TEST_CASE("Merged jobs have the losses that each has alone; one joins, one leaves", "[torch][merged_gang]") {
  Family family;
  Json micro = family.labelled("lora", "colour", 12);
  micro["micro_batch"] = 3;
  const std::vector<Json> jobs{family.labelled("lora", "shape", 11),
                               family.labelled("probe", "colour", 13),
                               family.contrasted("lora", 14),
                               family.contrasted("probe", 15),
                               micro,
                               family.labelled("lora", "shape", 16, "image")};
  std::vector<std::vector<double>> alone, losses(jobs.size());
  for (const Json& job : jobs) alone.push_back(family.alone(job, kMergedSteps));

  std::vector<std::unique_ptr<Session>> sessions;
  for (const Json& job : jobs) sessions.push_back(family.session(job));
  MergedGang gang(family.lonely());
  constexpr std::size_t kLeaves = 1, kJoins = 5;
  for (std::size_t i = 0; i < kJoins; ++i) REQUIRE(gang.add(*sessions[i]));
  std::vector<std::vector<double>*> members;
  for (std::size_t i = 0; i < kJoins; ++i) members.push_back(&losses[i]);
  for (int step = 0; step < kMergedSteps + 10; ++step) {
    if (step == 10) {
      REQUIRE(gang.add(*sessions[kJoins]));
      members.push_back(&losses[kJoins]);
    }
    if (step == 20) {
      gang.remove(*sessions[kLeaves]);
      std::erase(members, &losses[kLeaves]);
    }
    if (step == kMergedSteps) {
      for (std::size_t i = 0; i < kJoins; ++i) gang.remove(*sessions[i]);
      members = {&losses[kJoins]};
    }
    step_all(gang, members);
  }
  // It goes on alone from what it would have saved.
  const auto files = sessions[kLeaves]->save();
  const auto again = family.session(jobs[kLeaves]);
  REQUIRE(again->load(files));
  while (losses[kLeaves].size() < kMergedSteps) losses[kLeaves].push_back(again->step(true).loss);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    INFO("job " << i);
    REQUIRE(losses[i].size() == kMergedSteps);
    same_losses(losses[i], alone[i]);
  }
}

TEST_CASE("Of a merged step's frozen part there is one forward pass, whoever is in it", "[torch][merged_gang]") {
  Family family;
  const std::vector<Json> jobs{family.labelled("lora", "shape", 21), family.labelled("probe", "colour", 22),
                               family.contrasted("probe", 23), family.labelled("lora", "count", 24)};
  std::vector<std::unique_ptr<Session>> sessions;
  MergedGang gang(family.lonely());
  for (const Json& job : jobs) {
    sessions.push_back(family.session(job));
    REQUIRE(gang.add(*sessions.back()));
  }
  PartCounter counter;
  for (int step = 0; step < 5; ++step) {
    (void)gang.step(std::vector<bool>(jobs.size(), false));
    CHECK(counter.take("image") == 1);
    CHECK(counter.take("text") == 1);  // of the third alone
    CHECK(counter.take("head") == 3);
  }
  CHECK(gang.passes() == 5);
  // Probes whose samples are all known ask nothing more of it.
  for (const std::size_t i : {0U, 2U, 3U}) gang.remove(*sessions[i]);
  for (int step = 0; step < 3; ++step) (void)gang.step({false});
  (void)counter.take("image");
  const std::int64_t before = gang.passes();
  for (int step = 0; step < 4; ++step) (void)gang.step({false});
  CHECK(counter.take("image") == 0);
  CHECK(gang.passes() == before);
}

TEST_CASE("Merged jobs hold one backbone, and each saves what it would save alone", "[torch][merged_gang]") {
  Family family;
  const std::vector<Json> jobs{family.labelled("lora", "shape", 31), family.labelled("probe", "colour", 32),
                               family.contrasted("lora", 33)};
  std::vector<std::unique_ptr<Session>> sessions;
  MergedGang gang(family.lonely());
  for (const Json& job : jobs) {
    sessions.push_back(family.session(job));
    REQUIRE(gang.add(*sessions.back()));
  }
  const auto& first = sessions[0]->task().shared()->model().parameters();
  for (std::size_t i = 1; i < sessions.size(); ++i)
    for (const models::Parameter& p : sessions[i]->task().shared()->model().parameters().all()) {
      const models::Parameter* const other = first.find(p.name);
      if (other == nullptr) continue;
      INFO(p.name);
      CHECK((p.value.data_ptr() == other->value.data_ptr()) == !p.trainable);
    }
  for (int step = 0; step < 7; ++step) (void)gang.step({false, false, false});
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto alone = family.session(jobs[i]);
    for (int step = 0; step < 7; ++step) (void)alone->step(false);
    const auto merged = sessions[i]->save(), expected = alone->save();
    REQUIRE(merged.size() == expected.size());
    for (std::size_t f = 0; f < merged.size(); ++f) {
      INFO("job " << i << ", " << merged[f].name);
      CHECK(merged[f].name == expected[f].name);
      CHECK(merged[f].bytes.size() == expected[f].bytes.size());
      if (merged[f].name != "model.safetensors" && merged[f].name != "optim.safetensors")
        CHECK((merged[f].bytes == expected[f].bytes));  // cursor, seed, random state, index
    }
    // The frozen parameters bit for bit, and the trained ones but for rounding.
    const auto a = from_safetensors(merged[0].bytes, "merged"), b = from_safetensors(expected[0].bytes, "alone");
    REQUIRE((a && b && a->size() == b->size()));
    for (const auto& [name, value] : *b) {
      const models::Parameter* const p = sessions[i]->task().shared()->model().parameters().find(name.substr(6));
      REQUIRE(p != nullptr);
      INFO(name);
      if (!p->trainable) CHECK(a->at(name).equal(value));
      CHECK(at::allclose(a->at(name), value, 1e-4, 1e-6));
    }
  }
}

TEST_CASE("What goes wrong with one merged job does not touch the others", "[torch][merged_gang]") {
  Family family;
  Json diverges = family.labelled("lora", "shape", 41), unreadable = family.labelled("lora", "pairs", 42);
  diverges["optimizer"] = {{"lr", 1e30}, {"clip", 0}, {"warmup", 0}};
  const Json good = family.labelled("lora", "colour", 43), other = family.labelled("probe", "colour", 44);
  const std::vector<double> alone = family.alone(good, 20), other_alone = family.alone(other, 20);
  const auto bad = family.session(diverges), broken = family.session(unreadable), one = family.session(good),
             two = family.session(other);
  MergedGang gang(family.lonely());
  for (Session* const s : {bad.get(), one.get(), broken.get(), two.get()}) REQUIRE(gang.add(*s));
  std::vector<double> losses, other_losses;
  double last = 0;
  for (int step = 0; step < 20; ++step) {
    const bool all = gang.has(*broken);
    const auto made = gang.step(std::vector<bool>(all ? 4 : 3, true));
    if (all) {
      CHECK(made[2].failure.find("not one of 48 samples can be used") != std::string::npos);
      gang.remove(*broken);
    }
    last = made[0].report.loss;
    losses.push_back(made[1].report.loss);
    other_losses.push_back(made.back().report.loss);
  }
  CHECK_FALSE(std::isfinite(last));
  same_losses(losses, alone);
  same_losses(other_losses, other_alone);
}

TEST_CASE("Two ranks of merged jobs train as one", "[torch][merged_gang]") {
  Family family;
  const std::vector<Json> jobs{family.labelled("lora", "shape", 51), family.labelled("probe", "colour", 52),
                               family.contrasted("lora", 53)};
  std::vector<std::vector<double>> alone, losses(jobs.size());
  for (const Json& job : jobs) alone.push_back(family.alone(job, 12));
  test::as_ranks(2, [&](int rank, Communicator& gradients, const TaskContext& context) {
    TaskContext here = family.context(*context.comm);
    MergedGang gang(gradients);
    std::vector<std::unique_ptr<Session>> sessions;
    for (const Json& job : jobs) {
      here.from = job["from"];
      sessions.push_back(test::make(job, here, gradients));
      if (!gang.add(*sessions.back())) throw std::runtime_error("refused");
    }
    for (int step = 0; step < 12; ++step) {
      const auto made = gang.step({true, true, true});
      for (std::size_t i = 0; i < made.size() && rank == 0; ++i) losses[i].push_back(made[i].report.loss);
      for (const auto& s : sessions)
        if (!s->ranks_agree()) throw std::runtime_error("the ranks' parameters differ");
    }
  });
  for (std::size_t i = 0; i < jobs.size(); ++i) same_losses(losses[i], alone[i]);
}

TEST_CASE("What cannot share a backbone is refused in words", "[torch][merged_gang]") {
  Family family;
  const auto member = family.session(family.contrasted("lora", 61));
  MergedGang gang(family.lonely());
  REQUIRE(gang.add(*member));
  const auto refused = [&](const Json& job, const std::string& why) {
    const auto session = family.session(job);
    const auto answer = gang.add(*session);
    REQUIRE_FALSE(answer);
    INFO(answer.error().items.front().message);
    CHECK(answer.error().items.front().message.find(why) != std::string::npos);
  };
  Json other_parent = family.labelled("lora", "shape", 62);
  other_parent["from"] = family.pretrained("stranger", 8);
  refused(other_parent, "another version than the others': `image.");
  Json full = family.labelled("lora", "shape", 63);
  full["model"]["transfer"] = {{"method", "full"}};
  refused(full, "it trains its backbone");
  Json half = family.labelled("probe", "shape", 64);
  half["precision"] = "bf16";
  refused(half, "precision");
  Json small = family.labelled("probe", "shape", 65);
  small["model"]["image"]["patch"] = 4;
  small.erase("from");
  refused(small, "its image has another shape");
  Json toy{{"task", "toy"}, {"steps", 5}, {"global_batch", 4}};
  refused(toy, "no frozen part");
  const auto last = family.session(family.labelled("probe", "colour", 66));
  CHECK(gang.add(*last));
  CHECK(gang.step({false, false}).size() == 2);
}

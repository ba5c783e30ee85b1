// Keys of training jobs: what is unknown or of a wrong type is named by its path.
#include "sim/models/training/job_schema.hpp"

#include <catch2/catch.hpp>

#include "sim/core/json.hpp"

namespace {
using namespace orrery;
using nlohmann::json;

json pairs() {
  return json::parse(R"({"task": "multimodal", "steps": 10, "global_batch": 8, "from": null,
    "optimizer": {"lr": 0.001, "betas": [0.9, 0.98], "schedule": "cosine"},
    "model": {"preset": "tiny", "text": {}, "image": {"size": 32, "patch": 8}, "objectives": {"contrastive": 1}},
    "data": {"folder": "d", "augment": true, "make": {"kind": "pairs", "samples": 64}},
    "evaluate": {"folder": "t", "samples": 10}})");
}

std::vector<std::string> said(const json& job) {
  std::vector<std::string> out;
  for (const Diagnostic& d : job_faults(job)) out.push_back(d.message + (d.hint.empty() ? "" : "; " + d.hint));
  return out;
}

TEST_CASE("Misspelt keys of a job are named, at any depth, with the nearest known one", "[models][job]") {
  CHECK(said(pairs()).empty());
  const auto with = [](const json& patch) {
    json job = pairs();
    job.merge_patch(patch);
    return said(job);
  };
  using Said = std::vector<std::string>;
  CHECK(with({{"globl_batch", 8}}) == Said{"unknown key `globl_batch`; did you mean `global_batch`?"});
  CHECK(with({{"data", {{"augmnt", true}}}}) == Said{"unknown key `data.augmnt`; did you mean `augment`?"});
  CHECK(with({{"data", {{"make", {{"sampels", 3}}}}}}) ==
        Said{"unknown key `data.make.sampels`; did you mean `samples`?"});
  CHECK(with({{"evaluate", {{"augment", true}}}}) == Said{"unknown key `evaluate.augment`"});
  CHECK(with({{"optimizer", {{"speed", 1}}}}) == Said{"unknown key `optimizer.speed`"});
  CHECK(with({{"model", {{"image", {{"pach", 8}}}}}}) ==
        Said{"unknown key `model.image.pach`; did you mean `patch`?"});
  CHECK(named_path(job_faults({{"task", "toy"}, {"data", 1}}).front()) == "data");
  CHECK(said({{"task", "of another program"}, {"anything", 1}}).empty());
}

TEST_CASE("Values of a job of a wrong type or range name the key and what is wanted", "[models][job]") {
  const auto with = [](const json& patch) {
    json job = pairs();
    job.merge_patch(patch);
    const auto all = said(job);
    REQUIRE(all.size() == 1);
    return all.front();
  };
  CHECK(with({{"steps", "many"}}) == "`steps` is `\"many\"`; a whole number of at least 1 is wanted");
  CHECK(with({{"ranks", 2000}}) == "`ranks` is `2000`; a whole number from 1 to 1024 is wanted");
  CHECK(with({{"seed", 1.5}}) == "`seed` is `1.5`; a whole number of at least 0 is wanted");
  CHECK(with({{"precision", "fp8"}}) == "`precision` is `\"fp8\"`; `fp32` or `bf16` is wanted");
  CHECK(with({{"data", {{"augment", "yes"}}}}) == "`data.augment` is `\"yes\"`; true or false is wanted");
  CHECK(with({{"data", {{"folder", 7}}}}) == "`data.folder` is `7`; a word is wanted");
  CHECK(with({{"data", "d"}}) == "`data` is `\"d\"`; a set of keys is wanted");
  CHECK(with({{"evaluate", {{"samples", 0}}}}) ==
        "`evaluate.samples` is `0`; a whole number of at least 1 is wanted");
  CHECK(with({{"from", 3}}) == "`from` is `3`; a path or a name is wanted");
  CHECK(with({{"optimizer", {{"betas", {0.9, 1.0}}}}}) ==
        "`optimizer.betas` is `[0.9,1.0]`; a list of two numbers from 0 to below 1 is wanted");
  CHECK(with({{"model", {{"image", {{"size", "big"}}}}}}).starts_with("`model.image.size` is \"big\", not "));
  CHECK(said(json::array()).size() == 1);
}

}  // namespace

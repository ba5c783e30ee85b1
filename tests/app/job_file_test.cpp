// Job files: the trainer's JSON, and errors with the place in the file.
#include "scenarios/spec/job_file.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "orrery_paths.hpp"

namespace {
using namespace orrery;

Diagnostic refused_job(const std::string& text) {
  const auto job = app::read_job_text(text, "job.yaml");
  REQUIRE(!job);
  REQUIRE(job.error().items.size() == 1);
  return job.error().items.front();
}

TEST_CASE("A misspelt key of a job file is shown where it stands", "[app][job]") {
  const std::string head = "task: multimodal\nsteps: 5\nmodel: { preset: tiny, image: {}, head: { classes: 5 } }\n";
  const Diagnostic batch = refused_job(head + "globl_batch: 8\n");
  CHECK(batch.message == "unknown key `globl_batch`");
  CHECK(batch.hint == "did you mean `global_batch`?");
  CHECK(render(Error(batch)).find("--> job.yaml:4:1\n") != std::string::npos);
  CHECK(batch.line_text == "globl_batch: 8");
  const Diagnostic augment = refused_job(head + "data: { folder: d,\n        augmnt: true }\n");
  CHECK(augment.message == "unknown key `data.augmnt`");
  CHECK(augment.where.line == 5);
  CHECK(augment.where.column == 9);
  CHECK(augment.width == 6);
  const Diagnostic deep = refused_job(head + "data:\n  make:\n    kind: shape\n    samples: lots\n");
  CHECK(deep.message == "`data.make.samples` is `\"lots\"`; a whole number of at least 1 is wanted");
  CHECK(deep.where.line == 7);
  CHECK(deep.where.column == 5);
  const Diagnostic model = refused_job(
      "task: multimodal\nsteps: 5\nmodel:\n  image: { sise: 3 }\n"
      "  head: { classes: 5 }\n");
  CHECK(model.message == "unknown key `model.image.sise`");
  CHECK(model.where.line == 4);
}

TEST_CASE("What a job file lacks, and every job file of ours", "[app][job]") {
  CHECK(refused_job("steps: 5\n").message.find("`task`") != std::string::npos);
  CHECK(refused_job("task: toy\n").message.find("`steps`") != std::string::npos);
  CHECK(refused_job("- a\n").message == "a job file is a mapping");
  const auto job = app::read_job_text("task: toy\nsteps: 5\nname: n\nranks: 3\nfrom: pairs\n", "job.yaml");
  REQUIRE(job);
  CHECK(job->name == "n");
  CHECK(job->ranks == 3);
  CHECK(job->global_batch == 16);
  CHECK(job->from == "pairs");
  int files = 0;
  const std::string folder = std::string(ORRERY_SOURCE_DIR) + "/scenarios/jobs";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".yaml") || path.ends_with("catalogue.yaml")) continue;
    INFO(path);
    const auto read = app::read_job_file(path);
    INFO((read ? std::string() : render(read.error())));
    CHECK(read);
    ++files;
  }
  CHECK(files >= 10);
}

}  // namespace

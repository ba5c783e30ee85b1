// Policies of shared libraries: one of a library decides as the same code in the tree, takes options from its row,
// and whatever is wrong with a library is one error.
#include <catch2/catch.hpp>

#include <string>

#include "orrery_paths.hpp"
#include "scenarios/run/library_policy.hpp"
#include "scenarios/run/run_policy.hpp"
#include "scenarios/run/simulate.hpp"
#include "tests/support/prepared.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/text.hpp"

#ifdef ORRERY_OUTSIDE

namespace {

using namespace orrery;
using namespace orrery::app;
using orrery::test::has;

PolicyConfig of_library(const std::string& name, const std::string& file = "fifo_again") {
  PolicyConfig c;
  c.name = name;
  c.options["library"] = fmt::format("{}/{}.so", ORRERY_OUTSIDE, file);
  return c;
}

Prepared two_nodes() {
  auto p = test::prepared(R"(version: 1
cluster: { groups: [ { name: n, count: 2, gpus_per_node: 4, gpu: h200 } ] }
workload: { generate: { jobs: 60, gpus: { 1: 0.5, 4: 0.5 } }, load: 1.0 }
)");
  if (!p) FAIL(render(p.error()));
  return std::move(*p);
}

std::string load_error(const PolicyConfig& c) {
  const auto row = library_row(c);
  if (!row) return render(row.error());
  const auto made = make_library_policy(c, **row, 1);
  return made ? std::string() : render(made.error());
}

}  // namespace

TEST_CASE("a policy of a library decides as the same code in the tree", "[library]") {
  const test::TempFolder dir;
  const Prepared p = two_nodes();
  RunRequest ours, theirs, few;
  ours.policy.name = "fifo";
  ours.folder = dir.file("ours");
  theirs.policy = few.policy = of_library("fifo-again");
  theirs.folder = dir.file("theirs");
  few.policy.options["most"] = "1";
  few.folder = dir.file("few");
  const auto a = simulate(p, ours), b = simulate(p, theirs), c = simulate(p, few);
  if (!b) FAIL(render(b.error()));
  REQUIRE((a && c));
  CHECK(b->failure == "");
  CHECK(b->result_digest == a->result_digest);
  CHECK(c->failure == "");
  CHECK(c->result.summary.finished == 60);
}

TEST_CASE("a policy of a library is copied where it says how", "[library]") {
  const Prepared p = two_nodes();
  const auto fifo = RunPolicy::make(p, of_library("fifo-again"), 1);
  const auto throws = RunPolicy::make(p, of_library("throws"), 1);
  REQUIRE((fifo && throws));
  const auto copy = fifo->copy();
  REQUIRE(copy);
  CHECK((*copy)->wakes_on() == fifo->get().wakes_on());
  const auto none = throws->copy();
  REQUIRE_FALSE(none);
  CHECK(has(render(none.error()), "policy `throws` cannot be copied, as it has no clone()"));
}

TEST_CASE("what is wrong with a library is one error", "[library]") {
  PolicyConfig wrong_option = of_library("fifo-again"), out_of_range = of_library("fifo-again");
  wrong_option.options["mots"] = "1";
  out_of_range.options["most"] = "0";
  CHECK(has(load_error(wrong_option), "policy `fifo-again` has no option `mots`"));
  CHECK(has(load_error(wrong_option), "did you mean `most`?"));
  CHECK(has(load_error(out_of_range), "must be a whole number from 1 to 1000000"));
  CHECK(has(load_error(of_library("fifo-agian")), "did you mean `fifo-again`?"));
  CHECK(has(load_error(of_library("mine", "nowhere")), "there is no library `"));
  CHECK(has(load_error(of_library("mine", "no_policies")), "has no function `orrery_policies`"));
  CHECK(has(load_error(of_library("mine", "other_interface")), "was built against interface 0, this is 1: rebuild"));
  CHECK(has(load_error(of_library("mine", "other_headers")), "with headers 0123456789ab, this is 1 with "));
  CHECK(has(load_error(of_library("throws-early")), "threw while it was made: nothing works"));
}

TEST_CASE("a policy of a library that throws fails the run in words", "[library]") {
  const Prepared p = two_nodes();
  RunRequest request;
  request.policy = of_library("throws");
  const auto report = simulate(p, request);
  REQUIRE(report);
  CHECK(has(report->failure, "policy `throws` of `"));
  CHECK(has(report->failure, "threw in decision 2, at "));
  CHECK(has(report->failure, "no such tenant"));
}

#endif

// What a generated lineage workload is asked to have: shares of GPU-time, how parents arrive, no edges, jobs beside
// the lineages, elastic jobs.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/catalogue.hpp"
#include "traces/edit/lineage_stats.hpp"
#include "traces/synth/generators.hpp"

using namespace orrery;

namespace {

GenerateSpec shaped(std::uint64_t seed = 1, std::int64_t jobs = 700) {
  static const auto catalogue = test::shipped_catalogue();
  GenerateSpec s;
  s.model = "lineage";
  s.jobs = jobs;
  s.seed = seed;
  s.load = 0.8;
  s.cluster_gpus = 512;
  s.catalogue = catalogue;
  return s;
}

double gpu_s(const TraceJob& j) {
  return to_seconds(j.duration) * j.gpus;
}

// GPU-time by what a job is to the lineages.
struct SharesOfWork {
  double parents = 0, children = 0, beside = 0;
};

// A job without edges that nobody descends from is beside the lineages, unless it is a parent that nobody chose.
SharesOfWork work_by_part(const Trace& t) {
  std::set<std::string> chosen;
  for (const TraceJob& j : t.jobs)
    for (std::size_t at = 0; at < j.after.view().size();) {
      const std::string& after = j.after.str();
      chosen.insert(after.substr(at, after.find('@', at) - at));
      at = std::min(after.find(';', at), after.size() - 1) + 1;
    }
  SharesOfWork sum;
  for (const TraceJob& j : t.jobs) {
    if (!j.after.empty())
      sum.children += gpu_s(j);
    else if (chosen.contains(j.job_id))
      sum.parents += gpu_s(j);
    else
      sum.beside += gpu_s(j);
  }
  return sum;
}

}  // namespace

TEST_CASE("lineage workloads: children have the share of the GPU-time that is asked for", "[generators][lineage]") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    for (const double share : {0.05, 0.3, 0.6}) {
      INFO("seed " << seed << ", " << share);
      GenerateSpec s = shaped(seed);
      s.children = share;
      const Trace t = generate(s).value();
      double children = 0, all = 0;
      for (const TraceJob& j : t.jobs) {
        all += gpu_s(j);
        if (j.kind != "pretrain") children += gpu_s(j);
      }
      CHECK(children / all == Approx(share).epsilon(1e-4));
      CHECK(offered_load(t, 512) == Approx(0.8).epsilon(1e-3));
    }
}

TEST_CASE("lineage workloads: longer children are as many, on as many GPUs, and as spread", "[generators][lineage]") {
  GenerateSpec s = shaped();
  const Trace drawn = generate(s).value();
  s.children = 0.4;
  const Trace t = generate(s).value();
  REQUIRE(t.jobs.size() == drawn.jobs.size());
  double factor = 0;
  for (std::size_t i = 0; i < t.jobs.size(); ++i) {
    const TraceJob &was = drawn.jobs[i], &is = t.jobs[i];
    CHECK((is.job_id == was.job_id && is.gpus == was.gpus && is.after == was.after && is.gain == was.gain));
    const double longer = to_seconds(is.duration) / to_seconds(was.duration);
    if (is.kind == "pretrain") {
      CHECK(is.duration == was.duration);
    } else if (factor == 0) {
      factor = longer;
    } else {
      CHECK(longer == Approx(factor).epsilon(1e-3));
      CHECK(static_cast<double>(is.iterations) == Approx(factor * static_cast<double>(was.iterations)).epsilon(0.01));
    }
  }
  CHECK(factor > 2);
}

TEST_CASE("lineage workloads: parents at once, and at even gaps", "[generators][lineage]") {
  GenerateSpec s = shaped();
  const Trace natural = generate(s).value();
  s.parents = ParentArrivals::burst;
  const Trace burst = generate(s).value();
  std::map<std::string, Time> submit;
  for (const TraceJob& j : burst.jobs) submit[j.job_id] = j.submit;
  bool before_parent_in_row = false;
  std::set<std::string> seen;
  for (const TraceJob& j : burst.jobs) {
    if (j.kind == "pretrain") CHECK(j.submit == Time{});
    if (j.kind == "eval" && j.after.view().starts_with('p')) CHECK(j.submit == Time{});
    if (!j.after.empty() && !seen.contains(j.after.str().substr(0, j.after.str().find('@'))))
      before_parent_in_row = true;
    seen.insert(j.job_id);
  }
  CHECK_FALSE(before_parent_in_row);
  // The others come when they came, but for what the load asks for.
  for (const TraceJob& j : natural.jobs)
    if (j.kind == "transfer") CHECK(submit[j.job_id] == j.submit);
  CHECK(offered_load(burst, 512) == Approx(0.8).epsilon(1e-3));

  s.parents = ParentArrivals::staggered;
  const Trace staggered = generate(s).value();
  std::vector<std::int64_t> at;
  for (std::size_t i = 0; i < staggered.jobs.size(); ++i) {
    CHECK(staggered.jobs[i].job_id == natural.jobs[i].job_id);  // nobody passes another
    if (staggered.jobs[i].kind == "pretrain") at.push_back(staggered.jobs[i].submit.ns);
  }
  REQUIRE(at.size() > 5);
  for (std::size_t i = 2; i < at.size(); ++i)
    CHECK(static_cast<double>(at[i] - at[i - 1]) == Approx(static_cast<double>(at[1] - at[0])).epsilon(1e-4));
  CHECK(offered_load(staggered, 512) == Approx(0.8).epsilon(1e-3));
}

TEST_CASE("lineage workloads: without edges they are the same jobs", "[generators][lineage]") {
  GenerateSpec s = shaped();
  Trace with = generate(s).value();
  s.edges = false;
  const Trace without = generate(s).value();
  for (const TraceJob& j : without.jobs) CHECK((j.after.empty() && j.gain.empty()));
  for (TraceJob& j : with.jobs) {
    j.after = "";
    j.gain = "";
  }
  CHECK(canonical_text(with) == canonical_text(without));
}

TEST_CASE("lineage workloads: jobs beside the lineages", "[generators][lineage]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed)
    for (const double children : {0.0, 0.3}) {
      INFO("seed " << seed << ", children " << children);
      GenerateSpec s = shaped(seed, 1500);
      s.independent = 0.4;
      s.children = children;
      const Trace t = generate(s).value();
      const SharesOfWork sum = work_by_part(t);
      const double all = sum.parents + sum.children + sum.beside;
      // A parent that no child chose is of the lineages, but cannot be told from those beside them.
      CHECK(sum.beside / all > 0.3999);
      CHECK(sum.beside / all < 0.45);
      if (children > 0) CHECK(sum.children / all == Approx(0.3 * 0.6).epsilon(0.01));
      CHECK(std::any_of(t.jobs.begin(), t.jobs.end(),
                        [](const TraceJob& j) { return j.kind == "transfer" && j.after.empty(); }));
    }
}

TEST_CASE("lineage workloads: a part of each kind of job is elastic", "[generators][lineage]") {
  GenerateSpec s = shaped(3, 1500);
  const Trace rigid = generate(s).value();
  s.elastic = 0.5;
  Trace t = generate(s).value();
  std::map<std::string, std::pair<int, int>> of_kind;  // elastic, all
  for (TraceJob& j : t.jobs) {
    auto& [elastic, all] = of_kind[j.model];
    ++all;
    if (!j.max_gpus) continue;
    ++elastic;
    CHECK((*j.min_gpus >= 1 && *j.min_gpus <= j.gpus && *j.max_gpus >= j.gpus && *j.max_gpus <= 512));
    CHECK(4 * *j.min_gpus >= j.gpus);
    CHECK(*j.max_gpus <= 4 * j.gpus);
    j.min_gpus.reset();
    j.max_gpus.reset();
  }
  CHECK(canonical_text(t) == canonical_text(rigid));  // nothing else changes
  for (const auto& [model, n] : of_kind) {
    INFO(model);
    CHECK(std::abs(2 * n.first - n.second) <= 2);
  }
}

// A quarter of the GPUs holds four times the samples where a step is not cut into micro-batches.
TEST_CASE("lineage workloads: an elastic job has as many GPUs as its memory needs", "[generators][lineage]") {
  GenerateSpec s = shaped(1, 200);
  Catalogue one = *s.catalogue;
  for (CatalogueJob& job : one.jobs) job.cluster.run.micro_batch = 0;
  s.catalogue = std::make_shared<const Catalogue>(one);
  s.elastic = 1;
  const auto least = [&](double bytes) {
    s.device.memory_bytes = bytes;
    std::int64_t sum = 0;
    const Trace all = generate(s).value();
    for (const TraceJob& j : all.jobs) sum += *j.min_gpus;
    return sum;
  };
  CHECK(least(141e9) > least(1e15));
}

TEST_CASE("lineage workloads: shares of jobs that there are not", "[generators][lineage]") {
  GenerateSpec s = shaped(1, 1);
  s.load.reset();
  s.rate_per_1e9_h = 1'000'000'000;
  CHECK(generate(s).has_value());
  s.children = 0.3;
  const auto none = generate(s);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().items[0].message == "children cannot have 0.3 of the GPU-time: among 1 jobs there are none");
  s.children = 0;
  s.independent = 0.3;
  REQUIRE_FALSE(generate(s).has_value());
  CHECK(generate(s).error().items[0].message ==
        "jobs beside the lineages cannot have 0.3 of the GPU-time: among 1 jobs there are none");
}

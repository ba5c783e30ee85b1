// The importers against the check figures that are published with the traces.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/traces.hpp"
#include "traces/edit/stats.hpp"
#include "traces/format/canonical.hpp"

namespace {

using namespace orrery;

struct ImportedFigures : TraceStats {
  explicit ImportedFigures(const Trace& t) : TraceStats(trace_stats(t)) {
    for (const TraceJob& j : t.jobs) sorted.push_back(j.duration);
    std::sort(sorted.begin(), sorted.end());
  }
  // As the published figures count: the element at floor(q n), without interpolation.
  [[nodiscard]] double element(double q) const {
    return to_seconds(sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size()))]);
  }
  std::vector<Duration> sorted;
};

std::optional<ImportedFigures> stats_of(const std::string& name, const std::string& format) {
  const auto path = test::recorded(name);
  if (!path) return std::nullopt;
  const auto trace = read_trace(*path);
  REQUIRE(trace);
  CHECK(trace->report.format == format);
  CHECK(trace->report.dropped.empty());
  return ImportedFigures(*trace);
}

std::string one_digit(double v) {
  return fmt::format("{:.1f}", v);
}

}  // namespace

TEST_CASE("philly.csv has its published figures", "[traces]") {
  const auto s = stats_of("philly-2017/philly.csv.gz", "philly");
  if (!s) return;
  CHECK(s->jobs == 82'247);
  CHECK(one_digit(s->mean_s) == "13135.9");
  CHECK(s->p50_s == 1144);
  CHECK(s->max_s == 4'628'226);
  CHECK(one_digit(s->gpu_hours) == "978078.5");
  REQUIRE(s->by_gpus.front().first == 1);
  CHECK(s->by_gpus.front().second == 76'627);
}

TEST_CASE("philly_jobs_derived.csv has its published figures", "[traces]") {
  const auto s = stats_of("philly-2017/philly_jobs_derived.csv.gz", "philly-derived");
  if (!s) return;
  CHECK(s->jobs == 101'615);
  CHECK(one_digit(s->mean_s) == "25042.0");
  CHECK(s->p50_s == 1143);
  CHECK(s->element(0.9) == 15'665);
  CHECK(s->max_s == 5'196'151);
  CHECK(fmt::format("{:.3f}", s->mean_gpus) == "1.486");
  CHECK(s->max_gpus == 48);
  CHECK(one_digit(s->gpu_hours) == "1953102.3");
  CHECK(s->tenants == 10);
}

TEST_CASE("Microsoft ITP clusters have their published figures", "[traces]") {
  struct Cluster {
    const char* name;
    std::int64_t jobs;
    const char *mean, *median, *gpus;
    int max_gpus;
    const char* gpu_hours;
  };
  for (const Cluster& c : {Cluster{"cluster01.csv.gz", 1595, "12720.7", "8287", "2.337", 64, "22740.1"},
                           Cluster{"cluster02.csv.gz", 5778, "22969.5", "6185", "2.040", 64, "123748.4"},
                           Cluster{"cluster04.csv.gz", 15802, "19982.1", "7949", "3.035", 64, "705682.9"},
                           Cluster{"cluster05.csv.gz", 3629, "10213.8", "7699", "1.193", 8, "14303.1"},
                           Cluster{"cluster06.csv.gz", 2396, "24433.7", "4321", "5.187", 64, "123878.7"},
                           Cluster{"cluster08.csv.gz", 13047, "14545.6", "13677", "1.099", 32, "67100.0"},
                           Cluster{"cluster09.csv.gz", 11134, "12610.3", "11764", "1.000", 1, "39000.8"},
                           Cluster{"cluster10.csv", 260, "32725.7", "17806", "1.473", 16, "4023.5"}}) {
    INFO(c.name);
    const auto s = stats_of(fmt::format("msft-itp-2021/raw/{}", c.name), "msft-itp");
    if (!s) return;
    CHECK(s->jobs == c.jobs);
    CHECK(one_digit(s->mean_s) == c.mean);
    CHECK(fmt::format("{:.0f}", s->element(0.5)) == c.median);
    CHECK(fmt::format("{:.3f}", s->mean_gpus) == c.gpus);
    CHECK(s->max_gpus == c.max_gpus);
    CHECK(one_digit(s->gpu_hours) == c.gpu_hours);
  }
}

TEST_CASE("Muri's traces are read in milliseconds", "[traces]") {
  const auto t1 = stats_of("muri/trace-data/trace1.csv.gz", "muri");
  const auto t3 = stats_of("muri/trace-data/trace3.csv", "muri");
  if (!t1 || !t3) return;
  CHECK(t1->jobs == 1494);
  CHECK(t3->jobs == 992);
  CHECK(one_digit(t1->span_s / 86400) == "125.2");
}

TEST_CASE("Tiresias' testbed trace has 60 jobs", "[traces]") {
  const auto s = stats_of("tiresias/60_job.csv", "tiresias");
  if (!s) return;
  CHECK(s->jobs == 60);
  CHECK(s->max_gpus == 8);
}

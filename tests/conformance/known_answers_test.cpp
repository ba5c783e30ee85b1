// Queueing theory as oracle: mean waits of M/M/c under FIFO are known in closed form (Erlang C). Simulated waits must
// lie within a 99.9 % confidence interval of batch means.
#include <catch2/catch.hpp>

#include <cmath>

#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;
using namespace orrery::test;

// Mean wait over mean service time: C(c, rho) / (c (1 - rho)).
double erlang_c_wait(int c, double rho) {
  const double a = c * rho;
  double term = 1;
  double sum = 1;
  for (int k = 1; k < c; ++k) {
    term *= a / k;
    sum += term;
  }
  term *= a / c;
  const double blocked = term / (1 - rho) / (sum + term / (1 - rho));
  return blocked / (c * (1 - rho));
}

Workload poisson_workload(int c, double rho, int jobs) {
  RandomStream arrivals = stream(7, "tests/mmc/arrivals");
  RandomStream services = stream(7, "tests/mmc/services");
  Workload w;
  const double service_ns = 1e12;
  double at = 0;
  for (int i = 0; i < jobs; ++i) {
    JobSpec s;
    s.id = JobId(static_cast<std::uint32_t>(i));
    s.name = "j";
    s.submit = Time{static_cast<std::int64_t>(at)};
    s.demand.gpus = 1;
    s.min_gpus = s.max_gpus = 1;
    s.demand_class = w.demands.intern(s.demand);
    w.specs.push_back(s);
    w.truths.push_back({Work{1 + static_cast<std::int64_t>(exponential(services, service_ns))}});
    at += exponential(arrivals, service_ns / (c * rho));
  }
  return w;
}

class Waits final : public Observer {
 public:
  explicit Waits(const Workload& w) : workload_(&w), wait_s(w.specs.size()) {}
  void on_event(const Event& e) override {
    if (e.kind() == EventKind::launch)
      wait_s[e.job.index()] = to_seconds(e.at - workload_->specs[e.job.index()].submit);
  }

 private:
  const Workload* workload_;

 public:
  std::vector<double> wait_s;
};

}  // namespace

TEST_CASE("M/M/c waits agree with Erlang C", "[conformance][slow]") {
  struct Queue {
    int c;
    double rho;
  };
  for (const Queue q : {Queue{1, 0.7}, Queue{4, 0.8}, Queue{16, 0.9}}) {
    constexpr int kJobs = 400'000;
    constexpr int kWarmUp = 20'000;
    constexpr int kBatches = 38;
    const Workload w = poisson_workload(q.c, q.rho, kJobs);
    Waits waits(w);
    const auto policy = make_policy({"fifo"});
    const RunResult r = run_world(cluster(q.c, 1), w, *policy, {}, false, {&waits});
    REQUIRE(r.outcome.status == RunStatus::completed);
    constexpr int kBatch = (kJobs - kWarmUp) / kBatches;
    double sum = 0;
    double squares = 0;
    for (int b = 0; b < kBatches; ++b) {
      double mean = 0;
      for (int i = 0; i < kBatch; ++i) mean += waits.wait_s[static_cast<std::size_t>(kWarmUp + b * kBatch + i)];
      mean /= kBatch;
      sum += mean;
      squares += mean * mean;
    }
    const double mean = sum / kBatches;
    const double error = std::sqrt((squares / kBatches - mean * mean) / (kBatches - 1));
    const double want = erlang_c_wait(q.c, q.rho) * 1000;  // service time 1000 s
    INFO("c = " << q.c << ", rho = " << q.rho << ": mean wait " << mean << " +- " << error << " s, Erlang C "
                << want);
    CHECK(std::abs(mean - want) < 3.57 * error);  // Student's t, 37 degrees, 99.9 %
    CHECK(error < 0.1 * want);                    // the interval says something
  }
}

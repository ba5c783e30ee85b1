// Who gets a node's CPUs, and what that costs, worked out by hand.
#include <catch2/catch.hpp>

#include "sim/models/speed/cpu_shares.hpp"

using namespace orrery;

namespace {

Topology nodes(int count, std::int64_t cpus) {
  NodeGroup g;
  g.name = "n";
  g.count = count;
  g.gpus_per_node = 4;
  g.gpu = "gpu";
  g.cpu_milli = cpus * 1000;
  return Topology({g});
}

JobSpec job(std::uint32_t id, std::int32_t sensitivity_per_mille = 0) {
  JobSpec s;
  s.id = JobId(id);
  s.cpu_sensitivity_per_mille = sensitivity_per_mille;
  return s;
}

std::map<std::uint32_t, double> speeds(CpuShares& shares) {
  std::map<std::uint32_t, double> out;
  for (const auto& [id, rate] : shares.update()) out[id.value] = static_cast<double>(rate.per_billion) / 1e9;
  return out;
}

}  // namespace

TEST_CASE("half of the CPUs cost a job its sensitivity, and none nearly all of it", "[models][phases]") {
  const auto speed = [](std::int32_t sensitivity, std::int64_t share) {
    return static_cast<double>(cpu_speed(job(0, sensitivity), share).per_billion) / 1e9;
  };
  CHECK(speed(250, 1'000'000'000) == 1);
  CHECK(speed(250, 750'000'000) == Approx(0.875));
  CHECK(speed(250, 500'000'000) == Approx(0.75));
  CHECK(speed(250, 250'000'000) == Approx(0.375));
  CHECK(speed(250, 0) == Approx(0.001));
  CHECK(speed(1000, 500'000'000) == Approx(0.001));  // else it would never end
  CHECK(speed(0, 500'000'000) == Approx(0.5));       // bound by decoding
  CHECK(speed(0, 300'000'000) == Approx(0.3));
  CHECK(speed(800, 900'000'000) == Approx(0.84));
}

TEST_CASE("a node's CPUs go to those who want few first, the rest by GPUs", "[models][phases]") {
  // 8 CPUs, 4 GPUs.
  const Topology t = nodes(2, 8);
  CpuShares shares(t);
  const Allocation two = *parse_allocation("n0:0-1"), others = *parse_allocation("n0:2-3");
  const JobSpec a = job(1), b = job(2), c = job(3, 250);
  shares.enter(a, two, 4000);
  CHECK(speeds(shares).empty());  // 8 of 8: enough
  shares.enter(b, others, 2000);  // wants 4, which is its half of the node: a has 4 of 8
  CHECK(speeds(shares) == std::map<std::uint32_t, double>{{1, 0.5}});
  shares.enter(b, others, 1000);  // wants 2: a has 6 of 8
  CHECK(speeds(shares) == std::map<std::uint32_t, double>{{1, 0.75}});
  shares.leave(b.id);
  CHECK(speeds(shares) == std::map<std::uint32_t, double>{{1, 1.0}});
  shares.enter(c, others, 4000);  // alike: each has 4 of 8, and c loses less by that
  CHECK(speeds(shares) == std::map<std::uint32_t, double>{{1, 0.5}, {3, 0.75}});
  shares.leave(a.id);
  shares.leave(c.id);
  CHECK(speeds(shares).empty());
}

TEST_CASE("a job on several nodes is as fast as where it gets least, reserved CPUs are its own", "[models][phases]") {
  const Topology t = nodes(2, 8);
  CpuShares shares(t);
  const JobSpec wide = job(1), one = job(2), reserves = job(3);
  const Allocation both = *parse_allocation("n0:0,n1:0"), there = *parse_allocation("n1:1");
  shares.enter(wide, both, 6000);
  shares.enter(one, there, 8000);  // n1: 4 each; of 6 that is two thirds
  CHECK(speeds(shares)[1] == Approx(2.0 / 3).epsilon(1e-6));
  shares.leave(one.id);
  (void)shares.update();
  Allocation reserved;  // 6 of n0's CPUs: 2 are left for the other one
  NodeSlice s;
  s.node = NodeId(0);
  s.gpus = GpuMask::one(1);
  s.cpu_milli = 6000;
  reserved.add(s);
  shares.enter(reserves, reserved, 0);
  CHECK(speeds(shares)[1] == Approx(1.0 / 3).epsilon(1e-6));
  shares.enter(reserves, reserved, 8000);  // and it wants 2 more: 1 each
  const auto now = speeds(shares);
  CHECK(now.at(1) == Approx(1.0 / 6).epsilon(1e-6));
  CHECK(now.at(3) == Approx(7.0 / 8).epsilon(1e-6));
}

TEST_CASE("nodes whose CPUs are not modelled have enough", "[models][phases]") {
  const Topology t = nodes(1, 0);
  CpuShares shares(t);
  const JobSpec a = job(1);
  shares.enter(a, *parse_allocation("n0:0"), 900'000);
  CHECK(speeds(shares).empty());
}

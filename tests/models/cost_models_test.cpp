// Cost models against the vectors of docs/formulas.md and against figures worked by hand or published:
// collectives, memory, FLOPs and step time, checkpoints, colocation, stragglers.
#include <catch2/catch.hpp>

#include <cmath>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"
#include "sim/models/lifecycle/checkpoint_cost.hpp"
#include "sim/models/network/collectives.hpp"
#include "sim/models/speed/colocation.hpp"
#include "sim/models/training/memory.hpp"
#include "sim/models/training/roofline.hpp"

using namespace orrery;

// Vector 16.
TEST_CASE("ring all-reduce of 256 MiB at a known bus bandwidth", "[models][collectives]") {
  const double bytes = 256.0 * 1024 * 1024;
  CHECK(all_reduce_at_bus_s(8, bytes, 240e9) == Approx(1.9573e-3).margin(5e-8));
  CHECK(all_reduce_at_bus_s(16, bytes, 24e9) == Approx(20.9715e-3).margin(5e-8));
  CHECK(all_reduce_bus_factor(8) == 1.75);
}

TEST_CASE("collectives by the alpha-beta model", "[models][collectives]") {
  const HopCost hop{1e-6, 1e9};  // 1 us, 1 GB/s; 8 MB takes 8 ms
  CHECK(ring_all_reduce_s(8, 8e6, hop) == Approx(14e-6 + 14e-3));
  CHECK(tree_all_reduce_s(8, 8e6, hop) == Approx(6e-6 + 16e-3));
  CHECK(tree_all_reduce_s(5, 0, hop) == Approx(6e-6));  // three levels
  CHECK(ring_reduce_scatter_s(8, 8e6, hop) == Approx(7e-6 + 7e-3));
  CHECK(ring_all_gather_s(8, 8e6, hop) + ring_reduce_scatter_s(8, 8e6, hop) ==
        Approx(ring_all_reduce_s(8, 8e6, hop)));
  CHECK(recursive_all_gather_s(8, 8e6, hop) == Approx(3e-6 + 7e-3));
  CHECK(all_to_all_s(4, 8e6, hop) == Approx(3e-6 + 6e-3));
  CHECK(ring_broadcast_s(4, 8e6, hop) == Approx(3e-6 + 8e-3));
  CHECK(tree_broadcast_s(4, 8e6, hop) == Approx(2e-6 + 8e-3));
  for (const auto f : {ring_all_reduce_s, tree_all_reduce_s, ring_broadcast_s, all_to_all_s, recursive_all_gather_s})
    CHECK(f(1, 8e6, hop) == 0);
  CHECK(ring_all_reduce_s(4, 8e6, {1e-6, 0}) == Approx(6e-6));  // bandwidth unknown: latency only
  // Small messages: the tree's few hops win; large ones: the ring's smaller volume.
  CHECK(tree_all_reduce_s(64, 1e3, hop) < ring_all_reduce_s(64, 1e3, hop));
  CHECK(tree_all_reduce_s(64, 1e9, hop) > ring_all_reduce_s(64, 1e9, hop));
}

TEST_CASE("hierarchical all-reduce: inside, between, inside", "[models][collectives]") {
  // 2 nodes of 4 GPUs, 400 MB: scatter 300 MB at 100 GB/s = 3 ms, all-reduce 100 MB between two nodes at 10 GB/s =
  // 10 ms, gather 3 ms.
  CHECK(hierarchical_all_reduce_s(4, 2, 400e6, {0, 100e9}, {0, 10e9}) == Approx(16e-3));
  CHECK(hierarchical_all_reduce_s(8, 1, 1e9, {1e-6, 1e11}, {5e-6, 1e10}) ==
        Approx(ring_all_reduce_s(8, 1e9, {1e-6, 1e11})));
  CHECK(hierarchical_all_reduce_s(1, 8, 1e9, {1e-6, 1e11}, {5e-6, 1e10}) ==
        Approx(ring_all_reduce_s(8, 1e9, {5e-6, 1e10})));
}

TEST_CASE("NCCL's tuner: a protocol by size, a ring inside a node, a tree for small messages between nodes",
          "[models][collectives]") {
  const NcclNode h100{18 * 20.6, 48, true};
  // 8 GPUs, 1 GB: ring, Simple: 8.4 + 14 x 3.4 us, 1e9 B at 370.8 x 8 / 14 GB/s.
  const auto large = nccl_all_reduce(8, 1, 1e9, h100);
  CHECK(large.protocol == 2);
  CHECK_FALSE(large.tree);
  CHECK(large.time_us == Approx(8.4 + 14 * 3.4 + 1e9 / (1000 * 370.8 * 8 / 14)).epsilon(1e-12));
  const auto small = nccl_all_reduce(8, 1, 1e3, h100);  // LL: 6.6 + 14 x 0.6 us and half the bandwidth
  CHECK(small.protocol == 0);
  CHECK(small.time_us == Approx(6.6 + 14 * 0.6 + 1e3 / (1000 * 370.8 / 2 * 8 / 14)).epsilon(1e-12));
  const auto far = nccl_all_reduce(8, 16, 1e3, h100);  // tree: 6.8 + 2 (7 x 0.6 + 4 x 5)
  CHECK(far.tree);
  CHECK(far.time_us == Approx(6.8 + 2 * (7 * 0.6 + 4 * 5) + 1e3 / (1000 * 370.8 / 2 * 0.92 / 2)).epsilon(1e-12));
  CHECK(nccl_all_reduce(1, 1, 1e9, {}).time_us == 0);
  // Two nodes, 1 GB: a ring, Simple; its 30 hops, two of them between the nodes, take 1.4 times as long (V100: 1.9).
  const auto two = nccl_all_reduce(8, 2, 1e9, h100);
  CHECK(two.protocol == 2);
  CHECK_FALSE(two.tree);
  CHECK(two.time_us == Approx(1.4 * (8.4 + 28 * 3.4 + 2 * 14) + 1e9 / (1000 * 370.8 * 16 / 30)).epsilon(1e-12));
  NcclNode older = h100;
  older.plateau = 1.9;
  CHECK(nccl_all_reduce(8, 2, 1e9, older).time_us - two.time_us == Approx(0.5 * (8.4 + 28 * 3.4 + 2 * 14)));
}

TEST_CASE("bytes that sharded data parallelism moves", "[models][collectives]") {
  CHECK(data_parallel_bytes(Sharding::none, 4, 1e9, 2) == 3e9);
  CHECK(data_parallel_bytes(Sharding::zero2, 4, 1e9, 2) == 3e9);
  CHECK(data_parallel_bytes(Sharding::zero3, 4, 1e9, 2) == 4.5e9);                // 3 P e (n - 1) / n
  CHECK(data_parallel_bytes(Sharding::zero3, 4, 1e9, 2, 3) == 13.5e9);            // gathers four times
  CHECK(data_parallel_bytes(Sharding::none, 4, 1e9, 2, 0, 0.01) == Approx(3e7));  // LoRA
  CHECK(data_parallel_bytes(Sharding::zero3, 1, 1e9, 2) == 0);
  CHECK(tensor_parallel_bytes(2, 1024, 4096, 2) == 4.0 * 2 * 1024 * 4096 * 2);
}

TEST_CASE("memory of model states and activations", "[models][memory]") {
  const double p = 7.5e9;  // the example of the ZeRO paper: 120, 31.4, 16.6 and 1.9 GB on 64 ranks
  CHECK(model_state_bytes(p, Sharding::none, 64) == 120e9);
  CHECK(model_state_bytes(p, Sharding::zero1, 64) == Approx(31.4e9).epsilon(2e-3));
  CHECK(model_state_bytes(p, Sharding::zero2, 64) == Approx(16.6e9).epsilon(3e-3));
  CHECK(model_state_bytes(p, Sharding::zero3, 64) == Approx(1.9e9).epsilon(2e-2));
  CHECK(megatron_state_bytes(1e9, 1) == 18e9);
  CHECK(megatron_state_bytes(1e9, 12) == 7e9);
  CHECK(adapter_state_bytes(1e9, 1e6) == 2e9 + 16e6);
  CHECK(adapter_state_bytes(1e9, 1e6, true) == 0.55e9 + 16e6);
  // GPT-3: s 2048, h 12288, a 96, b 1: 5 a s / h = 80, so 114 s b h a layer; attention alone is 80 of it.
  const LayerShape gpt3{2048, 1, 12288, 96};
  const double unit = 2048.0 * 12288;
  CHECK(layer_activation_bytes(gpt3, Recompute::none) == 114 * unit);
  CHECK(layer_activation_bytes(gpt3, Recompute::attention) == 34 * unit);
  CHECK(layer_activation_bytes(gpt3, Recompute::all) == 2 * unit);
  CHECK(layer_activation_bytes(gpt3, Recompute::attention, 8) == 34 * unit / 8);
  CHECK(contrastive_logit_bytes(32768, 32768) == 4.0 * 32768 * 32768);
  CHECK(contrastive_logit_bytes(32768, 256) == 4.0 * 256 * 32768);
  CHECK(fits_memory(60e9, 10e9, 80e9));
  CHECK_FALSE(fits_memory(60e9, 15e9, 80e9));
}

TEST_CASE("published FLOP counts", "[models][flops]") {
  // ViT-B/16 at 224: 196 patches and a class token; ViT-L/14; CLIP's text tower.
  CHECK(forward_flops({197, 768, 12}) + patch_flops(196, 3 * 16 * 16, 768) == Approx(35.1e9).epsilon(5e-3));
  CHECK(forward_flops({257, 1024, 24}) + patch_flops(256, 3 * 14 * 14, 1024) == Approx(162e9).epsilon(5e-3));
  CHECK(forward_flops({77, 512, 12}) == Approx(6.0e9).epsilon(2e-2));
  CHECK(forward_flops({100, 64, 1, true}) == 24.0 * 100 * 64 * 64 + 2.0 * 100 * 100 * 64);
  // Megatron's count is three forward passes and the logits.
  const double layers = 3 * 8 * forward_flops({2048, 1024, 24}), logits = 3 * 2.0 * 8 * 2048 * 1024 * 51200;
  CHECK(megatron_iteration_flops(8, 2048, 24, 1024, 51200) == Approx(layers + logits).epsilon(1e-12));
  // Queries over as many keys: self-attention of one layer.
  CHECK(cross_attention_flops(50, 50, 64) == Approx(forward_flops({50, 64, 1})));
  CHECK(training_factor(Trained::full) == 3);
  CHECK(training_factor(Trained::full, 1, true) == 4);
  CHECK(training_factor(Trained::lora) == 2);
  CHECK(training_factor(Trained::top_layers, 0.25) == 1.5);
  CHECK(training_factor(Trained::probe) == 1);
  CHECK(training_factor(Trained::cached_probe) == 0);
}

TEST_CASE("roofline, utilisation, energy and loading", "[models][flops]") {
  Device d;
  d.peak_flops = 1e12;
  d.efficiency = 0.5;
  d.memory_bytes_per_s = 1e11;
  CHECK(roofline_s(1e12, 1e9, 8, d) == 2.0);   // computation
  CHECK(roofline_s(1e10, 1e11, 8, d) == 1.0);  // memory
  d.half_batch = 8;
  d.launch_s = 0.25;
  CHECK(roofline_s(1e12, 0, 8, d) == 4.25);  // half of the efficiency, and the launches
  CHECK(roofline_s(0, 0, 8, d) == 0);
  CHECK(model_flops_utilisation(4e15, 10, 8, 1e14) == 0.5);
  CHECK(energy_joules(100, 700, 0.5, 10) == 4000);
  CHECK(with_loading_s(1, 3e9, 1e9, 8, 4, true) == 3);
  CHECK(with_loading_s(1, 3e9, 1e9, 8, 4, false) == 6);
  CHECK(with_loading_s(1, 0, 0, 8, 16, true) == 1);
}

TEST_CASE("a multimodal step waits for the rank with the most tokens", "[models][flops]") {
  const TowerShape towers[] = {{"text", 64, 1, Trained::full, 1}, {"image", 64, 1, Trained::frozen, 0.25}};
  const TowerShape joint{"llm", 64, 2, Trained::lora, 1};
  Device d;
  d.peak_flops = 1e9;
  // Rank 0: one micro-batch of a text of 10 and an image of 40; rank 1: the same and a text alone of 20.
  const std::vector<std::vector<std::vector<SampleTokens>>> ranks{{{{10, 40}}}, {{{10, 40}}, {{20, 0}}}};
  const auto f = [](double n, double layers) { return layers * (24 * n * 64 * 64 + 4 * n * n * 64); };
  const double first = 3 * f(10, 1) + f(40, 1) + 2 * f(20, 2), second = 3 * f(20, 1) + 2 * f(20, 2);
  const auto step = multimodal_step(towers, joint, ranks, d, 0.5);
  CHECK(step.flops == Approx(2 * first + second));
  CHECK(step.slowest_rank_s == Approx((first + second) / 1e9));
  CHECK(step.step_s == Approx((first + second) / 1e9 + 0.5));
  CHECK(step.imbalance() == Approx((first + second) / (first + second / 2)));
}

// Vector 4.
TEST_CASE("Young's and Daly's checkpoint intervals", "[models][checkpoint]") {
  CHECK(young_interval_s(60, 21600) == Approx(1609.969).epsilon(1e-6));
  CHECK(daly_interval_s(60, 21600) == Approx(1570.217).epsilon(1e-6));
  CHECK(daly_interval_s(50'000, 21600) == 21600);
  // Daly's is where the expected time is smallest: no interval nearby is better by more than his truncation.
  const auto expected = [](double t) { return expected_time_s(86400, t, 60, 120, 21600); };
  const double best = expected(daly_interval_s(60, 21600));
  for (double t = 200; t < 6000; t += 10) CHECK(expected(t) >= best * (1 - 1e-6));
  CHECK(expected_time_s(3600, 600, 0, 0, 1e12) == Approx(3600).epsilon(1e-6));  // failures never come
}

TEST_CASE("the cost of saving and of restarting", "[models][checkpoint]") {
  CHECK(checkpoint_bytes(1e9, 1e9, false) == 14e9);
  CHECK(checkpoint_bytes(1e9, 1e6, false) == 2e9 + 12e6);
  CHECK(checkpoint_bytes(1e9, 1e9, true) == 2e9);
  const StorageCost storage{25e9, 10e9, 4e9};
  CHECK(save_cost(14e9, 1, storage, false).stall_s == 3.5);          // one node's 4 GB/s
  CHECK(save_cost(14e9, 4, storage, false).stall_s == Approx(1.4));  // the storage's 10 GB/s
  const SaveCost async = save_cost(14e9, 4, storage, true);
  CHECK(async.stall_s == Approx(0.14));
  CHECK(async.write_s == Approx(1.54));
  CHECK(lost_work_s(100, async) == Approx(51.4));
  CHECK(lost_work_s(100, save_cost(14e9, 4, storage, false)) == 50);
  CHECK(save_cost(50e9, 1, {25e9, 0, 0}, false).stall_s == 2);
  CHECK(restart_s({30, 20, 1, 0.01, 2, 5}, 100, 14e9, 4, storage, false) == Approx(30 + 20 + 1 + 1 + 1.4 + 2 + 5));
  CHECK(restart_s({30, 20, 1, 0.01, 2, 5}, 100, 14e9, 4, storage, true) == Approx(59));
  // 16384 GPUs are 2048 nodes at 6.5 failures in 1000 node-days: 13.3 a day. 5 minutes to restart, hourly saves of 10
  // s.
  const double ratio = effective_time_ratio(2048, 6.5e-3 / 86400, 300, 3600, 10);
  CHECK(ratio == Approx((1 - 13.312 / 86400 * 2100) / (1 + 10.0 / 3600)));
  CHECK(effective_time_ratio(1'000'000, 1, 300, 3600, 10) == 0);
}

TEST_CASE("what a job stands still for to save and to publish", "[models][checkpoint]") {
  const auto still_s = [](int run, int every, int save, int publish, std::vector<std::int32_t> points) {
    return to_seconds(stands_still(seconds(run), seconds(every), seconds(save), seconds(publish), points));
  };
  CHECK(still_s(1000, 300, 10, 0, {}) == 30);
  CHECK(still_s(900, 300, 10, 0, {}) == 20);  // none at its end
  CHECK(still_s(300, 300, 10, 0, {}) == 0);
  CHECK(still_s(1000, 0, 10, 0, {}) == 0);
  CHECK(still_s(1000, 0, 10, 5, {250, 500}) == 10);
  // At 400 it publishes, which saves, too: checkpoints at 300, 700, none at 1000.
  CHECK(still_s(1000, 300, 10, 5, {400}) == 25);
  CHECK(still_s(1000, 300, 10, 0, {400}) == 30);  // without a cost it is no pause
  CHECK(stands_still(Duration{kForever.ns / 4}, Duration{1}, seconds(1), {}) == Duration{kForever.ns / 4});
}

TEST_CASE("simulated failures cost what Daly expects", "[models][checkpoint]") {
  // Save every 500 s at 20 s, restart 60 s, MTBF 4000 s: the mean of 4000 runs of 10 intervals against the formula.
  RandomStream rng = stream(4, "tests/daly");
  double sum = 0;
  constexpr int kRuns = 4000;
  for (int run = 0; run < kRuns; ++run)
    for (int interval = 0; interval < 10; ++interval) {
      double need = 520;  // a failure loses the whole interval, and failures while restarting restart it again
      for (double fail = exponential(rng, 4000.0); fail < need; fail = exponential(rng, 4000.0)) {
        sum += fail;
        need = 580;
      }
      sum += need;
    }
  CHECK(sum / kRuns == Approx(expected_time_s(5000, 500, 20, 60, 4000)).epsilon(0.02));
}

// Vector 5.
TEST_CASE("Muri's interleaving of (2,1,5,1) and (4,2,1,1)", "[models][colocation]") {
  const StageTimes two[] = {{2, 1, 5, 1}, {4, 2, 1, 1}};
  const Interleaving both = interleave(two);
  CHECK(both.time_s == 10);
  CHECK(both.efficiency == Approx(0.425));
  CHECK(both.speed == std::vector<double>{0.9, 0.8});
  CHECK(interleave(std::span(two, 1)).time_s == 9);
  CHECK(interleave(std::span(two, 1)).speed == std::vector<double>{1.0});
  const StageTimes even[] = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}};
  CHECK(interleave(even).efficiency == 1);  // four jobs, four resources, nobody waits
  CHECK(interleave(even).time_s == 4);
}

TEST_CASE("colocation by demand, labels, the slowest rank", "[models][colocation]") {
  const double light[] = {0.3, 0.4}, heavy[] = {0.8, 0.8}, half[] = {0.5, 0.5}, most[] = {0.5, 0.6};
  CHECK(*colocated_speed(light, half) == Approx(0.95));
  CHECK(*colocated_speed(heavy, half) == Approx(0.95 / 1.6));
  CHECK_FALSE(colocated_speed(light, most));
  CHECK(time_sliced_speed(0.5) == Approx(0.49));
  const double speeds[] = {1.0, 0.7, 0.9};
  CHECK(gang_speed(speeds) == 0.7);
  CHECK(packing_label(0.95) == PackingLabel::tiny);
  CHECK(packing_label(0.85) == PackingLabel::medium);
  CHECK(packing_label(0.84) == PackingLabel::jumbo);
}

TEST_CASE("stragglers: the formula bounds the mean of the slowest of many", "[models][colocation]") {
  CHECK(straggler_inflation(1, 4, 0.1) == 1);
  CHECK(straggler_inflation(64, 4, 0.2) == Approx(1 + 0.1 * std::sqrt(2 * std::log(64))));
  // 64 ranks of the mean of 4 times; each time a sum of 12 uniform numbers: mean 6, variance 1.
  RandomStream rng = stream(6, "tests/stragglers");
  double sum = 0;
  constexpr int kSteps = 500;
  for (int step = 0; step < kSteps; ++step) {
    double slowest = 0;
    for (int rank = 0; rank < 64; ++rank) {
      double time = 0;
      for (int i = 0; i < 48; ++i) time += static_cast<double>(uniform_below(rng, 1'000'000)) / 1e6;
      slowest = std::max(slowest, time / 24);
    }
    sum += slowest;
  }
  const double bound = straggler_inflation(64, 4, 1.0 / 6);
  CHECK(sum / kSteps < bound);
  CHECK(sum / kSteps == Approx(bound).epsilon(0.06));
}

#include "tests/fuzz/profile_targets.hpp"

#include "sim/models/speed/gpu_share.hpp"
#include "sim/models/speed/step_times.hpp"
#include "sim/models/speed/throughputs.hpp"
#include "tests/fuzz/require.hpp"
#include "traces/format/capacity.hpp"
#include "traces/format/text_file.hpp"
#include "traces/profiles/profiles.hpp"

namespace orrery::test {
namespace {

std::vector<NodeGroup> fuzz_groups() {
  NodeGroup g;
  g.name = "v", g.count = 2, g.gpus_per_node = 4, g.gpu = "v100";
  return {g};
}

}  // namespace

void run_capacity(std::string_view bytes) {
  const Expected<std::string> text = decode_text("fuzz.csv", std::string(bytes));
  if (!text) return;
  const auto capacity = read_capacity_text("fuzz.csv", *text);
  require_message(capacity);
  if (capacity)
    for (const Outage& o : outages_of(*capacity, 5, 8)) require(o.from < o.to, "an outage ends before it begins");
  const auto lives = read_gpu_lives_text("fuzz.csv", *text);
  require_message(lives);
  if (lives) (void)outages_of(*lives, 5, seconds(60));
}

void run_profiles(std::string_view bytes) {
  const Expected<std::string> text = decode_text("fuzz.csv", std::string(bytes));
  if (!text) return;
  const auto points = read_step_points("fuzz.csv", *text);
  require_message(points);
  require_message(read_epoch_stats("fuzz.csv", *text));
  if (const auto memory = read_memory_points("fuzz.csv", *text); !memory)
    require_message(memory);
  else
    require(MemoryTable::compile(*memory).most(0) == 0, "something fits into nothing");
  if (const auto shared = read_shared_steps("fuzz.csv", *text); !shared) {
    require_message(shared);
  } else if (const auto table = SharedSteps::compile(*shared); table) {
    for (const SharedStep& s : *shared)
      require(table->at(s.left.local_batch, s.right.local_batch).has_value(), "a measured pair is not there");
  }
  require_message(read_lucid_pairs("fuzz.csv", *text));
  require_message(read_lucid_alone("fuzz.csv", *text, "gpu"));
  if (const auto set = read_gavel_throughputs_text("fuzz.json", *text); !set)
    require_message(set);
  else
    require_message(ThroughputModel::compile(*set, Topology(fuzz_groups()), "v100"));
  if (points && points->size() < 200) require_message(StepTimes::compile("fuzz", *points, {}));
}

std::vector<std::string> capacity_seeds() {
  return {
      R"({"metadata": {"gap_seconds": 300}, "data": [0, 3, 3, 16]})",
      "0,add,node1\n0,add,node2\n350,remove,node1\n",
      "2021-12-11, 11:11:30, 55\n2021-12-11, 11:13:10, 54\n",
      "time,active,total\n2017-10-03 00:00:00,312,420\n2017-10-03 00:01:00,309,419\n",
      "date,vchbv,total\n2020-04-01,112,784\n",
      "SN,location,insert,remove,duration,out,event\n1,c1-0c0s0n1,2017-04-09 21:36:19,2019-08-01 20:07:33,72916274,"
      "FALSE,DBE\n"};
}

std::vector<std::string> profiles_seeds() {
  return {
      "placement,local_bsz,step_time,sync_time\n1,4,0.45,0.01\n1,8,0.7,0.01\n2,4,0.5,0.1\n11,4,0.6,0.2\n"
      "24,4,0.8,0.3\n24,8,1.1,3e-1\n",
      "num_nodes,num_replicas,local_bsz,step_time,sync_time\n6,6,4,1.49,1.09\n",
      "local_bsz,gpu_memory\n6,3.718\n8,4.753\n",
      "left_bsz,left_step_time,left_gpu_memory,right_bsz,right_step_time,right_gpu_memory\n"
      "24,0.594,12.95,28,0.638,15.0\n8,0.2043,4.75,8,0.2043,4.75\n",
      "progress,iteration,metric,grad_sqr,grad_var\n391.09,172,0.43,8.9,6.7\n",
      "model1,dataset1,batchsize1,amp1,speed1,model2,dataset2,batchsize2,amp2,speed2\n"
      "A,I,32,0,0.98,B,C,64,1,1.03\n",
      "model,dataset,batchsize,amp,speed\nBERT,SQuAD,32,0,84.872\n",
      R"j({"v100":{"('A (batch size 2)', 1)":{"null":4.5,"('B', 2)":[2.5,0.0]},"('B', 2)":{"null":2}},)j"
      R"j("v100_unconsolidated":{"('B', 2)":{"null":1.5e0}}})j"};
}

}  // namespace orrery::test

#include "tests/fuzz/wire_target.hpp"

#include "sim/api/wire.hpp"
#include "tests/fuzz/require.hpp"

namespace orrery::test {
namespace {

// A line of a policy's conversation, of either side: words, or a message that is written as it was understood.
template <class T>
void run_message(std::string_view line, wire::Read<T> (*read)(std::string_view)) {
  const auto message = read(line);
  if (!message) return require(!message.error().message.empty(), "a line is refused without a reason");
  std::string once, twice;
  wire::append(once, *message);
  const auto again = read(once);
  require(again.has_value(), "a line that was written is not read");
  wire::append(twice, *again);
  require(once == twice, "a message does not survive being written");
}

}  // namespace

void run_wire(std::string_view bytes) {
  run_message(bytes, wire::read_hello);
  run_message(bytes, wire::read_ready);
  run_message(bytes, wire::read_view);
  run_message(bytes, wire::read_answer);
}

std::vector<std::string> wire_seeds() {
  return {
      R"({"hello":1,"seed":1,"gpu_types":["g"],"groups":[{"name":"n","count":4,"gpus_per_node":8,"gpu":"g"}]})",
      R"({"ready":1,"wakes_on":["finish","submit","ready"]})",
      R"({"view":"full","epoch":1,"now":5,"free":3,"jobs":[{"id":3,"state":"running","spec":{"id":3,"name":"a",)"
      R"("demand":{"gpus":2},"weight":2.5,"after":[{"parent":1}]},"attained":"12","held":"n0:0-1","cpu_milli":[4],)"
      R"("target":["run","n0:0-1",{"sharing":"interleaved","group":1}],"measured":{"at":1,"rate":2},)"
      R"("versions":[{"number":1}]}],"events":[{"t_ns":5,"e":"fail","job":3,"inc":1,"committed":9,"node":2}]})",
      R"({"epoch":1,"wake":7,"reasons":[[3,"resources",3]],"targets":[[3,"preempt"],[4,"run","n1:0"]],)"
      R"("commands":[[3,"publish"]],"place":[5,6],"in_order":true})"};
}

}  // namespace orrery::test

// The parts of an allocation that its GPUs' text leaves out.
#include "sim/observe/log/log_json.hpp"
#include "sim/observe/log/plan_text.hpp"
#include "sim/observe/log/text.hpp"

namespace orrery {

void append_host_shares(std::string& out, const Allocation& a) {
  bool cpu = false;
  bool mem = false;
  for (const NodeSlice& s : a.slices()) {
    // `gpus` and its share are append_allocation()'s; a member more is to be written by one of the two.
    const auto& [node, milli_per_gpu, gpus, cpu_milli, mem_bytes] = s;
    cpu = cpu || cpu_milli != 0;
    mem = mem || mem_bytes != 0;
  }
  const auto list = [&](std::string_view key, std::int64_t NodeSlice::*field) {
    out += key;
    for (const NodeSlice& s : a.slices()) {
      if (out.back() != '[') out.push_back(',');
      append_int(out, s.*field);
    }
    out.push_back(']');
  };
  if (cpu) list(R"(,"cpu_milli":[)", &NodeSlice::cpu_milli);
  if (mem) list(R"(,"mem_bytes":[)", &NodeSlice::mem_bytes);
}

void read_allocation(const std::string& text, const nlohmann::json& beside, Allocation& a) {
  const auto parsed = parse_allocation(text);
  if (!parsed) throw BadLine{fmt::format("`{}` is not an allocation", text)};
  const auto list = [&](const char* key) -> const nlohmann::json* {
    const auto at = beside.find(key);
    if (at == beside.end()) return nullptr;
    if (!at->is_array() || at->size() != parsed->nodes())
      throw BadLine{fmt::format("`{}` is {}, which is not one number for each node of `{}`", key, at->dump(), text)};
    return &*at;
  };
  const nlohmann::json* cpu = list("cpu_milli");
  const nlohmann::json* mem = list("mem_bytes");
  a.clear();
  std::size_t i = 0;
  for (NodeSlice s : parsed->slices()) {
    if (cpu != nullptr) s.cpu_milli = whole<std::int64_t>((*cpu)[i]);
    if (mem != nullptr) s.mem_bytes = whole<std::int64_t>((*mem)[i]);
    a.add(s);
    ++i;
  }
}

}  // namespace orrery
